"""Users in a conference of SIP, of a whole network in memory (RFC 7702 §5)."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Invite,
    Join,
    Kick,
    Kind,
    Leave,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    Ref,
    RoomId,
    RoomNotice,
    Sent,
    Text,
    Typing,
    TypingState,
    UserId,
)
from bridge.network import ContactAddress, RoomAddress, RoomInfo, RoomQuery
from tests.transports.sip.conferences.scene import BOB, FOCUS, OWN, ROMEO, ROOM, Scene, info, user
from tests.transports.sip.msrp.test_chats import sdp
from tests.transports.sip.wires import hang_up
from transports.sip.conferences.conferences import is_conference
from transports.sip.conferences.leg import NO_CONFERENCE
from transports.sip.conferences.stay import ENTRY_LIMIT, LOST, REJOIN_DELAYS, ROSTER_LIMIT
from transports.sip.msrp.session import RESPONSE_TIMEOUT

HELLO = Text(plain="hello")


def refused(told: list[Any]) -> BridgeError:
    [event] = told
    assert isinstance(event, NotEntered) and event.room == ROOM
    return event.error


def test_addresses_of_conferences_are_what_the_operator_says() -> None:
    """By address or number; all others are people."""
    scene = Scene()
    assert scene.network.address("conf@pbx.example") == RoomAddress(ROOM, "")
    assert isinstance(scene.network.address("bob@pbx.example"), ContactAddress)
    assert scene.network.name(RoomAddress(ROOM, "")) == ROOM
    assert is_conference("3001@pbx", ("3*@pbx",)) and not is_conference("3001@pbx", ())
    with pytest.raises(BridgeError):
        scene.network.contact(RoomId("bob@pbx.example"), "Bob")
    found: list[RoomInfo] = []
    scene.network.ask(ROMEO, RoomQuery(ROOM)).addCallback(found.append)
    assert found[0].room == ROOM


def test_user_comes_in_and_is_told_who_is_there() -> None:
    """INVITE with chatroom, NICKNAME, SUBSCRIBE in a dialog of its own, NOTIFY (RFC 7702 §5.1 to §5.4)."""
    scene = Scene()
    invite = scene.ask()
    assert (
        b"a=chatroom:nickname private-messages" in invite.body
        and b"accept-types:message/cpim\r" in invite.body
    )
    assert str(invite.from_.uri) == OWN and invite.from_.display == "Romeo"
    scene.admit(invite)
    assert scene.name() == '"Romeo"'
    scene.subscribe()
    scene.inform(info(user(BOB, "Bob") + user(OWN, "Romeo"), subject="news"))
    [entered] = scene.told()
    assert isinstance(entered, Entered) and list(entered.occupants) == ["Bob"]
    assert entered.topic is not None and (entered.topic.text, entered.me.nick) == ("news", "Romeo")
    assert scene.network.snapshot(ROMEO, ROOM) == entered and scene.network.users() == [ROMEO]
    scene.wish(Enter(room=ROOM, nick="Romeo"))
    assert scene.told() == [entered]


def test_conference_without_names_and_state_takes_him_in_as_well() -> None:
    """RFC 7701 and RFC 4575 are options; who tells nothing in time is not waited for."""
    for way in ("489", "nothing", "408"):
        scene = Scene()
        scene.admit(scene.ask(), chatroom="")
        if way == "nothing":
            scene.subscribe()
            scene.reactor.advance(ROSTER_LIMIT)
        else:
            scene.subscribe(status=int(way))
        [entered] = scene.told()
        assert isinstance(entered, Entered) and not entered.occupants
        scene.wish(ChangeNick(room=ROOM, nick="other"))
        [refusal] = scene.told()
        assert isinstance(refusal, NickRefused) and refusal.error.trouble is Trouble.UNSUPPORTED
        scene.wish(DirectMessage(contact=ContactId(ROOM), nick="Bob", room=ROOM, body=HELLO, ref=Ref(3)))
        [failed] = scene.told()
        assert failed.error.trouble is Trouble.UNSUPPORTED


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (401, Trouble.BAD_PASSWORD),
        (403, Trouble.BANNED),
        (404, Trouble.NO_SUCH_ROOM),
        (486, Trouble.ROOM_FULL),
        (488, Trouble.NOT_ACCEPTABLE),
        (500, Trouble.FAULTY),
        (603, Trouble.BANNED),
    ],
)
def test_focus_that_refuses_is_told_as_a_room_would(status: int, trouble: Trouble) -> None:
    """XEP-0045 §7.2."""
    scene = Scene()
    scene.phone.respond(scene.ask(), status)
    assert refused(scene.told()).trouble is trouble
    assert not len(scene.conferences) and not len(scene.conferences.exchange)


def test_who_is_no_conference_is_told_so() -> None:
    """A phone that takes chats, one that takes none, and one that is silent."""
    scene = Scene()
    scene.phone.accept(scene.ask(), body=sdp())
    scene.phone.asked("BYE")
    assert refused(scene.told()).text == NO_CONFERENCE
    other = Scene()
    other.phone.accept(other.ask(), FOCUS)
    assert refused(other.told()).trouble is Trouble.NOT_ACCEPTABLE
    silent = Scene()
    silent.ask()
    silent.reactor.pump([1.0] * int(ENTRY_LIMIT))
    assert refused(silent.told()).trouble is Trouble.TIMED_OUT


def test_nick_that_is_anothers_is_a_conflict() -> None:
    """RFC 7702 §5.6, at the door and inside; 423 is one that cannot be had, and who knows none is served."""
    for status, trouble in ((425, Trouble.NICK_IN_USE), (423, Trouble.BAD_NICK)):
        scene = Scene()
        scene.admit(scene.ask())
        scene.name(status)
        assert refused(scene.told()).trouble is trouble
        scene.phone.asked("BYE")
    scene = Scene()
    scene.admit(scene.ask())
    scene.name(501)
    scene.subscribe()
    scene.inform(info(""))
    assert isinstance(scene.told()[0], Entered)
    scene.wish(ChangeNick(room=ROOM, nick="Bob"))
    scene.name(425)
    [refusal] = scene.told()
    assert isinstance(refusal, NickRefused) and refusal.error.trouble is Trouble.NICK_IN_USE


def test_user_has_another_nick() -> None:
    """RFC 7702 §5.6; one change at a time, and whoever had it in our list has another."""
    scene = Scene()
    scene.enter(user(BOB, "Bob"))
    scene.wish(ChangeNick(room=ROOM, nick="Bob"))
    scene.wish(ChangeNick(room=ROOM, nick="Rob"))
    [refusal] = scene.told()
    assert isinstance(refusal, NickRefused) and refusal.error.trouble is Trouble.OUT_OF_ORDER
    scene.name()
    moved, own = scene.told()
    assert (moved, own.old, own.occupant.nick) == (Leave(room=ROOM, nick="Bob"), "Romeo", "Bob")
    scene.wish(ChangeNick(room=ROOM, nick="Bob"))
    assert isinstance(scene.told()[0], NickChange)
    scene.wish(ChangeNick(room=ROOM, nick="Bill"))
    scene.reactor.advance(RESPONSE_TIMEOUT)
    assert scene.told()[0].error.trouble is Trouble.TIMED_OUT


def test_words_go_both_ways() -> None:
    """RFC 7702 §5.5: what was taken is reflected by us; private ones go to one, and come from one."""
    scene = Scene()
    scene.enter(user(BOB, "Bob"))
    scene.wish(Message(room=ROOM, body=Text(plain="waves"), kind=Kind.EMOTE, origin="o1", ref=Ref(1)))
    scene.wish(DirectMessage(contact=ContactId(ROOM), nick="Bob", room=ROOM, body=HELLO, ref=Ref(2)))
    public, private = scene.said()
    assert public.get("Content-Type") == "message/cpim" and public.get("Success-Report") is None
    assert (
        public.body
        == (
            f'From: "Romeo" <{OWN}>\r\nTo: <sip:{ROOM}>\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n/me waves'
        ).encode()
    )
    assert f"To: <{BOB}>".encode() in (private.body or b"")
    scene.peer.answer(public)
    scene.peer.answer(private)
    seen, sent = scene.told()
    assert (seen.message.nick, seen.message.body.plain, seen.message.kind) == ("Romeo", "waves", Kind.EMOTE)
    assert seen.message.origin == "o1" and seen.message.id and sent == Sent(ref=Ref(2))
    scene.say(f"<{BOB}>", "/me nods", Success_Report="yes")
    scene.say(f"<{BOB}>", "psst", to=f"<{OWN}>")
    scene.say(f"<{OWN}>", "hello")
    scene.peer.send(b"welcome")
    nods, psst, welcome = scene.told()
    assert (nods.nick, nods.body.plain, nods.kind) == ("Bob", "nods", Kind.EMOTE)
    assert (psst.nick, psst.contact, psst.room) == ("Bob", ContactId(ROOM), ROOM)
    assert welcome == RoomNotice(room=ROOM, text="welcome")
    assert [one.get("Status") for one in scene.peer.got("REPORT")] == ["000 200"]


def test_words_that_are_not_taken_fail() -> None:
    """404 and 428 of private ones, 403 of who may not speak, silence, and nobody of that name."""
    scene = Scene()
    scene.enter(user(BOB, "Bob"))
    private = DirectMessage(contact=ContactId(ROOM), nick="Bob", room=ROOM, body=HELLO, ref=Ref(1))
    for wish, status, trouble in (
        (private, 404, Trouble.NO_SUCH_NICK),
        (private, 428, Trouble.UNSUPPORTED),
        (Message(room=ROOM, body=HELLO, ref=Ref(1)), 403, Trouble.CANNOT_SPEAK),
    ):
        scene.wish(wish)
        [frame] = scene.said()
        scene.peer.answer(frame, status)
        [failed] = scene.told()
        assert (failed.ref, failed.error.trouble) == (Ref(1), trouble)
    scene.wish(Message(room=ROOM, body=HELLO, ref=Ref(2)))
    scene.reactor.advance(RESPONSE_TIMEOUT)
    [failed] = scene.told()
    assert isinstance(failed, Failed) and failed.ref == Ref(2)
    scene.wish(DirectMessage(contact=ContactId(ROOM), nick="Eve", room=ROOM, body=HELLO, ref=Ref(3)))
    assert scene.told()[0].error.trouble is Trouble.NO_SUCH_NICK


def test_garbage_of_the_switch_does_no_harm() -> None:
    """What cannot be read is reported; typing and silence say nothing; a bad document is refused."""
    scene = Scene()
    scene.enter()
    scene.peer.send(b"no head", kind="message/cpim")
    assert [one.get("Status") for one in scene.peer.got("REPORT")] == ["000 400"]
    scene.say("<sip:eve@x>", "  ")
    scene.say("broken", "words of nobody")
    assert scene.told() == [RoomNotice(room=ROOM, text="words of nobody")]
    scene.phone.dialog = scene.subscribed
    fields = (("Event", "conference"), ("Subscription-State", "active"))
    scene.phone.request("NOTIFY", *fields, ("Content-Type", "application/conference-info+xml"), body=b"<a/>")
    scene.phone.take(400)
    scene.phone.request("NOTIFY", ("Event", "conference"), ("Subscription-State", "active"), body=b"")
    scene.phone.take(200)
    assert scene.told() == []


def test_changes_are_told_and_a_gap_is_closed() -> None:
    """Partial documents (RFC 4575 §4.4); after a gap all of it is asked for."""
    scene = Scene()
    scene.enter()
    scene.inform(info(user(BOB, "Bob"), 1, "partial"))
    assert [type(one) for one in scene.told()] == [Join]
    scene.inform(info(user(BOB, "Bob", "deleted"), 3, "partial"))
    assert scene.told() == []
    assert scene.phone.asked("SUBSCRIBE").to.tag == "watch"
    scene.inform(info("", 4))
    assert scene.told() == [Leave(room=ROOM, nick="Bob")]


def test_user_leaves_and_nothing_is_left() -> None:
    """RFC 7702 §5.8: BYE, and the subscription is given up; what was not answered is told."""
    scene = Scene()
    scene.enter()
    scene.wish(Message(room=ROOM, body=HELLO, ref=Ref(1)))
    scene.wish(Depart(room=ROOM, reason="bye"))
    failed, left = scene.told()
    assert isinstance(failed, Failed) and left == Exited(
        room=ROOM, nick="Romeo", exit=Exit.LEFT, reason="bye"
    )
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    unsubscribe = scene.phone.asked("SUBSCRIBE")
    assert unsubscribe.get("Expires") == "0"
    scene.phone.respond(unsubscribe, 200, tag="watch")
    scene.inform(b"", "terminated")
    assert not len(scene.conferences) and not scene.subscriptions.by_call_id
    scene.wish(Message(room=ROOM, body=HELLO, ref=Ref(2)))
    assert scene.told()[0].error.trouble is Trouble.NOT_IN_ROOM


@pytest.mark.parametrize(
    ("reason", "exit"),
    [('SIP;cause=603;text="enough"', Exit.KICKED), ("SIP;cause=503", Exit.SHUTDOWN), ("", Exit.KICKED)],
)
def test_focus_sends_him_away(reason: str, exit: Exit) -> None:
    """XEP-0045 §8.2, and status 332 where it is not because of him."""
    scene = Scene()
    scene.enter()
    scene.hang_up(*((("Reason", reason),) if reason else ()))
    [left] = scene.told()
    assert (left.exit, left.reason) == (exit, "enough" if "enough" in reason else "")
    assert not len(scene.conferences)


def test_broken_link_is_mended() -> None:
    """He stays in, is told, and sees who went meanwhile; what he says until then is refused."""
    scene = Scene()
    seen = scene.enter(user(BOB, "Bob"))
    hang_up(scene.peer.protocol)
    assert scene.told() == [RoomNotice(room=ROOM, text=LOST)]
    assert scene.network.snapshot(ROMEO, ROOM) == seen
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    scene.phone.respond(scene.phone.asked("SUBSCRIBE"), 200, tag="watch")
    scene.wish(Message(room=ROOM, body=HELLO, ref=Ref(1)))
    assert scene.told()[0].error.trouble is Trouble.NOT_CONNECTED
    scene.reactor.advance(REJOIN_DELAYS[0])
    scene.phone.respond(scene.phone.asked("INVITE"), 480)
    scene.reactor.advance(REJOIN_DELAYS[1])
    scene.admit(scene.phone.asked("INVITE"))
    scene.say(f"<{BOB}>", "already talking")
    scene.name()
    scene.subscribe()
    scene.inform(info(user("sip:ann@x", "Ann")))
    gone, entered, early = scene.told()
    assert (gone.nick, list(entered.occupants), early.body.plain) == ("Bob", ["Ann"], "already talking")


@pytest.mark.parametrize("status", [480, 403])
def test_link_that_cannot_be_mended_is_the_end(status: int) -> None:
    """After the last attempt, or at once where he is not wanted."""
    scene = Scene()
    scene.enter()
    hang_up(scene.peer.protocol)
    delays = REJOIN_DELAYS if status == 480 else REJOIN_DELAYS[:1]
    scene.told()
    for delay in delays:
        scene.reactor.advance(delay)
        scene.phone.respond(scene.phone.asked("INVITE"), status)
    [left] = scene.told()
    assert isinstance(left, Exited) and left.exit is Exit.DISCONNECTED and not len(scene.conferences)


def test_invitations_go_by_the_focus() -> None:
    """RFC 7702 §5.7: REFER; what comes of it is not followed."""
    scene = Scene()
    scene.enter()
    scene.wish(Invite(room=ROOM, contact=ContactId("ann@pbx.example"), ref=Ref(1)))
    scene.wish(Invite(room=ROOM, user=UserId("juliet@example.org"), ref=Ref(2)))
    scene.wish(Invite(room=ROOM, nick="nobody", ref=Ref(3)))
    first, second = scene.phone.asked("REFER"), scene.phone.asked("REFER")
    assert first.get("Refer-To") == "<sip:ann@pbx.example>"
    assert second.get("Refer-To") == "<sip:juliet%40example.org@gw.example>"
    scene.phone.respond(first, 202)
    scene.phone.respond(second, 403)
    refused, sent, failed = scene.told()
    assert sent == Sent(ref=Ref(1)) and (failed.ref, failed.error.trouble) == (Ref(2), Trouble.FORBIDDEN)
    assert refused.error.trouble is Trouble.NO_SUCH_NICK
    scene.phone.dialog = scene.invited
    scene.phone.request("NOTIFY", ("Event", "refer"), ("Subscription-State", "terminated"))
    scene.phone.take(200)
    scene.phone.request("INFO")
    scene.phone.take(405)


def test_conference_that_calls_a_user_invites_him() -> None:
    """RFC 4579 §5.5: he comes by himself; what else it wants of him is refused."""
    scene = Scene()
    scene.phone.invite(OWN, body=sdp(types="message/cpim"), sender=f"sip:{ROOM}")
    scene.phone.take(480)
    assert scene.told() == [Invite(room=ROOM)]
    scene.phone.request_outside("SUBSCRIBE", OWN, f"sip:{ROOM}", ("Event", "presence"))
    scene.phone.take(403)
    assert scene.told() == []


def test_what_conferences_do_not_carry_is_refused() -> None:
    """Nobody is kicked through SIP; who writes is not shown."""
    scene = Scene()
    scene.enter()
    scene.wish(Kick(room=ROOM, nick="Bob", ref=Ref(1)))
    scene.wish(Typing(room=ROOM, state=TypingState.COMPOSING))
    [failed] = scene.told()
    assert failed.error.trouble is Trouble.UNSUPPORTED


def test_limits_hold_and_the_end_is_told() -> None:
    """One user has so many sessions; an administrator, and the gateway's end, take him out."""
    scene = Scene(max_chats_per_user=1)
    scene.enter()
    scene.wish(Enter(room=RoomId("conf2@pbx.example"), nick="Romeo"))
    [event] = scene.told()
    assert event.error.trouble is Trouble.TOO_MANY_ROOMS
    assert scene.network.disconnect(ROMEO, "out") and scene.told()[0].exit is Exit.LEFT
    assert not scene.network.disconnect(ROMEO, "out")
    other = Scene()
    other.enter()
    other.network.stop("end")
    assert other.told() == [Exited(room=ROOM, nick="Romeo", exit=Exit.SHUTDOWN, reason="end")]
