"""UDP, TCP, TLS and WebSockets for SIP: whole messages in and out (RFC 3261 §18, RFC 7118)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, fail, maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from transports.sip.agent.connection import CONNECT_TIMEOUT, Connection, Framing
from transports.sip.agent.routing import DEFAULT_PORTS, SECURE, WEBSOCKETS, Hop
from transports.sip.wire.framing import MessageBuffer
from transports.sip.wire.message import Refused
from transports.sip.wire.uri import write_host_port
from transports.sip.wire.websocket import Client, Server

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


class Pages(Protocol):
    """Who may come by a WebSocket."""

    @property
    def origins(self) -> Sequence[str]:
        """Whose pages may; none: all."""

    def is_proxy(self, host: str) -> bool:
        """Tell whether an address is an HTTP proxy's, which says for whom it connects."""


class Transports:
    """All sockets of a gateway. `reactor` is the clock too."""

    log = Logger()

    def __init__(
        self, reactor: Any, sink: Sink, security: Security, max_connections: int, pages: Pages
    ) -> None:
        self._reactor = reactor
        self._sink = sink
        self._security = security
        self._max_connections = max_connections
        self._pages = pages
        self.is_proxy = pages.is_proxy
        self._ports: list[Any] = []
        self._datagrams: dict[int, Datagrams] = {}
        self._connections: dict[Hop, Connection] = {}
        self._websockets: dict[tuple[str, int], Hop] = {}
        self._names: dict[str, Hop] = {}
        self._names_of: dict[Hop, str] = {}
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
            factory = _Acceptor(self, transport, self._pages)
            if transport in SECURE:
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
        if hop.is_websocket and not hop.name:  # it came to us, and is gone: nobody can go to it
            return fail(ConnectionLost())
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
        try:
            if hop.is_secure:
                endpoint = wrapClientTLS(self._security.client(hop.name), endpoint)
            dialler = _Dialler(Connection(self, hop.transport, hop, _framing(hop)))
        except (OSError, ValueError):
            del self._dialling[hop]
            return fail(Failure())
        opened = endpoint.connect(dialler).addCallback(lambda connection: connection.opened)
        opened.addCallbacks(self._dialled, self._not_dialled, callbackArgs=(hop,), errbackArgs=(hop,))
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

    def flow(self, hop: Hop) -> Hop:
        """Return the WebSocket that is open to where a hop is, or the hop itself.

        Where a WebSocket's far end is named in dialogs, neither its path is, nor whether it is secure. One
        whose path is known is another than those of other paths.
        """
        is_any = hop.is_websocket and not hop.path
        known = self._websockets.get((hop.host, hop.port)) if is_any else None
        is_known = known is not None and (known.name == hop.name or hop.transport == "WS")
        return known if known is not None and is_known else hop

    def name(self, name: str, hop: Hop) -> bool:
        """Know a WebSocket by a name as long as it is there; False if it has another, or the name has.

        Names stand for no place, so that who has one first is who has it.
        """
        if not hop.is_websocket or hop not in self._connections:
            return False
        if self._names.setdefault(name, hop) != hop:
            return False
        if self._names_of.setdefault(hop, name) != name:
            del self._names[name]
            return False
        return True

    def named(self, name: str) -> Hop | None:
        """Return the WebSocket of that name."""
        return self._names.get(name)

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
        if hop.is_websocket:
            self._websockets[hop.host, hop.port] = hop

    def disconnected(self, connection: Connection, hop: Hop) -> None:
        """Forget a connection."""
        if connection.is_counted:
            self._accepted[hop.host] -= 1
            if not self._accepted[hop.host]:
                del self._accepted[hop.host]
        if self._connections.get(hop) is connection:
            del self._connections[hop]
            if self._websockets.get((hop.host, hop.port)) == hop:
                del self._websockets[hop.host, hop.port]
            if (name := self._names_of.pop(hop, "")) in self._names:
                del self._names[name]
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


class _Acceptor(Factory):
    noisy = False

    def __init__(self, transports: Transports, name: str, pages: Pages) -> None:
        self._transports, self._name, self._pages = transports, name, pages

    def buildProtocol(self, addr: Any) -> Connection:
        is_websocket = self._name in WEBSOCKETS
        framing: Framing = Server(self._pages.origins) if is_websocket else MessageBuffer(is_acceptor=True)
        return Connection(self._transports, self._name, None, framing)


class _Dialler(Factory):
    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: Any) -> Connection:
        return self._connection


def _framing(hop: Hop) -> Framing:
    """Return how messages go to a hop; ValueError if a WebSocket cannot be asked for."""
    if not hop.is_websocket:
        return MessageBuffer(is_acceptor=False)
    port = 0 if hop.port == DEFAULT_PORTS[hop.transport] else hop.port
    return Client(write_host_port(hop.name, port), hop.path or "/")


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
