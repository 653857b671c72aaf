"""Who may speak in a moderated room of XMPP, asked for and given by words on Matrix."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Message, OccupantChange, Role, Sent, SetRole, VoiceRequest
from transports.matrix import portal_voice
from transports.matrix.portal import Portal
from transports.matrix.portal_steps import Act, Notice

from .raw import ALICE, BOB, member
from .test_portal import MUC, NURSE, entered, inside, me, words


def mute() -> Portal:
    """A portal where Alice may only listen, and a nurse is there."""
    portal = inside(NURSE)
    portal.heard(ALICE, OccupantChange(room=MUC, occupant=me("Alice", Role.VISITOR)))
    return portal


def test_who_may_only_listen_asks_for_voice_by_a_word():
    """He is told how when he speaks, and told of the end."""
    portal = mute()
    [act] = portal.hear(words(ALICE, "hello", "$a"))
    [notice] = portal.heard(ALICE, Failed(ref=act.event.ref, error=BridgeError(Trouble.CANNOT_SPEAK)))
    assert notice.text.endswith("say !voice") and notice.event_id == "$a"
    [act] = portal.hear(words(ALICE, " !voice ", "$b"))
    assert act == Act(ALICE, VoiceRequest(room=MUC, ref=act.event.ref))
    assert portal.heard(ALICE, Sent(ref=act.event.ref)) == [Notice(portal_voice.ASKED, "$b")]
    granted = OccupantChange(room=MUC, occupant=me("Alice"))
    assert portal.heard(ALICE, granted) == [Notice(portal_voice.GRANTED, "$b")]
    assert portal.heard(ALICE, granted) == []


def test_who_may_speak_says_the_word():
    """It means nothing else to others, nor with a nick that nobody has, nor in the middle of a sentence."""
    portal = inside(NURSE)
    for body in ("!voice", "!voice Nurse", "!voices"):
        [act] = portal.hear(words(ALICE, body, "$a"))
        assert isinstance(act.event, Message)
    portal = mute()
    for body in ("!voice Nurse", "I want !voice"):
        [act] = portal.hear(words(ALICE, body, "$a"))
        assert isinstance(act.event, Message)


def test_moderator_gives_voice_by_a_word():
    """The room is told once who asks, whoever moderates, and that it was done."""
    portal = inside(NURSE)
    portal.hear(member(BOB, "Bob"))
    portal.heard(BOB, entered("Bob", NURSE, role=Role.MODERATOR))
    portal.heard(ALICE, OccupantChange(room=MUC, occupant=me("Alice", Role.MODERATOR)))
    asks = VoiceRequest(room=MUC, nick="Nurse")
    told = [step for who in (ALICE, BOB) for step in portal.heard(who, asks)]
    assert told == [Notice(portal_voice.ASKS.format(nick="Nurse"))]
    [act] = portal.hear(words(BOB, "!voice Nurse", "$a"))
    assert act == Act(BOB, SetRole(room=MUC, nick="Nurse", role=Role.PARTICIPANT, ref=act.event.ref))
    assert portal.heard(BOB, Sent(ref=act.event.ref)) == [Notice("Nurse may speak now.", "$a")]
