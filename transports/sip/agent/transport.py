"""UDP, TCP and TLS for SIP: bytes of whole messages in and out (RFC 3261 §18, RFC 5626 §3.5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList, fail, maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from transports.sip.agent.backpressure import Backpressured
from transports.sip.agent.routing import Hop
from transports.sip.wire.framing import PING, PONG, Keepalive, MessageBuffer
from transports.sip.wire.message import MAX_BODY, MAX_HEAD, Refused

CONNECT_TIMEOUT = 5.0
"""Seconds that a connection may take; the next hop is to have its turn."""
FIRST_TIMEOUT = 20.0
"""Seconds in which a message has to be whole that has begun, the first one since the connection is there."""
IDLE_TIMEOUT = 600.0
"""Seconds without a message after which a connection is closed."""
PING_INTERVAL = 100.0
"""Seconds between the pings of a connection that we opened (RFC 5626 §4.4.1: up to 120)."""
PONG_TIMEOUT = 10.0
"""Seconds in which who keeps flows answers a ping (RFC 5626 §4.4.1)."""
MAX_UNREAD = MAX_HEAD + MAX_BODY
"""Bytes that a peer may leave unread before its connection is cut."""
MAX_PER_HOST = 20
"""Connections that one address may open, if it is no trunk's."""
MAX_DIALLED = 1000
"""Connections that we open at a time."""


class Sink(Protocol):
    """Who is told what comes in."""

    def arrived(self, data: bytes, hop: Hop) -> None:
        """Take a whole message."""

    def refusal(self, refused: Refused, hop: Hop) -> bytes | None:
        """Return what the sender of something unreadable is told."""

    def lost(self, hop: Hop) -> None:
        """A connection is gone, and with it what was not answered on it."""

    def admits(self, host: str, count: int) -> bool:
        """Tell whether an address may open a connection, having `count` already."""


class Security(Protocol):
    """Certificates of both sides."""

    def client(self, name: str) -> Any:
        """Return what makes connections to a domain; ValueError or OSError for bad files."""

    @property
    def server(self) -> Any:
        """The context for connections that come in; None without a certificate."""


