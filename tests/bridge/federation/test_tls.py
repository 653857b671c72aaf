"""Real handshakes, in memory: which certificates are shown, and what the other side makes of them."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from bridge.config import CertificateConfig, DomainPattern, Encryption, FederationConfig, FilePath
from bridge.federation.certificate import PeerCertificate
from bridge.federation.own_certificate import CertificateError
from bridge.federation.resolver import Tlsa
from bridge.federation.tls import ALPN, TlsContexts, Verifier, peer

from .certificates import CLIENT, SERVER, Issued, ca_file, dns, root, rsa_key, self_signed, write

ROOT = root("Root")
BETWEEN = ROOT.authority("Between")
A, B = BETWEEN.issue(dns("a.test")), BETWEEN.issue(dns("b.test"), dns("*.b.test"))
DOMAINS = frozenset({"a.test", "b.test", "x.b.test", "bücher.test", "none.example"})


class Side:
    """One server: its contexts, and the files that they are made from."""

    def __init__(self, folder: Path, **certificates: tuple[Issued, ...]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        for name, chain in certificates.items():
            self.write(name, *chain)
        self.config = FederationConfig(
            certificate_directory=FilePath(folder), ca_file=FilePath(ca_file(folder, ROOT))
        )
        self.domains = DOMAINS
        self.contexts = TlsContexts(self.config, lambda: self.domains)

    def write(self, name: str, *chain: Issued) -> None:
        write(self.folder, f"{name}.test", *chain)

    def reload(self) -> list[str]:
        return [str(error) for error in self.contexts.reload(self.config)]


class Link:
    """A TLS connection between two sides, the handshake done; `transport`s are what `peer` wants."""

    def __init__(self, client: SSL.Connection, server: SSL.Connection) -> None:
        self.client, self.server = client, server
        client.set_connect_state()
        server.set_accept_state()
        self.pump()

    def pump(self) -> None:
        for _ in range(6):
            for own, other in ((self.client, self.server), (self.server, self.client)):
                with suppress(SSL.WantReadError):
                    own.do_handshake()
                with suppress(SSL.WantReadError):
                    while data := own.bio_read(65536):
                        other.bio_write(data)

    def seen_by_client(self) -> PeerCertificate:
        return peer(Transport(self.client))

    def seen_by_server(self) -> PeerCertificate:
        return peer(Transport(self.server))


class Transport:
    def __init__(self, handle: SSL.Connection) -> None:
        self._handle = handle

    def getHandle(self) -> SSL.Connection:
        return self._handle


def connect(
    dialling: Side, accepting: Side, local: str, remote: str, to: str = "", direct: bool = False
) -> Link:
    client = dialling.contexts.client(local, remote, direct).clientConnectionForTLS(None)
    return Link(client, accepting.contexts.server(to).serverConnectionForTLS(None))


@pytest.fixture
def ours(tmp_path: Path) -> Side:
    return Side(tmp_path / "ours", a=(A, BETWEEN), b=(B, BETWEEN))


@pytest.fixture
def theirs(tmp_path: Path) -> Side:
    return Side(tmp_path / "theirs", a=(A, BETWEEN), b=(B, BETWEEN))


def test_both_sides_show_their_certificates(ours: Side, theirs: Side):
    """With the chains."""
    link = connect(ours, theirs, "a.test", "b.test")
    assert link.seen_by_client().names() == ("b.test", "*.b.test")
    assert link.seen_by_server().names() == ("a.test",)
    assert link.seen_by_client().problem("b.test") == link.seen_by_server().problem("a.test") == ""
    assert [each.der for each in link.seen_by_server().chain] == [A.der, BETWEEN.der]
    assert [each.der for each in link.seen_by_client().chain] == [B.der, BETWEEN.der]


@pytest.mark.spec("XEP-0368 §3")
@pytest.mark.parametrize(
    ("asked", "to", "names"),
    [
        ("a.test", "", "a.test"),
        ("b.test", "", "b.test"),
        ("x.b.test", "", "b.test"),
        ("b.test", "a.test", "b.test"),
        ("unknown.test", "b.test", "b.test"),
        ("unknown.test", "unknown.test", "a.test"),
        ("192.0.2.1", "b.test", "b.test"),
        ("none.example", "b.test", "b.test"),
        ("BÜCHER.test", "b.test", "b.test"),
        ("no..name", "b.test", "b.test"),
    ],
)
def test_certificate_is_that_of_the_domain_asked_for(
    ours: Side, theirs: Side, asked: str, to: str, names: str
):
    """By SNI, else by the stream's header, else any."""
    assert connect(ours, theirs, "a.test", asked, to).seen_by_client().names()[0] == names


