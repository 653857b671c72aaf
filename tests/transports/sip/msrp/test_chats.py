"""Chats of a whole network, in memory: the dialog by datagrams, the messages by a connection."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    Kind,
    Ref,
    Sent,
    Text,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from tests.transports.sip.phone import Phone
from tests.transports.sip.wires import HOST, PEER, Bridge, Names, Reactor, Stream, hang_up
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.messages.content import composing
from transports.sip.messages.pager import GRACE
from transports.sip.msrp.chat import MAX_WAITING
from transports.sip.msrp.chats import REFUSED
from transports.sip.msrp.config import MsrpConfig
from transports.sip.msrp.connection import FIRST_TIMEOUT, MAX_UNREAD
from transports.sip.msrp.conversation import BEGIN_LIMIT
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.frame import Frame, FrameBuffer, write
from transports.sip.msrp.terms import ACCEPTED, read_terms
from transports.sip.network import SipNetwork
from transports.sip.wire.message import Response
from transports.sip.wire.sdp import parse_sdp

ROMEO, BOB = UserId("romeo@example.org"), ContactId("bob@pbx.example")
GONE = Typing(contact=BOB, state=TypingState.GONE)
URI = "sip:romeo%40example.org@gw.example"
THEIRS = f"msrp://{PEER}:7777/bobs-chat;tcp"


def sdp(
    path: str = THEIRS, types: str = "text/plain application/im-iscomposing+xml", more: str = ""
) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {PEER}\r\ns=-\r\nc=IN IP4 {PEER}\r\nt=0 0\r\nm=message 7777 TCP/MSRP *\r\n"
        f"a=accept-types:{types}\r\na=path:{path}\r\n{more}"
    ).encode()


class Peer:
    """The far end of a connection: frames in and out."""

    def __init__(self, protocol: Any, stream: Stream, ours: str, theirs: str = THEIRS) -> None:
        self.protocol, self.stream, self.ours, self.theirs = protocol, stream, ours, theirs
        self._buffer = FrameBuffer()

    def got(self, method: str = "SEND") -> list[Frame]:
        """Take what came, of one method, or the responses for ""."""
        self._buffer.receive_data(self.stream.value())
        self.stream.clear()
        return [one for one in iter(self._buffer.next_frame, None) if one.method == method]

    def send(self, body: bytes | None, method: str = "SEND", kind: str = "text/plain", **fields: str) -> None:
        named = {"Message-ID": "mess1", **{name.replace("_", "-"): value for name, value in fields.items()}}
        if body is not None:
            named["Content-Type"] = kind
        frame = Frame(
            transaction="trans1",
            method=method,
            to_path=(self.ours,),
            from_path=(self.theirs,),
            fields=tuple(named.items()),
            body=body,
        )
        self.protocol.dataReceived(write(frame))

    def answer(self, frame: Frame, status: int = 200) -> None:
        frame = Frame(
            transaction=frame.transaction, status=status, to_path=(self.ours,), from_path=(self.theirs,)
        )
        self.protocol.dataReceived(write(frame))

    def report(self, frame: Frame, status: int = 200) -> None:
        self.send(None, "REPORT", Message_ID=frame.message_id, Status=f"000 {status}")


class Scene:
    """A gateway with chats and no calls, and a phone at its trunk."""

    def __init__(self, chat: str = "msrp", **config: Any) -> None:
        self.reactor, self.bridge = Reactor(), Bridge()
        trunk = TrunkConfig(
            server=f"sip:{PEER}",
            domain="pbx.example",
            users=("example.org",),
            chat=chat,  # type: ignore[arg-type]
        )
        msrp = MsrpConfig(listen=(f"tcp {HOST}:2855",), **config)
        self.config = SipConfig(
            domain="gw.example", listen=(f"udp {HOST}:5060",), trunks={"pbx": trunk}, msrp=msrp
        )
        self.network = SipNetwork(self.config, self.reactor, Names(), Random(1), None, lambda: 1e9)
        self.network.start(self.bridge)
        self.phone = Phone(self.reactor, PEER)
        self.phone.answer_all(200)
        self.bridge.taken()

    @property
    def chats(self) -> Any:
        return self.network._chats

    @property
    def exchange(self) -> Exchange:
        assert self.network._exchange is not None
        return self.network._exchange

    def say(self, text: str = "hello", ref: int = 1, **more: Any) -> None:
        self.network.submit(ROMEO, DirectMessage(contact=BOB, body=Text(plain=text), ref=Ref(ref), **more))

    def told(self) -> list[Any]:
        return [event for _, event in self.bridge.taken()]

    def begun(self, body: bytes | None = None, text: str = "hello") -> Peer:
        """Have Romeo begin a chat with Bob, who is at the far end of the connection."""
        self.say(text)
        invite = self.phone.asked("INVITE")
        self.phone.accept(invite, body=sdp() if body is None else body)
        self.phone.asked("ACK")
        return Peer(*self.reactor.dialled(), read_terms(parse_sdp(invite.body)).path[0])

    def called(self, body: bytes | None = None, theirs: str = THEIRS) -> Peer:
        """Have Bob begin one with Romeo, and connect."""
        self.phone.invite(URI, body=sdp() if body is None else body, sender="sip:bob@pbx.example")
        answered = self.phone.take(200)
        self.phone.acknowledge()
        return self.connect(read_terms(parse_sdp(answered.body)).path[0], theirs)

    def connect(self, ours: str, theirs: str = THEIRS, host: str = PEER) -> Peer:
        [(_, factory, _, _)] = [one for one in self.reactor.tcpServers if one[0] == 2855]
        protocol = factory.buildProtocol(None)
        stream = Stream(type("Address", (), {"host": host})())
        protocol.makeConnection(stream)
        return Peer(protocol, stream, ours, theirs)

    @property
    def is_forgotten(self) -> bool:
        return not (
            len(self.chats) or self.chats._current or len(self.exchange) or self.exchange.stack.dialogs
        )


def test_message_begins_a_chat_and_the_next_goes_on_in_it() -> None:
    """RFC 7573 §4: INVITE, ACK, SEND; what is reported is told."""
    scene = Scene()
    peer = scene.begun()
    scene.say("waves", ref=2, kind=Kind.EMOTE)
    first, second = peer.got()
    assert (first.body, second.body) == (b"hello", b"/me waves") and first.get("Success-Report") == "yes"
    for frame in (first, second):
        peer.answer(frame)
        peer.report(frame)
    assert scene.told() == [Sent(ref=Ref(1)), Sent(ref=Ref(2))]
    scene.phone.request("BYE")
    scene.phone.take(200)
    assert scene.is_forgotten and peer.stream.disconnecting
    assert scene.told() == [GONE]


def test_user_who_is_gone_ends_the_chat_once_his_words_have_their_outcome() -> None:
    """RFC 7573 §6.1; with the next word there is another."""
    scene = Scene()
    peer = scene.begun()
    [frame] = peer.got()
    scene.network.submit(ROMEO, GONE)
    assert len(scene.chats) == 1
    peer.report(frame)
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert scene.told() == [Sent(ref=Ref(1))] and scene.is_forgotten
    again = scene.begun()
    scene.network.submit(ROMEO, GONE)
    scene.say("stay", ref=2)
    for frame in again.got():
        again.report(frame)
    assert len(scene.chats) == 1
    scene.network.submit(ROMEO, GONE)
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert scene.is_forgotten


def test_peer_who_ends_a_chat_before_it_is_one_is_not_told_to_be_gone() -> None:
    """What was to be said in it goes by MESSAGE."""
    scene = Scene()
    scene.say()
    scene.phone.accept(scene.phone.asked("INVITE"), body=sdp())
    scene.phone.asked("ACK")
    scene.phone.request("BYE")
    scene.phone.take(200)
    assert scene.phone.asked("MESSAGE").body == b"hello" and GONE not in scene.told()


def test_what_is_said_in_a_chat_is_of_its_thread() -> None:
    """The user's, or that of the dialog (RFC 7573 §4 and §5); a subject is the first line."""
    scene = Scene()
    peer = scene.begun()
    scene.say("hark", ref=2, thread="t1", subject="A light")
    assert [frame.body for frame in peer.got()] == [b"hello", b"A light\nhark"]
    peer.send(b"hi")
    assert [one.thread for one in scene.told()] == ["t1"]
    other = Scene("message")
    other.called().send(b"hi")
    [said] = other.told()
    assert [said.thread] == [one.call_id for one in other.exchange.stack.dialogs]


