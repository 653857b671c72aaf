"""Sockets: what is cut out of them, what is refused, what is bounded."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionRefusedError
from twisted.python.failure import Failure

from tests.transports.sip.samples import request
from tests.transports.sip.wires import HOST, PEER, Reactor, Stream, hang_up
from transports.sip.agent.connection import (
    CONNECT_TIMEOUT,
    FIRST_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_UNREAD,
    PING_INTERVAL,
)
from transports.sip.agent.routing import Hop
from transports.sip.agent.transport import Transports, listen_all
from transports.sip.wire.message import Refused, write

OPTIONS = write(request())
FAR = Hop("TCP", PEER, 5060)


class Sink:
    """Who hears it."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Hop]] = []
        self.gone: list[Hop] = []
        self.most = 2

    def arrived(self, data: bytes, hop: Hop) -> None:
        self.heard.append((data, hop))

    def refusal(self, refused: Refused, hop: Hop) -> bytes | None:
        return refused.answer("tag", is_limited=True)

    def lost(self, hop: Hop) -> None:
        self.gone.append(hop)

    def admits(self, host: str, count: int) -> bool:
        return count < self.most


class NoSecurity:
    def client(self, name: str):
        raise ValueError("no certificate")

    server = None


class Pages:
    """Everybody's may, and there is one HTTP proxy."""

    origins: tuple[str, ...] = ()

    def is_proxy(self, host: str) -> bool:
        return host == "127.0.0.1"


def made(maximum: int = 10) -> tuple[Reactor, Sink, Transports]:
    reactor, sink = Reactor(), Sink()
    transports = Transports(reactor, sink, NoSecurity(), maximum, Pages())
    listen_all(transports, ("udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "ws 127.0.0.1:8088"))
    return reactor, sink, transports


def accepted(reactor: Reactor, host: str = PEER, port: int = 40000):
    factory = reactor.tcpServers[0][1]
    protocol, stream = factory.buildProtocol(None), Stream(IPv4Address("TCP", host, port))
    protocol.makeConnection(stream)
    return protocol, stream


def test_datagram_is_a_message_and_line_ends_are_none() -> None:
    """Keep-alives of UDP are not answered."""
    reactor, sink, _ = made()
    for data in (b"\r\n\r\n", b"\0\0", OPTIONS):
        reactor.arrive(data)
    assert sink.heard == [(OPTIONS, Hop("UDP", PEER, 5060))]


def test_stream_is_cut_into_messages_and_pings_are_answered() -> None:
    """However the bytes come; what is sent to where it came from goes by the same connection."""
    reactor, sink, transports = made()
    protocol, stream = accepted(reactor)
    for byte in b"\r\n\r\n" + OPTIONS + OPTIONS:
        protocol.dataReceived(bytes([byte]))
    assert [data for data, _ in sink.heard] == [OPTIONS] * 2 and stream.value() == b"\r\n"
    transports.send(sink.heard[0][1], b"answer", dial=False)
    assert stream.value() == b"\r\nanswer"
    hang_up(protocol)
    assert sink.gone == [Hop("TCP", PEER, 40000)]
    failures = []
    transports.send(sink.heard[0][1], b"late", dial=False).addErrback(failures.append)
    assert len(failures) == 1


def test_what_cannot_be_cut_is_answered_and_ends_the_connection() -> None:
    """Nobody knows where the next message begins."""
    reactor, sink, _ = made()
    protocol, stream = accepted(reactor)
    protocol.dataReceived(OPTIONS.replace(b"Content-Length: 0", b"X-Unknown: 00000000"))
    assert stream.value().startswith(b"SIP/2.0 400") and stream.disconnecting and not sink.heard


def test_slow_peer_has_its_time_and_no_more() -> None:
    """A message that never ends, silence, and a peer that reads nothing."""
    reactor, _, transports = made()
    protocol, stream = accepted(reactor)
    for _ in range(9):
        protocol.dataReceived(b"O")
        reactor.advance(FIRST_TIMEOUT / 8)
    assert stream.disconnecting
    reactor.advance(FIRST_TIMEOUT)
    assert stream.cut
    hang_up(protocol)
    protocol, stream = accepted(reactor)
    protocol.dataReceived(OPTIONS)
    reactor.advance(IDLE_TIMEOUT - 1)
    assert not stream.disconnecting
    reactor.advance(2)
    assert stream.disconnecting
    hang_up(protocol)
    protocol, stream = accepted(reactor)
    protocol.pauseProducing()
    for _ in range(3):
        transports.send(Hop("TCP", PEER, 40000), b"x" * (MAX_UNREAD // 2), dial=False)
    assert stream.cut
    hang_up(protocol)
    assert not [call for call in reactor.getDelayedCalls() if call.active()]


def test_connections_are_counted_by_address_and_in_all() -> None:
    """One that is too many is cut; one that ends makes room."""
    reactor, _, _ = made(3)
    first, _ = accepted(reactor, port=1)
    accepted(reactor, port=2)
    assert accepted(reactor, port=3)[1].cut
    assert not accepted(reactor, host="198.51.100.8")[1].cut
    assert accepted(reactor, host="198.51.100.9")[1].cut
    hang_up(first)
    assert not accepted(reactor, port=4)[1].cut


def test_connection_is_dialled_once_and_used_again() -> None:
    """What is to be sent meanwhile waits; a ping keeps it open."""
    reactor, sink, transports = made()
    sent = [transports.send(FAR, b"one"), transports.send(FAR, b"two")]
    host, port, _, timeout, _ = reactor.tcpClients[0]
    assert (host, port, timeout) == (PEER, 5060, CONNECT_TIMEOUT) and len(reactor.tcpClients) == 1
    protocol, stream = reactor.dialled()
    assert stream.value() == b"onetwo" and all(one.called for one in sent)
    transports.send(FAR, b"three")
    protocol.dataReceived(OPTIONS)
    assert sink.heard == [(OPTIONS, FAR)] and stream.value() == b"onetwothree"
    reactor.advance(PING_INTERVAL)
    assert stream.value().endswith(b"\r\n\r\n")


def test_connection_that_fails_fails_what_waited() -> None:
    """The next hop has its turn; a certificate that cannot be read is a failure too."""
    reactor, _, transports = made()
    failures: list[Failure] = []
    for _ in range(2):
        transports.send(FAR, b"one").addErrback(failures.append)
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert len(failures) == 2
    transports.send(Hop("TLS", PEER, 5061, "far.example"), b"one").addErrback(failures.append)
    transports.send(Hop("UDP", "2001:db8::1", 5060), b"one").addErrback(failures.append)
    transports.send(Hop("UDP", PEER, 5060), b"x" * 70000).addErrback(failures.append)
    assert len(failures) == 5


def test_stop_closes_everything() -> None:
    """Ports and connections."""
    reactor, _, transports = made()
    _, stream = accepted(reactor)
    done = []
    transports.stop().addCallback(done.append)
    assert done and stream.disconnecting and reactor.ports[0].stopped and reactor.ports[0].host == HOST
