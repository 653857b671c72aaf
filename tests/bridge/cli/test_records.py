"""`xmppbridge check --live`: what other servers find in the DNS."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, succeed
from twisted.names import dns

from bridge.cli.check import Finding, Verdict
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


def look_up(
    answers: Mapping[Any, Answer],
    domain: str = "irc.example.org",
    port: int = 5269,
    certificate: PeerCertificate | None = None,
) -> list[Finding]:
    def ask(name: str, type: int) -> Deferred[Answer]:
        return succeed(answers.get((name, type), Answer()))

    findings: list[list[Finding]] = []
    seen = Seen(domain=domain, ports=frozenset({port}), certificate=certificate)
    Deferred.fromCoroutine(record_findings(seen, ask)).addCallback(findings.append)
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

    def signed(answer: Answer) -> Answer:
        return Answer(records=answer.records, secure=True)

    def verdict(digest: bytes) -> Finding:
        tlsa = dns.UnknownRecord(bytes([3, 0, 1]) + digest)
        answers = {
            ("xmpp.example.org", dns.A): signed(address("192.0.2.1")),
            ("_5269._tcp.xmpp.example.org", TLSA): signed(Answer(records=(tlsa,))),
            **records(signed(srv("xmpp.example.org")), Answer()),
        }
        return look_up(answers, certificate=certificate)[0]

    assert verdict(sha256(der).digest()).text.endswith(", signed with TLSA")
    wrong = verdict(bytes(32))
    assert wrong.verdict is Verdict.ERROR and "not the one that its DNS names" in wrong.text


def test_record_for_direct_tls_alone_is_a_warning() -> None:
    """Not every server can do that."""
    findings = look_up(HOST | records(Answer(), srv("xmpp.example.org")))
    assert [each.verdict for each in findings] == [Verdict.OK, Verdict.WARNING]


def test_port_that_is_not_listened_on_is_a_warning() -> None:
    """A router may forward it."""
    [finding] = look_up(HOST | records(srv("xmpp.example.org", 5299), Answer()))
    assert finding.verdict is Verdict.WARNING and "xmpp.example.org:5299: the bridge does not" in finding.text


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


def test_domain_without_records_and_another_port_is_a_warning() -> None:
    """Only SRV records can name that."""
    [finding] = look_up({("irc.example.org", dns.A): address("192.0.2.1")}, port=5299)
    assert finding.verdict is Verdict.WARNING and "does not listen on port 5269" in finding.text


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
