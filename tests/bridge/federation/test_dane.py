"""What signed TLSA records make of a certificate."""

from __future__ import annotations

from hashlib import sha256, sha512

import pytest

from bridge.federation.certificate import Authorities, PeerCertificate
from bridge.federation.dane import (
    CERTIFICATE,
    FULL,
    MISMATCH,
    PUBLIC_KEY,
    SHA_256,
    SHA_512,
    Usage,
    decides,
    problem,
)
from bridge.federation.resolver import Tlsa
from bridge.federation.x509 import Certificate, read

from .certificates import CODE, Issued, ca_file, dns, root, self_signed

ROOT = root("Root")
BETWEEN = ROOT.authority("Between")
STRANGER = root("Stranger")
A = dns("a.test")
SELF_SIGNED = self_signed(A, cn="x")
OTHER = self_signed(A, cn="y")
HOST = "xmpp.host.test"
DIGESTS = {
    FULL: lambda data: data,
    SHA_256: lambda data: sha256(data).digest(),
    SHA_512: lambda data: sha512(data).digest(),
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(ca_file(tmp_path_factory.mktemp("ca"), ROOT))


def certificate(issued: Issued) -> Certificate:
    found = read(issued.der)
    assert found is not None
    return found


def record(usage: int, issued: Issued, selector: int = CERTIFICATE, matching: int = SHA_256) -> Tlsa:
    selected = issued.der if selector == CERTIFICATE else certificate(issued).public_key
    return Tlsa(usage, selector, matching, DIGESTS[matching](selected))


def judged(
    authorities: Authorities, chain: tuple[Issued, ...], *tlsa: Tlsa, domain: str = "a.test"
) -> str | None:
    return problem(PeerCertificate([each.der for each in chain], authorities, False), domain, HOST, tlsa)


@pytest.mark.spec("RFC 6698 §2.1")
@pytest.mark.parametrize("selector", [CERTIFICATE, PUBLIC_KEY])
@pytest.mark.parametrize("matching", [FULL, SHA_256, SHA_512])
def test_matching_certificate_is_proof(authorities: Authorities, selector: int, matching: int):
    """Whole or by its key, in full or by a digest."""
    assert judged(authorities, (SELF_SIGNED,), record(Usage.DANE_EE, SELF_SIGNED, selector, matching)) == ""
    assert judged(authorities, (OTHER,), record(Usage.DANE_EE, SELF_SIGNED, selector, matching)) == MISMATCH


@pytest.mark.spec("RFC 7673 §4.2")
@pytest.mark.parametrize(
    "shown",
    [
        self_signed(A, cn="x", days=(-9, -1)),
        self_signed(dns("b.test"), cn="x"),
        STRANGER.issue(usages=(CODE,)),
    ],
)
def test_own_certificate_in_dns_needs_nothing_else(authorities: Authorities, shown: Issued):
    """No dates, no names, no authority."""
    assert judged(authorities, (shown,), record(Usage.DANE_EE, shown)) == ""


@pytest.mark.spec("RFC 6698 §2.1.1")
def test_service_certificate_must_be_valid_besides(authorities: Authorities):
    """By an authority of ours, for the domain or the host."""
    good, stranger = ROOT.issue(A), STRANGER.issue(A)
    assert judged(authorities, (good,), record(Usage.PKIX_EE, good)) == ""
    assert judged(authorities, (good,), record(Usage.PKIX_EE, OTHER)) == MISMATCH
    assert (
        judged(authorities, (stranger,), record(Usage.PKIX_EE, stranger)) == "issued by an unknown authority"
    )
    elsewhere = ROOT.issue(dns("b.test"))
    assert judged(authorities, (elsewhere,), record(Usage.PKIX_EE, elsewhere)) == "issued for b.test"


@pytest.mark.spec("RFC 6698 §2.1.1")
def test_authority_in_dns_must_be_on_the_way(authorities: Authorities):
    """To an authority of ours."""
    chain = (BETWEEN.issue(A), BETWEEN)
    for authority in (BETWEEN, ROOT):
        assert judged(authorities, chain, record(Usage.PKIX_TA, authority)) == ""
    assert judged(authorities, chain, record(Usage.PKIX_TA, STRANGER)) == MISMATCH
    assert judged(authorities, (STRANGER.issue(A), STRANGER), record(Usage.PKIX_TA, STRANGER)) == (
        "issued by an unknown authority"
    )


@pytest.mark.spec("RFC 6698 §2.1.1")
def test_trust_anchor_in_dns_is_an_authority_of_its_own(authorities: Authorities):
    """The server sends it along; then only it counts."""
    own, anchor = STRANGER.issue(A), record(Usage.DANE_TA, STRANGER)
    assert judged(authorities, (own, STRANGER), anchor) == ""
    assert judged(authorities, (own,), anchor) == MISMATCH
    assert judged(authorities, (ROOT.issue(A), STRANGER), anchor) == "issued by an unknown authority"
    assert judged(authorities, (STRANGER.issue(A, days=(-9, -1)), STRANGER), anchor) == "expired"
    assert judged(authorities, (STRANGER.issue(dns("b.test")), STRANGER), anchor) == "issued for b.test"


@pytest.mark.spec("RFC 6698 §2.1.1")
def test_trust_anchor_between_need_not_be_a_root(authorities: Authorities):
    """And one that the record has in full need not be sent."""
    between = STRANGER.authority("Stranger between")
    own = between.issue(A)
    assert judged(authorities, (own, between), record(Usage.DANE_TA, between, PUBLIC_KEY)) == ""
    assert judged(authorities, (own,), record(Usage.DANE_TA, between, matching=FULL)) == ""
    assert judged(authorities, (own, between), record(Usage.DANE_TA, STRANGER, matching=FULL)) == ""


def test_certificate_that_is_no_authority_is_no_trust_anchor(authorities: Authorities):
    """Whatever the record says."""
    forger = STRANGER.issue(dns("b.test"), cn="forger")
    assert judged(authorities, (forger.issue(A), forger), record(Usage.DANE_TA, forger)) == (
        "issued by what is no authority"
    )


@pytest.mark.spec("RFC 7673 §4.1")
@pytest.mark.parametrize("usage", [Usage.PKIX_EE, Usage.PKIX_TA, Usage.DANE_TA])
def test_name_of_the_host_is_enough(authorities: Authorities, usage: Usage):
    """Signed SRV records have named it."""
    own = ROOT.issue(dns(HOST))
    assert judged(authorities, (own, ROOT), record(usage, own if usage == Usage.PKIX_EE else ROOT)) == ""


@pytest.mark.spec("RFC 7673 §6")
def test_authority_that_only_dns_knows_may_vouch_for_the_host(authorities: Authorities):
    """A hoster's own authority, for customers' domains that are nowhere in its certificates."""
    anchor = record(Usage.DANE_TA, STRANGER)
    assert judged(authorities, (STRANGER.issue(dns(HOST)), STRANGER), anchor) == ""
    neighbour = STRANGER.issue(dns("neighbour.host.test"))
    assert judged(authorities, (neighbour, STRANGER), anchor) == "issued for neighbour.host.test"


def test_host_that_no_signed_record_names_does_not_count(authorities: Authorities):
    """Only the domain does."""
    own = ROOT.issue(dns(HOST))
    peer = PeerCertificate([own.der], authorities, False)
    assert problem(peer, "a.test", "", [record(Usage.PKIX_EE, own)]) == f"issued for {HOST}"


@pytest.mark.spec("RFC 6698 §4.1")
@pytest.mark.parametrize(
    "unusable",
    [
        Tlsa(4, 0, 1, bytes(32)),
        Tlsa(255, 0, 1, bytes(32)),
        Tlsa(3, 2, 1, bytes(32)),
        Tlsa(3, 0, 3, bytes(32)),
        Tlsa(3, 0, 1, bytes(31)),
        Tlsa(3, 0, 2, bytes(32)),
        Tlsa(3, 0, 0, b""),
    ],
)
def test_record_not_understood_does_not_matter(authorities: Authorities, unusable: Tlsa):
    """Alone, it is as if there were none; beside others, they count."""
    assert judged(authorities, (SELF_SIGNED,), unusable) is None
    assert not decides([unusable])
    assert decides([unusable, record(Usage.DANE_EE, OTHER)])
    assert judged(authorities, (SELF_SIGNED,), unusable, record(Usage.DANE_EE, SELF_SIGNED)) == ""
    assert judged(authorities, (SELF_SIGNED,), unusable, record(Usage.DANE_EE, OTHER)) == MISMATCH


def test_one_matching_record_of_several_is_enough(authorities: Authorities):
    """As when a key is being replaced."""
    assert (
        judged(authorities, (SELF_SIGNED,), record(Usage.DANE_EE, OTHER), record(Usage.DANE_EE, SELF_SIGNED))
        == ""
    )


def test_valid_certificate_that_dns_does_not_name_is_refused(authorities: Authorities):
    """That is what the records are for."""
    assert judged(authorities, (ROOT.issue(A),), record(Usage.DANE_EE, OTHER)) == MISMATCH


def test_no_certificate_matches_no_record(authorities: Authorities):
    """Nor does one that cannot be read."""
    assert judged(authorities, (), record(Usage.DANE_EE, OTHER)) == "no certificate"
    garbage = PeerCertificate([b"garbage"], authorities, False)
    assert problem(garbage, "a.test", "", [Tlsa(3, 0, 0, b"garbage")]) == "unreadable"


def test_trust_anchor_that_is_garbage_matches_nothing(authorities: Authorities):
    """In a record, in full."""
    assert judged(authorities, (SELF_SIGNED,), Tlsa(Usage.DANE_TA, CERTIFICATE, FULL, b"garbage")) == MISMATCH
