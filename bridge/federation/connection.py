"""A connection between servers: the bytes, TLS and pauses around a `ServerStream`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol

from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge.federation.hello import HANDSHAKE, Hello
from bridge.federation.wire import USER_TIMEOUT
from bridge.xmpp.element import Element
from bridge.xmpp.incoming import IncomingStream
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import Event, StartTls

UNREAD = 4_194_304
"""Bytes of answers that may wait for a peer that asks on and does not read; then it is left."""
PROMPT = 16_384
"""Bytes of a read below which the peer may be waiting for our kernel's acknowledgement."""
CLOSE_TIMEOUT = 5.0
"""Seconds that a peer has to answer the end of a stream."""


P = ParamSpec("P")


class Owner(Protocol):
    """Whoever the connections belong to."""

    def opened(self, connection: Connection) -> None:
        """The connection is made; the stream has not begun."""

    def happened(self, connection: Connection, event: Event) -> None:
        """The stream has news."""

    def secured(self, connection: Connection) -> None:
        """TLS has started."""

    def tls(self, connection: Connection) -> Any:
        """Return what creates the TLS connection, for ``ITLSTransport.startTLS``."""

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        """Count what came in; returns the seconds for which nothing more should be read."""

    def writable(self, connection: Connection) -> None:
        """The connection takes data again."""

    def closed(self, connection: Connection, reason: str) -> None:
        """The connection is gone."""


