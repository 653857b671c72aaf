"""Bodies and responses in memory, and a web server that is spoken to in bytes."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.media import Media


class Resolving(MemoryReactorClock):
    """A reactor that knows the addresses of hosts."""

    def __init__(self, **hosts: list[str]) -> None:
        super().__init__()
        self.nameResolver = self
        self.hosts = hosts

    def resolveHostName(self, receiver, name: str, portNumber: int = 0) -> None:
        receiver.resolutionBegan(None)
        for address in self.hosts.get(name.partition(".")[0], [name]):
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()

    def accept(self) -> tuple[Any, StringTransport]:
        """Let our last connection succeed."""
        protocol, transport = self.tcpClients[-1][2].buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport


class Response:
    """An HTTP response whose body comes when the test says so."""

    def __init__(self, length: Any = None, **headers: str) -> None:
        self.length = length
        self.code = 200
        self.headers = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
        self.protocol: Any = None
        self.states: list[str] = []

    def deliverBody(self, protocol) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def pauseProducing(self) -> None:
        self.states.append("paused")

    def resumeProducing(self) -> None:
        self.states.append("resumed")

    def loseConnection(self) -> None:
        self.states.append("closed")

    def give(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(reason or ResponseDone()))


class Sink:
    """A consumer that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


class Body:
    """A body that is given out in pieces when asked, and ends, or breaks off."""

    def __init__(self, *pieces: bytes, broken: bool = False, stuck: bool = False) -> None:
        self.length = sum(map(len, pieces))
        self.pieces = pieces
        self.broken, self.stuck, self.stopped = broken, stuck, False

    def startProducing(self, consumer) -> Deferred:
        for piece in self.pieces:
            consumer.write(piece)
        if self.stuck:
            return Deferred()
        return fail(BridgeError(Trouble.LOST)) if self.broken else succeed(None)

    def pauseProducing(self) -> None:
        self.stuck = True

    resumeProducing = pauseProducing

    def stopProducing(self) -> None:
        self.stopped = True


class Shelf:
    """A network's store of files in memory; `trouble` is what it answers instead."""

    max_size: int | None = None

    def __init__(self) -> None:
        self.files: dict[str, Media] = {}
        self.trouble: Trouble | None = None
        self.stored: list[tuple[UserId, str, Media, bytes]] = []

    def put(self, name: str, *pieces: bytes, type: str = "image/png", size: int = 0, **more: Any) -> Body:
        body = Body(*pieces, **more)
        self.files[name] = Media(body=body, type=type, size=size or body.length)
        return body

    def open(self, name: str) -> Deferred[Media]:
        trouble = self.trouble or (None if name in self.files else Trouble.NOT_FOUND)
        return succeed(self.files[name]) if trouble is None else fail(BridgeError(trouble))

    def reserve(self, user: UserId) -> Deferred[str]:
        return succeed(f"new/{user}") if self.trouble is None else fail(BridgeError(self.trouble))

    def store(self, user: UserId, name: str, media: Media) -> Deferred[None]:
        if self.trouble is not None:
            return fail(BridgeError(self.trouble))
        sink = Sink()
        taken = media.body.startProducing(sink)
        return taken.addCallback(lambda _: self.stored.append((user, name, media, sink.data)))


class Answered:
    """What our web server said."""

    def __init__(self, data: bytes, connected: bool) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1]) if head else 0
        pairs = (line.partition(": ") for line in lines)
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.connected = connected


def ask(reactor: MemoryReactorClock, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
    """Send a request to the server that listens on `reactor`, and return what it said."""
    _, transport = visit(reactor, method, path, body, **headers)
    return Answered(transport.value(), not transport.disconnecting)


def visit(
    reactor: MemoryReactorClock, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[Any, StringTransport]:
    """Send a request and return the connection."""
    protocol = reactor.tcpServers[-1][1].buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
    transport = StringTransport()
    transport.abortConnection = transport.loseConnection
    protocol.makeConnection(transport)
    headers = {"content-length": str(len(body)), **headers} if body else headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    protocol.dataReceived(f"{method} {path} HTTP/1.1\r\nhost: files\r\n{lines}\r\n".encode() + body)
    reactor.pump([0, *[0.001] * 20])
    return protocol, transport
