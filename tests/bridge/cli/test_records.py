"""`xmppbridge check --live`: what other servers find in the DNS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, succeed
from twisted.names import dns

from bridge.cli.check import Finding, Verdict
from bridge.cli.knock import Knock, NobodyHome
from bridge.cli.records import Seen, record_findings
from bridge.federation.certificate import Authorities, PeerCertificate
from bridge.federation.dns import Answer
from bridge.federation.resolver import TLSA
from tests.live.peers.certificates import Authority

STARTTLS, DIRECT = "_xmpp-server._tcp.irc.example.org", "_xmpps-server._tcp.irc.example.org"


def srv(host: str, port: int = 5269) -> Answer:
    return Answer(records=(dns.Record_SRV(5, 1, port, host.encode()),))  # type: ignore[no-untyped-call]


def address(text: str) -> Answer:
    return Answer(records=(dns.Record_A(text),))  # type: ignore[no-untyped-call]


HOST = {("xmpp.example.org", dns.A): address("192.0.2.1")}


async def nobody(domain: str, address: str, port: int, direct_tls: bool) -> PeerCertificate:
    raise NobodyHome("the server refuses connections")


def look_up(
    answers: Mapping[Any, Answer],
    domain: str = "irc.example.org",
    port: int = 5269,
    certificate: PeerCertificate | None = None,
    knock: Knock = nobody,
) -> list[Finding]:
    def ask(name: str, type: int) -> Deferred[Answer]:
        return succeed(answers.get((name, type), Answer()))

    findings: list[list[Finding]] = []
    seen = Seen(domain=domain, ports=frozenset({port}), certificate=certificate)
    record_findings(seen, ask, knock).addCallback(findings.append)
    return findings[0]


def records(starttls: Answer, direct: Answer) -> dict[Any, Answer]:
    return {(STARTTLS, dns.SRV): starttls, (DIRECT, dns.SRV): direct}


def test_records_that_lead_here_are_good() -> None:
    """With the addresses that they lead to."""
    findings = look_up(HOST | records(srv("xmpp.example.org"), srv("xmpp.example.org")))
    assert [(each.verdict, each.subject) for each in findings] == [
        (Verdict.OK, DIRECT),
        (Verdict.OK, STARTTLS),
    ]
    assert findings[0].text == "xmpp.example.org:5269 (192.0.2.1)"


def test_signed_records_are_told() -> None:
    """DANE needs them."""
    signed = Answer(records=srv("xmpp.example.org").records, secure=True)
    assert look_up(HOST | records(signed, signed))[0].text.endswith(", signed")


def test_certificate_that_its_tlsa_records_do_not_name_is_an_error(tmp_path: Path) -> None:
    """Servers that know DANE would refuse it; with the right record they need no authority."""
    made = Authority(tmp_path).issue("own", "irc.example.org", self_signed=True)
    pem = made.certificate.read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    certificate = PeerCertificate([der], Authorities(""), connected=False)

    async def ours(domain: str, address: str, port: int, direct_tls: bool) -> PeerCertificate:
        return certificate

    def signed(answer: Answer) -> Answer:
        return Answer(records=answer.records, secure=True)

    def verdict(digest: bytes) -> Finding:
        tlsa = dns.UnknownRecord(bytes([3, 0, 1]) + digest)
        answers = {
            ("xmpp.example.org", dns.A): signed(address("192.0.2.1")),
            ("_5269._tcp.xmpp.example.org", TLSA): signed(Answer(records=(tlsa,))),
            **records(signed(srv("xmpp.example.org")), Answer()),
        }
        return look_up(answers, certificate=certificate, knock=ours)[0]

    assert verdict(sha256(der).digest()).text.endswith(", signed with TLSA, shows our certificate")
    wrong = verdict(bytes(32))
    assert wrong.verdict is Verdict.ERROR and "not the one that its DNS names" in wrong.text


def test_record_for_direct_tls_alone_is_a_warning() -> None:
    """Not every server can do that."""
    findings = look_up(HOST | records(Answer(), srv("xmpp.example.org")))
    assert [each.verdict for each in findings] == [Verdict.OK, Verdict.WARNING]


Issue = Callable[..., PeerCertificate]


@pytest.fixture
def issue(tmp_path: Path) -> Issue:
    """What makes certificates for our domain, as others see them."""
    authority = Authority(tmp_path)

    def make(name: str, *, self_signed: bool = False) -> PeerCertificate:
        made = authority.issue(name, "irc.example.org", self_signed=self_signed)
        der = x509.load_pem_x509_certificate(made.certificate.read_bytes()).public_bytes(Encoding.DER)
        return PeerCertificate([der], Authorities(str(authority.root)), connected=False)

    return make


@pytest.mark.parametrize(("port", "advice"), [(5269, "is the bridge running"), (5299, "is it forwarded?")])
def test_address_where_nobody_answers_is_a_warning(issue: Issue, port: int, advice: str) -> None:
    """The bridge may not be running yet, or a router be in the way."""
    [finding] = look_up(HOST | records(srv("xmpp.example.org", port), Answer()), certificate=issue("own"))
    assert finding.verdict is Verdict.WARNING
    assert f"xmpp.example.org:{port} (192.0.2.1): the server refuses connections; " in finding.text
    assert advice in finding.text


def test_each_address_is_gone_to_as_its_record_says(issue: Issue) -> None:
    """Direct TLS or STARTTLS; a port that a router forwards is as good as one's own."""
    own, calls = issue("own"), []

    async def knock(domain: str, address: str, port: int, direct_tls: bool) -> PeerCertificate:
        calls.append((domain, address, port, direct_tls))
        return own

    findings = look_up(
        HOST | records(srv("xmpp.example.org"), srv("xmpp.example.org", 443)), certificate=own, knock=knock
    )
    assert [each.verdict for each in findings] == [Verdict.OK, Verdict.OK]
    assert calls == [
        ("irc.example.org", "192.0.2.1", 443, True),
        ("irc.example.org", "192.0.2.1", 5269, False),
    ]