def test_peer_begins_a_chat_and_both_speak_in_it() -> None:
    """RFC 7573 §5; Romeo's answer needs no other chat, though his trunk would use MESSAGE."""
    scene = Scene("message")
    peer = scene.called()
    peer.send(b"hi", Success_Report="yes")
    [(user, said)] = scene.bridge.taken()
    assert (user, said.contact, said.body.plain) == (ROMEO, BOB, "hi")
    assert [one.status for one in peer.got("")] == [200]
    scene.reactor.advance(GRACE)
    [report] = peer.got("REPORT")
    assert (report.get("Status"), report.get("Byte-Range"), report.message_id) == (
        "000 200",
        "1-2/2",
        "mess1",
    )
    scene.say("hello back")
    assert [one.body for one in peer.got()] == [b"hello back"]


def test_who_writes_is_shown_both_ways_to_who_takes_it() -> None:
    """RFC 7573 §6."""
    scene = Scene()
    peer = scene.begun()
    peer.got()
    typing = Typing(contact=BOB, state=TypingState.COMPOSING)
    scene.network.submit(ROMEO, typing)
    scene.network.submit(ROMEO, typing)
    [shown] = peer.got()
    assert b"<state>active</state>" in (shown.body or b"") and shown.get("Failure-Report") == "no"
    peer.send(composing(TypingState.COMPOSING)[1], kind="application/im-iscomposing+xml")
    assert scene.told() == [typing]
    other = Scene()
    deaf = other.begun(sdp(types="text/plain"))
    deaf.got()
    other.network.submit(ROMEO, typing)
    assert deaf.got() == []


