"""One connection to a server: a turn at the turnstile, its ports in order, then bytes."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge.errors import BridgeError
from transports.irc.dialer import Attempt, Dialer, Ends, Target, Ticket, Turnstile
from transports.irc.tls import is_distrust, reason


class Line(Protocol):
    """What is at our end of a connection."""

    def progress(self, text: str) -> None:
        """Something for the user to read."""

    def connection_made(self, *, secure: bool) -> None:
        """The server may be spoken to."""

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""

    def connection_lost(self, text: str, *, made: bool) -> None:
        """It ended, or (`made` False) could not be made at any port; `text` says why."""

    def advance(self) -> None:
        """The server takes data again."""


@implementer(IPushProducer)
class Connection:
    """See the module's docstring; `connection_lost` ends it, and may be waited for after `close`."""

    def __init__(self, target: Target, line: Line) -> None:
        self.target = target
        self.attempt: Attempt | None = None
        self.choked = False
        self.ends: Ends | None = None
        self.data_received = line.data_received
        self._line = line
        self._attempts = iter(target.attempts)
        self._ticket: Ticket | None = None
        self._dial: Callable[[Attempt], Deferred[Any]] | None = None
        self._dialling: Deferred[Any] | None = None
        self._transport: Any = None
        self._socket: Any = None
        self._lost_text = ""

    @property
    def is_up(self) -> bool:
        """True between `connection_made` and `connection_lost`."""
        return self._transport is not None

    def open(self, dialer: Dialer, turnstile: Turnstile) -> None:
        """Begin, when it is our turn."""

        def dial(attempt: Attempt) -> Deferred[Any]:
            return dialer.dial(self.target, attempt, self)

        self._dial = dial
        self._ticket = turnstile.enter(self._next)

    def write(self, data: bytes) -> None:
        """Send bytes; the caller looks at `choked` first.

        Where no TLS is between they go straight to the socket, which saves a turn of the reactor.
        """
        if self._socket is not None:
            data = data[self._sent_at_once(data) :]
            if not data:
                return
            self.choked = True
        self._transport.write(data)

    def _sent_at_once(self, data: bytes) -> int:
        try:
            return int(self._socket.send(data))
        except OSError:
            return 0  # the transport will find out what is wrong

    def close(self) -> None:
        """End it: once up, after all that was written has left; else at once, without a report.

        The other end closes too. Would we before it has, then what has come and is not read yet would
        have the kernel reset the connection, and the server might never see what was written last.
        """
        if self._transport is not None:
            self._transport.unregisterProducer()
            if self._socket is not None:
                self._transport.loseWriteConnection()
            else:
                self._transport.loseConnection()
            return
        self._dial = None
        if self._ticket is not None:
            self._ticket.cancel()
        if self._dialling is not None:
            self._dialling.cancel()

    def abort(self, text: str) -> None:
        """End it at once, because of `text`."""
        self._lost_text = text
        if self._transport is not None:
            self._transport.abortConnection()

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None:
            self._transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resumeProducing()

    # ---- the way up

    def _next(self, error: BaseException | None = None) -> None:
        """Try the next port; after distrust none without TLS, of a host that is unknown none at all."""
        for attempt in () if isinstance(error, DNSLookupError) else self._attempts:
            if attempt.secure or not is_distrust(error):
                return self._try(attempt)
        self._dial = None
        self._line.connection_lost(reason(error), made=False)
        return None

    def _try(self, attempt: Attempt) -> None:
        if self._dial is None:
            return
        self.attempt = attempt
        how = "encrypted" if attempt.secure else "not encrypted"
        self._line.progress(f"Connecting to {self.target.host}:{attempt.port} ({how})")
        try:
            dialling = self._dial(attempt)
        except BridgeError as error:
            return self._failed(Failure(error))
        dialling.addCallbacks(self._made, self._failed)
        if not dialling.called:
            self._dialling = dialling
        return None

    def socket_opened(self, ends: Ends) -> None:
        """TCP is up."""
        self.ends = ends

    def _failed(self, failure: Failure) -> None:
        self._dialling = None
        if self._dial is not None:
            self._line.progress(f"Connection failed: {reason(failure.value)}")
            self._next(failure.value)

    def _made(self, transport: Any) -> None:
        self._dialling = None
        assert self.attempt is not None
        secure = self.attempt.secure
        transport.registerProducer(self, secure)
        self._transport = transport
        self._socket = None if secure else transport.getHandle()
        self._line.progress(f"Connected to IRC server{' (encrypted)' if secure else ''}.")
        self._line.connection_made(secure=secure or _is_local(transport))

    # ---- up

    def connection_lost(self, error: BaseException | None) -> None:
        """The transport is gone."""
        self._transport = None
        self._line.connection_lost(self._lost_text or reason(error), made=True)

    def pauseProducing(self) -> None:
        """The transport's buffer is full (Twisted)."""
        self.choked = True

    def resumeProducing(self) -> None:
        """The transport's buffer is empty, now or again (Twisted)."""
        if self.choked:
            self.choked = False
            self._line.advance()

    def stopProducing(self) -> None:
        """The transport is going away (Twisted)."""
        self.choked = True


def _is_local(transport: Any) -> bool:
    """Tell whether nobody is on the way: the server runs on this machine."""
    host = getattr(transport.getPeer(), "host", "")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
