"""Rooms of XMPP on a homeserver in memory."""

from __future__ import annotations

import json

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Enter,
    Entered,
    Failed,
    Invite,
    Kick,
    Leave,
    Message,
    MessageId,
    NotEntered,
    Occupant,
    Reaction,
    Retraction,
    Role,
    RoomId,
    Sent,
    Text,
    Topic,
    Typing,
    TypingState,
)
from bridge.network import RoomInfo
from tests.transports.matrix.homeserver import BOT, NOW, ROOM_ID, Scene
from tests.transports.matrix.raw import ALICE, IDS, member, said
from tests.transports.matrix.web import outcome
from transports.matrix.tables import MARKER

MUC = RoomId("balcony@conf.example")
ALIAS = "#_xmpp_balcony=40conf.example:hs.example"
GUEST = IDS.contact(ALICE)
ROMEO = Occupant(nick="Romeo", address="romeo@montague.example/a", identity="romeo@montague.example")
GHOST = IDS.ghost("romeo@montague.example")


def asked(scene: Scene, alias: str = ALIAS) -> bool:
    """Have the homeserver ask for an alias."""
    found = scene.network._register.has_alias(alias)
    scene.turn()
    return bool(outcome(found))


def made() -> Scene:
    """A portal that was just made."""
    scene = Scene()
    scene.looked[MUC] = RoomInfo(room=MUC, name="The Balcony")
    assert asked(scene)
    return scene


def happens(scene: Scene, event) -> None:
    """Have something happen now on Matrix."""
    if "state_key" in event:
        scene.server.state[ROOM_ID].append(event)
    scene.push({**event, "origin_server_ts": NOW})
    scene.turn()


def heard(scene: Scene, *events) -> None:
    """Have Alice told something on XMPP."""
    scene.network.heard(GUEST, events)
    scene.turn()


def inside(*others: Occupant, role: Role = Role.PARTICIPANT) -> Scene:
    """A portal with Alice in it, who is in on XMPP too."""
    scene = made()
    happens(scene, member(ALICE, "Alice"))
    me = Occupant(nick="Alice", role=role)
    heard(scene, Entered(room=MUC, me=me, occupants={one.nick: one for one in others}))
    scene.server.asked.clear()
    scene.acted.clear()
    return scene


def members(scene: Scene) -> dict[str, str]:
    """Who is how in the room on Matrix."""
    return {
        one["state_key"]: one["content"]["membership"]
        for one in scene.server.state[ROOM_ID]
        if one["type"] == "m.room.member"
    }


def sends(scene: Scene) -> list[tuple]:
    """Who sent which text."""
    return [
        (one[1], one[3]["body"]) if one[0] == "send" else (one[1], one[-1]["body"])
        for one in scene.server.asked
        if one[0] == "send" or "send" in one
    ]


def spoken(body: str, id: str, nick: str = "Romeo") -> Message:
    return Message(room=MUC, nick=nick, body=Text(plain=body), id=MessageId(id))


# ---- people


def test_person_of_matrix_enters_and_sees_who_is_there():
    """Occupants join as ghosts under their nicks, by one request each."""
    scene = made()
    happens(scene, member(ALICE, "Alice"))
    assert scene.acted == [(GUEST, Enter(room=MUC, nick="Alice"))]
    scene.server.asked.clear()
    heard(scene, Entered(room=MUC, me=Occupant(nick="Alice"), occupants={"Romeo": ROMEO}))
    assert members(scene)[GHOST] == "join"
    assert [one[1] for one in scene.server.asked] == [GHOST]
    heard(scene, Leave(room=MUC, nick="Romeo"))
    assert members(scene)[GHOST] == "leave"


def test_words_wait_until_their_author_is_in():
    """The homeserver keeps what follows in the room; nothing is lost and nothing overtakes."""
    scene = made()
    happens(scene, member(ALICE, "Alice"))
    scene.acted.clear()
    happens(scene, said(ALICE, "first"))
    assert scene.acted == []
    heard(scene, Entered(room=MUC, me=Occupant(nick="Alice"), occupants={}))
    happens(scene, said(ALICE, "second"))
    assert [event.body.plain for _, event in scene.acted] == ["first", "second"]


def test_who_is_refused_is_put_out():
    """What he said meanwhile was to nobody, and he is told."""
    scene = made()
    happens(scene, member(ALICE, "Alice"))
    happens(scene, said(ALICE, "hello?"))
    heard(scene, NotEntered(room=MUC, nick="Alice", error=BridgeError(Trouble.BAD_PASSWORD)))
    assert members(scene)[ALICE] == "leave"
    assert any(who == BOT and "Not delivered" in text for who, text in sends(scene))


def test_room_that_is_away_is_tried_again_later():
    """By itself."""
    scene = made()
    happens(scene, member(ALICE, "Alice"))
    heard(scene, NotEntered(room=MUC, nick="Alice", error=BridgeError(Trouble.TIMED_OUT)))
    assert members(scene)[ALICE] == "join"
    scene.acted.clear()
    scene.turn(11)
    assert scene.acted == [(GUEST, Enter(room=MUC, nick="Alice"))]


def test_moderator_gets_his_level():
    """Who moderates on XMPP may put out and take back here."""
    scene = inside(role=Role.MODERATOR)
    power = [one for one in scene.server.state[ROOM_ID] if one["type"] == "m.room.power_levels"][-1]
    assert power["content"]["users"] == {BOT: 100, ALICE: 50}


