"""Making connections: where to, in which order, how many a second."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from transports.irc.tls import Contexts, Trust, Untrusted, check_pin

CONNECT_TIMEOUT = 15.0
"""Seconds in which a connection, TLS included, must be made."""
USER_TIMEOUT = 75_000
"""Milliseconds that sent data may stay unacknowledged (RFC 5482), within the 90 s for dead links."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One port to try."""

    port: int
    secure: bool


class Target(Struct, frozen=True, kw_only=True):
    """A server as a user reaches it: `attempts` in order, TLS first."""

    host: str
    attempts: tuple[Attempt, ...]
    trust: Trust = Trust()
    bind: str = ""


Ends = tuple[int, str, int]
"""A connection: our port, the server's IP address and port (RFC 1413)."""


class Line(Protocol):
    """What a connection reports to."""

    def socket_opened(self, ends: Ends) -> None:
        """TCP is up; the server may ask who we are before TLS is."""

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection ended."""


@implementer(IHandshakeListener)
class Wire(TwistedProtocol):
    """A connection on its way up, and then the bytes of a `Line`.

    `ready` fires with the transport when the peer may be spoken to, TLS and trust included.
    """

    transport: Any

    def __init__(self, line: Line, trust: Trust | None) -> None:
        self.ready: Deferred[ITransport] = Deferred(self._cancel)
        self._line = line
        self._trust = trust
        self._up = False

    def connectionMade(self) -> None:
        """TCP is up."""
        _tune(self.transport)
        ours, theirs = self.transport.getHost(), self.transport.getPeer()
        self._line.socket_opened(
            (getattr(ours, "port", 0), getattr(theirs, "host", ""), getattr(theirs, "port", 0))
        )
        if self._trust is None:
            self._succeed()

    def handshakeCompleted(self) -> None:
        """TLS is up: the certificate is good, or is compared now."""
        if self.ready.called or self._trust is None:
            return
        try:
            check_pin(self._trust, self.transport)
        except Untrusted as error:
            self.fail(Failure(error))
        else:
            self._succeed()

    def dataReceived(self, data: bytes) -> None:
        """What comes before trust is of no interest."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection ended, or never came up."""
        if self._up:
            self._up = False
            self._line.connection_lost(reason.value)
        else:
            self.fail(reason)

    def fail(self, reason: Failure) -> None:
        """Report that the connection could not be made."""
        if not self.ready.called:
            self._abort()
            self.ready.errback(reason)

    def _succeed(self) -> None:
        """From now on bytes take the shortest way; each layer between would cost every line."""
        self._up = True
        self.dataReceived = self._line.data_received  # type: ignore[method-assign]
        if self._trust is None:
            self.transport.protocol = self
        self.ready.callback(self.transport)

    def _cancel(self, ready: Deferred[ITransport]) -> None:
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


def _tune(transport: Any) -> None:
    """Send small lines at once, and notice a peer that is gone."""
    lower = transport
    while isinstance(lower, ProtocolWrapper):
        lower = lower.transport
    if hasattr(lower, "setTcpNoDelay"):
        lower.setTcpNoDelay(True)
        lower.setTcpKeepAlive(True)
    handle = lower.getHandle() if hasattr(lower, "getHandle") else None
    if isinstance(handle, socket.socket):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)


class _OneWire(Factory):
    noisy = False

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def buildProtocol(self, addr: IAddress | None) -> Wire:
        return self._wire


EndpointMaker = Callable[[str, int, str], IStreamClientEndpoint]
"""Host, port and source address ("" for any) → where to connect."""


def hostname_endpoints(reactor: Any) -> EndpointMaker:
    """Return the maker of real endpoints: all addresses of a host, happy eyeballs (RFC 8305)."""

    def make(host: str, port: int, bind: str) -> IStreamClientEndpoint:
        source = (bind, 0) if bind else None
        return HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT, bindAddress=source)

    return make


class Dialer:
    """Makes the connections of one network."""

    def __init__(self, clock: IReactorTime, endpoint: EndpointMaker) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self.contexts = Contexts()

    def dial(self, target: Target, attempt: Attempt, line: Line) -> Deferred[ITransport]:
        """Try one port; fires when `line` may write. Cancelling gives up, at once and quietly."""
        wire = Wire(line, target.trust if attempt.secure else None)
        factory: Any = _OneWire(wire)
        if attempt.secure:
            creator = self.contexts.creator(target.host, target.trust)
            factory = TLSMemoryBIOFactory(creator, True, factory, self._clock)
            factory.noisy = False
        connecting = self._endpoint(target.host, attempt.port, target.bind).connect(factory)
        connecting.addErrback(wire.fail)
        ready = wire.ready
        ready.addErrback(_stop, connecting)
        return ready.addTimeout(CONNECT_TIMEOUT, self._clock)


def _stop(failure: Failure, connecting: Deferred[Any]) -> Failure:
    connecting.cancel()
    return failure


class Turnstile:
    """Lets connections to one server through: `burst` at once, then `rate` a second, in order."""

    def __init__(self, clock: IReactorTime, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = float(burst)
        self._free = float(burst)
        self._counted = clock.seconds()
        self._waiting: deque[Ticket] = deque()
        self._call: IDelayedCall | None = None

    @property
    def idle(self) -> bool:
        """True when nothing would be lost by forgetting it."""
        self._count()
        return not self._waiting and self._free >= self._burst

    def enter(self, go: Callable[[], None]) -> Ticket:
        """Call `go` when it is its turn, possibly at once."""
        ticket = Ticket(go)
        self._waiting.append(ticket)
        if self._call is None:
            self._let_through()
        return ticket

    def _count(self) -> None:
        now = self._clock.seconds()
        self._free = min(self._burst, self._free + (now - self._counted) * self._rate)
        self._counted = now

    def _let_through(self) -> None:
        self._call = None
        self._count()
        while self._waiting and self._free >= 0.999:
            ticket = self._waiting.popleft()
            if ticket.go is not None:
                self._free -= 1
                ticket.pass_through()
        if self._waiting and self._call is None:
            self._call = self._clock.callLater((1 - self._free) / self._rate, self._let_through)


class Ticket:
    """A place in the queue of a `Turnstile`."""

    __slots__ = ("go",)

    def __init__(self, go: Callable[[], None]) -> None:
        self.go: Callable[[], None] | None = go

    def pass_through(self) -> None:
        """It is its turn."""
        go, self.go = self.go, None
        if go is not None:
            go()

    def cancel(self) -> None:
        """Give the place up."""
        self.go = None
