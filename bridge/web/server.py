"""The bridge's one web server: parts of the bridge mount what they offer by name.

It is plain HTTP behind a reverse proxy. A request's body is taken only as far as the part allows that
its `Authorization` header speaks to; it waits in a temporary file until the request is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

CONNECTIONS = 1000
"""Connections at a time."""
IDLE = 120
"""Seconds after which a silent connection is closed."""
OVERDRAFT = 65_536
"""Bytes of a body that is not wanted which are still read, for the answer to arrive."""
NOTHING = "There is no such thing here."
"""What is said of a path that leads nowhere; by it `xmppbridge check --live` knows that it is us."""

Admits = Callable[[str], int]
"""How many bytes of a body are taken whose request has this `Authorization` header."""


class Answer(Resource):
    """Always the same few words, for this and all below it."""

    isLeaf = True

    def __init__(self, status: int, words: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._status = status
        self._words = words

    def render(self, request: Request) -> bytes:
        """Say them."""
        request.setResponseCode(self._status)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return f"{self._words}\n".encode()


class _Folder(Resource):
    """What has something below it, and nothing else."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        """There is nothing here."""
        return Answer(404, NOTHING)

    def render(self, request: Request) -> Any:
        """There is nothing here either."""
        return Answer(404, NOTHING).render(request)


class WebServer:
    """See the module's docstring."""

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._reactor = reactor
        self._address = host, port
        self._root = _Folder()  # type: ignore[no-untyped-call]
        self._port: IListeningPort | None = None
        self._connections: _Connections | None = None
        self.admits: Admits = lambda authorization: 0

    def mount(self, resource: IResource, *path: str) -> None:
        """Offer a resource at a path; what was there is replaced."""
        place = self._root
        for name in path[:-1]:
            below = place.getStaticEntity(name.encode())  # type: ignore[no-untyped-call]
            if below is None:
                below = _Folder()  # type: ignore[no-untyped-call]
                place.putChild(name.encode(), below)
            place = below
        place.putChild(path[-1].encode(), resource)

    def start(self) -> None:
        """Answer from now on; raises twisted.internet.error.CannotListenError."""
        site = Site(
            self._root,
            lambda *of, **how: WebRequest(self, *of, **how),
            timeout=IDLE,
            reactor=self._reactor,
        )
        site.displayTracebacks = False
        # a link is a secret, and would stand in the log
        site.log = lambda request: None  # type: ignore[method-assign]
        self._connections = _Connections(site)  # type: ignore[no-untyped-call]
        host, port = self._address
        self._port = self._reactor.listenTCP(port, self._connections, interface=host)

    def stop(self) -> Deferred[None]:
        """Close all connections, and take no more."""
        port, self._port = self._port, None
        for connection in list(self._connections.protocols) if self._connections is not None else ():
            connection.abortConnection()
        return succeed(None) if port is None else succeed(port.stopListening()).addCallback(lambda done: done)


class _Connections(WrappingFactory):
    """The connections of our web server, up to a number."""

    noisy = False
    protocols: dict[Any, Any]

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]
        """Take one more, if that is not too many."""
        if len(self.protocols) >= CONNECTIONS:
            return None
        return super().buildProtocol(addr)


class WebRequest(Request):
    """A request whose body is kept as far as it is admitted; `gone` when nobody waits for the answer."""

    def __init__(self, server: WebServer, *of: Any, **how: Any) -> None:
        super().__init__(*of, **how)  # type: ignore[no-untyped-call]
        self._server = server
        self._left = 0
        self.gone = False

    def gotLength(self, length: int | None) -> None:
        """The headers are there, the body is not."""
        header = self.requestHeaders.getRawHeaders("authorization", [""])[0]
        self._left = self._server.admits(header)
        # what does not fit is not waited for, and needs no file
        super().gotLength(0 if length is not None and length > self._left else length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """Keep it, or let it pass by; who goes on and on is cut off."""
        self._left -= len(data)
        if self._left >= 0:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]
        elif self._left < -OVERDRAFT:
            self.channel.forceAbortClient()

    def connectionLost(self, reason: Failure) -> None:
        """Whoever asked is gone."""
        self.gone = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """That was the answer, if somebody still waits for it."""
        if not self.gone and not self.finished:
            self.finish()  # type: ignore[no-untyped-call]
