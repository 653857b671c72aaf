"""Guests and people of a server talk in a room of that server."""

from __future__ import annotations

from bridge.events import Entered, Message, Sent
from tests.live.cast.stanzas import Pattern, value


async def test_guest_and_occupant_hear_each_other(guest_stage):
    """A guest is an ordinary occupant: he speaks, and hears what is said, each with the id that the room gave."""
    romeo, alice = await guest_stage.together()
    ref = alice.says(guest_stage.room, "good evening", origin="$event")
    said = await romeo.mailbox.find(Pattern("message", body="good evening"))
    assert (said.get("from"), said.get("id")) == (f"{guest_stage.room}/alice", "$event")
    sent = await alice.hears(Sent)
    assert (sent.ref, sent.message.body.plain, sent.message.origin) == (ref, "good evening", "$event")
    assert sent.message.id == value(said, f"sid:stanza-id[@by='{guest_stage.room}']/@id")
    romeo.say(guest_stage.room, "the same to you")
    heard = await alice.hears(Message)
    assert (heard.nick, heard.body.plain, bool(heard.id)) == ("romeo", "the same to you", True)


async def test_guest_who_enters_is_told_who_is_there(guest_stage):
    """And his own place in the room."""
    _, alice = await guest_stage.together()
    entered = await alice.hears(Entered)
    assert set(entered.occupants) == {"romeo"}
    assert entered.me.nick == "alice"
