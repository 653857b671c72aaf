"""A file on its way to somebody who asked our web server for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from bridge.web.server import WebRequest

STALL = 60.0
"""Seconds in which somebody who takes nothing is cut off."""


@implementer(IConsumer)
class Transfer:
    """Gives a request a part of a body: `length` bytes after the first `skip`, or all if that is None.

    `done` fires with True when all is sent, and with False when it broke off on either side.
    """

    def __init__(
        self, request: WebRequest, body: IBodyProducer, clock: Any, skip: int = 0, length: int | None = None
    ) -> None:
        self.done: Deferred[bool] = Deferred()
        self._request = request
        self._body = body
        self._clock = clock
        self._skip = skip
        self._left = length
        self._moved = False
        self._watch: IDelayedCall | None = None

    def start(self) -> Deferred[bool]:
        """Begin; returns `done`."""
        self._request.notifyFinish().addErrback(lambda _: self._end(False))
        self._request.registerProducer(self._body, True)  # type: ignore[no-untyped-call]
        self._watch = self._clock.callLater(STALL, self._look)
        produced: Deferred[Any] = self._body.startProducing(self)
        produced.addCallbacks(lambda _: self._end(not self._left), self._broke)
        return self.done

    def _broke(self, failure: Failure) -> None:
        self._end(False)

    def _look(self) -> None:
        if not self._moved:
            self._end(False)
            return
        self._moved = False
        self._watch = self._clock.callLater(STALL, self._look)

    def _end(self, whole: bool) -> None:
        if self.done.called:
            return
        if self._watch is not None and self._watch.active():
            self._watch.cancel()
        self._body.stopProducing()
        if not self._request.gone:
            self._request.unregisterProducer()  # type: ignore[no-untyped-call]
        self.done.callback(whole)

    # ---- as a consumer

    def write(self, data: bytes) -> None:
        """Send what of it belongs to the part."""
        if self.done.called:
            return
        self._moved = True
        if self._skip:
            self._skip, data = max(0, self._skip - len(data)), data[self._skip :]
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._request.write(data)  # type: ignore[no-untyped-call]
        if self._left == 0:
            self._end(True)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """The request has it already."""

    def unregisterProducer(self) -> None:
        """The request goes by `done`."""
