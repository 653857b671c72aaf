"""A socket in memory, as full as a test wants it."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class Socket(StringTransport):
    """A connection whose kernel buffer has room for `room` bytes; `written` is what left."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 1 << 40
        self.written = b""
        self.sends: list[bytes] = []
        self.is_open = True
        self.nodelay = self.keepalive = False
        self.protocol: Protocol | None = None

    def getHandle(self) -> Socket:
        return self

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.nodelay = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keepalive = enabled

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.written += taken
        self.sends.append(taken)
        return len(taken)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def drain(self) -> None:
        """The peer reads everything, as Twisted's reactor notices it."""
        self.room = 1 << 40
        self.written += self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()

    def loseConnection(self) -> None:
        self.written += self.value()
        self.clear()
        self.lose()

    def abortConnection(self) -> None:
        self.lose()

    def lose(self) -> None:
        if self.is_open:
            self.is_open = False
            assert self.protocol is not None
            self.protocol.connectionLost(Failure(ConnectionDone()))
