"""What a room has forgotten is asked of the homeserver."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Message, MessageId, Reaction, Reply, Retraction, Text, UserId
from transports.matrix.recall import PAGES, Recall
from transports.matrix.session import RoomSession, Stay

from .raw import ALICE, BOB, ROMEO, ROOM, event, garden, said
from .web import outcome


class Memory:
    """A homeserver that knows these events; each page of reactions has one."""

    def __init__(self, *events: dict) -> None:
        self.events = events
        self.asked: list[str] = []
        self.refused = False

    def api(self, request: tuple, **options) -> Deferred:
        return self.call(request[0], request[1].partition("?")[0], **options)

    def call(self, method: str, path: str, *, query=None, user: str, patience: float) -> Deferred:
        assert (method, user) == ("GET", ROMEO)
        parts = [unquote(part) for part in path.split("/")]
        self.asked.append(parts[6])
        if self.refused:
            return fail(BridgeError(Trouble.UNREACHABLE))
        if parts[6] == "event":
            found = [one for one in self.events if one["event_id"] == parts[-1]]
            return succeed(found[0]) if found else fail(BridgeError(Trouble.NO_SUCH_ROOM))
        latest = list(reversed(self.events))
        if parts[6] == "messages":
            return succeed({"chunk": latest})
        place = int(query.get("from", "0"))
        return succeed({"chunk": latest[place : place + 1], "next_batch": str(place + 1)})


def session() -> RoomSession:
    made = RoomSession("!garden:hs.example", garden())
    made.seat(Stay(UserId("romeo@montague.example"), ROOM, ROMEO, "romeo", inside=True))
    return made


def relating(sender: str, **relates) -> dict:
    return said(sender, "words", **{"m.relates_to": relates})


def reaction(sender: str, target: str, key: str) -> dict:
    relates = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return event("m.reaction", sender, {"m.relates_to": relates})


def recall(memory: Memory) -> Recall:
    return Recall(memory)  # type: ignore[arg-type]


def test_original_of_a_correction_is_looked_up_once():
    """By whom it was, and of which stanza it was made."""
    original = said(ROMEO, "teh", **{"xmppbridge.origin": {"id": "m1"}})
    memory, made = Memory(original), session()
    correction = relating(ROMEO, rel_type="m.replace", event_id=original["event_id"])
    assert outcome(recall(memory).incoming(made, correction)) is True
    found = made.room.timeline.said(original["event_id"])
    assert (found.sender, found.origin) == (ROMEO, "m1")
    assert recall(memory).incoming(made, correction) is None
    assert memory.asked == ["event"]


def test_what_refers_to_nothing_is_read_at_once():
    """The usual message costs nothing, and a room without listeners neither."""
    made = session()
    for one in (said(ALICE, "hello"), event("m.unheard", ALICE, {}), event("m.reaction", ALICE, {})):
        assert recall(Memory()).incoming(made, one) is None
    made.stays.clear()
    assert recall(Memory()).incoming(made, relating(BOB, **{"m.in_reply_to": {"event_id": "$x"}})) is None


def test_reactions_on_a_forgotten_message_are_all_looked_up():
    """So that the set is whole; on a message of now nothing is asked."""
    old = [reaction(BOB, "$old", key) for key in "abc"]
    memory, made = Memory(*old), session()
    new = reaction(BOB, "$old", "d")
    assert outcome(recall(memory).incoming(made, new)) is True
    assert made.room.timeline.react("$old", BOB, "d", new["event_id"]) == ("a", "b", "c", "d")
    assert made.room.timeline.is_whole("$old")
    assert recall(memory).incoming(made, new) is None
    made.room.timeline.learn("$now", ALICE)
    assert recall(memory).incoming(made, reaction(BOB, "$now", "a")) is None
    assert len(memory.asked) <= PAGES


def test_end_of_a_reaction_that_nobody_knows_tells_nobody():
    """The homeserver does not say any more what it was on; of a message it says whose it was."""
    gone, message = event("m.reaction", BOB, {}), event("m.room.message", BOB, {})
    memory, made = Memory(gone, message), session()
    for one, is_told in ((gone, False), (message, True)):
        redaction = event("m.room.redaction", BOB, {"redacts": one["event_id"]})
        assert outcome(recall(memory).incoming(made, redaction)) is is_told
    assert made.room.timeline.said(message["event_id"]).sender == BOB
    assert made.room.timeline.said(gone["event_id"]) is None


def test_latest_reactions_of_a_room_are_learnt_when_it_is_entered():
    """Then their ends mean something."""
    liked = reaction(BOB, "$old", "👍")
    made = session()
    recall(Memory(liked)).begin(made, ROMEO)
    redaction = event("m.room.redaction", BOB, {"redacts": liked["event_id"]})
    assert recall(Memory()).incoming(made, redaction) is None
    assert made.room.timeline.unreact(liked["event_id"]) == ("$old", BOB, ())


def test_users_own_wishes_are_looked_up_too():
    """His last messages if he corrects one, what he answers, the reactions that he has."""
    mine = said(ROMEO, "teh", **{"xmppbridge.origin": {"id": "m1"}})
    memory, made = Memory(said(BOB, "what?") | {"event_id": "$asked"}, mine), session()
    wish = Message(room=ROOM, body=Text(plain="the"), replaces="m1")
    assert outcome(recall(memory).outgoing(made, ROMEO, wish)) is True
    assert made.room.timeline.event(ROMEO, "m1") == mine["event_id"]
    assert recall(memory).outgoing(made, ROMEO, wish) is None
    reply = Message(room=ROOM, body=Text(plain="aye"), reply=Reply(id=MessageId("$lost")))
    assert outcome(recall(memory).outgoing(made, ROMEO, reply)) is True
    like = Reaction(room=ROOM, id=MessageId("$asked"), emojis=("👍",))
    assert outcome(recall(memory).outgoing(made, ROMEO, like)) is True
    assert memory.asked[:2] == ["messages", "event"]
    assert recall(memory).outgoing(made, ROMEO, like) is None
    retraction = Retraction(room=ROOM, id=MessageId("$forgotten"))
    assert outcome(recall(memory).outgoing(made, ROMEO, retraction)) is True
    assert recall(memory).outgoing(made, ROMEO, Retraction(room=ROOM, id=MessageId("m1"))) is None
    assert recall(memory).outgoing(made, ROMEO, Message(room=ROOM, body=Text(plain="hi"))) is None


def test_what_a_user_names_in_talk_with_one_other_is_looked_up():
    """His own words by his client's ids, hers by their events; nothing for what is known, or nothing."""
    mine = said(ROMEO, "old", **{"xmppbridge.origin": {"id": "m1"}})
    memory, made = Memory(said(BOB, "what?") | {"event_id": "$asked"}, mine), session()
    for id in ("$asked", "m1"):
        looked = recall(memory).named(made, ROMEO, (id,))
        assert looked is not None
        assert outcome(looked) is True
        assert recall(memory).named(made, ROMEO, (id, "")) is None
    assert made.room.timeline.event(ROMEO, "m1") == mine["event_id"]
    assert memory.asked == ["event", "messages"]


@pytest.mark.parametrize("content", [{}, {"m.in_reply_to": {"event_id": "$gone"}}])
def test_homeserver_that_does_not_answer_holds_nobody_up(content: dict[str, Any]):
    """The event is read with what is known."""
    memory = Memory()
    memory.refused = True
    one = relating(BOB, **content) if content else reaction(BOB, "$gone", "👍")
    made = session()
    assert outcome(recall(memory).incoming(made, one)) is True
    assert not made.room.timeline.is_whole("$gone")
