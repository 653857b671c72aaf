"""One hosted component (XEP-0114): bytes, timers and a queue around `IncomingComponentStream`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.federation.exchange import Exchange
from bridge.federation.wire import Wire
from bridge.xmpp.component import Authenticated, IncomingComponentStream, StreamEnded, StreamFailed
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a component has to prove its secret."""
CLOSE_TIMEOUT = 5.0
"""Seconds that a component has to take what is left and to answer the end of the stream."""
SILENCE = 30.0
"""Seconds without a byte before a space is sent, whose loss shows that the link is dead; and for which a
component may take nothing of what waits for it."""
BACKLOG = 8 * 1024 * 1024
"""Bytes that may wait for a component that reads slowly; beyond, stanzas are refused."""
PORTION = 256 * 1024
"""Bytes handed to the connection at once: what the socket does not take of them cannot be answered."""
BOUNCES = 500
"""Stanzas of a lost component that are answered in one turn, so that their senders can take the answers."""


class Host(Protocol):
    """Whoever the links belong to."""

    def admit(self, link: HostedLink) -> None:
        """Let a link, which has proven its secret, serve its domain."""

    def submit(self, stanza: Element) -> None:
        """Pass on a stanza of a component."""

    def release(self, link: HostedLink) -> None:
        """Learn that a link ends; it takes nothing more."""

    def forget(self, link: HostedLink) -> None:
        """Learn that a connection is gone."""


