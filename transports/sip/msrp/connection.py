"""TCP and TLS for MSRP: frames of many chats in and out (RFC 4975 §5.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from transports.sip.agent.backpressure import Backpressured
from transports.sip.agent.connection import CONNECT_TIMEOUT
from transports.sip.agent.routing import Hop
from transports.sip.agent.transport import Security
from transports.sip.msrp.frame import MAX_BODY, MAX_HEAD, Frame, FrameBuffer
from transports.sip.msrp.session import response
from transports.sip.msrp.terms import session_id
from transports.sip.wire.uri import Malformed

FIRST_TIMEOUT = 20.0
"""Seconds for which a connection may be of no chat."""
MAX_UNREAD = 4 * (MAX_HEAD + MAX_BODY)
"""Bytes that a peer may leave unread before its connection is cut."""


class Owner(Protocol):
    """The chat that a frame belongs to."""

    def receive(self, frame: Frame, connection: Connection) -> None:
        """Take a frame."""

    def disconnected(self) -> None:
        """The connection is gone."""


class Connections:
    """All sockets of chats. `owner` finds a chat by the name that is in our URI; `admits` see `Guard`."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        security: Security,
        owner: Callable[[str], Owner | None],
        admits: Callable[[str, int], bool],
        limit: int,
    ) -> None:
        self._reactor, self._security = reactor, security
        self.owner, self._admits, self._limit = owner, admits, limit
        self._ports: list[Any] = []
        self._open: set[Connection] = set()
        self._accepted: dict[str, int] = {}
        self.bound: dict[bool, tuple[str, int]] = {}
        """Host and port on which we listen, by whether they are secure; the first of each."""

    def listen(self, listens: Sequence[str]) -> None:
        """Begin to listen. Raises CannotListenError, and ValueError or OSError for a bad certificate."""
        for one in listens:
            transport, _, endpoint = one.partition(" ")
            host, _, port = endpoint.rpartition(":")
            host = host.strip("[]").lower()
            factory = _Factory(self, None)
            if transport == "tls":
                made = self._reactor.listenSSL(int(port), factory, self._security.server, interface=host)
            else:
                made = self._reactor.listenTCP(int(port), factory, interface=host)
            self._ports.append(made)
            self.bound.setdefault(transport == "tls", (host, int(made.getHost().port)))

    def dial(self, hop: Hop) -> Deferred[Connection]:
        """Connect; fails if that cannot be."""
        kind = TCP6ClientEndpoint if ":" in hop.host else TCP4ClientEndpoint
        endpoint: Any = kind(self._reactor, hop.host, hop.port, timeout=CONNECT_TIMEOUT)
        if hop.transport == "TLS":
            endpoint = wrapClientTLS(self._security.client(hop.name), endpoint)
        dialled: Deferred[Connection] = endpoint.connect(_Factory(self, hop))
        return dialled

    def stop(self) -> Deferred[Any]:
        """Close everything; fires when nothing listens any more."""
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        for connection in list(self._open):
            connection.end()
        return DeferredList(closing, consumeErrors=True)

    def connected(self, connection: Connection, host: str, *, is_acceptor: bool) -> bool:
        """Take note of a connection; False if it is one too many."""
        if is_acceptor:
            count = self._accepted.get(host, 0)
            if len(self._open) >= self._limit or not self._admits(host, count):
                return False
            self._accepted[host] = count + 1
        self._open.add(connection)
        return True

    def disconnected(self, connection: Connection, host: str, *, is_acceptor: bool) -> None:
        """Forget a connection."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        if is_acceptor:
            self._accepted[host] -= 1
            if not self._accepted[host]:
                del self._accepted[host]

    def call_later(self, seconds: float, function: Callable[[], None]) -> Any:
        """Set a timer."""
        return self._reactor.callLater(seconds, function)


class Connection(Backpressured):
    """One connection, and whose chats it carries; `hop` is None if the peer opened it."""

    max_unread = MAX_UNREAD

    def __init__(self, connections: Connections, hop: Hop | None) -> None:
        self._connections, self._hop = connections, hop
        self._buffer = FrameBuffer()
        self._owners: set[Owner] = set()
        self._timer: Any = None

    def connectionMade(self) -> None:
        """Begin."""
        self.transport.registerProducer(self, True)
        self._host = self._hop.host if self._hop is not None else str(self.transport.getPeer().host)
        self._wait()
        if not self._connections.connected(self, self._host, is_acceptor=self._hop is None):
            self.cut()

    def _wait(self) -> None:
        """Of no use to anybody, it is closed after a while."""
        if self._timer is None:
            self._timer = self._connections.call_later(FIRST_TIMEOUT, self.cut)

    def adopt(self, owner: Owner) -> None:
        """Carry a chat."""
        self._owners.add(owner)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def disown(self, owner: Owner) -> None:
        """Carry it no more; after the last one the connection ends."""
        self._owners.discard(owner)
        if not self._owners:
            self.end()

    def dataReceived(self, data: bytes) -> None:
        """Cut out frames; what nobody can read ends the connection."""
        self._buffer.receive_data(data)
        try:
            while (frame := self._buffer.next_frame()) is not None:
                self._take(frame)
        except Malformed as error:
            self._connections.log.debug("{host} sends no MSRP: {error}", host=self._host, error=str(error))
            self.cut()

    def _take(self, frame: Frame) -> None:
        owner = self._connections.owner(session_id(frame.to_path[-1]))
        if owner is not None:
            owner.receive(frame, self)
        elif frame.method:
            self.respond(frame, 481)

    def respond(self, frame: Frame, status: int) -> None:
        """Answer a request that belongs to no chat on this connection (RFC 4975 §7.3)."""
        answer = response(frame, status, frame.to_path[-1])
        if answer is not None:
            self.send(answer)

    def end(self) -> None:
        """Close it when what was written is out, or after a while."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._wait()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone, and with it its chats."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._connections.disconnected(self, self._host, is_acceptor=self._hop is None)
        owners, self._owners = self._owners, set()
        for owner in owners:
            owner.disconnected()


class _Factory(Factory):
    noisy = False

    def __init__(self, connections: Connections, hop: Hop | None) -> None:
        self._connections, self._hop = connections, hop

    def buildProtocol(self, addr: Any) -> Connection:
        return Connection(self._connections, self._hop)
