"""A connection that is written to no further than its peer reads, within bounds."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer


@implementer(IPushProducer)
class Backpressured(Protocol):
    """Cuts off a peer that leaves more than `max_unread` bytes unread; registers itself as the producer."""

    transport: Any
    max_unread: int
    _is_slow = False
    _unread = 0

    def send(self, data: bytes) -> None:
        """Write; a peer that reads nothing for too long is cut off."""
        if self._is_slow:
            self._unread += len(data)
            if self._unread > self.max_unread:
                self.cut()
                return
        self.transport.write(data)

    def pauseProducing(self) -> None:
        """The peer does not read."""
        self._is_slow, self._unread = True, 0

    def resumeProducing(self) -> None:
        """It does again."""
        self._is_slow = False

    def stopProducing(self) -> None:
        """It is gone; `connectionLost` follows."""

    def cut(self) -> None:
        """Close it at once."""
        self.transport.abortConnection()
