"""People of SIP in rooms of XMPP, of a whole network in memory (RFC 7702 §6)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.python.failure import Failure

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
    Kind,
    Leave,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    Reaction,
    RoomId,
    RoomNotice,
    Sent,
    Text,
    Topic,
    Typing,
    TypingState,
    UserId,
)
from bridge.network import RoomInfo
from bridge.vocabulary import Attachment, MessageId
from tests.transports.sip.conferences.scene import CHATROOM, WRAPPED
from tests.transports.sip.msrp.test_chats import Peer, sdp
from tests.transports.sip.phone import Phone
from tests.transports.sip.wires import HOST, PEER, Bridge, Names, Reactor, Stream, hang_up
from transports.sip.conferences.attendee import MAX_EARLY, TOO_LONG
from transports.sip.conferences.audience import SUBSCRIPTIONS_OF_ONE
from transports.sip.conferences.focus import LOOK_LIMIT, NICKS
from transports.sip.conferences.hall import Hall
from transports.sip.conferences.info import parse_info
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.dialogs.dialog import Dialog
from transports.sip.messages.content import composing
from transports.sip.msrp.config import MsrpConfig
from transports.sip.msrp.cpim import open_letter, wrap
from transports.sip.msrp.terms import read_terms
from transports.sip.network import SipNetwork
from transports.sip.wire.message import Request, parse
from transports.sip.wire.sdp import parse_sdp

ROOM, BOB, ANN = RoomId("verona@muc.example"), ContactId("bob@pbx.example"), ContactId("ann@pbx.example")
URI = "sip:verona%40muc.example@gw.example"
ROMEO = Occupant(nick="Romeo")


class Rooms(Bridge):
    """An uplink whose rooms do nothing by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.acted: list[tuple[ContactId, Any]] = []
        self.looked: list[Deferred[Any]] = []
        self.kind = "room"

    def act(self, guest: ContactId, event: Any) -> None:
        self.acted.append((guest, event))

    def look(self, room: RoomId) -> Deferred[Any]:
        if self.kind == "silent":
            self.looked.append(Deferred())
            return self.looked[-1]
        if self.kind == "room":
            return succeed(RoomInfo(room=room, name=room))
        return fail(BridgeError(Trouble.NO_SUCH_ROOM))


