"""HTTP to the homeserver: connections are kept, answers are bounded in length and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from bridge.errors import BridgeError, Trouble

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


class Answer(Struct, frozen=True):
    """An HTTP response as a whole."""

    status: int
    body: bytes


class LinkError(BridgeError):
    """There was no answer; `sent` tells whether the homeserver may have got the request nevertheless."""

    def __init__(self, trouble: Trouble, text: str = "", *, sent: bool) -> None:
        super().__init__(trouble, text)
        self.sent = sent


class Http:
    """Requests to one server; `timeout` is in seconds, for one request without its waiting."""

    def __init__(self, reactor: Any, timeout: float, *, answer_bytes: int = ANSWER_BYTES) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = CONNECTIONS
        self._pool.cachedConnectionTimeout = IDLE
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor), self._pool)
        self._turns = DeferredSemaphore(CONNECTIONS)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        """Send a request; fails with `LinkError`, and with OVERLOADED when too many wait."""
        if len(self._turns.waiting) >= WAITING:
            overloaded: Deferred[Answer] = Deferred()
            overloaded.errback(BridgeError(Trouble.OVERLOADED))
            return overloaded
        return self._turns.run(self._request, method, url, headers, body)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Deferred[Answer]:
        asked: Deferred[IResponse] = self._agent.request(
            method.encode(),
            url.encode(),
            Headers({name: [value] for name, value in headers.items()}),
            None if body is None else _Body(body),
        )
        answer: Deferred[Answer] = asked.addCallback(self._collect)
        return answer.addTimeout(self._timeout, self._reactor, _late).addErrback(_explain)

    def _collect(self, response: IResponse) -> Deferred[Answer]:
        collector = _Collector(response.code, self._answer_bytes)
        response.deliverBody(collector)
        return collector.answer

    def close(self) -> Deferred[None]:
        """Close the connections that are not in use."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where servers are; looking at a server's name anew for each request costs as much as the request."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS()
        self._known: dict[tuple[bytes, bytes, int], IStreamClientEndpoint] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return where to connect to."""
        place = (uri.scheme, uri.host, uri.port)
        endpoint = self._known.get(place)
        if endpoint is None:
            endpoint = HostnameEndpoint(self._reactor, uri.host, uri.port, CONNECT_TIMEOUT)
            if uri.scheme == b"https":
                endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
            self._known[place] = endpoint
        return endpoint


def _late(result: object, timeout: float) -> NoReturn:
    raise LinkError(Trouble.TIMED_OUT, sent=True)


def _explain(failure: Failure) -> Any:
    """Tell in our words what kept the answer away."""
    error = failure.value
    if isinstance(error, BridgeError) or failure.check(CancelledError):
        return failure
    sent = not isinstance(error, ConnectError | DNSLookupError)
    raise LinkError(Trouble.LOST if sent else Trouble.UNREACHABLE, sent=sent) from error


@implementer(IBodyProducer)
class _Body:
    """A body that is there already."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Give it all."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It is given already."""

    def resumeProducing(self) -> None:
        """It is given already."""

    def stopProducing(self) -> None:
        """It is given already."""


class _Collector(Protocol):
    """Collects a response's body."""

    transport: Any

    def __init__(self, status: int, limit: int) -> None:
        self.answer: Deferred[Answer] = Deferred(self._cancelled)
        self._status = status
        self._left = limit
        self._parts: list[bytes] = []

    def _cancelled(self, answer: Deferred[Answer]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Keep a part, up to the limit."""
        self._left -= len(data)
        if self._left >= 0:
            self._parts.append(data)
        elif not self.answer.called:
            self._parts.clear()
            self.answer.errback(LinkError(Trouble.REFUSED, "The homeserver's answer is too long.", sent=True))
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The body has ended, or broke off; one without a stated length ends with its connection."""
        if self.answer.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.answer.callback(Answer(self._status, b"".join(self._parts)))
        else:
            self.answer.errback(reason)
