"""One connection to an HTTP server, one request at a time; the bytes are h11's.

Twisted's own client costs four times as much for each request, and there is one for each message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble


class Request(Struct, frozen=True):
    """What is asked; `fields` has all of the header."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes | None


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
    """See the module's docstring. An answer has up to `limit` bytes.

    `is_answering` tells whether anything came since the last request. `lost` is called when the connection
    is gone, `expiry` is its owner's.
    """

    transport: Any
    expiry: Any = None

    def __init__(self, limit: int) -> None:
        self.is_answering = False
        self.lost: Callable[[], None] = lambda: None
        self._limit = limit
        self._http = h11.Connection(h11.CLIENT)
        self._answer: Deferred[Answer] | None = None
        self._status = 0
        self._left = 0
        self._parts: list[bytes] = []

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent."""
        return self._answer is None and self._http.our_state is h11.IDLE and not self._http.trailing_data[0]

    def connectionMade(self) -> None:
        """Delay nothing."""
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)

    def ask(self, request: Request) -> Deferred[Answer]:
        """Send a request; fails with `LinkError`. To cancel the Deferred closes the connection."""
        answer: Deferred[Answer] = Deferred(self._cancelled)
        self._answer, self._left, self._parts, self.is_answering = answer, self._limit, [], False
        http = self._http
        parts = [http.send(h11.Request(method=request.method, target=request.target, headers=request.fields))]
        if request.body:
            parts.append(http.send(h11.Data(data=request.body)))
        parts.append(http.send(h11.EndOfMessage()))
        self.transport.write(b"".join(part for part in parts if part))
        return answer

    def close(self) -> None:
        """Close it, when what is written is sent."""
        self.transport.loseConnection()

    def _cancelled(self, answer: Deferred[Answer]) -> None:
        self._answer = None
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take what the server sent; what nobody asked for ends the connection."""
        self.is_answering = True
        if self._answer is None:
            self.transport.abortConnection()
        elif data:
            self._take(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end of an answer that has no length, or of any other before it was whole."""
        if self._answer is not None:
            self._take(b"")
        self._fail(LinkError(Trouble.LOST, sent=True))
        self.lost()

    def _take(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while self._answer is not None:
                event = self._http.next_event()
                if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                    return
                self._read(event)
        except h11.RemoteProtocolError:
            self._fail(LinkError(Trouble.LOST, sent=True))
            self.transport.abortConnection()

    def _read(self, event: object) -> None:
        match event:
            case h11.Response(status_code=status):
                self._status = status
            case h11.Data(data=part):
                self._left -= len(part)
                if self._left < 0:
                    text = "The homeserver's answer is too long."
                    self._fail(LinkError(Trouble.REFUSED, text, sent=True))
                    self.transport.abortConnection()
                self._parts.append(bytes(part))
            case h11.EndOfMessage():
                if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    self._http.start_next_cycle()
                answer, self._answer = self._answer, None
                if answer is not None:
                    answer.callback(Answer(self._status, b"".join(self._parts)))

    def _fail(self, error: LinkError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._parts = []
            answer.errback(error)