def test_what_comes_back_is_reported_or_told() -> None:
    """By a report to who wants one, else by words."""
    scene = Scene("message")
    peer = scene.called()
    error = BridgeError(Trouble.NOT_FOUND)
    peer.send(b"one", Success_Report="yes")
    peer.send(b"two", Message_ID="mess2", Failure_Report="no")
    for said in scene.told():
        scene.network.submit(ROMEO, Undelivered(contact=BOB, id=said.id, error=error))
    scene.reactor.advance(GRACE)
    [report] = peer.got("REPORT")
    assert (report.get("Status"), report.message_id) == ("000 404", "mess1")
    assert b"was not delivered" in scene.phone.asked("MESSAGE").body


@pytest.mark.parametrize("status", [404, 415, 488, 486])
def test_who_takes_no_chat_gets_a_message_and_is_not_asked_again_soon(status: int) -> None:
    """MESSAGE is what is left; both wait in their order."""
    scene = Scene()
    scene.say("one")
    scene.say("two", ref=2)
    invite = scene.phone.asked("INVITE")
    scene.phone.respond(invite, status)
    scene.phone.asked("ACK")
    first = scene.phone.asked("MESSAGE")
    assert first.body == b"one"
    scene.phone.respond(first, 200)
    second = scene.phone.asked("MESSAGE")
    scene.phone.respond(second, 200)
    assert (second.body, scene.told()) == (b"two", [Sent(ref=Ref(1)), Sent(ref=Ref(2))])
    scene.say("three")
    scene.phone.respond(scene.phone.asked("MESSAGE"), 200)
    scene.reactor.advance(REFUSED)
    scene.phone.answer_all(200)
    scene.say("four")
    scene.phone.asked("INVITE")


