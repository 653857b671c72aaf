"""What domains' web servers say of certificates, over real TLS in memory."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock, StringTransport

from bridge.federation import posh
from bridge.federation.certificate import Authorities
from bridge.federation.own_certificate import Files, load
from bridge.federation.posh import Fingerprint, Posh, vouches
from bridge.federation.resolver import NoServer
from bridge.federation.x509 import Certificate, read

from .certificates import Issued, ca_file, dns, ip, root, self_signed, srv, write

ROOT = root("Root")
SHOWN, OTHER = self_signed(dns("hosting.test"), cn="x"), self_signed(dns("hosting.test"), cn="y")
REFERENCE = "https://hosting.test/posh.json"
HOUR = 3600


def base64(data: bytes) -> str:
    return b64encode(data).decode()


def fingerprints(*issued: Issued, **more: Any) -> dict[str, Any]:
    described = [{"sha-256": base64(sha256(each.der).digest())} for each in issued]
    return {"fingerprints": described, "expires": HOUR} | more


def response(document: object, status: str = "200 OK") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body)) + body


def certificate(issued: Issued) -> Certificate:
    found = read(issued.der)
    assert found is not None
    return found


class Addresses:
    """A resolver that knows every name but one."""

    def addresses(self, host: str) -> Deferred[tuple[str, ...]]:
        return fail(NoServer("no such name")) if host == "absent.test" else succeed(("192.0.2.1",))


class Socket(StringTransport):
    """A socket that is closed as it is told."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.nodelay = enabled


