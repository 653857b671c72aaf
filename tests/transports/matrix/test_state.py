"""The state of a room as bytes."""

from __future__ import annotations

import json

import pytest

from bridge.errors import BridgeError, Trouble
from transports.matrix.state import read_state


def test_state_is_read_as_often_as_it_is_asked_for():
    """Each time the same events come, in their order."""
    events = [{"type": "m.room.create", "state_key": ""}, {"type": "m.room.name", "content": {"name": "é"}}]
    found = read_state(json.dumps(events).encode())
    assert [list(found), list(found)] == [events, events]


def test_event_that_cannot_be_read_does_not_hide_the_others():
    """What is no object, or no text, is an empty event."""
    found = read_state(b'[7, {"a": 1}, {"b": "\\ud800"}, null, {"c": 2}]')
    assert [one for one in found if one] == [{"a": 1}, {"c": 2}]
    assert len(list(found)) == 5


@pytest.mark.parametrize("body", [b"", b"{}", b"[1", b"\xff", b"null"])
def test_answer_that_is_no_list_is_an_error_of_ours(body):
    """The room cannot be entered then, and the user is told why."""
    with pytest.raises(BridgeError) as raised:
        read_state(body)
    assert raised.value.trouble is Trouble.REFUSED
