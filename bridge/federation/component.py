"""The link of one component domain to its XMPP server: bytes, timers and a queue around `ComponentStream`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import random

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.config import ComponentConfig
from bridge.federation.wire import Wire
from bridge.xmpp.component import Authenticated, ComponentStream, StreamFailed
from bridge.xmpp.element import Element

CONNECT_TIMEOUT = 10.0
"""Seconds for the connection, and again for the handshake."""
CLOSE_TIMEOUT = 5.0
"""Seconds the server has to take what is left and to answer the end of the stream."""
FIRST_DELAY, LONGEST_DELAY, GROWTH = 0.5, 30.0, 1.5
"""Seconds before another attempt, each time times `GROWTH`, then varied by a quarter either way."""
STABLE = 30.0
"""Seconds after which a link counts as good: the next loss begins with the shortest delay again."""
IDLE, ANSWER = 60.0, 29.0
"""Seconds of silence before a ping (XEP-0199), and for anything to come after it."""
DOWN_LIMIT = 8 * 1024 * 1024
"""Bytes kept for the server while the link is down; beyond, the oldest stanzas are dropped."""
UP_LIMIT = 64 * 1024 * 1024
"""Bytes waiting for a server that does not read; beyond, the link is cut, for it is of no use."""


class ComponentLink(Service):
    """Keeps one component connected; implements `bridge.router.Outlet`.

    What is written while the link is down waits, bounded by `DOWN_LIMIT`, and is sent after `on_up`
    has returned. `on_down` is called when the link is lost, not when the service is stopped.
    `burst` is entered around the stanzas of one read; `jitter` returns a number from 0 to 1.
    """

    log = Logger()

    def __init__(
        self,
        domain: str,
        config: ComponentConfig,
        reactor: IReactorTime,
        on_stanza: Callable[[Element], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        burst: Callable[[], AbstractContextManager[None]] = nullcontext,
        jitter: Callable[[], float] = random,
    ) -> None:
        self.queued_bytes = 0
        self._domain = domain
        self._config = config
        self._clock = reactor
        self._on_stanza, self._on_up, self._on_down = on_stanza, on_up, on_down
        self._burst = burst
        self._jitter = jitter
        self._endpoint = HostnameEndpoint(reactor, config.host, config.port, CONNECT_TIMEOUT)
        self._queue: deque[bytes] = deque()
        self._limit = DOWN_LIMIT
        self._dropped = 0
        self._scheduled = False
        self._paused = False
        self._connection: Wire | None = None
        self._stream = ComponentStream(domain, "")
        self._attempt: Deferred[IProtocol] | None = None
        self._timer: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._delay = FIRST_DELAY
        self._refused = False
        self._since: float | None = None
        """When `on_up` was called; None when `on_down` has been called since."""
        self._heard = 0.0

    @property
    def is_up(self) -> bool:
        """Whether stanzas can be sent now."""
        return self._stream.state == "established"

    # writing

    def write(self, stanzas: bytes, domain: str = "") -> None:
        """Send whole stanzas, joined with all others of this turn; the server knows every `domain`."""
        self._queue.append(stanzas)
        self.queued_bytes += len(stanzas)
        if self.queued_bytes > self._limit:
            self._overflow()
        if not self._scheduled and self.is_up:
            self._scheduled = True
            self._clock.callLater(0, self._end_turn)

    def _end_turn(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hand what waits to the connection, if that takes it now."""
        if self._connection is not None and not self._connection.blocked:
            self._hand_over(self._connection)

    def _hand_over(self, connection: Wire) -> None:
        if self.is_up and self._queue:
            self._stream.send(b"".join(self._queue))
            self._queue.clear()
            self.queued_bytes = 0
        data = self._stream.data_to_send()
        if data:
            connection.send(data)

    def _overflow(self) -> None:
        if self.is_up:
            self.log.error("{domain}: the server reads too slowly, cutting the link", domain=self._domain)
            return self._cut()
        if not self._dropped:
            self.log.error(
                "{domain}: too much waits for the server, dropping the oldest", domain=self._domain
            )
        while self.queued_bytes > self._limit:
            self.queued_bytes -= len(self._queue.popleft())
            self._dropped += 1
        return None

    # reading

    def pause(self) -> None:
        """Stop reading; the stanzas of what has been read already still come."""
        self._paused = True
        if self.is_up and self._connection is not None:
            self._connection.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self._heard = self._clock.seconds()
        if self.is_up and self._connection is not None:
            self._connection.transport.resumeProducing()

    def receive(self, data: bytes) -> None:
        """Take what the server sent; what is written meanwhile leaves together at the end."""
        self._heard = self._clock.seconds()
        self._stream.receive_data(data)
        scheduled, self._scheduled = self._scheduled, True
        with self._burst():
            self._take_events()
        self._scheduled = scheduled
        self.flush()

    def _take_events(self) -> None:
        for event in self._stream.take_events():
            if isinstance(event, Element):
                self._on_stanza(event)
            elif isinstance(event, Authenticated):
                self._come_up()
            elif isinstance(event, StreamFailed):
                self._fail(event)
            else:
                self._close()

    def _come_up(self) -> None:
        self._limit = UP_LIMIT
        self._since = self._clock.seconds()
        self._set_timer(IDLE, self._watch)
        self.log.info(
            "{domain}: connected to {host}:{port}, {bytes} bytes waited, {dropped} writes had been dropped",
            domain=self._domain, host=self._config.host, port=self._config.port,
            bytes=self.queued_bytes, dropped=self._dropped,
        )  # fmt: skip
        self._dropped = 0
        if self._paused:
            self.pause()
        self._on_up()

    # the life of a connection

    def startService(self) -> None:
        """Connect, and keep connected."""
        Service.startService(self)
        self._connect()

    def stopService(self) -> Deferred[None]:
        """Send what waits, end the stream; fires when the connection is closed."""
        Service.stopService(self)
        self._set_timer(None)
        if self._attempt is not None:
            self._attempt.cancel()
        if self._connection is None:
            return succeed(None)
        self._hand_over(self._connection)
        self._stream.close()
        self._connection.send(self._stream.data_to_send())
        self._set_timer(CLOSE_TIMEOUT, self._cut)
        self._stopped = Deferred()
        return self._stopped

    def _connect(self) -> None:
        self._refused = False
        factory = Factory.forProtocol(lambda: Wire(self))
        factory.noisy = False
        self._attempt = attempt = self._endpoint.connect(factory)
        attempt.addCallbacks(self._connected, self._unreachable)

    def _connected(self, connection: IProtocol) -> None:
        assert isinstance(connection, Wire)
        self._attempt = None
        self._connection = connection
        self._stream = ComponentStream(self._domain, self._config.secret.reveal())
        self._stream.start()
        self._set_timer(CONNECT_TIMEOUT, self._cut)
        self.flush()

    def _unreachable(self, failure: Failure) -> None:
        self._attempt = None
        if self.running:
            self._retry(failure.getErrorMessage())

    def _fail(self, event: StreamFailed) -> None:
        self._refused = event.refused
        told = "{domain}: the stream ended: {condition} {text}"
        if event.refused:
            told = "{domain}: the server refuses us (domain, port, secret?): {condition} {text}"
        (self.log.error if event.refused else self.log.warn)(
            told, domain=self._domain, condition=event.condition, text=event.text
        )
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self.flush()
            self._set_timer(CLOSE_TIMEOUT, self._cut)
            self._connection.close()

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.transport.abortConnection()

    def lose(self, reason: Failure) -> None:
        """Learn that the connection is gone."""
        self._connection = None
        self._set_timer(None)
        self._stream.receive_eof()
        self._take_events()
        self._limit = DOWN_LIMIT
        if self.queued_bytes > self._limit:
            self._overflow()
        if self._stopped is not None:
            self._stopped.callback(None)
            return
        since, self._since = self._since, None
        if since is not None:
            if self._clock.seconds() - since >= STABLE:
                self._delay = FIRST_DELAY
            self._on_down()
        self._retry(reason.getErrorMessage())

    def _retry(self, reason: str) -> None:
        delay = (LONGEST_DELAY if self._refused else self._delay) * (0.75 + 0.5 * self._jitter())
        self._delay = min(LONGEST_DELAY, self._delay * GROWTH)
        self.log.warn(
            "{domain}: not connected to {host}:{port} ({reason}), next attempt in {delay:.1f} s",
            domain=self._domain, host=self._config.host, port=self._config.port, reason=reason, delay=delay,
        )  # fmt: skip
        self._set_timer(delay, self._connect)

    def _watch(self) -> None:
        """Find a dead link: silence, a ping, silence."""
        silence = 0.0 if self._paused else self._clock.seconds() - self._heard
        if silence >= IDLE + ANSWER:
            self.log.warn("{domain}: the server is silent, cutting the link", domain=self._domain)
            return self._cut()
        if silence >= IDLE:
            self._stream.ping()
            self.flush()
            return self._set_timer(ANSWER, self._watch)
        return self._set_timer(IDLE - silence, self._watch)

    def _set_timer(self, delay: float | None, then: Callable[[], None] | None = None) -> None:
        """There is one timer, for what is awaited in each phase of the link's life."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if delay is None or then is None else self._clock.callLater(delay, then)