class Scene:
    """A gateway, and phones at its trunk whose people come into a room."""

    def __init__(self, **config: Any) -> None:
        self.reactor, self.bridge = Reactor(), Rooms()
        trunk = TrunkConfig(
            server=f"sip:{PEER}", domain="pbx.example", users=("example.org", "muc.example", "other.example")
        )
        self.config = SipConfig(
            domain="gw.example",
            listen=(f"udp {HOST}:5060",),
            trunks={"pbx": trunk},
            msrp=MsrpConfig(listen=(f"tcp {HOST}:2855",), **config),
        )
        self.network = SipNetwork(self.config, self.reactor, Names(), Random(1), None, lambda: 1e9)
        self.network.start(self.bridge)  # type: ignore[arg-type]
        self.phone = Phone(self.reactor, PEER)
        self.phone.answer_all(200)
        self.bridge.taken()
        self.dialogs: dict[ContactId, Dialog] = {}

    @property
    def focus(self) -> Any:
        return self.network._focus

    def acts(self) -> list[Any]:
        """Take what guests want of the room."""
        acted, self.bridge.acted = self.bridge.acted, []
        return [event for _, event in acted]

    def hear(self, *events: Any, guest: ContactId = BOB) -> None:
        self.network.heard(guest, events)

    # ---- people of SIP

    def ask(self, guest: ContactId = BOB, uri: str = URI, more: str = WRAPPED + CHATROOM) -> None:
        """Have somebody ask to come in."""
        body = sdp(f"msrp://{PEER}:7777/{guest.partition('@')[0]};tcp", "message/cpim", more)
        self.phone.invite(uri, call_id=f"call-{guest}", body=body, sender=f"sip:{guest}")

    def let_in(self, guest: ContactId = BOB, nick: str = "Juliet", *others: Occupant) -> Peer:
        """Have the room let him in, and connect him."""
        there = {one.nick: one for one in (ROMEO, *others)}
        topic = Topic(room=ROOM, text="news")
        self.hear(Entered(room=ROOM, me=Occupant(nick=nick), occupants=there, topic=topic), guest=guest)
        answered = self.phone.take(200)
        assert ";isfocus" in (answered.get("Contact") or "")
        assert b"a=chatroom:nickname private-messages" in answered.body
        self.phone.acknowledge()
        self.dialogs[guest] = self.phone.dialog
        return self.connect(read_terms(parse_sdp(answered.body)).path[0], guest)

    def connect(self, ours: str, guest: ContactId) -> Peer:
        [(_, factory, _, _)] = [one for one in self.reactor.tcpServers if one[0] == 2855]
        protocol = factory.buildProtocol(None)
        stream = Stream(type("Address", (), {"host": PEER})())
        protocol.makeConnection(stream)
        peer = Peer(protocol, stream, ours, f"msrp://{PEER}:7777/{guest.partition('@')[0]};tcp")
        peer.send(None)
        peer.got("")
        return peer

    def come(self, guest: ContactId = BOB, nick: str = "Juliet") -> Peer:
        """Have somebody come in."""
        self.ask(guest)
        peer = self.let_in(guest, nick)
        self.acts()
        return peer

    def subscribe(self, guest: ContactId = BOB, expires: str = "600", status: int = 200) -> None:
        """Have somebody subscribe to the room, in a dialog of its own."""
        self.phone.request_outside(
            "SUBSCRIBE", URI, f"sip:{guest}", ("Event", "conference"), ("Expires", expires)
        )
        self.phone.take(status)

    def notified(self) -> Request:
        """Take a NOTIFY, and answer it; what is long goes by UDP where nobody takes TCP (RFC 3261 §18.1.1)."""
        for _, _, factory, _, _ in self.reactor.tcpClients:
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.reactor.tcpClients.clear()
        notify = self.phone.asked("NOTIFY")
        self.phone.respond(notify, 200)
        return notify

    def people(self) -> tuple[int, list[str], list[str]]:
        """Take a NOTIFY: its version, who is told of, and whose URIs are gone."""
        info = parse_info(self.notified().body)
        return info.version, [one.name for one in info.users], list(info.gone)


def said(peer: Peer) -> list[tuple[str, str]]:
    """Take what somebody of SIP is told: from whom, and what."""
    letters = [open_letter(one.get("Content-Type") or "", one.body) for one in peer.got() if one.body]
    return [(str(one.sender), str(one.said)) for one in letters]


def post(peer: Peer, text: str, to: str = f"<{URI}>", kind: str = "text/plain") -> None:
    wrapped = wrap('"Bob" <sip:bob@pbx.example>', to, kind, text.encode())
    peer.send(wrapped, kind="message/cpim", Success_Report="yes")


def statuses(peer: Peer) -> list[str | None]:
    return [one.get("Status") for one in peer.got("REPORT")]


def test_person_of_sip_comes_in_when_the_room_lets_him() -> None:
    """RFC 7702 §6.1: INVITE with chatroom, presence, and then the answer, which says isfocus."""
    scene = Scene()
    scene.ask()
    assert scene.acts() == [Enter(room=ROOM, nick="Juliet")]
    scene.let_in()
    scene.phone.dialog = scene.dialogs[BOB]
    scene.phone.request("BYE")
    scene.phone.take(200)
    assert scene.acts() == [Depart(room=ROOM)]
    scene.hear(Exited(room=ROOM, nick="Juliet", exit=Exit.LEFT))
    assert not len(scene.focus) and not len(scene.focus._exchange)


