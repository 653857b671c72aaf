"""HTTP to the homeserver: connections are kept, answers are bounded in length and time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web.client import BrowserLikePolicyForHTTPS

from bridge.errors import BridgeError, Trouble
from transports.matrix.http_connection import Answer, Connection, LinkError, Request

CONNECTIONS = 16
"""Requests that are on their way at a time."""
WAITING = 10_000
"""Requests that may wait for their turn."""
CONNECT_TIMEOUT = 15.0
"""Seconds to connect."""
IDLE = 20
"""Seconds a connection is kept without use; below what servers and proxies allow."""
ANSWER_BYTES = 64 * 1024 * 1024
"""Longest answer: the state of a very large room has some 20 MB."""
PORTS = {"http": 80, "https": 443}


class Http:
    """Requests over kept connections; `timeout` is in seconds, for one request without its waiting."""

    def __init__(self, reactor: Any, timeout: float, *, answer_bytes: int = ANSWER_BYTES) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._policy = BrowserLikePolicyForHTTPS()
        self._servers: dict[str, _Server] = {}
        self._turns = DeferredSemaphore(CONNECTIONS)
        self._closed = False

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        """Send a request; fails with `LinkError`, and with OVERLOADED when too many wait."""
        if len(self._turns.waiting) >= WAITING:
            overloaded: Deferred[Answer] = Deferred()
            overloaded.errback(BridgeError(Trouble.OVERLOADED))
            return overloaded
        end = url.find("/", url.index("://") + 3)
        server = self._servers.get(url[:end]) or self._server(url[:end])
        length = [] if body is None else [("Content-Length", str(len(body)))]
        fields = [("Host", server.name), *headers.items(), *length]
        return self._turns.run(self._request, server, Request(method, url[end:], fields, body))

    def _server(self, origin: str) -> _Server:
        parts = urlsplit(origin)
        host, port = (parts.hostname or "").encode(), parts.port or PORTS[parts.scheme]
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        if parts.scheme == "https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(host, port), endpoint)
        server = self._servers[origin] = _Server(endpoint, parts.netloc)
        return server

    def _request(self, server: _Server, request: Request) -> Deferred[Answer]:
        asked = self._ask(server, request)
        return asked.addTimeout(self._timeout, self._reactor, _late).addErrback(_explain)

    def _ask(self, server: _Server, request: Request) -> Deferred[Answer]:
        """Use a connection that is idle, if there is one."""
        if not server.idle:
            factory = Factory.forProtocol(lambda: Connection(self._answer_bytes))
            factory.noisy = False
            connecting: Deferred[Any] = server.endpoint.connect(factory)
            asked: Deferred[Answer] = connecting.addCallback(self._over, server, request)
            return asked
        connection = server.idle.pop()
        connection.expiry.cancel()
        asked = self._over(connection, server, request)
        asked.addErrback(self._again, connection, server, request)
        return asked

    def _over(self, connection: Connection, server: _Server, request: Request) -> Deferred[Answer]:
        return connection.ask(request).addCallback(self._keep, connection, server)

    def _again(self, failure: Failure, connection: Connection, server: _Server, request: Request) -> Any:
        """A server may close an idle connection just when it is used: the request is sent once more."""
        is_stale = failure.check(LinkError) and not connection.is_answering
        return self._ask(server, request) if is_stale and request.method != "POST" else failure

    def _keep(self, answer: Answer, connection: Connection, server: _Server) -> Answer:
        """Keep a connection for the next request."""
        if connection.is_idle and not self._closed:
            connection.lost = partial(self._forget, connection, server)
            connection.expiry = self._reactor.callLater(IDLE, connection.close)
            server.idle.append(connection)
        else:
            connection.close()
        return answer

    def _forget(self, connection: Connection, server: _Server) -> None:
        if connection in server.idle:
            server.idle.remove(connection)
            if connection.expiry.active():
                connection.expiry.cancel()

    def close(self) -> Deferred[None]:
        """Close the connections that are not in use, and the others when they have their answers."""
        self._closed = True
        for connection in [one for server in self._servers.values() for one in server.idle]:
            connection.close()
        return succeed(None)


class _Server(Struct):
    """Where requests go, and the connections there that are not in use."""

    endpoint: Any
    name: str
    idle: list[Connection] = []


def _late(result: object, timeout: float) -> NoReturn:
    raise LinkError(Trouble.TIMED_OUT, sent=True)


def _explain(failure: Failure) -> Any:
    """Tell in our words what kept the answer away."""
    error = failure.value
    if isinstance(error, BridgeError) or failure.check(CancelledError):
        return failure
    sent = not isinstance(error, ConnectError | DNSLookupError)
    raise LinkError(Trouble.LOST if sent else Trouble.UNREACHABLE, sent=sent) from error
