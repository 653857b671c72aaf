"""Connections that are WebSockets; those that are none are tested with `Transports`."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure

from tests.transports.sip.agent.test_transport import OPTIONS, Sink, made
from tests.transports.sip.wire.test_websocket import (
    CONTINUED,
    FIN,
    PING_FRAME,
    TEXT_FRAME,
    frame,
    handshake,
    opened,
)
from tests.transports.sip.wires import PEER, Reactor, Stream, hang_up
from transports.sip.agent.connection import (
    CONNECT_TIMEOUT,
    FIRST_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_UNREAD,
    PONG_TIMEOUT,
    WEBSOCKET_PING_INTERVAL,
)
from transports.sip.agent.routing import Hop
from transports.sip.agent.transport import Transports
from transports.sip.wire.framing import Keepalive
from transports.sip.wire.websocket import Server

FAR = Hop("WS", PEER, 8080, "pbx.example", "/ws")
PAGE = Hop("WS", "203.0.113.5", 40000)


def visited(reactor: Reactor, host: str = PEER, *more: str, port: int = 40000):
    """Have somebody come to our WebSocket."""
    factory = reactor.tcpServers[-1][1]
    protocol, stream = factory.buildProtocol(None), Stream(IPv4Address("TCP", host, port))
    protocol.makeConnection(stream)
    protocol.dataReceived(handshake(*more))
    return protocol, stream


def dialled(transports: Transports, reactor: Reactor, hop: Hop = FAR):
    """Go to somebody's; return our end, what was written, the server, and what the sender is told."""
    told: list[object] = []
    transports.send(hop, b"one").addBoth(told.append)
    protocol, stream = reactor.dialled()
    server = Server(())
    server.receive_data(stream.value())
    stream.clear()
    return protocol, stream, server, told


def heard(server: Server, stream: Stream) -> list[object]:
    """Return what the server hears of what was written."""
    server.receive_data(stream.value())
    stream.clear()
    found = []
    while (event := server.next_event()) is not None:
        found.append(event)
    return found


def test_visitor_is_heard_answered_and_forgotten() -> None:
    """What is for him goes by his connection, or by none."""
    reactor, sink, transports = made()
    protocol, stream = visited(reactor)
    assert stream.value().startswith(b"HTTP/1.1 101")
    protocol.dataReceived(frame(FIN | TEXT_FRAME, OPTIONS))
    [(data, hop)] = sink.heard
    assert (data, hop) == (OPTIONS, Hop("WS", PEER, 40000))
    stream.clear()
    transports.send(hop, b"answer", dial=False)
    assert stream.value() == frame(FIN | TEXT_FRAME, b"answer", is_masked=False)
    hang_up(protocol)
    assert sink.gone == [hop]
    failures: list[Failure] = []
    transports.send(hop, b"late").addErrback(failures.append)
    assert len(failures) == 1 and not reactor.tcpClients


def test_visitor_of_a_proxy_is_who_the_proxy_says() -> None:
    """He alone is counted; what others say of themselves does not count, nor a proxy that says nothing."""
    reactor, sink, _ = made()
    for more, host, seen in (
        (("X-Forwarded-For: 203.0.113.5",), "127.0.0.1", PAGE.host),
        (("X-Forwarded-For: 203.0.113.5",), PEER, PEER),
        ((), "127.0.0.1", "127.0.0.1"),
    ):
        sink.heard.clear()
        protocol, _ = visited(reactor, host, *more)
        protocol.dataReceived(frame(FIN | TEXT_FRAME, OPTIONS))
        assert [hop.host for _, hop in sink.heard] == [seen]
        hang_up(protocol)
    sink.most = 1
    assert not visited(reactor, "127.0.0.1", "X-Forwarded-For: 203.0.113.5", port=1)[1].cut
    assert visited(reactor, "127.0.0.1", "X-Forwarded-For: 203.0.113.5", port=2)[1].cut
    assert not visited(reactor, "127.0.0.1", "X-Forwarded-For: 203.0.113.6", port=3)[1].cut


@pytest.mark.parametrize("told", ["unknown", "203.0.113.5:4711", "[2001:db8::5]:4711", "localhost"])
def test_visitor_of_whom_a_proxy_says_no_address_is_not_heard(told: str) -> None:
    """He would count as the proxy, and as a trunk that is on the same machine."""
    reactor, sink, _ = made()
    protocol, stream = visited(reactor, "127.0.0.1", f"X-Forwarded-For: {told}")
    protocol.dataReceived(frame(FIN | TEXT_FRAME, OPTIONS))
    assert not sink.heard and stream.disconnecting


def test_visitor_without_a_handshake_or_the_end_of_a_message_is_shown_out() -> None:
    """Pings between do not help; silence does not hurt as long as pings are answered."""
    reactor, _, _ = made()
    factory = reactor.tcpServers[-1][1]
    protocol, stream = factory.buildProtocol(None), Stream(IPv4Address("TCP", PEER, 1))
    protocol.makeConnection(stream)
    for _ in range(9):
        protocol.dataReceived(b"G")
        reactor.advance(FIRST_TIMEOUT / 8)
    assert stream.disconnecting
    hang_up(protocol)
    protocol, stream = visited(reactor)
    protocol.dataReceived(frame(TEXT_FRAME, b"OPTIONS "))
    for _ in range(9):
        protocol.dataReceived(frame(FIN | PING_FRAME, b"") + frame(CONTINUED, b"x"))
        reactor.advance(FIRST_TIMEOUT / 8)
    assert stream.disconnecting
    hang_up(protocol)
    protocol, stream = visited(reactor)
    for _ in range(int(2 * IDLE_TIMEOUT / WEBSOCKET_PING_INTERVAL)):
        reactor.advance(WEBSOCKET_PING_INTERVAL)
        assert stream.value().endswith(frame(FIN | PING_FRAME, b"", is_masked=False))
        protocol.dataReceived(frame(FIN | 10, b""))
    assert not stream.disconnecting
    reactor.advance(WEBSOCKET_PING_INTERVAL)
    reactor.advance(PONG_TIMEOUT)
    assert stream.cut
    hang_up(protocol)
    assert not [call for call in reactor.getDelayedCalls() if call.active()]