def test_address_that_is_no_room_is_a_persons() -> None:
    """Whoever says no, says nothing in time, or is offered no room, is written to as ever."""
    for kind in ("person", "silent", "plain"):
        scene = Scene()
        scene.bridge.kind = kind
        scene.ask(
            uri="sip:romeo%40example.org@gw.example", more="" if kind == "plain" else WRAPPED + CHATROOM
        )
        if kind == "silent":
            scene.reactor.advance(LOOK_LIMIT)
        if kind == "plain":
            scene.phone.take(488)  # nothing in it can be read
        else:
            scene.phone.take(200)
        assert scene.acts() == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Trouble.BANNED, 403),
        (Trouble.BAD_PASSWORD, 403),
        (Trouble.INVITE_ONLY, 403),
        (Trouble.ROOM_FULL, 486),
        (Trouble.NO_SUCH_ROOM, 404),
        (Trouble.TIMED_OUT, 408),
    ],
)
def test_room_that_lets_nobody_in_is_told_by_a_status(trouble: Trouble, status: int) -> None:
    """XEP-0045 §7.2."""
    scene = Scene()
    scene.ask()
    scene.hear(NotEntered(room=ROOM, nick="Juliet", error=BridgeError(trouble)))
    scene.phone.take(status)
    assert not len(scene.focus) and Depart(room=ROOM) not in scene.acts()


def test_nick_of_somebody_else_is_changed() -> None:
    """RFC 7702 §7: another is tried, a few times."""
    scene = Scene()
    scene.ask()
    error = BridgeError(Trouble.NICK_IN_USE)
    for _ in range(NICKS):
        scene.hear(NotEntered(room=ROOM, nick="x", error=error))
        scene.reactor.advance(0)
    nicks = [one.nick for one in scene.acts()]
    assert nicks == ["Juliet", *(f"Juliet ({number})" for number in range(2, NICKS + 2))]
    scene.hear(NotEntered(room=ROOM, nick="x", error=error))
    scene.phone.take(486)


def test_caller_who_gives_up_is_out_again() -> None:
    """CANCEL while the room is asked."""
    scene = Scene()
    scene.ask()
    scene.phone.cancel()
    scene.reactor.advance(0)
    assert Depart(room=ROOM) in scene.acts() and not len(scene.focus)


def test_words_go_both_ways_and_to_all_of_sip() -> None:
    """RFC 7702 §6.3: the author is told, and the others get it; he himself does not."""
    scene = Scene()
    bob, ann = scene.come(), scene.come(ANN, "Ann")
    scene.hear(Message(room=ROOM, nick="Romeo", body=Text(plain="waves"), kind=Kind.EMOTE), guest=BOB)
    sender = f'"Romeo" <{URI};gr=Romeo>'
    assert said(bob) == said(ann) == [(sender, "/me waves")]
    post(bob, "/me nods")
    [spoken] = scene.acts()
    assert (spoken.room, spoken.body.plain, spoken.kind) == (ROOM, "nods", Kind.EMOTE)
    seen = Message(room=ROOM, nick="Juliet", body=spoken.body, kind=Kind.EMOTE, id=MessageId("s1"))
    scene.hear(Sent(ref=spoken.ref, message=seen))
    assert statuses(bob) == ["000 200"] and said(ann) == [(f'"Juliet" <{URI};gr=Juliet>', "/me nods")]
    post(bob, "more")
    [spoken] = scene.acts()
    scene.hear(Failed(ref=spoken.ref, error=BridgeError(Trouble.CANNOT_SPEAK)))
    scene.hear(Failed(ref=spoken.ref, error=BridgeError(Trouble.CANNOT_SPEAK)))
    assert [one.get("Status") or one.body for one in bob.got("REPORT") + bob.got()] == ["000 403"]


def test_private_words_go_to_one() -> None:
    """RFC 7702 §6.3.2: by the occupant's URI; nobody of that name is 404."""
    scene = Scene()
    bob, ann = scene.come(), scene.come(ANN, "Ann")
    for to in (f"<{URI};gr=Romeo>", f"<{URI}>;gr=Romeo"):
        post(bob, "psst", to)
        [whispered] = scene.acts()
        assert isinstance(whispered, DirectMessage)
        assert (whispered.contact, whispered.nick, whispered.room) == (f"{ROOM}/Romeo", "Romeo", ROOM)
    scene.hear(Sent(ref=whispered.ref))
    for to in (f"<{URI};gr=Nobody>", "<sip:else@where.example>"):
        post(bob, "psst", to)
    assert scene.acts() == [] and statuses(bob) == ["000 200", "000 404", "000 404"]
    back = DirectMessage(contact=ContactId(f"{ROOM}/Romeo"), nick="Romeo", room=ROOM, body=Text(plain="yes?"))
    scene.hear(back)
    assert said(bob) == [(f'"Romeo" <{URI};gr=Romeo>', "yes?")] and said(ann) == []