def test_international_domain_is_asked_for_by_a_labels(ours: Side, theirs: Side):
    """And found by them."""
    theirs.write("bücher", ROOT.issue(dns("xn--bcher-kva.test")))
    theirs.reload()
    link = connect(ours, theirs, "a.test", "bücher.test")
    assert link.server.get_servername() == b"xn--bcher-kva.test"
    assert link.seen_by_client().problem("bücher.test") == ""


def test_address_is_not_asked_for_by_sni(ours: Side, theirs: Side):
    """RFC 6066 §3 forbids it."""
    for address in ("192.0.2.1", "[2001:db8::1]"):
        assert connect(ours, theirs, "a.test", address).server.get_servername() is None


@pytest.mark.spec("XEP-0368 §3")
def test_protocol_is_named_for_direct_tls_only(ours: Side, theirs: Side):
    """A port may be shared with others then."""
    assert connect(ours, theirs, "a.test", "b.test", direct=True).server.get_alpn_proto_negotiated() == ALPN
    assert connect(ours, theirs, "a.test", "b.test").client.get_alpn_proto_negotiated() == b""


def test_peer_that_wants_another_protocol_is_refused(ours: Side, theirs: Side):
    """It is at the wrong door, and is told so."""
    client = ours.contexts.client("a.test", "b.test").clientConnectionForTLS(None)
    client.set_alpn_protos([b"http/1.1", b"xmpp-client"])
    server = theirs.contexts.server().serverConnectionForTLS(None)
    with pytest.raises(SSL.Error):
        Link(client, server)
    client.bio_write(server.bio_read(65536))
    with pytest.raises(SSL.Error, match="alert no application protocol"):
        client.do_handshake()


@pytest.mark.parametrize(
    "shown",
    [
        self_signed(dns("a.test"), cn="x"),
        ROOT.issue(dns("a.test"), days=(-9, -1)),
        root("Stranger").issue(dns("a.test")),
        ROOT.issue(dns("a.test"), usages=(CLIENT,)),
        ROOT.issue(dns("a.test"), raw_san=None, ca=True),
        ROOT.issue(dns("a.test"), private=rsa_key(2048)),
    ],
)
def test_handshake_succeeds_whatever_the_certificate(ours: Side, theirs: Side, shown: Issued):
    """It is judged afterwards."""
    ours.write("a", shown)
    ours.reload()
    for dialling, accepting in ((ours, theirs), (theirs, ours)):
        link = connect(dialling, accepting, "a.test", "a.test")
        seen = link.seen_by_server() if dialling is ours else link.seen_by_client()
        assert seen.chain[0].der == shown.der


def test_peer_without_a_certificate_is_seen_as_such(ours: Side, theirs: Side):
    """Dialback is left to it."""
    seen = connect(ours, theirs, "none.example", "b.test").seen_by_server()
    assert not seen.present
    assert seen.problem("none.example") == "no certificate"


@pytest.mark.spec("XEP-0178 §3")
def test_certificate_for_servers_only_is_good_in_both_directions(ours: Side, theirs: Side):
    """Public authorities issue no others."""
    ours.write("a", BETWEEN.issue(dns("a.test"), usages=(SERVER,)), BETWEEN)
    ours.reload()
    assert connect(ours, theirs, "a.test", "b.test").seen_by_server().problem("a.test") == ""
    assert connect(theirs, ours, "b.test", "a.test").seen_by_client().problem("a.test") == ""


