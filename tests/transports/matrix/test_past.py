"""What events of a room's past were; see test_history for what people make of them."""

from __future__ import annotations

import pytest
from hypothesis import given

from bridge.events import Message
from bridge.network import Tombstone
from transports.matrix.past import TOLD, Known, entry, redaction_of
from transports.matrix.translate import Skipped

from .raw import ALICE, BOB, event, garden, json, member, said


def gone(kind: str, sender: str = ALICE, by: str = ALICE) -> dict:
    act = event("m.room.redaction", by, {"redacts": "$gone"})
    return event(kind, sender, {}, unsigned={"redacted_because": act})


def test_message_is_a_message_with_its_time():
    """As it was said."""
    found = entry(said(ALICE, "hello"), garden(), Known())
    assert isinstance(found, Message)
    assert (found.body.plain, found.nick, found.time) == ("hello", "Alice", 1_700_000_000)


@pytest.mark.parametrize(
    "raw",
    [
        member(BOB, "Bob"),
        gone("m.reaction"),
        gone("m.room.topic"),
        event("m.room.message", ALICE, {}),
        event("m.room.redaction", ALICE, {}),
        event("m.room.redaction", ALICE, {"redacts": "$unknown"}),
        {**said(ALICE, "hello"), "origin_server_ts": None},
    ],
)
def test_what_was_nothing_is_no_entry(raw):
    """State, what is not known to have been a message, and what has no time."""
    assert entry(raw, garden(), Known()) is None


@pytest.mark.parametrize("kind", ["m.room.message", "m.sticker", "m.room.encrypted"])
def test_redacted_message_is_a_tombstone(kind):
    """Whatever kind of message it was; a moderator is named."""
    raw = gone(kind, BOB)
    found = entry(raw, garden(), Known())
    assert isinstance(found, Tombstone)
    assert (found.id, found.nick, found.retraction.actor) == (raw["event_id"], "Bob", "Alice")
    assert found.retraction.act == redaction_of(raw)["event_id"]


def test_what_is_missing_is_what_is_referred_to_and_not_known():
    """Originals of corrections, redacted events, and the reactions on messages, each once."""
    room, known = garden(), Known()
    relation = {"rel_type": "m.replace", "event_id": "$first"}
    edit = said(
        ALICE, "* b", **{"m.new_content": {"msgtype": "m.text", "body": "b"}, "m.relates_to": relation}
    )
    like = event(
        "m.reaction", BOB, {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$liked", "key": "x"}}
    )
    act = event("m.room.redaction", ALICE, {"redacts": "$gone"})
    events = [said(ALICE, "hello"), edit, like, like, act]
    assert known.missing_events(events, room) == {"$first", "$gone"}
    assert known.missing_reactions(events, room) == {"$liked"}
    known.events |= {"$first": {}, "$gone": {}}
    known.reactions["$liked"] = None
    assert known.missing_events(events, room) == known.missing_reactions(events, room) == set()
    room.timeline.complete("$liked")
    assert Known().missing_reactions(events, room) == set()


@given(json, json, json)
def test_nothing_that_a_server_says_is_too_odd(content, unsigned, other):
    """It is read, skipped or nothing, alone or with what it refers to."""
    for kind in TOLD:
        raw = event(kind, ALICE, content, unsigned={"redacted_because": unsigned} if unsigned else other)
        for one in ({}, {"$event": raw}, {"$event": gone("m.reaction")}):
            known = Known(events=one, reactions={"$event": [raw]})
            assert not known.missing_events([raw], garden()) & one.keys()
            known.missing_reactions([raw], garden())
            found = entry(raw, garden(), known)
            assert found is None or isinstance(found, Skipped) or found.time is not None