def test_what_sip_has_not_is_said_in_words() -> None:
    """Files are their addresses, reactions and remarks of the room are lines; typing is shown to the room."""
    scene = Scene()
    bob = scene.come()
    file = Attachment(url="https://x.example/f.png")
    scene.hear(Message(room=ROOM, nick="Romeo", body=Text(plain=""), attachments=(file,)))
    scene.hear(Reaction(room=ROOM, nick="Romeo", id=MessageId("1"), emojis=("👍",)))
    scene.hear(RoomNotice(room=ROOM, text="recorded"))
    assert [text for _, text in said(bob)] == [file.url, "/me reacted with 👍", "recorded"]
    post(bob, composing(TypingState.COMPOSING)[1].decode(), kind="application/im-iscomposing+xml")
    assert scene.acts() == [Typing(room=ROOM, state=TypingState.COMPOSING)]
    post(bob, "x", kind="image/png")
    post(bob, "  ")
    assert scene.acts() == [] and statuses(bob) == ["000 415"]


def test_early_and_long_words_are_bounded() -> None:
    """What comes before his ACK waits, and what he does not take is a line that says so."""
    scene = Scene()
    scene.ask(more=WRAPPED + CHATROOM + "a=max-size:300\r\n")
    there = {"Romeo": ROMEO}
    scene.hear(Entered(room=ROOM, me=Occupant(nick="Juliet"), occupants=there))
    for number in range(MAX_EARLY + 5):
        scene.hear(Message(room=ROOM, nick="Romeo", body=Text(plain=str(number))))
    answered = scene.phone.take(200)
    scene.phone.acknowledge()
    bob = scene.connect(read_terms(parse_sdp(answered.body)).path[0], BOB)
    scene.hear(Message(room=ROOM, nick="Romeo", body=Text(plain="x" * 400)))
    heard = [text for _, text in said(bob)]
    assert not heard or heard[-1] == TOO_LONG


def test_nicks_are_changed_and_refused() -> None:
    """RFC 7702 §6.4: 200, 425 for a conflict, 423 for what is no nick; one at a time."""
    scene = Scene()
    bob = scene.come()

    def wants(nick: str) -> None:
        bob.send(None, "NICKNAME", Use_Nickname=f'"{nick}"')

    def answered() -> list[int]:
        return [one.status for one in bob.got("")]

    wants("Rob")
    wants("Bill")
    assert scene.acts() == [ChangeNick(room=ROOM, nick="Rob")] and answered() == [423]
    scene.hear(NickChange(room=ROOM, old="Juliet", occupant=Occupant(nick="Rob")))
    assert answered() == [200]
    for trouble, status in ((Trouble.NICK_IN_USE, 425), (Trouble.BAD_NICK, 423)):
        wants("Romeo")
        scene.hear(NickRefused(room=ROOM, nick="Romeo", error=BridgeError(trouble)))
        assert answered() == [status]
    scene.acts()
    for nick, status in (("Rob", 200), ("", 423), (" x", 423)):
        wants(nick)
        assert (answered(), scene.acts()) == ([status], [])


@pytest.mark.parametrize(
    ("exit", "reason"),
    [
        (Exit.KICKED, 'SIP;cause=603;text="Kicked by Romeo (enough)"'),
        (Exit.BANNED, 'SIP;cause=403;text="Banned by Romeo (enough)"'),
        (Exit.DISCONNECTED, 'SIP;cause=410;text="The room is gone by Romeo (enough)"'),
    ],
)
def test_who_is_put_out_gets_a_bye_with_a_reason(exit: Exit, reason: str) -> None:
    """RFC 3326; a room that is destroyed is gone."""
    scene = Scene()
    scene.come()
    scene.hear(Exited(room=ROOM, nick="Juliet", exit=exit, actor="Romeo", reason="enough"))
    assert scene.phone.asked("BYE").get("Reason") == reason
    assert scene.acts() == [] and not len(scene.focus)


