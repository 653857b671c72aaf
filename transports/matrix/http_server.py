"""One connection of somebody to us, one request at a time; httptools reads the bytes.

There is a request for every few messages, and twisted.web costs several times as much for each.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from transports.matrix.http_writer import Writer

HEADER = 16 * 1024
"""Bytes of a request's header that are read, and of a body that nobody wants."""


class Request:
    """What somebody wants; `room` is how much longer its body may become, below 0 if it was too long."""

    def __init__(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.path, _, query = target.partition(b"?")
        self.query = parse_qs(query.decode("utf-8", "replace"), keep_blank_values=True) if query else {}
        self.headers = tuple(headers)
        self.room = 0
        self._parts: list[bytes] = []

    @property
    def body(self) -> bytes:
        """What came behind the header."""
        return b"".join(self._parts)

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header, by its name in lower case."""
        return [value for given, value in self.headers if given == name]

    def add(self, part: bytes) -> None:
        """Take in a piece of the body."""
        self.room -= len(part)
        if self.room >= 0:
            self._parts.append(part)


class Service(Protocol):
    """Whose requests they are."""

    def limit(self, request: Request) -> int:
        """Return how many bytes the body may have, by what is known of the request without it."""

    def answer(self, request: Request, connection: ServerConnection) -> None:
        """Have the connection `reply`, now or later."""

    def lose(self, connection: ServerConnection) -> None:
        """Learn that a connection is gone."""


class ServerConnection(TwistedProtocol, TimeoutMixin):
    """See the module's docstring. After `idle` seconds of silence it ends.

    A request that comes before the last one is answered gets no answer: the connection ends after that one.
    """

    transport: Any

    def __init__(self, service: Service, call_later: Callable[..., Any], idle: float) -> None:
        self._service = service
        self._call_later = call_later
        self._idle = idle
        self._parser = HttpRequestParser(self)
        self._writer: Writer | None = None
        self._begun = False
        self._head = 0
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._request: Request | None = None
        self._answering: Request | None = None
        self._is_last = False

    def callLater(self, period: float, func: Callable[[], None]) -> Any:
        """Use the clock that we were given (Twisted)."""
        return self._call_later(period, func)

    def connectionMade(self) -> None:
        """Somebody is there."""
        self._writer = Writer(self.transport)
        self.setTimeout(self._idle)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nobody is there any more."""
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        self._answering = None
        self._service.lose(self)

    def timeoutConnection(self) -> None:
        """Nothing came for a long time; who waits for us goes on waiting."""
        if self._answering is None:
            self.transport.abortConnection()
        else:
            self.setTimeout(self._idle)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close it, when what is written is sent."""
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take what came."""
        self.resetTimeout()  # type: ignore[no-untyped-call]
        if self._answering is not None or self._is_last:
            self._is_last = True
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # we speak nothing else: it is answered as if that had not been asked for
            self._is_last = True
        except HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._answering is not None:
            self._service.answer(self._answering, self)
        elif self._begun and self._head > HEADER:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def reply(self, request: Request, status: int, body: bytes) -> None:
        """Answer a request with JSON, if whoever sent it still waits for that."""
        if request is self._answering:
            self._answering = None
            self._respond(status, body if request.method != "HEAD" else b"")

    def _refuse(self, status: int) -> None:
        """Have no more to do with who speaks no HTTP, or far too much of it."""
        self._is_last = True
        self._respond(status, b"")

    def _respond(self, status: int, body: bytes) -> None:
        assert self._writer is not None
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(("Connection: close",) if self._is_last else ()),
        )
        self._writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        if self._is_last:
            self.close()

    # ---- what httptools finds

    def on_message_begin(self) -> None:
        """Somebody wants something."""
        self._begun, self._head, self._target, self._headers = True, 0, b"", []

    def on_url(self, part: bytes) -> None:
        """Where he wants it."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """How."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Now it can be told how much of it is taken."""
        self._begun = False
        if self._answering is not None:
            self._is_last = True
            return
        self._request = request = Request(self._parser.get_method().decode(), self._target, self._headers)
        request.room = self._service.limit(request)
        if b"100-continue" in request.values(b"expect") and self._writer is not None:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """Keep it, or let it pass by; who goes on and on is cut off."""
        if self._request is not None:
            self._request.add(part)
            if self._request.room < -HEADER:
                self._request, self._is_last = None, True
                self.transport.abortConnection()

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._answering is None and self._request is not None:
            self._answering, self._request = self._request, None
            self._is_last = self._is_last or not self._parser.should_keep_alive()
