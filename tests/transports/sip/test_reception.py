"""Requests that are no messages; those that are, are in test_network."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from twisted.internet.address import IPv4Address

from bridge.events import ContactId
from tests.transports.sip.calling import Gateway
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import STRANGER, Scene
from tests.transports.sip.wire.test_websocket import frame, handshake
from tests.transports.sip.wires import PEER, Stream, hang_up
from transports.sip.agent.user_agent import ALLOW
from transports.sip.reception import RETRY_AFTER
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Fields, Request, Response, parse, write
from transports.sip.wire.uri import parse_uri

LONG = (("User-Agent", "x" * 100),)


@pytest.mark.parametrize(
    ("method", "uri", "host", "status"),
    [
        ("OPTIONS", "sip:gw.example", PEER, 200),
        ("OPTIONS", "sip:192.0.2.1:5060", PEER, 200),
        ("OPTIONS", "sip:else.example", PEER, 404),
        ("OPTIONS", "sips:gw.example", PEER, 416),
        ("OPTIONS", "sip:gw.example", STRANGER, 403),
        ("INVITE", "sip:a%40b@gw.example", PEER, 405),
        ("REGISTER", "sip:gw.example", PEER, 405),
        ("NONSENSE", "sip:gw.example", PEER, 501),
        ("BYE", "sip:gw.example", PEER, 405),
    ],
)
def test_request_gets_the_status_that_the_rfc_wants(method: str, uri: str, host: str, status: int) -> None:
    """And says what we can do."""
    scene = Scene().up()
    scene.reactor.arrive(write(request(method, uri=uri, fields=LONG)), host)
    [answer] = scene.reactor.taken()
    assert isinstance(answer, Response) and answer.status == status and answer.to.tag
    if host == PEER and status in (200, 405, 501):
        assert answer.get("Allow") == ALLOW[0][1]


def test_list_of_requirements_that_nobody_can_read_is_a_400() -> None:
    """It is not our fault, and no other request's."""
    scene = Scene().up()
    scene.reactor.arrive(write(request("OPTIONS", uri="sip:gw.example", fields=(("Require", '"a,'),))))
    assert scene.answers() == [400]


def test_paused_gateway_says_when_to_come_again() -> None:
    """RFC 3261 §21.5.4."""
    scene = Scene().up()
    scene.network.pause()
    scene.hear("hello")
    [answer] = scene.reactor.taken()
    assert answer.get("Retry-After") == str(RETRY_AFTER)


# ---- visitors of pages


def told(stream: Stream) -> list[Request | Response]:
    """Return what was sent over a WebSocket, of frames of up to 65535 bytes."""
    data, found = stream.value(), []
    stream.clear()
    data = data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP/") else data
    while data:
        size, head = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
        found.append(parse(data[head : head + size]))
        data = data[head + size :]
    return found


def visited(scene: Scene, port: int):
    """Have somebody come by a WebSocket."""
    protocol = scene.reactor.tcpServers[-1][1].buildProtocol(None)
    stream = Stream(IPv4Address("TCP", STRANGER, port))
    protocol.makeConnection(stream)
    protocol.dataReceived(handshake())
    return protocol, stream


def sent(method: str, name: str, *, branch: str = "1", fields: Fields = (), body: bytes = b"") -> bytes:
    """A request of a visitor's, in a frame."""
    asked = request(
        method,
        uri="sip:romeo%40example.org@gw.example",
        branch=f"z9hG4bK{branch}",
        fields=(*LONG, *fields),
        body=body,
    )
    asked = replace(asked, from_=NameAddr(uri=parse_uri(f"sip:guest@{name}")).with_tag(branch))
    return frame(0x81, write(asked))


def test_visitor_has_a_name_that_nobody_else_has_and_is_written_to_by_it() -> None:
    """Over UDP such a name is nobody's."""
    scene = Scene(federation=True, listen=("udp 192.0.2.1:5060", "ws 127.0.0.1:8088")).up()
    (alice, hers), (eve, others) = visited(scene, 1), visited(scene, 2)
    alice.dataReceived(sent("MESSAGE", "a.invalid", body=b"hello"))
    scene.reactor.advance(1)
    assert [one.status for one in told(hers)] == [202]
    eve.dataReceived(sent("MESSAGE", "a.invalid", branch="2", body=b"hello"))
    assert [one.status for one in told(others)] == [403]
    scene.hear("hello", "sip:guest@b.invalid", host=STRANGER, branch="3")
    assert scene.answers() == [403]
    scene.bridge.taken()
    scene.say("yes?", ContactId("guest@a.invalid"))
    [asked] = told(hers)
    assert isinstance(asked, Request) and (asked.method, asked.body) == ("MESSAGE", b"yes?")
    assert asked.via[0].transport == "WS" and asked.via[0].host == "gw.example"
    hang_up(alice)
    scene.say("still there?", ContactId("guest@a.invalid"), ref=2)
    assert [type(event).__name__ for _, event in scene.bridge.taken()] == ["Failed"] * 2