def test_broken_connection_is_a_departure() -> None:
    """RFC 4975 §5.4; whoever comes by another device takes the place of the first."""
    scene = Scene()
    bob = scene.come()
    scene.phone.invite(
        URI, call_id="another", body=sdp(types="message/cpim", more=WRAPPED + CHATROOM), sender=f"sip:{BOB}"
    )
    assert "another device" in (scene.phone.asked("BYE").get("Reason") or "")
    assert scene.acts() == [Enter(room=ROOM, nick="Juliet")]
    assert bob.stream.disconnecting
    peer = scene.let_in()
    hang_up(peer.protocol)
    assert scene.acts() == [Depart(room=ROOM)] and not len(scene.focus)


def test_those_who_are_in_are_told_who_else_is() -> None:
    """RFC 4575: all at first, changes later, versions; nobody else is told anything."""
    scene = Scene()
    scene.subscribe(status=403)
    scene.come()
    scene.subscribe()
    first = scene.notified()
    info = parse_info(first.body)
    assert (info.subject, [one.name for one in info.users]) == ("news", ["Juliet", "Romeo"])
    assert info.is_full and first.get("Subscription-State") == "active;expires=600"
    scene.hear(Join(room=ROOM, occupant=Occupant(nick="Tybalt")))
    assert scene.people() == (1, ["Tybalt"], [])
    scene.hear(
        Leave(room=ROOM, nick="Romeo"), NickChange(room=ROOM, old="Tybalt", occupant=Occupant(nick="T"))
    )
    scene.hear(Topic(room=ROOM, text="old news"))
    scene.reactor.advance(5)
    version, names, gone = scene.people()
    assert (version, names, set(gone)) == (2, ["T"], {f"{URI};gr=Romeo", f"{URI};gr=Tybalt"})
    scene.subscribe(ANN, status=403)
    for _ in range(SUBSCRIPTIONS_OF_ONE - 1):
        scene.subscribe()
        scene.notified()
    scene.subscribe(status=503)


def test_subscription_is_renewed_and_ends_with_the_stay() -> None:
    """RFC 6665: all of it again, and a last word."""
    scene = Scene()
    scene.come()
    scene.subscribe()
    scene.phone.dialog = scene.phone.dialog_of(scene.phone.sent)
    scene.notified()
    scene.phone.request("SUBSCRIBE", ("Event", "conference"), ("Expires", "300"))
    scene.phone.take(200)
    again = scene.notified()
    assert parse_info(again.body).is_full and again.get("Subscription-State") == "active;expires=300"
    scene.phone.request("SUBSCRIBE", ("Event", "presence"), ("Expires", "300"))
    scene.phone.take(481)
    scene.hear(Exited(room=ROOM, nick="Juliet", exit=Exit.KICKED))
    assert scene.notified().get("Subscription-State") == "terminated;reason=noresource"
    scene.phone.request("SUBSCRIBE", ("Event", "conference"), ("Expires", "300"))
    scene.phone.take_of("SUBSCRIBE")


def test_subscription_may_share_the_dialog_of_the_session() -> None:
    """As RFC 7702 §6.1 draws it."""
    scene = Scene()
    scene.come()
    scene.phone.dialog = scene.dialogs[BOB]
    scene.phone.request("SUBSCRIBE", ("Event", "conference"), ("Expires", "600"))
    scene.phone.take(200)
    notify = scene.notified()
    assert notify.to.tag == "far" and parse_info(notify.body).is_full
    scene.phone.request("SUBSCRIBE", ("Event", "conference"), ("Expires", "0"))
    scene.phone.take(200)
    assert (scene.notified().get("Subscription-State") or "").startswith("terminated")
    scene.phone.request("SUBSCRIBE", ("Event", "dialog"), ("Expires", "600"))
    scene.phone.take(481)