@pytest.mark.parametrize(
    "body",
    [b"", sdp(path="msrp://x;tcp"), sdp(types="image/png"), sdp(path="msrp://10.0.0.1:22/x;tcp")],
)
def test_answer_with_which_no_chat_can_be_had_ends_it(body: bytes) -> None:
    """The peer is told by BYE, and an address that we do not speak with is not dialled."""
    scene = Scene()
    scene.say()
    scene.phone.accept(scene.phone.asked("INVITE"), body=body)
    scene.phone.asked("ACK")
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert scene.phone.asked("MESSAGE").body == b"hello" and scene.reactor.tcpClients == []
    assert len(scene.chats) == 0


def test_chat_that_is_not_there_in_time_is_given_up() -> None:
    """Nobody waits longer for his words to go."""
    scene = Scene()
    for ref in range(MAX_WAITING + 1):
        scene.say(ref=ref)
    [full] = scene.told()
    assert isinstance(full, Failed) and full.error.trouble is Trouble.OVERLOADED
    scene.phone.respond(scene.phone.asked("INVITE"), 180)
    scene.reactor.advance(BEGIN_LIMIT)
    scene.phone.asked("CANCEL")
    assert scene.phone.asked("MESSAGE").body == b"hello"


def test_idle_chat_is_ended() -> None:
    """By BYE; the next word begins another (RFC 7573 §4)."""
    scene = Scene(idle=60)
    peer = scene.begun()
    [first] = peer.got()
    peer.report(first)
    scene.reactor.advance(50)
    peer.send(b"still here")
    scene.reactor.advance(50)
    assert len(scene.chats) == 1
    scene.reactor.advance(11)
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert len(scene.chats) == 0 and peer.stream.disconnecting


def test_lost_connection_ends_the_chat_and_what_was_not_answered_is_told() -> None:
    """It may have arrived or not: that is an error to its sender."""
    scene = Scene()
    peer = scene.begun()
    peer.got()
    hang_up(peer.protocol)
    [failed] = scene.told()
    assert isinstance(failed, Failed) and failed.error.trouble is Trouble.TIMED_OUT
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert scene.is_forgotten


def test_message_longer_than_the_peer_takes_is_refused() -> None:
    """RFC 4975 §8.6; so is what he answers by 413."""
    scene = Scene()
    peer = scene.begun(sdp(more="a=max-size:10\r\n"))
    scene.say("x" * 11, ref=2)
    [first] = peer.got()
    peer.answer(first, 413)
    assert [one.error.trouble for one in scene.told()] == [Trouble.TOO_LONG] * 2


def test_peer_who_takes_only_cpim_gets_it() -> None:
    """Addressed from and to the ends of the dialog."""
    scene = Scene()
    [sent] = scene.begun(sdp(types="message/cpim", more="a=accept-wrapped-types:text/plain\r\n")).got()
    assert sent.get("Content-Type") == "message/cpim"
    assert (sent.body or b"").startswith(f"From: <{URI}>\r\nTo: <sip:bob@pbx.example>\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (sdp(types="image/png"), 488),
        (sdp(path=""), 488),
        (sdp().replace(b"TCP/MSRP", b"TCP/TLS/MSRP"), 488),
        (
            b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
            488,
        ),
    ],
)
def test_offer_that_cannot_be_taken_is_refused(body: bytes, status: int) -> None:
    """Of calls too, where there are none."""
    scene = Scene("message")
    scene.phone.invite(URI, body=body, sender="sip:bob@pbx.example")
    scene.phone.take(status)
    scene.phone.acknowledge_failure()
    assert len(scene.chats) == 0


def test_chats_are_bounded() -> None:
    """Those of one user and all; what is too much goes by MESSAGE, or is refused."""
    scene = Scene(max_chats_per_user=1)
    scene.begun()
    scene.network.submit(
        ROMEO, DirectMessage(contact=ContactId("eve@pbx.example"), body=Text(plain="x"), ref=Ref(9))
    )
    assert scene.phone.asked("MESSAGE").body == b"x"
    scene.phone.invite(URI, body=sdp(), sender="sip:bob@pbx.example")
    scene.phone.take(486)