def test_certificate_for_clients_only_is_good_for_those(ours: Side, theirs: Side):
    """Who connects is a client of TLS."""
    ours.write("a", BETWEEN.issue(dns("a.test"), usages=(CLIENT,)), BETWEEN)
    ours.reload()
    assert connect(ours, theirs, "a.test", "b.test").seen_by_server().problem("a.test") == ""
    assert connect(theirs, ours, "b.test", "a.test").seen_by_client().problem("a.test") == "not for servers"


@pytest.mark.parametrize("version", [SSL.TLS1_1_VERSION, SSL.TLS1_VERSION])
@pytest.mark.spec("RFC 7590 §3")
def test_old_versions_of_tls_are_refused(theirs: Side, version: int):
    """1.2 is the oldest."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_max_proto_version(version)
    with pytest.raises(SSL.Error):
        Link(SSL.Connection(context), theirs.contexts.server().serverConnectionForTLS(None))


class OtherClient:
    """A client that would resume a session; of another library, which tells whether it did."""

    def __init__(self, newest: ssl.TLSVersion) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.maximum_version = newest

    def connect(self, side: Side, session: ssl.SSLSession | None) -> ssl.SSLObject:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self._context.wrap_bio(incoming, outgoing, session=session)
        server = side.contexts.server().serverConnectionForTLS(None)
        server.set_accept_state()
        for _ in range(4):
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
                client.read()
            if outgoing.pending:
                server.bio_write(outgoing.read())
            with suppress(SSL.WantReadError):
                server.do_handshake()
            with suppress(SSL.WantReadError):
                incoming.write(server.bio_read(65536))
        return client


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_is_not_resumed(theirs: Side, newest: ssl.TLSVersion):
    """A peer shows its certificate every time."""
    client = OtherClient(newest)
    first = client.connect(theirs, None)
    assert first.version() == newest.name.replace("_", ".")
    second = client.connect(theirs, first.session)
    assert second.version() == first.version()
    assert not second.session_reused


def test_domain_with_files_in_the_folder_has_a_certificate(ours: Side):
    """And facts about it."""
    assert [domain for domain in sorted(DOMAINS) if ours.contexts.has(domain)] == [
        "a.test",
        "b.test",
        "x.b.test",
    ]
    own = ours.contexts.certificate_for("x.b.test")
    assert own is not None
    assert own.chain[0].names == ("b.test", "*.b.test")
    assert own is ours.contexts.certificate_for("b.test")
    assert ours.contexts.certificate_for("none.example") is None


def test_problem_of_our_own_certificate_is_known(ours: Side):
    """Before other servers complain."""
    assert ours.contexts.problem("a.test") == ""
    assert ours.contexts.problem("none.example") == "no certificate"
    ours.write("a", A)
    ours.reload()
    assert ours.contexts.problem("a.test") == "issued by an unknown authority"


def test_domain_that_is_not_ours_has_no_certificate(ours: Side):
    """Even if a file would fit."""
    assert not ours.contexts.has("y.b.test")


def test_domain_that_becomes_ours_later_has_its_certificate(ours: Side):
    """As that of a component that is added."""
    ours.domains = DOMAINS | {"y.b.test", "bad.test", "z.c.test"}
    assert ours.contexts.has("y.b.test")
    assert not ours.contexts.has("z.c.test")
    (ours.folder / "bad.test.crt").touch()
    assert not ours.contexts.has("bad.test")


def test_file_for_another_domain_is_passed_over(ours: Side, tmp_path: Path):
    """A parent's counts only if it names the domain."""
    ours.domains = DOMAINS | {"x.a.test"}
    assert not ours.contexts.has("x.a.test")


@pytest.mark.parametrize("encryption", ["required", "optional"])
def test_domain_without_a_certificate_is_told_where_one_is_needed(encryption: Encryption):
    """Else the operator would find out from his users."""
    told: list[str] = []

    def note(event: LogEvent) -> None:
        told.append(formatEvent(event))

    globalLogPublisher.addObserver(note)
    TlsContexts(FederationConfig(encryption=encryption), lambda: frozenset({"bare.test"}))
    globalLogPublisher.removeObserver(note)
    assert ("bare.test has no certificate: no server can connect to it" in told) is (encryption == "required")