@implementer(IHandshakeListener, IPushProducer)
class Connection(TwistedProtocol):
    """Moves bytes; what is sent in one turn of the reactor leaves together."""

    transport: Any
    log = Logger()

    def __init__(self, stream: IncomingStream | OutgoingStream, owner: Owner, clock: IReactorTime) -> None:
        self.stream = stream
        self.address = ""
        """The peer's IP address."""
        self.is_blocked = False
        """Whether the peer does not read: what is to be sent should wait."""
        self.since = clock.seconds()
        self.heard = self.since
        """When the last bytes came."""
        self.spoke = self.since
        """When the last bytes went."""
        self.active = self.since
        """When the last stanza came or went."""
        self.closing: float | None = None
        """When the end of the stream was sent."""
        self.poked = self.since
        """When the last sign of life was asked for."""
        self.answered = self.since
        """When the peer last acknowledged what it was asked to."""
        self.bytes_received = 0
        self._unread = 0
        """What was written since the peer stopped reading."""
        self._owner = owner
        self._clock = clock
        self._socket: socket.socket | None = None
        self._is_scheduled = False
        self._is_held = False
        self._throttle: IDelayedCall | None = None
        self._hello: Hello | None = None
        """While a peer is to begin TLS, what has come of that."""
        self._is_handshaking = False
        self._is_settling = False
        self._is_gone = False

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost."""
        return self._is_gone

    # ---- writing

    def flush(self) -> None:
        """Write what the stream has to say, at the end of this turn."""
        if not self._is_scheduled and not self._is_gone:
            self._is_scheduled = True
            self._clock.callLater(0, self._end_turn)

    def _end_turn(self) -> None:
        self._is_scheduled = False
        self.write_out()

    def write_out(self) -> None:
        """Write it now."""
        data = self.stream.data_to_send()
        if data and not self._is_gone:
            self.spoke = self._clock.seconds()
            self._unread += len(data) if self.is_blocked else 0
            self.transport.write(data)
            if self._unread > UNREAD:
                self.abort()

    def close(self) -> None:
        """End the stream properly; the connection follows when the peer has answered, or did not."""
        self.stream.close()
        self.settle()

    def fail(self, condition: str, text: str = "") -> None:
        """End the stream with an error."""
        self.stream.fail(condition, text)
        self.settle()

    def abort(self) -> None:
        """Cut the connection."""
        if not self._is_gone:
            self.transport.abortConnection()

    def guarded(self, action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do something on behalf of this connection: whatever goes wrong, the others go on."""
        try:
            action(*args, **kwargs)
        except Exception:
            self.log.failure("a stream to or from {domain} is cut", domain=self.stream.remote or "unknown")
            self.abort()

    # ---- reading

    def hold(self, is_held: bool) -> None:
        """Stop reading, or read again: the bridge cannot keep more at the moment."""
        self._is_held = is_held
        self._pace()

    def _throttled(self, delay: float) -> None:
        """Wait; one read from the socket may come in several pieces, of which each says longer."""
        if self._throttle is not None:
            return self._throttle.reset(delay)
        self._throttle = self._clock.callLater(delay, self._go_on)
        return self._pace()

    def _go_on(self) -> None:
        self._throttle = None
        self._pace()

    def _pace(self) -> None:
        if self._is_gone:
            return
        waits = self._is_held or self._throttle is not None or self.stream.state == "awaiting_greeting"
        if waits:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    # ---- what Twisted calls

    def connectionMade(self) -> None:
        """Set the socket up, and begin."""
        self.address = getattr(self.transport.getPeer(), "host", "")
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        handle = self.transport.getHandle()
        if isinstance(handle, socket.socket):
            self._socket = handle
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self.transport.registerProducer(self, True)
        self._owner.opened(self)
        self.settle()

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes to the stream; a TLS handshake at the very beginning is direct TLS (XEP-0368)."""
        if not self.bytes_received and data[0] == HANDSHAKE and isinstance(self.stream, IncomingStream):
            self.start_tls()
        self.bytes_received += len(data)
        if self._hello is not None:
            return self._greeted(self._hello, data)
        self.heard = self._clock.seconds()
        if len(data) < PROMPT:
            self._acknowledge()
        self.stream.receive_data(data)
        stanzas = self.settle()
        if not self._is_gone:
            delay = self._owner.received(self, len(data), stanzas)
            if delay > 0:
                self._throttled(delay)
        return None

    def start_tls(self) -> None:
        """Begin TLS at once as the side that connected, else when the peer has begun."""
        self._is_handshaking = True
        if isinstance(self.stream, IncomingStream):
            self._hello = Hello()
        else:
            self.transport.startTLS(self._owner.tls(self))

    def _greeted(self, hello: Hello, data: bytes) -> None:
        try:
            complete = hello.take(data)
        except ValueError:
            return self.abort()
        if complete is not None:
            self._hello = None
            self.transport.startTLS(self._owner.tls(self))
            self.transport.protocol.dataReceived(complete)
        return None

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        self._is_handshaking = False
        self._acknowledge()
        self._owner.secured(self)
        self.settle()

    def _acknowledge(self) -> None:
        """COMPAT Prosody, ejabberd: they leave Nagle's algorithm on (RFC 896), so that their next words
        would wait for an acknowledgement that the kernel delays by 40 ms while we have nothing to say.
        """
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def pauseProducing(self) -> None:
        """Learn that the peer does not read."""
        self.is_blocked = True

    def resumeProducing(self) -> None:
        """Learn that it does again."""
        self.is_blocked = False
        self._unread = 0
        self._owner.writable(self)

    def stopProducing(self) -> None:
        """Learn that it never will."""
        self.is_blocked = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Learn that the connection is gone."""
        self._is_gone = True
        if self._throttle is not None:
            self._throttle.cancel()
        self.stream.receive_eof()
        self.settle()
        self._owner.closed(self, reason.getErrorMessage())

    # ---- after every change of the stream

    def settle(self) -> int:
        """Deliver and write what a call to the stream has brought about; returns how many stanzas came.

        Within what `Owner.happened` does this is not needed.
        """
        if self._is_settling:
            return 0
        self._is_settling = True
        try:
            stanzas = self._deliver()
        finally:
            self._is_settling = False
        if not self._is_gone:
            self.write_out()
            if self.stream.state in ("closing", "closed") and self.closing is None:
                self.closing = self._clock.seconds()
            if self.stream.state == "closed":
                self.transport.unregisterProducer()
                self.abort() if self._is_handshaking else self.transport.loseConnection()
            elif self.stream.state == "awaiting_greeting":
                self._pace()
        return stanzas

    def _deliver(self) -> int:
        stanzas = 0
        while events := self.stream.take_events():
            for event in events:
                if isinstance(event, StartTls):
                    self.write_out()
                    self.start_tls()
                else:
                    stanzas += isinstance(event, Element)
                    self.guarded(self._owner.happened, self, event)
        if stanzas:
            self.active = self._clock.seconds()
        return stanzas