def test_visitor_who_breaks_a_rule_or_reads_nothing_is_shown_out() -> None:
    """With what there is to say; others are not touched."""
    reactor, sink, transports = made()
    protocol, stream = visited(reactor)
    stream.clear()
    protocol.dataReceived(
        frame(FIN | TEXT_FRAME, OPTIONS) + frame(FIN | TEXT_FRAME, OPTIONS, is_masked=False)
    )
    assert len(sink.heard) == 1 and stream.disconnecting and stream.value() == b"\x88\x02\x03\xea"
    refused = visited(reactor, "203.0.113.9", "Sec-WebSocket-Version: 8")[1]
    assert refused.disconnecting and refused.value().startswith(b"HTTP/1.1 4")
    protocol, stream = visited(reactor, "203.0.113.8")
    protocol.pauseProducing()
    for _ in range(3):
        transports.send(Hop("WS", "203.0.113.8", 40000), b"x" * (MAX_UNREAD // 2), dial=False)
    assert stream.cut


@pytest.mark.spec("RFC 7118 §4.1")
def test_message_waits_for_the_handshake() -> None:
    """The sender is told when it is out; the connection is used again, and stays with pings."""
    reactor, sink, transports = made()
    protocol, stream, server, told = dialled(transports, reactor)
    transports.send(FAR, b"two")
    assert not told and not stream.value() and len(reactor.tcpClients) == 1
    protocol.dataReceived(server.data_to_send())
    assert told == [None] and heard(server, stream) == [b"one", b"two"]
    server.send(OPTIONS)
    protocol.dataReceived(server.data_to_send())
    assert sink.heard == [(OPTIONS, FAR)]
    transports.keep_alive(FAR, 100.0)
    reactor.advance(WEBSOCKET_PING_INTERVAL)
    assert heard(server, stream) == [Keepalive.PING]
    protocol.dataReceived(server.data_to_send())
    reactor.advance(PONG_TIMEOUT)
    assert not stream.cut
    hang_up(protocol)
    assert sink.gone == [FAR]


@pytest.mark.spec("RFC 7118 §4.1")
def test_handshake_that_fails_fails_what_waited() -> None:
    """Refused, ended, or never answered: the next hop has its turn."""
    reactor, sink, transports = made()
    for answer in (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"", None):
        protocol, stream, _, told = dialled(transports, reactor)
        if answer:
            protocol.dataReceived(answer)
        elif answer is None:
            reactor.advance(CONNECT_TIMEOUT)
        assert stream.disconnecting is (answer != b"")
        hang_up(protocol)
        assert isinstance(told[0], Failure) and ("403" in str(told[0].value)) is bool(answer)
    transports.send(Hop("WS", PEER, 80, "x" * 64 + ".example"), b"one").addErrback(told.append)
    assert isinstance(told[1], Failure) and sink.gone == []
    assert not [call for call in reactor.getDelayedCalls() if call.active()]


def test_dialog_goes_by_the_websocket_that_is_there() -> None:
    """Whatever its far end calls itself, unless it is to be secure."""
    reactor, _, transports = made()
    called = Hop("WS", PEER, 8080, PEER)
    assert transports.flow(called) == called
    protocol, _, server, _ = dialled(transports, reactor)
    protocol.dataReceived(server.data_to_send())
    assert transports.flow(called) == transports.flow(FAR) == FAR
    for other in (Hop("WSS", PEER, 8080, PEER), Hop("WS", PEER, 8080, "pbx.example", "/other")):
        assert transports.flow(other) == other
    assert transports.flow(Hop("TCP", PEER, 8080)) == Hop("TCP", PEER, 8080)
    hang_up(protocol)
    assert transports.flow(called) == called


def test_name_is_of_one_websocket_while_it_is_there() -> None:
    """Each has one, and nobody has another's."""
    reactor, _, transports = made()
    one, other = Hop("WS", PEER, 1), Hop("WS", PEER, 2)
    assert not transports.name("a.invalid", one)
    protocol, _ = visited(reactor, port=1)
    visited(reactor, port=2)
    assert transports.name("a.invalid", one) and transports.name("a.invalid", one)
    assert not transports.name("a.invalid", other) and not transports.name("b.invalid", one)
    assert (transports.named("a.invalid"), transports.named("b.invalid")) == (one, None)
    hang_up(protocol)
    assert transports.named("a.invalid") is None and transports.name("a.invalid", other)
    assert not transports.name("c.invalid", Hop("TCP", PEER, 2))


def test_sink_hears_nothing_of_keepalives() -> None:
    """They are between the ends of the connection."""
    reactor, sink, _ = made()
    protocol, stream = visited(reactor)
    stream.clear()
    protocol.dataReceived(frame(FIN | TEXT_FRAME, b"\r\n\r\n") + frame(FIN | PING_FRAME, b"?"))
    assert isinstance(sink, Sink) and sink.heard == []
    assert stream.value() == frame(FIN | TEXT_FRAME, b"\r\n", is_masked=False) + frame(
        FIN | 10, b"?", is_masked=False
    )
    assert opened().is_empty