class Transports:
    """All sockets of a gateway. `reactor` is the clock too."""

    log = Logger()

    def __init__(self, reactor: Any, sink: Sink, security: Security, max_connections: int) -> None:
        self._reactor = reactor
        self._sink = sink
        self._security = security
        self._max_connections = max_connections
        self._ports: list[Any] = []
        self._datagrams: dict[int, Datagrams] = {}
        self._connections: dict[Hop, Connection] = {}
        self._accepted: dict[str, int] = {}
        self._dialling: dict[Hop, list[tuple[bytes, Deferred[None]]]] = {}

    def listen(self, transport: str, host: str, port: int) -> int:
        """Begin to listen; return the port, which is a free one for 0. Raises CannotListenError."""
        made: Any
        if transport == "UDP":
            datagrams = Datagrams(self._sink.arrived)
            made = self._reactor.listenUDP(port, datagrams, interface=host, maxPacketSize=65535)
            self._datagrams.setdefault(6 if ":" in host else 4, datagrams)
        else:
            factory = _Acceptor(self, transport)
            if transport == "TLS":
                made = self._reactor.listenSSL(port, factory, self._security.server, interface=host)
            else:
                made = self._reactor.listenTCP(port, factory, interface=host)
        self._ports.append(made)
        return int(made.getHost().port)

    def stop(self) -> Deferred[Any]:
        """Close everything; fires when nothing is open any more."""
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        for connection in list(self._connections.values()):
            connection.end()
        return DeferredList(closing, consumeErrors=True)

    def send(self, hop: Hop, data: bytes, dial: bool = True) -> Deferred[None]:
        """Send a whole message; fails if that cannot be. Without `dial`, none is opened for it."""
        if hop.transport == "UDP":
            datagrams = self._datagrams.get(6 if ":" in hop.host else 4)
            if datagrams is None or datagrams.transport is None:
                return fail(ConnectionLost())
            try:
                datagrams.transport.write(data, (hop.host, hop.port))
            except OSError:  # too long, or no way there
                return fail(Failure())
            return succeed(None)
        connection = self._connections.get(hop)
        if connection is not None:
            connection.send(data)
            return succeed(None)
        if not dial or len(self._dialling) + len(self._connections) >= MAX_DIALLED + self._max_connections:
            return fail(ConnectionLost())
        return self._dial(hop, data)

    def _dial(self, hop: Hop, data: bytes) -> Deferred[None]:
        sent: Deferred[None] = Deferred()
        if hop in self._dialling:
            self._dialling[hop].append((data, sent))
            return sent
        self._dialling[hop] = [(data, sent)]
        kind = TCP6ClientEndpoint if ":" in hop.host else TCP4ClientEndpoint
        endpoint: Any = kind(self._reactor, hop.host, hop.port, timeout=CONNECT_TIMEOUT)
        if hop.transport == "TLS":
            try:
                endpoint = wrapClientTLS(self._security.client(hop.name), endpoint)
            except (OSError, ValueError):
                del self._dialling[hop]
                return fail(Failure())
        endpoint.connect(_Dialler(self, hop)).addCallbacks(
            self._dialled, self._not_dialled, callbackArgs=(hop,), errbackArgs=(hop,)
        )
        return sent

    def _dialled(self, connection: Connection, hop: Hop) -> None:
        for data, sent in self._dialling.pop(hop, []):
            connection.send(data)
            sent.callback(None)

    def _not_dialled(self, failure: Failure, hop: Hop) -> None:
        self.log.debug(
            "{host} port {port} was not reached: {reason}",
            host=hop.host,
            port=hop.port,
            reason=failure.getErrorMessage(),
        )
        for _, sent in self._dialling.pop(hop, []):
            sent.errback(failure)

    def keep_alive(self, hop: Hop, seconds: float) -> None:
        """Ping by a connection every so many seconds, and cut it if no pong comes back."""
        connection = self._connections.get(hop)
        if connection is not None:
            connection.keep_alive(seconds)

    # ---- connections

    def connected(self, connection: Connection, hop: Hop, is_acceptor: bool) -> None:
        """Take note of a connection; one that is too many is cut."""
        if is_acceptor:
            count = self._accepted.get(hop.host, 0)
            if len(self._connections) >= self._max_connections or not self._sink.admits(hop.host, count):
                connection.cut()
                return
            self._accepted[hop.host] = count + 1
        connection.is_counted = is_acceptor
        self._connections[hop] = connection

    def disconnected(self, connection: Connection, hop: Hop) -> None:
        """Forget a connection."""
        if connection.is_counted:
            self._accepted[hop.host] -= 1
            if not self._accepted[hop.host]:
                del self._accepted[hop.host]
        if self._connections.get(hop) is connection:
            del self._connections[hop]
            self._sink.lost(hop)

    def arrived(self, data: bytes, hop: Hop) -> None:
        """Pass on a message of a connection."""
        self._sink.arrived(data, hop)

    def refusal(self, refused: Refused, hop: Hop) -> bytes | None:
        """Ask what the sender of something unreadable is told."""
        return self._sink.refusal(refused, hop)

    def call_later(self, seconds: float, function: Callable[[], None]) -> Any:
        """Set a timer."""
        return self._reactor.callLater(seconds, function)


class Datagrams(DatagramProtocol):
    """One UDP socket."""

    noisy = False

    def __init__(self, arrived: Callable[[bytes, Hop], None]) -> None:
        self._arrived = arrived

    def datagramReceived(self, datagram: bytes, addr: tuple[Any, ...]) -> None:
        """Pass on what is no keep-alive."""
        if datagram.strip(b"\r\n\0 "):
            self._arrived(datagram, Hop("UDP", addr[0].partition("%")[0], addr[1]))


