"""What a domain's web server says of its XMPP server's certificate (RFC 7711; RFC 7712 §5.2)."""

from __future__ import annotations

from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterator
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge.federation.certificate import Authorities
from bridge.federation.connect import connect
from bridge.federation.resolver import Resolver, Target, a_labels, ip_literal
from bridge.federation.x509 import Certificate, read

if TYPE_CHECKING:
    from twisted.web.client import URI

PATH = "/.well-known/posh/xmpp-server.json"
"""Where the document is on the domain's web server (RFC 7712 §5.2)."""
HTTP_OK = 200
SIZE_LIMIT = 65_536
"""Bytes that a document may have."""
TIMEOUT = 5.0
"""Seconds for the whole answer; a server that would be content with dialback waits that long, too."""
LONGEST = 24 * 3600.0
"""Seconds that an answer counts at most; the document may say less (RFC 7711 §6)."""
RETRY = 600.0
"""Seconds until a domain without a usable document is asked again."""
CACHE_SIZE = 1024
"""How many domains' answers are remembered."""
IN_FLIGHT_LIMIT = 32
"""How many domains are asked at the same time; others count as without a document meanwhile."""

DIGESTS: dict[str, Callable[[bytes], Any]] = {"sha-256": sha256, "sha-512": sha512}
"""The hash functions that we know, by their textual names (RFC 7711 §3.1)."""

Fingerprint = tuple[str, bytes]
"""The name of a hash function, and the digest of a certificate (DER)."""


class _Document(Struct):
    """A fingerprints document (RFC 7711 §3.1), or one that refers to it by `url` (§3.2)."""

    expires: Annotated[int, Meta(ge=0)]
    fingerprints: list[dict[str, str]] = []
    url: str = ""


class _Unusable(Exception):
    """There is no document, or it says nothing that could be used; the argument says why."""


class Posh:
    """Asks domains' web servers, which our `authorities` must vouch for, and remembers the answers.

    Only names with a dot are asked, by HTTPS at their own port 443, and one address that they refer to.
    Where these lead is not restricted: nothing is sent before the server's certificate was checked,
    and nothing of the answer is passed on.
    """

    log = Logger()

    def __init__(self, reactor: Any, resolver: Resolver, authorities: Callable[[], Authorities]) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities
        self._answers: OrderedDict[str, tuple[float, frozenset[Fingerprint]]] = OrderedDict()
        """What domains answered, and until when it counts; the least recently asked for first."""
        self._waiting: dict[str, list[Deferred[frozenset[Fingerprint]]]] = {}

    def fingerprints(self, domain: str) -> Deferred[frozenset[Fingerprint]]:
        """Return the certificates that a domain names; none if it has no such document. Never fails."""
        until, answer = self._answers.get(domain, (0.0, frozenset()))
        if self._reactor.seconds() < until:
            self._answers.move_to_end(domain)
            return succeed(answer)
        if ip_literal(domain) or "." not in domain:
            return succeed(frozenset())
        waiting: Deferred[frozenset[Fingerprint]] = Deferred()
        if domain in self._waiting:
            self._waiting[domain].append(waiting)
        elif len(self._waiting) < IN_FLIGHT_LIMIT:
            self._waiting[domain] = [waiting]
            asked = Deferred.fromCoroutine(self._ask(domain)).addTimeout(TIMEOUT, self._reactor)
            asked.addErrback(self._failed, domain).addCallback(self._answered, domain)
        else:
            return succeed(frozenset())
        return waiting

    def _failed(self, failure: Failure, domain: str) -> tuple[float, frozenset[Fingerprint]]:
        reason = str(failure.value) if failure.check(_Unusable) else type(failure.value).__name__
        self.log.info("{domain}: no POSH document ({reason})", domain=domain, reason=reason)
        return RETRY, frozenset()

    def _answered(self, answer: tuple[float, frozenset[Fingerprint]], domain: str) -> None:
        seconds, fingerprints = answer
        self._answers[domain] = (self._reactor.seconds() + seconds, fingerprints)
        self._answers.move_to_end(domain)
        if len(self._answers) > CACHE_SIZE:
            self._answers.popitem(last=False)
        for waiting in self._waiting.pop(domain):
            waiting.callback(fingerprints)

    async def _ask(self, domain: str) -> tuple[float, frozenset[Fingerprint]]:
        document = await self._get(f"https://{a_labels(domain)}{PATH}")
        seconds = document.expires
        if document.url:
            document = await self._get(document.url)
            seconds = min(seconds, document.expires)
            if document.url:
                raise _Unusable("a reference to a reference")
        if not seconds:
            raise _Unusable("expired")
        return min(float(seconds), LONGEST), frozenset(_fingerprints(document))

    async def _get(self, url: str) -> _Document:
        from twisted.web.client import Agent  # heavy, and seldom needed
        from twisted.web.http_headers import Headers

        if not url.startswith("https://") or not url.isascii():
            raise _Unusable("not at an https address")
        agent: Any = Agent.usingEndpointFactory(self._reactor, self)
        response = await agent.request(b"GET", url.encode("ascii"), Headers({"Accept": ["application/json"]}))
        body = _Body()
        response.deliverBody(body)
        content = await body.complete
        if response.code != HTTP_OK:
            raise _Unusable(f"HTTP status {response.code}")
        try:
            return msgspec.json.decode(content, type=_Document)
        except msgspec.DecodeError as error:
            raise _Unusable("malformed") from error

    def endpointForURI(self, uri: URI) -> Any:
        """Implement `IAgentEndpointFactory`: TLS to where our own resolver says the host is."""
        host = uri.host.decode("ascii").lower()
        server = Target(host=ip_literal(host) or host, port=uri.port, direct_tls=True, secure=False)
        return _WebServer(self._reactor, self._resolver, server, self._authorities().context)