class Web:
    """The web servers of the world: `pages` has their whole responses, by URL; `asked` what was wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reactor = MemoryReactorClock()
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.shown: dict[str, Issued] = {}
        authorities = Authorities(ca_file(folder, ROOT))
        self.posh = Posh(self.reactor, Addresses(), lambda: authorities)  # type: ignore[arg-type]
        self.served = 0

    def put(self, host: str, page: object, path: str = posh.PATH) -> None:
        self.pages[f"https://{host}{path}"] = page if isinstance(page, bytes) else response(page)

    def ask(self, domain: str) -> list[frozenset[Fingerprint]]:
        """Ask for a domain; what comes back is empty until it is answered."""
        answers: list[frozenset[Fingerprint]] = []
        self.posh.fingerprints(domain).addCallback(answers.append)
        return answers

    def serve(self) -> None:
        """Answer every connection there is."""
        while self.served < len(self.reactor.tcpClients):
            _, port, factory, *_ = self.reactor.tcpClients[self.served]
            self.served += 1
            assert port == 443
            self._serve(factory.buildProtocol(None))

    def _serve(self, client: Any) -> None:
        transport = Socket()
        client.makeConnection(transport)
        server = SSL.Connection(self._context())
        server.set_accept_state()
        written = False
        for _ in range(8):
            self.reactor.advance(0)
            if transport.value():
                server.bio_write(transport.value())
                transport.clear()
            with suppress(SSL.WantReadError, SSL.Error):
                request = server.recv(65536)
                page = self._page(request, server.get_servername() or b"192.0.2.1")
                for start in range(0, len(page), 16000):
                    server.send(page[start : start + 16000])
                written = True
            with suppress(SSL.WantReadError):
                while data := server.bio_read(1 << 20):
                    if transport.connected and not transport.disconnecting:
                        client.dataReceived(data)
        if written or transport.disconnecting:
            from twisted.internet.error import ConnectionDone
            from twisted.python.failure import Failure

            client.connectionLost(Failure(ConnectionDone()))

    def _page(self, request: bytes, host: bytes) -> bytes:
        verb, path, *_ = request.decode().split(" ")
        assert verb == "GET"
        url = f"https://{host.decode()}{path}"
        self.asked.append(url)
        return self.pages.get(url, response(b"", "404 Not Found"))

    def _context(self) -> SSL.Context:
        """Show what `shown` has for any name, else a certificate for that."""
        context = SSL.Context(SSL.TLS_METHOD)

        def choose(connection: SSL.Connection) -> None:
            name = (connection.get_servername() or b"").decode()
            if not name:
                return
            issued = self.shown.get(name) or ROOT.issue(dns(name))
            chosen = SSL.Context(SSL.TLS_METHOD)
            load(Files(*write(self.folder, "web", issued))).install(chosen)
            connection.set_context(chosen)

        load(Files(*write(self.folder, "web", ROOT.issue(ip("192.0.2.1"))))).install(context)
        context.set_tlsext_servername_callback(choose)
        return context


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return Web(tmp_path)


def answer(web: Web, domain: str = "a.test") -> frozenset[Fingerprint]:
    answers = web.ask(domain)
    web.serve()
    assert len(answers) == 1
    return answers[0]


@pytest.mark.spec("RFC 7711 §3.1")
def test_certificate_that_a_domain_names_is_vouched_for(web: Web):
    """At the address for XMPP servers."""
    web.put("a.test", fingerprints(SHOWN))
    found = answer(web)
    assert vouches(found, certificate(SHOWN))
    assert not vouches(found, certificate(OTHER))
    assert web.asked == ["https://a.test/.well-known/posh/xmpp-server.json"]


@pytest.mark.spec("RFC 7711 §3.1")
def test_any_digest_of_any_certificate_is_enough(web: Web):
    """Those of unknown functions, and what is no base64, are passed over; padding and spaces do not matter."""
    shown = base64(sha512(SHOWN.der).digest())
    document = {
        "fingerprints": [
            {"sha-1": "AAAA", "md5": "!", "sha-256": "not base64"},
            {"sha-512": shown[:40] + "\n  " + shown[40:].rstrip("=")},
            {"sha-256": base64(sha256(OTHER.der).digest())},
        ],
        "expires": 1,
        "more": None,
    }
    web.put("a.test", document)
    found = answer(web)
    assert vouches(found, certificate(SHOWN))
    assert vouches(found, certificate(OTHER))
    assert len(found) == 2


@pytest.mark.spec("RFC 7711 §3.2")
def test_reference_is_followed_once(web: Web):
    """To any https address, a port and an IP address included."""
    web.put("a.test", {"url": REFERENCE, "expires": HOUR})
    web.put("hosting.test", fingerprints(SHOWN), "/posh.json")
    assert vouches(answer(web), certificate(SHOWN))
    web.put("b.test", {"url": "https://192.0.2.1/x", "expires": HOUR})
    web.put("192.0.2.1", fingerprints(SHOWN), "/x")
    assert vouches(answer(web, "b.test"), certificate(SHOWN))


def test_international_domain_is_asked_by_its_a_labels(web: Web):
    """As the DNS knows it."""
    web.put("xn--bcher-kva.test", fingerprints(SHOWN))
    assert vouches(answer(web, "bücher.test"), certificate(SHOWN))


@pytest.mark.parametrize(
    "page",
    [
        response(b"", "404 Not Found"),
        response(fingerprints(SHOWN), "500 Broken"),
        response(fingerprints(SHOWN), "302 Found\r\nLocation: https://b.test/"),
        response(b""),
        response(b"<html>"),
        response([]),
        response({"fingerprints": [], "expires": HOUR}),
        response({"fingerprints": "x", "expires": HOUR}),
        response({"fingerprints": [{"sha-256": 1}], "expires": HOUR}),
        response(fingerprints(SHOWN, expires=0)),
        response(fingerprints(SHOWN, expires=-1)),
        response(fingerprints(SHOWN, expires="x")),
        response({"fingerprints": fingerprints(SHOWN)["fingerprints"]}),
        response({"url": "http://b.test/", "expires": HOUR}),
        response({"url": "https://bücher.test/", "expires": HOUR}),
        response({"url": "https://b.test/\r\nX: y", "expires": HOUR}),
        response({"url": "https://b.test:x/", "expires": HOUR}),
        response({"url": "https:///", "expires": HOUR}),
        response({"url": "https://b.test/self", "expires": HOUR}),
        response(json.dumps(fingerprints(SHOWN)).encode() + b" " * posh.SIZE_LIMIT),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + json.dumps(fingerprints(SHOWN)).encode(),
        b"SSH-2.0-x\r\n\r\n",
        b"",
    ],
)
def test_document_that_is_not_usable_vouches_for_nothing(web: Web, page: bytes):
    """Nor does a reference that leads to another, or to plain http."""
    web.pages["https://a.test" + posh.PATH] = page
    web.put("b.test", {"url": REFERENCE, "expires": HOUR}, "/self")
    web.put("hosting.test", fingerprints(SHOWN), "/posh.json")
    answers = web.ask("a.test")
    web.serve()
    web.reactor.advance(posh.TIMEOUT)
    assert answers == [frozenset()]


@pytest.mark.spec("RFC 7711 §3")
@pytest.mark.parametrize(
    "shown",
    [
        self_signed(dns("a.test"), cn="x"),
        ROOT.issue(dns("b.test")),
        ROOT.issue(dns("a.test"), days=(-9, -1)),
        ROOT.issue(srv("_xmpp-server.a.test")),
        root("Stranger").issue(dns("a.test")),
    ],
)
def test_web_server_without_a_valid_certificate_is_not_believed(web: Web, shown: Issued):
    """It is not even asked."""
    web.put("a.test", fingerprints(SHOWN))
    web.shown["a.test"] = shown
    answers = web.ask("a.test")
    web.serve()
    web.reactor.advance(posh.TIMEOUT)
    assert answers == [frozenset()]
    assert web.asked == []


@pytest.mark.parametrize("domain", ["localhost", "192.0.2.1", "[2001:db8::1]", "absent.test"])
def test_name_without_a_web_server_is_not_asked(web: Web, domain: str):
    """Addresses, names without a dot, and what the DNS does not know."""
    assert web.ask(domain) == [frozenset()]
    assert web.reactor.tcpClients == []


def test_silent_web_server_is_not_waited_for_long(web: Web):
    """Dialback is next."""
    answers = web.ask("a.test")
    web.reactor.advance(posh.TIMEOUT - 0.1)
    assert answers == []
    web.reactor.advance(0.2)
    assert answers == [frozenset()]


def test_answer_is_shared_by_those_who_wait(web: Web):
    """One question for all."""
    web.put("a.test", fingerprints(SHOWN))
    first, second = web.ask("a.test"), web.ask("a.test")
    web.serve()
    assert first == second
    assert len(web.asked) == len(first) == 1


@pytest.mark.spec("RFC 7711 §6")
@pytest.mark.parametrize(
    ("said", "referred", "kept"),
    [(HOUR, None, HOUR), (10**12, None, posh.LONGEST), (HOUR, 60, 60), (60, HOUR, 60), (1, None, 1)],
)
def test_answer_counts_as_long_as_the_document_says(web: Web, said: int, referred: int | None, kept: float):
    """The shorter of two, and a day at most."""
    if referred is not None:
        web.put("a.test", {"url": REFERENCE, "expires": referred})
    web.put(
        "hosting.test" if referred else "a.test",
        fingerprints(SHOWN, expires=said),
        "/posh.json" if referred else posh.PATH,
    )
    found = answer(web)
    asked = len(web.asked)
    web.reactor.advance(kept - 0.5)
    assert web.ask("a.test") == [found]
    assert len(web.asked) == asked
    web.reactor.advance(1)
    answer(web)
    assert len(web.asked) == 2 * asked


def test_domain_without_a_document_is_asked_again_later(web: Web):
    """Not at once."""
    assert answer(web) == frozenset()
    web.put("a.test", fingerprints(SHOWN))
    web.reactor.advance(posh.RETRY - 1)
    assert answer(web) == frozenset()
    web.reactor.advance(2)
    assert vouches(answer(web), certificate(SHOWN))


def test_questions_at_the_same_time_are_limited(web: Web, monkeypatch: pytest.MonkeyPatch):
    """Those beyond have no answer, which is not remembered."""
    monkeypatch.setattr(posh, "IN_FLIGHT_LIMIT", 2)
    for domain in ("a.test", "b.test", "c.test"):
        web.put(domain, fingerprints(SHOWN))
    answers = [web.ask(domain) for domain in ("a.test", "b.test", "c.test")]
    assert answers == [[], [], [frozenset()]]
    web.serve()
    assert vouches(answer(web, "c.test"), certificate(SHOWN))


def test_answers_remembered_are_limited(web: Web, monkeypatch: pytest.MonkeyPatch):
    """The one longest unused is forgotten."""
    monkeypatch.setattr(posh, "CACHE_SIZE", 2)
    for domain in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
        web.put(domain, fingerprints(SHOWN))
        answer(web, domain)
    assert [url[8:14] for url in web.asked] == ["a.test", "b.test", "c.test", "b.test"]