class Connection(Backpressured):
    """One TCP or TLS connection; `hop` is None if the peer opened it."""

    max_unread = MAX_UNREAD

    def __init__(self, transports: Transports, name: str, hop: Hop | None) -> None:
        self._transports = transports
        self._name = name
        self._given = hop
        self._buffer = MessageBuffer(is_acceptor=hop is None)
        self._timer: Any = None
        self._pings: Any = None
        self._pong: Any = None
        self._interval, self._wants_pong = PING_INTERVAL, False
        self.is_counted = False

    def connectionMade(self) -> None:
        """Begin."""
        self.transport.registerProducer(self, True)
        peer = self.transport.getPeer()
        assert isinstance(peer, IPv4Address | IPv6Address)
        self._hop = self._given or Hop(self._name, peer.host, peer.port)
        self._wait(FIRST_TIMEOUT)
        if self._given is not None:
            self._pings = self._transports.call_later(PING_INTERVAL, self._ping)
        self._transports.connected(self, self._hop, is_acceptor=self._given is None)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._transports.call_later(seconds, self.end)

    def keep_alive(self, seconds: float) -> None:
        """Ping as often as this from now on; whoever answers no ping is gone."""
        self._interval, self._wants_pong = seconds, True
        if self._pings is not None and self._pings.active():
            self._pings.reset(seconds)

    def _ping(self) -> None:
        self._pings = self._transports.call_later(self._interval, self._ping)
        if self._wants_pong and self._pong is None:
            self._pong = self._transports.call_later(PONG_TIMEOUT, self.cut)
        self.send(PING)

    def dataReceived(self, data: bytes) -> None:
        """Cut out messages; what nobody can read ends the connection, and what comes after it is dropped."""
        if self.transport.disconnecting:
            return
        was_empty = self._buffer.is_empty
        self._buffer.receive_data(data)
        try:
            count = self._take()
        except Refused as refused:
            answer = self._transports.refusal(refused, self._hop)
            if answer is not None:
                self.send(answer)
            self.end()
            return
        if count and self._buffer.is_empty:
            self._wait(IDLE_TIMEOUT)
        elif count or was_empty:
            self._wait(FIRST_TIMEOUT)

    def _take(self) -> int:
        count = 0
        while (event := self._buffer.next_event()) is not None:
            count += 1
            if event is Keepalive.PING:
                self.send(PONG)
            elif event is Keepalive.PONG and self._pong is not None:
                self._pong.cancel()
                self._pong = None
            elif isinstance(event, bytes):
                self._transports.arrived(event, self._hop)
        return count

    def end(self) -> None:
        """Close it when what was written is out, or after a while."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._wait_for_end()

    def _wait_for_end(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._transports.call_later(FIRST_TIMEOUT, self.cut)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        for timer in (self._timer, self._pings, self._pong):
            if timer is not None and timer.active():
                timer.cancel()
        self._transports.disconnected(self, self._hop)


class _Acceptor(Factory):
    noisy = False

    def __init__(self, transports: Transports, name: str) -> None:
        self._transports = transports
        self._name = name

    def buildProtocol(self, addr: Any) -> Connection:
        return Connection(self._transports, self._name, None)


class _Dialler(Factory):
    noisy = False

    def __init__(self, transports: Transports, hop: Hop) -> None:
        self._transports = transports
        self._hop = hop

    def buildProtocol(self, addr: Any) -> Connection:
        return Connection(self._transports, self._hop.transport, self._hop)


def listen_all(transports: Transports, listens: Sequence[str]) -> dict[tuple[str, int], tuple[str, int]]:
    """Listen everywhere; return host and port by transport and version of IP, of the first of each."""
    found: dict[tuple[str, int], tuple[str, int]] = {}
    for one in listens:
        transport, _, endpoint = one.upper().partition(" ")
        host, _, port = endpoint.rpartition(":")
        host = host.strip("[]").lower()
        bound = transports.listen(transport, host, int(port))
        found.setdefault((transport, 6 if ":" in host else 4), (host, bound))
    return found
