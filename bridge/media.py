"""Files on their way between XMPP and a network: what is known of one, and its bytes as a stream."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Interface

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId

OCTETS = "application/octet-stream"
"""The media type of what is not known (RFC 2046 §4.5.1)."""
STALL = 30.0
"""Seconds without a byte after which a stream is given up."""


class Media(Struct, frozen=True, kw_only=True):
    """A file that can be read once: whoever has it starts `body`, or stops it.

    `type` is its media type, `size` in bytes, `width` and `height` in pixels; "" and None are unknown.
    """

    body: IBodyProducer
    type: str = OCTETS
    size: int | None = None
    width: int | None = None
    height: int | None = None


class MediaStore(Interface):
    """Where a network keeps files, by names of its own.

    All Deferreds fail with BridgeError, also with TOO_LONG, within the time that a stall takes.
    """

    @property
    def max_size(self) -> int | None:
        """The largest file that it takes, in bytes; None as long as that is not known."""

    def open(self, name: str) -> Deferred[Media]:
        """Return a file; NOT_FOUND."""

    def reserve(self, user: UserId) -> Deferred[str]:
        """Return a name for a file that `user` is going to store."""

    def store(self, user: UserId, name: str, media: Media) -> Deferred[None]:
        """Store a file under a reserved name, once; its size is known."""


@implementer(IBodyProducer)
class ResponseBody(Protocol):
    """The body of an HTTP response, passed on as fast as it is taken.

    Its first `ahead` bytes, or all if there are fewer, are read at once: `head` fires with them. More
    than `limit` bytes fail it with TOO_LONG, silence with TIMED_OUT, a broken connection with LOST.
    """

    transport: Any

    def __init__(self, response: IResponse, clock: Any, *, limit: int | None = None, ahead: int = 0) -> None:
        self.length = response.length
        self.head: Deferred[bytes] = Deferred()
        self._clock = clock
        self._limit = limit
        self._ahead = ahead
        self._read: list[bytes] = []
        self._count = 0
        self._consumer: IConsumer | None = None
        self._passed: Deferred[None] = Deferred()
        self._end: Failure | None = None
        self._ended = False
        self._stall: IDelayedCall | None = None
        response.deliverBody(self)
        if not ahead:
            self._show_head()
        elif not self.head.called:
            self._watch()

    @property
    def size(self) -> int | None:
        """How many bytes it has, if that is known."""
        return self.length if isinstance(self.length, int) else None

    def dataReceived(self, data: bytes) -> None:
        """Pass on, or keep what is read ahead."""
        if self._ended:
            return
        self._count += len(data)
        if self._limit is not None and self._count > self._limit:
            self._finish(Failure(BridgeError(Trouble.TOO_LONG)))
            return
        if self._consumer is not None:
            self._watch()
            self._consumer.write(data)
            return
        self._read.append(data)
        if self._count >= self._ahead:
            self._show_head()
            self.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The body has ended, or broke off; one without a stated length ends with its connection."""
        self._finish(
            None if reason.check(ResponseDone, PotentialDataLoss) else Failure(BridgeError(Trouble.LOST))
        )

    def _show_head(self) -> None:
        if not self.head.called:
            self.head.callback(b"".join(self._read))

    def _finish(self, failure: Failure | None) -> None:
        if self._ended:
            return
        self._ended, self._end = True, failure
        self._unwatch()
        if failure is not None and self.transport is not None:
            self.transport.loseConnection()
        if failure is not None and not self.head.called:
            self.head.errback(failure)
            return
        self._show_head()
        if self._consumer is not None:
            self._settle()

    def _settle(self) -> None:
        if self._end is None:
            self._passed.callback(None)
        else:
            self._passed.errback(self._end)

    def _watch(self) -> None:
        self._unwatch()
        self._stall = self._clock.callLater(STALL, self._stalled)

    def _unwatch(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()

    def _stalled(self) -> None:
        self._finish(Failure(BridgeError(Trouble.TIMED_OUT)))

    # ---- as a producer

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Pass it on; fires when all was, never if it is stopped."""
        self._consumer = consumer
        for data in self._read:
            consumer.write(data)
        self._read.clear()
        if self._ended:
            self._settle()
        else:
            self.resumeProducing()
        return self._passed

    def pauseProducing(self) -> None:
        """Whoever takes it has enough for now."""
        self._unwatch()
        if not self._ended:
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """He takes more."""
        if not self._ended:
            self._watch()
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """He takes no more."""
        self._unwatch()
        if not self._ended:
            self._ended = True
            self.transport.loseConnection()