def test_offer_of_the_peer_that_changes_nothing_is_answered() -> None:
    """As session timers make them (RFC 4975 §8.4); another path is refused, and the chat goes on."""
    scene = Scene("message")
    peer = scene.called()
    scene.phone.offer(sdp())
    assert read_terms(parse_sdp(scene.phone.take(200).body)).path == (peer.ours,)
    scene.phone.acknowledge_again()
    scene.phone.offer(sdp(path=f"msrp://{PEER}:1/else;tcp"))
    scene.phone.take(488)
    scene.phone.request("INFO")
    scene.phone.take(405)
    peer.send(b"hi")
    assert len(scene.told()) == 1


def test_frames_of_no_chat_and_on_another_connection_are_refused() -> None:
    """RFC 4975 §7.3, §10.10; and a connection of no use is closed."""
    scene = Scene("message")
    peer = scene.called()
    peer.send(b"hi")
    other = scene.connect(peer.ours)
    other.send(b"forged")
    assert [one.status for one in other.got("")] == [506] and len(scene.told()) == 1
    stray = scene.connect(f"msrp://{HOST}:2855/nobody;tcp")
    stray.send(b"hi")
    stray.send(b"hi", Failure_Report="no")
    assert [one.status for one in stray.got("")] == [481]
    scene.reactor.advance(FIRST_TIMEOUT)
    assert stray.stream.cut and not peer.stream.cut


def test_peer_behind_a_relay_may_come_by_another_connection() -> None:
    """Whose responses go where their requests came from."""
    scene = Scene()
    relay = f"msrp://{PEER}:8888/relay;tcp"
    peer = scene.begun(sdp(path=f"{relay} {THEIRS}"))
    [first] = peer.got()
    assert first.to_path == (relay, THEIRS)
    other = scene.connect(peer.ours)
    other.send(b"hi")
    other.report(first)
    assert [one.status for one in other.got("")] == [200] and peer.got("") == []
    assert [type(one) for one in scene.told()] == [DirectMessage, Sent]


def test_garbage_and_a_peer_that_reads_nothing_are_cut_off() -> None:
    """Neither fills us."""
    scene = Scene()
    stray = scene.connect("")
    stray.protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert stray.stream.cut
    peer = scene.called()
    peer.send(None)
    peer.protocol.pauseProducing()
    for _ in range(MAX_UNREAD // 60_000 + 1):
        scene.say("x" * 60_000)
    assert peer.stream.cut


def test_gateway_that_stops_ends_its_chats() -> None:
    """And a user who is disconnected those of his; receipts are what a gateway with chats has more."""
    scene = Scene()
    peer = scene.begun()
    assert scene.network.disconnect(ROMEO, "enough") and not scene.network.disconnect(ROMEO, "enough")
    scene.phone.respond(scene.phone.asked("BYE"), 200)
    assert peer.stream.disconnecting and scene.network.capabilities(ROMEO, None).receipts.value == "partial"
    scene.say()
    scene.phone.asked("INVITE")
    scene.network.stop("enough")
    assert len(scene.chats) == 0
    assert [one for one in scene.phone.got if isinstance(one, Response)] == []


def test_chat_is_not_configured_by_halves() -> None:
    """A trunk that wants chats needs where they are listened for."""
    trunk = TrunkConfig(server=f"sip:{PEER}", chat="msrp")
    with pytest.raises(ValueError, match="msrp"):
        SipConfig(domain="gw.example", trunks={"pbx": trunk})
    with pytest.raises(ValueError, match="certificate"):
        SipConfig(domain="gw.example", msrp=MsrpConfig(listen=("tls 0.0.0.0:2856",)))
    assert "message/cpim" in ACCEPTED