def test_invitations_go_to_the_room_and_to_people_of_sip() -> None:
    """RFC 7702 §6.5; and who is invited on SIP gets a short message."""
    scene = Scene()
    scene.come()
    scene.phone.dialog = scene.dialogs[BOB]
    scene.phone.request("REFER", ("Refer-To", "<sip:benvolio%40example.org@gw.example>"))
    scene.phone.take(202)
    notify = scene.notified()
    assert notify.body == b"SIP/2.0 100 Trying\r\n"
    assert notify.get("Subscription-State") == "terminated;reason=noresource"
    assert scene.acts() == [Invite(room=ROOM, user=UserId("benvolio@example.org"))]
    for target, status in (("<sip:eve@else.example>", 403), ("<<", 400)):
        scene.phone.request("REFER", ("Refer-To", target))
        scene.phone.take(status)
    scene.hear(Invite(room=RoomId("mantua@muc.example"), nick="romeo@example.org", reason="come"), guest=ANN)
    message = scene.phone.asked("MESSAGE")
    assert message.from_.uri.user == "mantua@muc.example"
    assert message.body == (
        b"romeo@example.org invites you to the conference sip:mantua%40muc.example@gw.example: come"
    )
    scene.hear(Invite(room=ROOM, nick="romeo@elsewhere.example"), guest=ContactId("x@unknown.example"))


@pytest.mark.parametrize(
    ("room", "user", "author"),
    [
        ("lair@evil.example", None, None),
        ("lair@evil.example", "romeo@example.org", "romeo@example.org"),
        ("verona@muc.example", None, "verona@muc.example"),
    ],
)
def test_room_speaks_for_nobody_but_itself(room: str, user: str | None, author: str | None) -> None:
    """Whom a room names as the inviter writes nothing over his trunk, unless he has asked himself."""
    scene = Scene()
    asked = None if user is None else UserId(user)
    scene.hear(Invite(room=RoomId(room), nick="romeo@example.org", user=asked), guest=ANN)
    sent = [parse(data) for data, _ in scene.reactor.ports[0].sent]
    assert [one.from_.uri.user for one in sent] == ([] if author is None else [author])


def test_who_is_not_let_in_yet_is_told_nothing() -> None:
    """Neither who is in a closed room, nor what is said there."""
    scene = Scene()
    bob = scene.come()
    scene.ask(ANN)
    scene.subscribe(ANN, status=403)
    scene.hear(Message(room=ROOM, nick="Romeo", body=Text(plain="a secret"), id=MessageId("1")))
    assert [text for _, text in said(bob)] == ["a secret"]
    ann = scene.let_in(ANN, "Ann")
    assert said(ann) == []
    scene.subscribe(ANN)


def test_who_gives_up_while_it_is_looked_up_is_no_guest() -> None:
    """RFC 3261 §9.2: the INVITE gets 487, whenever it is known whose it is; the next one is taken."""
    scene = Scene()
    scene.bridge.kind = "silent"
    scene.ask()
    scene.phone.cancel()
    assert scene.phone.take_of("CANCEL").status == 200
    scene.bridge.looked[0].callback(RoomInfo(room=ROOM, name=ROOM))
    scene.phone.take(487)
    assert scene.acts() == [] and not len(scene.focus) and not len(scene.focus._exchange)
    scene.phone.acknowledge_failure()
    scene.bridge.kind = "room"
    scene.ask(ANN)
    assert scene.acts() == [Enter(room=ROOM, nick="Juliet")]


def test_limits_hold_and_the_end_is_told() -> None:
    """Sessions of one person, and the gateway's end."""
    scene = Scene(max_chats_per_user=1)
    scene.come()
    body = sdp(types="message/cpim", more=WRAPPED + CHATROOM)
    other = "sip:mantua%40muc.example@gw.example"
    scene.phone.invite(other, call_id="other", tag="other", body=body, sender=f"sip:{BOB}")
    scene.phone.take(486)
    scene.network.stop("end")
    assert scene.phone.asked("BYE").get("Reason") == "SIP;cause=503;text=Shutdown"
    assert Hall(ROOM, "gw.example", scene.network.capabilities(UserId(""), None)).conference.count == 0
