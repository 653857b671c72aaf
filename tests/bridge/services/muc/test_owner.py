"""The room's part of the configuration form."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import Audience, Configuration
from bridge.network import RoomConfiguration
from bridge.services.muc.owner import _changes

NOW = Configuration(
    name="Garden", description="roses\n\nand thorns", closed=False, knocking=False, history=Audience.MEMBERS
)
FOUND = RoomConfiguration(now=NOW, changeable=frozenset({"name", "description", "closed", "history"}))


def test_form_that_is_sent_back_as_it_was_changes_nothing():
    """Also not the layout of a description of several lines."""
    values = {
        "muc#roomconfig_roomname": ("Garden",),
        "muc#roomconfig_roomdesc": ("roses", "and thorns"),
        "muc#roomconfig_membersonly": ("0",),
        "x-history": ("members",),
    }
    assert _changes(FOUND, values) == _changes(FOUND, {}) == Configuration()


def test_fields_that_differ_are_changes():
    """A field that is missing stays as it is."""
    values = {
        "muc#roomconfig_membersonly": ("true",),
        "x-history": ("present",),
        "muc#roomconfig_roomdesc": ("a", "b"),
    }
    assert _changes(FOUND, values) == Configuration(closed=True, history=Audience.PRESENT, description="a\nb")


@pytest.mark.parametrize(
    ("values", "trouble"),
    [
        ({"x-knocking": ("1",)}, Trouble.NO_PRIVILEGE),
        ({"x-history": ("nobody",)}, Trouble.NOT_ACCEPTABLE),
        ({"muc#roomconfig_roomname": ("x" * 256,)}, Trouble.NOT_ACCEPTABLE),
    ],
)
def test_fields_that_cannot_be_are_refused(values, trouble):
    """What one may not change, and what is no value."""
    with pytest.raises(BridgeError) as raised:
        _changes(FOUND, values)
    assert raised.value.trouble is trouble