class Hosted:
    """One connected component, as the exchange knows it: what waits for it, and the link that takes it."""

    def __init__(self, link: HostedLink, exchange: Exchange, clock: IReactorTime) -> None:
        self.link = link
        self._exchange = exchange
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._is_scheduled = False

    def receive(self, stanza: Element) -> None:
        """Send a stanza, joined with all others of this turn; see `exchange.Destination`."""
        data = stanza.to_xml(NS_COMPONENT).encode()
        size = self._bytes + len(data)
        if size > BACKLOG and self._waiting:
            return self._exchange.bounce(stanza, BridgeError(Trouble.OVERLOADED))
        self._bytes = size
        self._waiting.append(data)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._clock.callLater(0, self._end_turn)
        return None

    def _end_turn(self) -> None:
        self._is_scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hand over what waits, as far as the link takes it now."""
        while self._waiting and not self.link.is_blocked:
            self.link.send(self._take(PORTION))

    def hand_over(self) -> None:
        """Hand over everything, for the link will end."""
        if self._waiting:
            self.link.send(self._take(self._bytes))

    def _take(self, most: int) -> bytes:
        """Return the first stanzas that wait, about `most` bytes of them."""
        if self._bytes <= most:
            taken = b"".join(self._waiting)
            self._waiting.clear()
        else:
            portion: list[bytes] = []
            while most > 0:
                portion.append(self._waiting.popleft())
                most -= len(portion[-1])
            taken = b"".join(portion)
        self._bytes -= len(taken)
        return taken

    def give_up(self) -> None:
        """Answer what waits to its senders: the component is gone."""
        waiting, self._waiting = self._waiting, deque()
        if waiting:
            self._clock.callLater(0, self._return, waiting)

    def _return(self, waiting: deque[bytes]) -> None:
        returned = [waiting.popleft() for _ in range(min(BOUNCES, len(waiting)))]
        self._exchange.bounce(b"".join(returned), BridgeError(Trouble.LOST))
        if waiting:
            self._clock.callLater(0, self._return, waiting)


class HostedLink:
    """One connection of a component, or of somebody who has yet to prove to be one."""

    log = Logger()

    def __init__(
        self, host: Host, stream: IncomingComponentStream, address: str, clock: IReactorTime
    ) -> None:
        self.stream = stream
        self.address = address
        self.wire = Wire(self)
        self.gone: Deferred[None] = Deferred()
        """Fires when the connection is closed."""
        self.hosted: Hosted | None = None
        """What the link takes stanzas from; None before the handshake, and when it has to end."""
        self._host = host
        self._clock = clock
        self._heard = self._moved = clock.seconds()
        """When the last bytes came, and when the socket was last ready to take some."""
        self._is_held = False
        self._is_over = False
        self._is_deaf = False
        """Whether the component does not read our answers; then nothing more of it is read."""
        self._timer: IDelayedCall | None = None
        self._set_timer(HANDSHAKE_TIMEOUT, partial(self.fail, "connection-timeout"))

    @property
    def name(self) -> str:
        """The component's domain, as far as it is known."""
        return self.stream.domain or "unknown component"

    @property
    def is_blocked(self) -> bool:
        """Whether the component does not read."""
        return self.wire.blocked

    def send(self, stanzas: bytes) -> None:
        """Send stanzas."""
        self.stream.send(stanzas)
        self._write_out()

    def flush(self) -> None:
        """Go on: the socket takes data again."""
        self._moved = self._clock.seconds()
        if self._is_deaf:
            self._is_deaf = False
            self._pace()
        if self.hosted is not None:
            self.hosted.flush()

    def receive(self, data: bytes) -> None:
        """Take what the component sent."""
        self._heard = self._clock.seconds()
        self.stream.receive_data(data)
        has_answered = self._settle()
        if has_answered and self.is_blocked:
            self._is_deaf = True
            self._pace()

    def hold(self, is_held: bool) -> None:
        """Stop reading stanzas, or read again."""
        self._is_held = is_held
        self._pace()

    def fail(self, condition: str) -> None:
        """End the stream with an error (RFC 6120 §4.9.3)."""
        self.stream.fail(condition)
        self._settle()

    def close(self) -> None:
        """Send what waits, and end the stream properly."""
        if self.hosted is not None:
            self.hosted.hand_over()
        self._host.release(self)
        self._set_timer(CLOSE_TIMEOUT, self._cut)
        self.stream.close()
        self._settle()

    def lose(self, reason: Failure) -> None:
        """Learn that the connection is gone."""
        self.stream.receive_eof()
        self._settle()
        self._set_timer(None)
        self._host.forget(self)
        self.gone.callback(None)

    def _settle(self) -> bool:
        """Deal with what a call to the stream has brought about; returns whether anything was written."""
        for event in self.stream.take_events():
            if isinstance(event, Element):
                self._host.submit(event)
            elif isinstance(event, Authenticated):
                self._come_up()
            elif isinstance(event, StreamFailed):
                self._report(event)
            elif isinstance(event, StreamEnded):
                self.log.info("{name}: the component has left", name=self.name)
            else:
                assert_never(event)
        has_written = self._write_out()
        if self.stream.state == "closed" and not self._is_over:
            self._is_over = True
            self._host.release(self)
            self._set_timer(CLOSE_TIMEOUT, self._cut)
            self.wire.close()
        return has_written

    def _write_out(self) -> bool:
        data = self.stream.data_to_send()
        if data:
            if not self.is_blocked:
                self._moved = self._clock.seconds()
            self.wire.send(data)
        return bool(data)

    def _come_up(self) -> None:
        self.log.info(
            "{name}: the component is connected from {address}", name=self.name, address=self.address
        )
        self._set_timer(SILENCE, self._watch)
        self._host.admit(self)

    def _report(self, failed: StreamFailed) -> None:
        """Somebody who only knocked is no news."""
        (self.log.warn if failed.condition or self.hosted is not None else self.log.debug)(
            "{name}: the stream of {address} ended: {condition} {text}",
            name=self.name, address=self.address, condition=failed.condition, text=failed.text,
        )  # fmt: skip

    def _watch(self) -> None:
        """Find a component that does not read, and, with the network's help, a dead link.

        A ping (XEP-0199) would need an answer, which not every component gives.
        """
        now = self._clock.seconds()
        if self.is_blocked and now - self._moved >= SILENCE:
            self.log.warn("{name}: the component does not read, cutting the link", name=self.name)
            return self._cut()
        if not self.is_blocked and now - self._heard >= SILENCE:
            self.stream.ping()
            self._write_out()
        return self._set_timer(SILENCE, self._watch)

    def _pace(self) -> None:
        if self._is_held or self._is_deaf:
            self.wire.transport.pauseProducing()
        else:
            self.wire.transport.resumeProducing()

    def _cut(self) -> None:
        self.wire.transport.abortConnection()

    def _set_timer(self, delay: float | None, then: Callable[[], None] | None = None) -> None:
        """There is one timer, for what is awaited in each phase of the link's life."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if delay is None or then is None else self._clock.callLater(delay, then)
