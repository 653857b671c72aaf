"""HTTP to the homeserver: connections are kept, answers are bounded in length and time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
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
WATCH = 1.0
"""Seconds between looks at what is late: one timer for all costs less than one for each request."""
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
        self._under_way = 0
        self._waiting: deque[Deferred[None]] = deque()
        self._watch: IDelayedCall | None = None
        self._closed = False

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        """Send a request; fails with `LinkError`, and with OVERLOADED when too many wait."""
        end = url.find("/", url.index("://") + 3)
        server = self._servers.get(url[:end]) or self._server(url[:end])
        length = [] if body is None else [("Content-Length", str(len(body)))]
        request = Request(method, url[end:], [("Host", server.name), *headers.items(), *length], body)
        if self._under_way < CONNECTIONS:
            return self._begin(server, request)
        turn: Deferred[None] = Deferred(self._waiting.remove)
        if len(self._waiting) < WAITING:
            self._waiting.append(turn)
        else:
            turn.errback(BridgeError(Trouble.OVERLOADED))
        return turn.addCallback(lambda _: self._begin(server, request))

    def _server(self, origin: str) -> _Server:
        parts = urlsplit(origin)
        host, port = (parts.hostname or "").encode(), parts.port or PORTS[parts.scheme]
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        if parts.scheme == "https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(host, port), endpoint)
        server = self._servers[origin] = _Server(endpoint, parts.netloc)
        return server

    def _begin(self, server: _Server, request: Request) -> Deferred[Answer]:
        self._under_way += 1
        return self._ask(server, request).addBoth(self._ended)

    def _ended(self, result: Any) -> Any:
        """Let the next one have its turn."""
        self._under_way -= 1
        if self._waiting:
            self._waiting.popleft().callback(None)
        return _explained(result) if isinstance(result, Failure) else result

    def _ask(self, server: _Server, request: Request) -> Deferred[Answer]:
        """Use a connection that is idle, if there is one."""
        if server.idle:
            connection = server.idle.pop()
            return self._over(connection, server, request).addErrback(
                self._again, connection, server, request
            )
        factory = Factory.forProtocol(lambda: Connection(self._answer_bytes))
        factory.noisy = False
        connecting: Deferred[Any] = server.endpoint.connect(factory)
        connecting.addTimeout(self._timeout, self._reactor, _late)
        asked: Deferred[Answer] = connecting.addCallback(self._made, server, request)
        return asked

    def _made(self, connection: Connection, server: _Server, request: Request) -> Deferred[Answer]:
        server.connections.add(connection)
        connection.lost = partial(self._forget, connection, server)
        if self._watch is None:
            self._watch = self._reactor.callLater(WATCH, self._look)
        return self._over(connection, server, request)

    def _over(self, connection: Connection, server: _Server, request: Request) -> Deferred[Answer]:
        connection.deadline = self._reactor.seconds() + self._timeout
        return connection.ask(request).addCallback(self._keep, connection, server)

    def _again(self, failure: Failure, connection: Connection, server: _Server, request: Request) -> Any:
        """A server may close an idle connection just when it is used: what changes nothing is asked again."""
        error = failure.value
        is_lost = isinstance(error, LinkError) and error.trouble is Trouble.LOST
        may_repeat = is_lost and not connection.is_answering and request.method == "GET"
        return self._ask(server, request) if may_repeat else failure

    def _keep(self, answer: Answer, connection: Connection, server: _Server) -> Answer:
        """Keep a connection for the next request."""
        if connection.is_idle and not self._closed:
            connection.deadline = self._reactor.seconds() + IDLE
            server.idle.append(connection)
        else:
            connection.close()
        return answer

    def _look(self) -> None:
        """Close what was idle too long, give up what was not answered in time."""
        now = self._reactor.seconds()
        there = [(one, server) for server in self._servers.values() for one in server.connections]
        self._watch = self._reactor.callLater(WATCH, self._look) if there else None
        for connection, server in there:
            if connection.deadline > now:
                continue
            if connection in server.idle:
                server.idle.remove(connection)
                connection.close()
            else:
                connection.give_up()

    def _forget(self, connection: Connection, server: _Server) -> None:
        server.connections.discard(connection)
        if connection in server.idle:
            server.idle.remove(connection)

    def close(self) -> Deferred[None]:
        """Close the connections that are not in use, and the others when they have their answers."""
        self._closed = True
        for connection in [one for server in self._servers.values() for one in server.idle]:
            connection.close()
        return succeed(None)


class _Server(Struct):
    """Where requests go, the connections there, and those of them that are not in use."""

    endpoint: Any
    name: str
    connections: set[Connection] = set()
    idle: list[Connection] = []


def _late(result: object, timeout: float) -> NoReturn:
    raise LinkError(Trouble.TIMED_OUT, sent=False)


def _explained(failure: Failure) -> Failure:
    """Tell in our words what kept the answer away."""
    error = failure.value
    if isinstance(error, BridgeError) or failure.check(CancelledError):
        return failure
    sent = not isinstance(error, ConnectError | DNSLookupError)
    explained = LinkError(Trouble.LOST if sent else Trouble.UNREACHABLE, sent=sent)
    explained.__cause__ = error
    return Failure(explained)
