"""One connection to an HTTP server, one request at a time; httptools reads the bytes.

Twisted's own client, and h11, cost several times as much for each request, and there is one for each message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from transports.matrix.http_writer import Writer

FRAMING = frozenset((b"content-length", b"transfer-encoding"))
"""Headers that tell where an answer ends."""


class Request(Struct, frozen=True):
    """What is asked; `fields` has all of the header."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes | None

    def encoded(self) -> bytes:
        """Return it as it is sent; ValueError for what would not be one request."""
        values = "".join([value for _, value in self.fields])
        if " " in self.target or not (self.target.isprintable() and values.isprintable()):
            raise ValueError("a request with a line break or a space in its address")
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.fields])
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + (self.body or b"")


class Answer(Struct, frozen=True):
    """An HTTP response as a whole."""

    status: int
    body: bytes


class LinkError(BridgeError):
    """There was no answer; `sent` tells whether the server may have got the request nevertheless."""

    def __init__(self, trouble: Trouble, text: str = "", *, sent: bool) -> None:
        super().__init__(trouble, text)
        self.sent = sent


class Connection(Protocol):
    """See the module's docstring. An answer with its header has up to `limit` bytes.

    `is_answering` tells whether anything came since the last request. `lost` is called when the connection
    is gone, `deadline` is its owner's.
    """

    transport: Any
    deadline: float = 0.0

    def __init__(self, limit: int) -> None:
        self.is_answering = False
        self.lost: Callable[[], None] = lambda: None
        self._limit = limit
        self._reader = _Reader()
        self._answer: Deferred[Answer] | None = None
        self._left = 0
        self._writer: Writer | None = None

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent."""
        return self._answer is None and self._reader.may_follow

    def connectionMade(self) -> None:
        """Now it can be written to."""
        self._writer = Writer(self.transport)

    def ask(self, request: Request) -> Deferred[Answer]:
        """Send a request; fails with `LinkError`. To cancel the Deferred closes the connection."""
        data = request.encoded()
        answer: Deferred[Answer] = Deferred(self._cancelled)
        self._answer, self._left, self.is_answering = answer, self._limit, False
        self._reader.begin()
        assert self._writer is not None
        self._writer.write(data)
        return answer

    def close(self) -> None:
        """Close it, when what is written is sent."""
        self.transport.loseConnection()

    def give_up(self) -> None:
        """Fail what is asked, which was not answered in time."""
        self._fail(LinkError(Trouble.TIMED_OUT, sent=True))
        self.transport.abortConnection()

    def _cancelled(self, answer: Deferred[Answer]) -> None:
        self._answer = None
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take what the server sent; what nobody asked for ends the connection."""
        self.is_answering = True
        self._left -= len(data)
        if self._answer is None:
            self.transport.abortConnection()
        elif self._left < 0:
            self._fail(LinkError(Trouble.REFUSED, "The homeserver's answer is too long.", sent=True))
            self.transport.abortConnection()
        else:
            self._take(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end of an answer that has no length, or of any other before it was whole."""
        self._reader.end()
        self._pass_on()
        self._fail(LinkError(Trouble.LOST, sent=True))
        self.lost()

    def _take(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except (HttpParserError, HttpParserUpgrade):
            self._reader.may_follow = False
            self._pass_on()
            self._fail(LinkError(Trouble.LOST, sent=True))
            self.transport.abortConnection()
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._answer is not None and self._reader.is_whole:
            answer, self._answer = self._answer, None
            answer.callback(self._reader.answer())

    def _fail(self, error: LinkError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(error)


class _Reader:
    """Reads answers, each after `begin`; `is_whole` when one is there, `may_follow` if another can come.

    The methods that begin with `on_` are httptools' to call.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.feed: Callable[[bytes], None] = self._parser.feed_data
        self.begin()

    def begin(self) -> None:
        """Look forward to another answer."""
        self.is_whole = False
        self.may_follow = False
        self._status = 0
        self._parts: list[bytes] = []
        self._is_framed = False

    def answer(self) -> Answer:
        """Return it."""
        return Answer(self._status, b"".join(self._parts))

    def end(self) -> None:
        """The connection is at its end, which is that of an answer that tells no other."""
        self.is_whole = self.is_whole or bool(self._status and not self._is_framed)
        self.may_follow = False

    def on_message_begin(self) -> None:
        """What comes after the answer cannot be told from the answer to the next request."""
        self.may_follow = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the end will be told."""
        if name.lower() in FRAMING:
            self._is_framed = True

    def on_headers_complete(self) -> None:
        """Note what became of the request."""
        if not self.is_whole:
            self._status = self._parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        """Keep it."""
        if not self.is_whole:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """It is whole, or was only a word before the answer."""
        if self._status < 200:
            self.begin()
        elif not self.is_whole:
            self.is_whole = True
            self.may_follow = self._parser.should_keep_alive()