def test_configured_certificate_wins(ours: Side, tmp_path: Path):
    """Over those in the folder, whatever it names."""
    certificate, private = write(tmp_path, "any", ROOT.issue(dns("z.test")))
    configured = CertificateConfig(certificate=FilePath(certificate), key=FilePath(private))
    ours.config = FederationConfig(
        certificate_directory=ours.config.certificate_directory,
        ca_file=ours.config.ca_file,
        certificates={DomainPattern("a.test"): configured},
    )
    assert ours.reload() == []
    own = ours.contexts.certificate_for("a.test")
    assert own is not None
    assert own.chain[0].names == ("z.test",)
    assert ours.contexts.has("b.test")


def test_renewed_certificate_is_shown_after_reload(ours: Side, theirs: Side):
    """An established connection keeps the old one, and works."""
    before = connect(ours, theirs, "b.test", "a.test")
    renewed = BETWEEN.issue(dns("a.test"), days=(-1, 60))
    theirs.write("a", renewed, BETWEEN)
    assert theirs.reload() == []
    after = connect(ours, theirs, "b.test", "a.test")
    assert (before.seen_by_client().chain[0].der, after.seen_by_client().chain[0].der) == (A.der, renewed.der)
    before.client.send(b"still there")
    before.pump()
    assert before.server.recv(100) == b"still there"


def test_unchanged_certificate_is_not_read_again(ours: Side):
    """Only what changed is."""
    own = ours.contexts.certificate_for("a.test")
    assert ours.reload() == []
    assert ours.contexts.certificate_for("a.test") is own


def test_bad_renewal_is_refused_and_the_old_one_stays(ours: Side, theirs: Side):
    """Others are renewed all the same."""
    (theirs.folder / "a.test.crt").write_bytes(b"half a file")
    renewed = BETWEEN.issue(dns("b.test"), dns("*.b.test"), days=(-1, 60))
    theirs.write("b", renewed, BETWEEN)
    assert theirs.reload() == [f"{theirs.folder}/a.test.crt: has no certificate (PEM), or a malformed one"]
    assert connect(ours, theirs, "b.test", "a.test").seen_by_client().chain[0].der == A.der
    assert connect(ours, theirs, "a.test", "b.test").seen_by_client().chain[0].der == renewed.der


def test_certificate_that_vanishes_stays_in_use(ours: Side):
    """As in the middle of a renewal."""
    os.remove(ours.folder / "a.test.crt")
    assert ours.reload() == [f"{ours.folder}: nothing for a.test any more"]
    assert ours.contexts.has("a.test")
    ours.write("a", A, BETWEEN)
    assert ours.reload() == []


def test_bad_authorities_are_refused_and_the_old_ones_stay(ours: Side, theirs: Side):
    """Peers are believed as before."""
    Path(theirs.config.ca_file).write_bytes(b"")
    assert theirs.reload() == [f"{theirs.config.ca_file}: unreadable, or without certificates (PEM)"]
    assert connect(ours, theirs, "a.test", "b.test").seen_by_server().problem("a.test") == ""


def test_new_authorities_count_after_reload(ours: Side, theirs: Side):
    """The old ones no longer do."""
    ca_file(theirs.folder, root("Another"))
    assert theirs.reload() == []
    seen = connect(ours, theirs, "a.test", "b.test").seen_by_server()
    assert seen.problem("a.test") == "issued by an unknown authority"


def test_start_with_a_bad_file_fails(tmp_path: Path):
    """It says which."""
    (tmp_path / "a.test.pem").write_bytes(b"")
    for config in (
        FederationConfig(certificate_directory=FilePath(tmp_path)),
        FederationConfig(ca_file=FilePath(tmp_path / "a.test.pem")),
    ):
        with pytest.raises(CertificateError, match=r"a\.test\.pem"):
            TlsContexts(config, lambda: DOMAINS)