@implementer(IStreamClientEndpoint, IOpenSSLClientConnectionCreator)
class _WebServer:
    """TLS to a web server; fails unless its certificate is trusted and names the host (RFC 2818 §3.1)."""

    def __init__(self, reactor: Any, resolver: Resolver, target: Target, context: SSL.Context) -> None:
        self._reactor, self._resolver, self._target = reactor, resolver, target
        self._host = target.host
        self._context = context

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        factory = TLSMemoryBIOFactory(self, True, protocolFactory, self._reactor)
        connecting = connect(self._reactor, self._resolver, self._target, factory, TIMEOUT)
        return connecting.addCallback(lambda protocol: cast(Any, protocol).wrappedProtocol)

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(self._context)
        if not ip_literal(self._host):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def _verify(self, _: SSL.Connection, shown: crypto.X509, __: int, depth: int, ok: int) -> bool:
        if depth or not ok:
            return bool(ok)
        certificate = read(crypto.dump_certificate(crypto.FILETYPE_ASN1, shown))
        return certificate is not None and certificate.names_host(self._host)


class _Body(Protocol):
    """Gathers the body of a response, up to `SIZE_LIMIT`."""

    transport: Any

    def __init__(self) -> None:
        self.complete: Deferred[bytes] = Deferred(lambda _: self.transport.loseConnection())
        self._content = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._content += data
        if len(self._content) > SIZE_LIMIT and not self.complete.called:
            self.complete.errback(_Unusable("too long"))
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        from twisted.web.client import ResponseDone

        if self.complete.called:
            return
        if reason.check(ResponseDone):
            self.complete.callback(bytes(self._content))
        else:
            self.complete.errback(_Unusable("cut off"))


def vouches(fingerprints: frozenset[Fingerprint], certificate: Certificate) -> bool:
    """Tell whether a certificate is among those that a domain names (RFC 7711 §3.3)."""
    return any((name, digest(certificate.der).digest()) in fingerprints for name, digest in DIGESTS.items())


def _fingerprints(document: _Document) -> Iterator[Fingerprint]:
    """Decode what we know of a document; what is no base64 matches nothing. Padding may be missing."""
    for descriptor in document.fingerprints:
        for name, value in descriptor.items():
            text = "".join(value.split()).rstrip("=")
            try:
                digest = b64decode(text + "=" * (-len(text) % 4), validate=True)
            except ValueError:
                continue
            if name in DIGESTS:
                yield name, digest