def test_visitor_who_watches_is_told_by_his_connection() -> None:
    """His Contact leads nowhere."""
    scene = Scene(federation=True, listen=("udp 192.0.2.1:5060", "ws 127.0.0.1:8088")).up()
    alice, hers = visited(scene, 1)
    fields = (("Event", "presence"), ("Contact", "<sip:x@c.invalid;transport=ws>"), ("Expires", "600"))
    alice.dataReceived(sent("SUBSCRIBE", "a.invalid", fields=fields))
    answer, notify = told(hers)
    assert isinstance(answer, Response) and answer.status == 200
    assert isinstance(notify, Request) and notify.method == "NOTIFY"


# ---- calls


@pytest.mark.parametrize(
    ("method", "status"),
    [("BYE", 481), ("PRACK", 481), ("UPDATE", 481), ("INFO", 481), ("REGISTER", 405), ("NONSENSE", 501)],
)
def test_request_of_no_call_is_told_why(method: str, status: int) -> None:
    """A method that we say is allowed is not refused as one that is not (RFC 3261 §8.2.1, §15.1.2)."""
    gateway = Gateway("a", "b", {}, {})
    gateway.reactor.arrive(write(request(method, uri="sip:a.gw")), PEER)
    assert [one.status for one in gateway.reactor.taken() if isinstance(one, Response)] == [status]


def test_options_tell_the_extensions_of_calls() -> None:
    """RFC 3261 §11.2."""
    gateway = Gateway("a", "b", {}, {})
    gateway.reactor.arrive(write(request("OPTIONS", uri="sip:a.gw")), PEER)
    [answer] = [one for one in gateway.reactor.taken() if isinstance(one, Response)]
    assert answer.status == 200 and answer.supports("timer") and answer.supports("100rel")


@pytest.mark.parametrize(
    ("config", "sender", "status"),
    [
        ({}, f"sip:eve@{STRANGER}", 403),
        ({"federation": True}, f"sip:eve@{STRANGER}", 0),
        ({"federation": True}, "sip:juliet@b.gw", 403),
        ({"federation": True}, "sip:+4930@a.gw", 403),
        ({"federation": True}, "sip:eve@elsewhere.example", 403),
    ],
)
def test_stranger_calls_only_where_federation_is_open_and_he_is_who_he_says(
    config: dict[str, bool], sender: str, status: int
) -> None:
    """By default everybody but trunks is denied, as for messages; nobody is rung."""
    gateway = Gateway("a", "b", {}, {"allowed_peers": ("203.0.113.0/24",), **config})
    phone = Phone(gateway.reactor, STRANGER)
    phone.answer_all(200)
    phone.invite("sip:romeo%40a.example@a.gw", sender=sender)
    if status:
        phone.take(status)
    assert len(gateway.told()) == (not status) and len(gateway.calls) == (not status)


def test_flood_of_invites_is_dropped_in_silence() -> None:
    """No more calls than the address may begin, and no answers for the rest."""
    gateway = Gateway("a", "b", {}, {"allowed_peers": ("203.0.113.0/24",), "request_burst": 5})
    phone = Phone(gateway.reactor, STRANGER)
    phone.asked("OPTIONS")
    for number in range(50):
        phone.invite("sip:romeo%40a.example@a.gw", call_id=f"c{number}", tag=f"t{number}")
    phone._read()
    assert [one.status for one in phone.got if isinstance(one, Response)] == [403] * 5


def test_call_to_a_paused_gateway_is_put_off() -> None:
    """It may come again when things have been written down."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    gateway.network.pause()
    phone.invite("sip:romeo%40a.example@a.gw")
    assert phone.take(503).get("Retry-After") == str(RETRY_AFTER)
