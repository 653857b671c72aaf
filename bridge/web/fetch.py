"""Fetching what a user's link leads to, past the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import urljoin

from hyperlink import URL
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from bridge import __version__
from bridge.errors import BridgeError, Trouble
from bridge.media import Media, ResponseBody
from bridge.web.guard import Guard
from bridge.web.kinds import AHEAD, dimensions, is_taken, kind_of

PATIENCE = 20.0
"""Seconds until a file begins to come, redirections included."""
CONNECT_TIMEOUT = 8.0
"""Seconds to connect to one address."""
ADDRESSES = 4
"""Addresses of a server that are tried."""
REDIRECTIONS = 3
MOVED = frozenset((301, 302, 303, 307, 308))
MAX_URL = 4096
"""Characters of a link that is followed."""
REFUSED = "Files are not fetched from there."


class Limits(Struct, frozen=True):
    """What is fetched: at most `size` bytes, of media `types` like ``image/*``."""

    size: int
    types: Sequence[str] = ("*/*",)


class Fetcher:
    """See the module's docstring."""

    def __init__(self, reactor: Any, guard: Guard, limits: Limits) -> None:
        self._reactor = reactor
        self._guard = guard
        self._limits = limits
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, guard))
        self._headers = Headers(
            {"User-Agent": [f"xmppbridge/{__version__}"], "Accept-Encoding": ["identity"]}
        )

    def fetch(self, url: str) -> Deferred[Media]:
        """Return the file behind a link; its size is known.

        Fails with BridgeError: NOT_ALLOWED from where it may not come, TOO_LONG, NOT_ACCEPTABLE for its
        type, NOT_FOUND, UNREACHABLE, TIMED_OUT.
        """
        fetched = Deferred.fromCoroutine(self._fetch(url))
        return fetched.addTimeout(PATIENCE, self._reactor, _late).addErrback(_explain)

    async def _fetch(self, url: str) -> Media:
        address = ""
        for _ in range(REDIRECTIONS + 1):
            address = self._checked(address, url)
            response = await self._agent.request(b"GET", address.encode(), self._headers)
            if response.code not in MOVED:
                return await self._media(response)
            _discard(response)
            url = _header(response, "location")
        raise BridgeError(Trouble.NOT_FOUND)

    def _checked(self, base: str, url: str) -> str:
        """Return a link, which may be relative to `base`, as it is asked for, if it may be."""
        try:
            parsed = URL.from_text(urljoin(base, url[: MAX_URL + 1]))
            # COMPAT hyperlink 21: it takes an IPv6 address for a name
            parsed = parsed if ":" in parsed.host else parsed.to_uri()
        except ValueError:
            raise BridgeError(Trouble.NOT_FOUND) from None
        port = parsed.port or 0
        is_web = parsed.scheme in ("http", "https") and parsed.host and not parsed.userinfo
        if len(url) > MAX_URL or not is_web or not self._guard.admits_port(parsed.host, port):
            raise BridgeError(Trouble.NOT_ALLOWED, REFUSED)
        address: str = parsed.replace(fragment="").to_text()
        if not address.isascii():
            raise BridgeError(Trouble.NOT_FOUND)
        return address

    async def _media(self, response: IResponse) -> Media:
        size = response.length
        if response.code != 200 or not isinstance(size, int):
            _discard(response)
            raise BridgeError(Trouble.NOT_FOUND)
        if size > self._limits.size:
            _discard(response)
            raise BridgeError(Trouble.TOO_LONG)
        body = ResponseBody(response, self._reactor, limit=size, ahead=min(AHEAD, size))
        head = await body.head
        kind = kind_of(_header(response, "content-type"), head)
        if not is_taken(kind, self._limits.types):
            body.stopProducing()
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "Files of this type are not taken.")
        width, height = dimensions(head) or (None, None)
        return Media(body=body, type=kind, size=size, width=width, height=height)


def _header(response: IResponse, name: str) -> str:
    values = response.headers.getRawHeaders(name, [""])
    return str(values[0])


def _discard(response: IResponse) -> None:
    """Close the connection of an answer that nobody reads."""
    ResponseBody(response, None).stopProducing()


def _late(result: object, timeout: float) -> NoReturn:
    raise BridgeError(Trouble.TIMED_OUT)


def _explain(failure: Failure) -> Failure:
    return failure if failure.check(BridgeError) else Failure(BridgeError(Trouble.UNREACHABLE))


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where the agent connects to."""

    def __init__(self, reactor: Any, guard: Guard) -> None:
        self._reactor = reactor
        self._guard = guard

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the guarded way to a server."""
        host = uri.host.decode("ascii").strip("[]")
        endpoint = GuardedEndpoint(self._reactor, self._guard, host, uri.port)
        if uri.scheme == b"https":
            return wrapClientTLS(optionsForClientTLS(host), endpoint)
        return endpoint


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """Connects to an address that was looked up here, and looked at."""

    def __init__(self, reactor: Any, guard: Guard, host: str, port: int) -> None:
        self._reactor = reactor
        self._guard = guard
        self._host = host
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; fails with BridgeError NOT_ALLOWED if there is no address that it may be at."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        found = await _Resolution(self._reactor, self._host, self._port).done
        admitted = [one for one in found if self._guard.admits_address(self._host, self._port, one)]
        if found and not admitted:
            raise BridgeError(Trouble.NOT_ALLOWED, REFUSED)
        error: Exception = BridgeError(Trouble.UNREACHABLE)
        for address in admitted[:ADDRESSES]:
            kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            try:
                return await kind(self._reactor, address, self._port, CONNECT_TIMEOUT).connect(factory)
            except OSError as refused:
                error = refused
        raise error


@implementer(IResolutionReceiver)
class _Resolution:
    """The addresses of a host, which may be an address itself."""

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self.done: Deferred[list[str]] = Deferred()
        self._found: list[str] = []
        reactor.nameResolver.resolveHostName(self, host, port)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """It is looked for."""

    def addressResolved(self, address: IAddress) -> None:
        """One was found."""
        self._found.append(address.host)  # type: ignore[attr-defined]

    def resolutionComplete(self) -> None:
        """There are no more."""
        self.done.callback(self._found)