def test_invitation_from_xmpp_is_one_on_matrix():
    """Into the room there, which is made if nobody was in it before."""
    scene = made()
    heard(scene, Invite(room=MUC, nick="romeo@montague.example", reason="come"))
    heard(scene, Invite(room=RoomId("nothing@conf.example"), nick="x"))
    scene.turn()
    [invited] = [one for one in scene.server.state[ROOM_ID] if one["state_key"] == ALICE]
    content = {"membership": "invite", "reason": "romeo@montague.example: come"}
    assert invited["sender"] == BOT
    assert invited["content"] == {**content, MARKER: {"inviter": "romeo@montague.example"}}


@pytest.mark.parametrize("room", [ALIAS, ROOM_ID, "#back-door:hs.example"])
def test_user_of_xmpp_is_sent_to_the_room_itself(room):
    """By whichever of its addresses on Matrix he comes."""
    scene = inside()
    scene.server.aliases["#back-door:hs.example"] = ROOM_ID
    [refused] = scene.enter(room=RoomId(room))
    assert refused.error.trouble is Trouble.MOVED
    assert refused.error.uri == f"xmpp:{MUC}?join"
    assert members(scene).get(IDS.ghost("romeo@montague.example"), "leave") == "leave"


# ---- words


def test_words_go_both_ways_and_know_each_other():
    """Reactions and retractions find their messages on the other side."""
    scene = inside(ROMEO)
    heard(scene, spoken("But soft", "s1"))
    assert sends(scene) == [(GHOST, "But soft")]
    [event] = [one for one in scene.server.asked if one[0] == "send"]
    assert event[3]["xmppbridge.origin"]["message"] == "s1"
    happens(scene, {**said(ALICE, "Ay me"), "event_id": "$ay"})
    [(who, act)] = scene.acted
    assert (who, act.body.plain) == (GUEST, "Ay me")
    heard(scene, Sent(ref=act.ref, message=spoken("Ay me", "s2", "Alice")))
    heard(scene, Reaction(room=MUC, nick="Romeo", id=MessageId("s2"), emojis=("🌹",)))
    reaction = scene.server.asked[-1]
    assert (reaction[1], reaction[3]["m.relates_to"]["event_id"]) == (GHOST, "$ay")
    scene.server.asked.clear()
    heard(scene, Retraction(room=MUC, nick="Romeo", id=MessageId("s1")))
    assert [(one[1], "redact" in one) for one in scene.server.asked] == [(GHOST, True)]
    heard(scene, Retraction(room=MUC, actor="Nurse", id=MessageId("s2")))
    assert (scene.server.asked[-1][1], "redact" in scene.server.asked[-1]) == (BOT, True)


def test_what_the_room_refuses_is_told_to_its_author():
    """By a notice about it."""
    scene = inside()
    happens(scene, said(ALICE, "hello"))
    heard(scene, Failed(ref=scene.acted[0][1].ref, error=BridgeError(Trouble.CANNOT_SPEAK, "hush")))
    assert sends(scene) == [(BOT, "Not delivered: hush")]


def test_kick_there_is_a_kick_here():
    """By our own user, with the reason."""
    scene = inside(ROMEO)
    heard(scene, Kick(room=MUC, nick="Romeo", actor="Nurse", reason="late"))
    kick = scene.server.asked[-1]
    assert (kick[1], kick[4], kick[-1]) == (BOT, "kick", {"user_id": GHOST, "reason": "Nurse: late"})


def test_topic_of_nobody_is_set_by_us():
    """The subject that a room has when one enters."""
    scene = inside()
    heard(scene, Topic(room=MUC, text="roses", time=1.0))
    assert scene.server.asked[-1][-1] == {"topic": "roses"}


def test_typing_goes_both_ways():
    """It is not kept anywhere."""
    scene = inside(ROMEO)
    typing = {"type": "m.typing", "room_id": ROOM_ID, "content": {"user_ids": [ALICE]}}
    scene.network.inbox.receive("typing", [], [json.dumps(typing).encode()])
    scene.turn()
    assert scene.acted == [(GUEST, Typing(room=MUC, state=TypingState.COMPOSING))]
    heard(scene, Typing(room=MUC, nick="Romeo", state=TypingState.COMPOSING))
    assert (scene.server.asked[-1][1], "typing" in scene.server.asked[-1]) == (GHOST, True)


# ---- restarts


def test_restart_brings_everybody_back():
    """People enter again from where they were, ghosts of those who left go, and old messages are known."""
    scene = inside(ROMEO)
    heard(scene, spoken("But soft", "s1"))
    outcome(scene.network.stop("bye"))
    scene.acted.clear()
    scene.start()
    scene.turn()
    [(who, enter)] = scene.acted
    assert (who, enter.nick) == (GUEST, "Alice")
    assert enter.since is not None
    heard(scene, Entered(room=MUC, me=Occupant(nick="Alice"), occupants={}))
    assert members(scene)[GHOST] == "leave"
    heard(scene, Retraction(room=MUC, actor="Nurse", id=MessageId("s1")))
    assert "redact" in scene.server.asked[-1]


def test_room_that_nobody_is_in_is_loaded_when_somebody_comes():
    """At the start it costs nothing."""
    scene = inside(ROMEO)
    happens(scene, member(ALICE, membership="leave"))
    assert members(scene)[GHOST] == "leave"
    outcome(scene.network.stop("bye"))
    scene.server.asked.clear()
    scene.start()
    scene.turn()
    assert not any("state" in one for one in scene.server.asked)
    scene.acted.clear()
    happens(scene, member(ALICE, "Alice"))
    assert isinstance(scene.acted[0][1], Enter)