@pytest.mark.parametrize(
    ("self_signed", "verdict", "text"),
    [
        (False, Verdict.WARNING, "SIGHUP"),
        (True, Verdict.ERROR, "another certificate than ours (self-signed)"),
    ],
)
def test_certificate_other_than_the_file_is_told(
    issue: Issue, self_signed: bool, verdict: Verdict, text: str
) -> None:
    """A good one may be the one from before the renewal; a bad one is somebody else's."""
    own, other = issue("own"), issue("other", self_signed=self_signed)

    async def knock(domain: str, address: str, port: int, direct_tls: bool) -> PeerCertificate:
        return other

    [finding] = look_up(HOST | records(srv("xmpp.example.org"), Answer()), certificate=own, knock=knock)
    assert finding.verdict is verdict and text in finding.text


def test_record_that_leads_nowhere_is_an_error() -> None:
    """A host without address, or the explicit lack of a service."""
    host, none = look_up(records(srv("."), srv("gone.example.org")))
    assert (host.verdict, none.verdict) == (Verdict.ERROR, Verdict.ERROR)
    assert "gone.example.org:5269: that host has no address" in host.text
    assert "no such service" in none.text


def test_domain_without_records_is_found_by_its_address() -> None:
    """On the usual port, which is listened on."""
    [finding] = look_up({("irc.example.org", dns.A): address("192.0.2.1")})
    assert finding.verdict is Verdict.OK and "192.0.2.1" in finding.text


def test_domain_without_records_and_another_port_is_a_warning(issue: Issue) -> None:
    """Only SRV records can name that."""
    answers = {("irc.example.org", dns.A): address("192.0.2.1")}
    [finding] = look_up(answers, port=5299, certificate=issue("own"))
    assert finding.verdict is Verdict.WARNING and "does not listen on that port" in finding.text


def test_domain_that_the_dns_does_not_know_is_an_error() -> None:
    """Nobody could reach it."""
    [finding] = look_up({})
    assert finding.verdict is Verdict.ERROR and "no server can find it" in finding.text


def test_dns_that_does_not_answer_is_an_error() -> None:
    """Nothing is concluded from that."""
    findings = look_up(records(Answer(failed=True), srv("xmpp.example.org")))
    assert [(each.verdict, each.subject) for each in findings] == [(Verdict.ERROR, STARTTLS)]


def test_international_domain_is_asked_for_as_the_dns_knows_it() -> None:
    """By its A-labels."""
    answers = {("xn--bcher-kva.example", dns.A): address("192.0.2.1")}
    assert look_up(answers, "bücher.example")[0].verdict is Verdict.OK