@implementer(IHandshakeListener)
class Conversation(Protocol):
    """Tells what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self.heard.append(data)

    def handshakeCompleted(self) -> None:
        self.heard.append(peer(self.transport).names())


def test_connections_work_in_twisted(ours: Side, theirs: Side):
    """As `startTLS` uses them; the peer's certificate is known when the handshake is done."""
    dialling, accepting = Conversation(), Conversation()
    clock, sides = Clock(), []
    for creator, is_client, protocol in (
        (ours.contexts.client("a.test", "b.test"), True, dialling),
        (theirs.contexts.server(), False, accepting),
    ):
        factory = TLSMemoryBIOFactory(creator, is_client, Factory.forProtocol(lambda p=protocol: p), clock)
        sides.append((factory.buildProtocol(None), StringTransport()))
    for wrapped, transport in sides:
        wrapped.makeConnection(transport)
    dialling.transport.writeSequence([b"hello"])
    for _ in range(6):
        clock.advance(0)
        for (_, source), (target, _) in (sides, sides[::-1]):
            data = source.value()
            source.clear()
            if data:
                target.dataReceived(data)
    assert dialling.heard == [("b.test", "*.b.test")]
    assert accepting.heard == [("a.test",), b"hello"]


class FakePosh:
    """Web servers that name one certificate."""

    def __init__(self, *named: Issued) -> None:
        from hashlib import sha256

        self._answer = frozenset(("sha-256", sha256(each.der).digest()) for each in named)
        self.asked: list[str] = []

    def fingerprints(self, domain: str) -> Deferred[frozenset[tuple[str, bytes]]]:
        self.asked.append(domain)
        return succeed(self._answer)


HOSTED = self_signed(dns("hosting.test"), cn="hosting")


def verdict(
    ours: Side, shown: Issued | None, posh: FakePosh | None, tlsa: tuple[Tlsa, ...] = (), host: str = ""
) -> str:
    chain = [] if shown is None else [shown.der, BETWEEN.der]
    certificate = PeerCertificate(chain, ours.contexts.authorities, False)
    found: list[str] = []
    Verifier(posh).problem(certificate, "a.test", tlsa, host).addCallback(found.append)  # type: ignore[arg-type]
    return found[0]


def test_valid_certificate_needs_no_web_server(ours: Side):
    """Which is not asked."""
    posh = FakePosh()
    assert verdict(ours, A, posh) == ""
    assert posh.asked == []


@pytest.mark.spec("RFC 7673 §4.1")
def test_certificate_may_name_the_host_that_is_vouched_for(ours: Side):
    """By signed DNS or the administrator; else it names the domain."""
    assert verdict(ours, B, None, host="b.test") == ""
    assert verdict(ours, A, None, host="b.test") == ""
    assert verdict(ours, B, None) == "issued for b.test, *.b.test"


@pytest.mark.spec("RFC 7711 §3.3")
def test_certificate_that_the_web_server_names_is_proof(ours: Side):
    """Another is not."""
    posh = FakePosh(HOSTED)
    assert verdict(ours, HOSTED, posh) == ""
    assert posh.asked == ["a.test"]
    assert verdict(ours, self_signed(dns("hosting.test"), cn="other"), posh) == "self-signed"
    assert verdict(ours, B, FakePosh(HOSTED)) == "issued for b.test, *.b.test"


def test_web_server_is_not_asked_in_vain(ours: Side):
    """If there is no certificate, or none that could be good (RFC 7711 §6)."""
    expired = self_signed(dns("a.test"), cn="x", days=(-9, -1))
    posh = FakePosh(expired)
    assert verdict(ours, expired, posh) in ("expired", "self-signed")
    assert verdict(ours, None, posh) == "no certificate"
    assert posh.asked == []
    assert verdict(ours, HOSTED, None) == "self-signed"


def test_signed_dns_decides_alone(ours: Side):
    """For and against."""
    assert verdict(ours, HOSTED, None, (Tlsa(3, 0, 0, HOSTED.der),)) == ""
    assert (
        verdict(ours, A, FakePosh(A), (Tlsa(3, 0, 0, HOSTED.der),)) == "not the one that its DNS names (DANE)"
    )
    assert verdict(ours, A, None, (Tlsa(9, 9, 9, b""),)) == ""
