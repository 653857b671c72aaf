"""Whose certificate is believed: the policy, case by case, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from bridge.federation.certificate import CHAIN_LIMIT, Authorities, PeerCertificate

from .certificates import (
    ANY,
    BMP,
    CLIENT,
    CODE,
    IA5,
    SERVER,
    UTF8,
    Issued,
    ca_file,
    dns,
    ip,
    key,
    root,
    rsa_key,
    self_signed,
    srv,
    string,
    write,
    xmpp,
)

ROOT = root("Root")
OLD_ROOT = root("Old root", private=rsa_key(2048))
SHORT_ROOT = root("Short root", private=rsa_key(1024))
EXPIRED_ROOT = root("Expired root", days=(-30, -1))
STRANGER = root("Stranger")
BETWEEN = ROOT.authority("Between")
EXPIRED_BETWEEN = ROOT.authority("Expired between", days=(-30, -1))
MAIL_BETWEEN = ROOT.authority("Mail between", usages=(CODE,))
SERVERS_BETWEEN = ROOT.authority("Servers between", usages=(SERVER,))
CLIENTS_BETWEEN = ROOT.authority("Clients between", usages=(CLIENT,))
LIMITED = ROOT.authority("Limited", constraints=x509.NameConstraints([x509.DNSName("good.test")], None))
BANNED = ROOT.authority("Banned", constraints=x509.NameConstraints(None, [x509.DNSName("bad.test")]))
NO_AUTHORITY = ROOT.issue(cn="No authority")
TRUSTED_ALONE = self_signed(dns("alone.test"), cn="alone")
TRUSTED_AUTHORITY_ALONE = self_signed(dns("big.test"), cn="big", ca=True)

UNKNOWN = "issued by an unknown authority"
OURS = "issued for a.test"
NONE = "names no domain"
PURPOSE = "not for servers"
KEY_USAGES = {
    "digital_signature": False, "content_commitment": False, "key_encipherment": False,
    "data_encipherment": False, "key_agreement": False, "key_cert_sign": False, "crl_sign": False,
    "encipher_only": False, "decipher_only": False,
}  # fmt: skip


def usage(**allowed: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**(KEY_USAGES | allowed))


def by_root(*names: x509.GeneralName, **more: object) -> Callable[[], tuple[Issued, ...]]:
    return lambda: (ROOT.issue(*names, **more),)


def below(authority: Issued, *names: x509.GeneralName, **more: object) -> Callable[[], tuple[Issued, ...]]:
    return lambda: (authority.issue(*names, **more), authority)


def alone(*names: x509.GeneralName, **more: object) -> Callable[[], tuple[Issued, ...]]:
    return lambda: (self_signed(*names, **more),)


A = dns("a.test")
NAMES = {
    "DNS-ID": (by_root(A), "a.test", ""),
    "DNS-ID in upper case": (by_root(dns("A.Test")), "a.test", ""),
    "DNS-ID of another domain": (by_root(A), "b.test", OURS),
    "DNS-ID of the parent": (by_root(A), "x.a.test", OURS),
    "DNS-ID of a subdomain": (by_root(dns("x.a.test")), "a.test", "issued for x.a.test"),
    "DNS-ID that ends alike": (by_root(A), "aa.test", OURS),
    "DNS-ID with a trailing dot": (by_root(dns("a.test.")), "a.test", NONE),
    "DNS-ID with a NUL": (by_root(dns("a.test\0.evil.test")), "a.test", NONE),
    "DNS-ID with a space": (by_root(dns("a.test ")), "a.test", NONE),
    "DNS-ID that is empty": (by_root(dns("")), "a.test", NONE),
    "DNS-ID with an underscore": (by_root(dns("_x.a.test")), "_x.a.test", ""),
    "DNS-ID too long for the DNS": (by_root(dns(".".join(["a" * 60] * 5))), "a.test", NONE),
    "several DNS-IDs, the last": (by_root(dns("x.test"), dns("y.test"), A), "a.test", ""),
    "several DNS-IDs, none": (
        by_root(*(dns(f"{letter}.test") for letter in "wxyz")),
        "a.test",
        "issued for w.test, x.test, y.test, …",
    ),
    "wildcard": (by_root(dns("*.a.test")), "x.a.test", ""),
    "wildcard for the parent itself": (by_root(dns("*.a.test")), "a.test", "issued for *.a.test"),
    "wildcard two labels deep": (by_root(dns("*.a.test")), "x.y.a.test", "issued for *.a.test"),
    "wildcard of a top-level domain": (by_root(dns("*.test")), "a.test", ""),
    "wildcard alone": (by_root(dns("*")), "test", NONE),
    "wildcard as part of a label": (by_root(dns("x*.a.test")), "xy.a.test", NONE),
    "wildcard not first": (by_root(dns("x.*.test")), "x.a.test", NONE),
    "wildcard twice": (by_root(dns("*.*.test")), "x.a.test", NONE),
    "wildcard for an A-label": (by_root(dns("*.a.test")), "bücher.a.test", ""),
    "IDN as A-label": (by_root(dns("xn--bcher-kva.test")), "bücher.test", ""),
    "IDN as A-label in upper case": (by_root(dns("XN--BCHER-KVA.test")), "bücher.test", ""),
    "IDN, another": (by_root(dns("xn--bcher-kva.test")), "bucher.test", "issued for xn--bcher-kva.test"),
    "domain that is no DNS name": (by_root(A), "a..test", OURS),
    "SRV-ID": (by_root(srv("_xmpp-server.a.test")), "a.test", ""),
    "SRV-ID in upper case": (by_root(srv("_XMPP-Server.A.test")), "a.test", ""),
    "SRV-ID of clients": (by_root(srv("_xmpp-client.a.test")), "a.test", NONE),
    "SRV-ID of another service": (by_root(srv("_imaps.a.test")), "a.test", NONE),
    "SRV-ID of direct TLS": (by_root(srv("_xmpps-server.a.test")), "a.test", NONE),
    "SRV-ID of another domain": (by_root(srv("_xmpp-server.a.test")), "b.test", OURS),
    "SRV-ID without a service": (by_root(srv("a.test")), "a.test", NONE),
    "SRV-ID of clients beside a DNS-ID": (by_root(srv("_xmpp-client.a.test"), A), "a.test", ""),
    "SRV-ID with wildcard": (by_root(srv("_xmpp-server.*.a.test")), "x.a.test", ""),
    "SRV-ID as UTF8String": (by_root(srv("_xmpp-server.a.test", UTF8)), "a.test", NONE),
    "SRV-ID as BMPString": (by_root(srv("_xmpp-server.a.test".encode("utf-16-be"), BMP)), "a.test", NONE),
    "SRV-ID not in ASCII": (by_root(srv("_xmpp-server.bücher.test", IA5)), "bücher.test", NONE),
    "SRV-ID with a NUL": (by_root(srv("_xmpp-server.a.test\0")), "a.test", NONE),
    "XmppAddr": (by_root(xmpp("a.test")), "a.test", ""),
    "XmppAddr in upper case": (by_root(xmpp("A.Test")), "a.test", ""),
    "XmppAddr with a trailing dot": (by_root(xmpp("a.test.")), "a.test", ""),
    "XmppAddr of another domain": (by_root(xmpp("a.test")), "b.test", OURS),
    "XmppAddr of a user": (by_root(xmpp("romeo@a.test")), "a.test", NONE),
    "XmppAddr with a resource": (by_root(xmpp("a.test/x")), "a.test", NONE),
    "XmppAddr with wildcard": (by_root(xmpp("*.a.test")), "x.a.test", NONE),
    "XmppAddr as U-label": (by_root(xmpp("bücher.test")), "bücher.test", ""),
    "XmppAddr as A-label": (by_root(xmpp("xn--bcher-kva.test")), "bücher.test", ""),
    "XmppAddr as IA5String": (by_root(xmpp("a.test", IA5)), "a.test", NONE),
    "XmppAddr as BMPString": (by_root(xmpp("a.test".encode("utf-16-be"), BMP)), "a.test", NONE),
    "XmppAddr not in UTF-8": (by_root(xmpp(b"\xff.test")), "a.test", NONE),
    "XmppAddr that is empty": (by_root(xmpp("")), "a.test", NONE),
    "XmppAddr of no string at all": (by_root(x509.OtherName(xmpp("").type_id, b"\x05\0")), "a.test", NONE),
    "common name only": (by_root(cn="a.test"), "a.test", NONE),
    "common name beside another DNS-ID": (by_root(dns("b.test"), cn="a.test"), "a.test", "issued for b.test"),
    "empty subject": (by_root(A, cn=""), "a.test", ""),
    "mail address of the domain": (by_root(x509.RFC822Name("x@a.test")), "a.test", NONE),
    "URI of the domain": (by_root(x509.UniformResourceIdentifier("xmpp:a.test")), "a.test", NONE),
    "IPv4 address": (by_root(ip("192.0.2.1")), "192.0.2.1", ""),
    "IPv4 address, another": (by_root(ip("192.0.2.1")), "192.0.2.2", "issued for 192.0.2.1"),
    "IPv4 address as DNS-ID": (by_root(dns("192.0.2.1")), "192.0.2.1", "issued for 192.0.2.1"),
    "IPv4 address by wildcard": (by_root(dns("*.0.2.1")), "192.0.2.1", "issued for *.0.2.1"),
    "IPv6 address": (by_root(ip("2001:db8::1")), "[2001:db8::1]", ""),
}
"""What is shown, for which domain it is asked, and the answer; in both directions."""

PATHS = {
    "intermediate sent": (below(BETWEEN, A), "a.test", ""),
    "root sent, too": (lambda: (BETWEEN.issue(A), BETWEEN, ROOT), "a.test", ""),
    "chain in wrong order": (lambda: (BETWEEN.issue(A), ROOT, BETWEEN), "a.test", ""),
    "chain with strangers": (lambda: (BETWEEN.issue(A), STRANGER, OLD_ROOT, BETWEEN), "a.test", ""),
    "chain with garbage": (lambda: (BETWEEN.issue(A), b"\x30\x03garbage", BETWEEN), "a.test", ""),
    "intermediate missing": (lambda: (BETWEEN.issue(A),), "a.test", UNKNOWN),
    "unknown authority": (lambda: (STRANGER.issue(A),), "a.test", UNKNOWN),
    "unknown authority sent": (lambda: (STRANGER.issue(A), STRANGER), "a.test", UNKNOWN),
    "self-signed": (alone(A, cn="a.test"), "a.test", "self-signed"),
    "self-signed as authority": (alone(A, cn="a.test", ca=True), "a.test", "self-signed"),
    "self-signed and trusted": (lambda: (TRUSTED_ALONE,), "alone.test", ""),
    "self-signed authority, trusted": (lambda: (TRUSTED_AUTHORITY_ALONE,), "big.test", ""),
    "expired": (by_root(A, days=(-9, -1)), "a.test", "expired"),
    "not yet valid": (by_root(A, days=(1, 9)), "a.test", "not yet valid"),
    "expired authority": (
        below(EXPIRED_BETWEEN, A), "a.test", "issued by an authority that is expired",
    ),
    "expired root": (
        lambda: (EXPIRED_ROOT.issue(A),), "a.test", "issued by an authority that is expired",
    ),
    "authority's own": (by_root(A, ca=True), "a.test", "an authority's own"),
    "without basic constraints": (by_root(A, ca=None), "a.test", ""),
    "issued by what is no authority": (below(NO_AUTHORITY, A), "a.test", "issued by what is no authority"),
    "forged signature": (
        lambda: (root("Root").issue(A),), "a.test", "invalid",
    ),
    "RSA of 1024 bits": (by_root(A, private=rsa_key(1024)), "a.test", "too weak"),
    "RSA of 2048 bits": (by_root(A, private=rsa_key(2048)), "a.test", ""),
    "EC of 192 bits": (by_root(A, private=key(ec.SECP192R1())), "a.test", "too weak"),
    "EC of 224 bits": (by_root(A, private=key(ec.SECP224R1())), "a.test", ""),
    "authority with RSA of 1024 bits": (lambda: (SHORT_ROOT.issue(A),), "a.test", "too weak"),
    "signed with SHA-1": (lambda: (OLD_ROOT.issue_with_sha1(A),), "a.test", "too weak"),
    "inside the authority's names": (below(LIMITED, dns("x.good.test")), "x.good.test", ""),
    "outside the authority's names": (below(LIMITED, A), "a.test", "not in its authority's domains"),
    "in the authority's banned names": (
        below(BANNED, dns("x.bad.test")), "x.bad.test", "not in its authority's domains",
    ),
    "XmppAddr to evade limits": (below(LIMITED, dns("good.test"), xmpp("a.test")), "a.test", "issued for good.test, a.test"),
    "SRV-ID to evade limits": (below(LIMITED, srv("_xmpp-server.a.test")), "a.test", "issued for a.test"),
    "IP address to evade limits": (below(LIMITED, ip("192.0.2.1")), "192.0.2.1", "issued for 192.0.2.1"),
    "malformed names": (by_root(raw_san=b"\x30\x7f\x82"), "a.test", "unreadable"),
    "DNS-ID not in ASCII": (by_root(raw_san=b"\x30\x08" + string("bü.te", 0x82)), "bü.te", NONE),
    "XmppAddr that is cut off": (
        by_root(raw_san=bytes.fromhex("3014a01206082b06010505070805a0060c20612e7465")), "a.test", "unreadable",
    ),
    "extension twice as long as it is": (by_root(raw_san=b"\x30\x20\x82\x06a.test"), "a.test", "unreadable"),
    "too large": (by_root(*(dns(f"{n}.a.test") for n in range(1500))), "1.a.test", "unreadable"),
    "none": (lambda: (), "a.test", "no certificate"),
}  # fmt: skip
"""Likewise."""

PURPOSES = {
    "no usages": (by_root(A, usages=None), "", ""),
    "any usage": (by_root(A, usages=(ANY,)), "", ""),
    "servers and clients": (by_root(A, usages=(SERVER, CLIENT)), "", ""),
    "servers only, as public authorities issue": (by_root(A, usages=(SERVER,)), "", ""),
    "clients only": (by_root(A, usages=(CLIENT,)), PURPOSE, ""),
    "code signing only": (by_root(A, usages=(CODE,)), PURPOSE, PURPOSE),
    "code signing and servers": (by_root(A, usages=(CODE, SERVER)), "", ""),
    "authority for code signing": (below(MAIL_BETWEEN, A), PURPOSE, PURPOSE),
    "authority for servers": (below(SERVERS_BETWEEN, A, usages=(SERVER,)), "", ""),
    "authority for clients": (below(CLIENTS_BETWEEN, A), PURPOSE, ""),
    "key for signatures": (by_root(A, key_usage=usage(digital_signature=True)), "", ""),
    "key for encipherment": (by_root(A, key_usage=usage(key_encipherment=True)), "", ""),
    "key for revocation lists": (by_root(A, key_usage=usage(crl_sign=True)), PURPOSE, PURPOSE),
}
"""What is shown for a.test, the answer when we connected, and when the server connected to us."""


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    trusted = (ROOT, OLD_ROOT, SHORT_ROOT, EXPIRED_ROOT, TRUSTED_ALONE, TRUSTED_AUTHORITY_ALONE)
    return Authorities(ca_file(tmp_path_factory.mktemp("ca"), *trusted))


def shown(
    chain: tuple[Issued | bytes, ...], authorities: Authorities, connected: bool = False
) -> PeerCertificate:
    ders = [each if isinstance(each, bytes) else each.der for each in chain]
    return PeerCertificate(ders, authorities, connected)


@pytest.mark.spec("RFC 9525 §6")
@pytest.mark.parametrize("case", NAMES)
def test_name_in_certificate_decides_for_which_domain_it_counts(case: str, authorities: Authorities):
    """Whoever connected."""
    make, domain, problem = NAMES[case]
    chain = make()
    for connected in (False, True):
        assert shown(chain, authorities, connected).problem(domain) == problem


@pytest.mark.spec("RFC 6120 §13.7.2")
@pytest.mark.parametrize("case", PATHS)
def test_way_to_an_authority_decides_whether_it_is_trusted(case: str, authorities: Authorities):
    """Whoever connected."""
    make, domain, problem = PATHS[case]
    chain = make()
    for connected in (False, True):
        assert shown(chain, authorities, connected).problem(domain) == problem


@pytest.mark.spec("RFC 6120 §13.7.2.1")
@pytest.mark.parametrize("case", PURPOSES)
def test_purpose_of_certificate_depends_on_who_connected(case: str, authorities: Authorities):
    """A server is good in both directions, a client only if it came to us."""
    make, when_dialled, when_connected = PURPOSES[case]
    chain = make()
    assert shown(chain, authorities, connected=False).problem("a.test") == when_dialled
    assert shown(chain, authorities, connected=True).problem("a.test") == when_connected


def test_one_of_several_domains_is_enough(authorities: Authorities):
    """And without any, names do not matter."""
    certificate = shown((ROOT.issue(A),), authorities)
    assert certificate.problem("b.test", "a.test") == ""
    assert certificate.problem() == ""


def test_anchors_are_trusted_instead_of_authorities(authorities: Authorities):
    """All other rules still hold."""
    certificate = shown((STRANGER.issue(A), STRANGER), authorities)
    anchors = certificate.chain[1:]
    assert certificate.problem("a.test", anchors=anchors) == ""
    assert certificate.problem("b.test", anchors=anchors) == OURS
    ours = shown((ROOT.issue(A),), authorities)
    assert ours.problem("a.test", anchors=anchors) == UNKNOWN
    expired = shown((self_signed(A, cn="x", days=(-9, -1)),), authorities)
    assert expired.problem(anchors=expired.chain) == "expired"


def test_facts_of_a_certificate_can_be_shown(authorities: Authorities):
    """Names, purposes, and the day on which something of the chain ends."""
    certificate = shown(
        (BETWEEN.issue(A, xmpp("x.test"), ip("192.0.2.1"), usages=(SERVER, CODE), days=(-1, 90)), BETWEEN),
        authorities,
    )
    assert certificate.present
    assert certificate.names() == ("a.test", "x.test", "192.0.2.1")
    assert certificate.usages == ("serverAuth", "other")
    assert certificate.expires is not None
    assert timedelta(29) < certificate.expires - datetime.now(UTC) < timedelta(31)
    assert len(certificate.path) == 3


def test_facts_of_an_untrusted_certificate_are_its_own(authorities: Authorities):
    """No path, but its own end."""
    certificate = shown((STRANGER.issue(A, usages=None, days=(-1, 90)),), authorities)
    assert certificate.path == ()
    assert certificate.usages is None
    assert certificate.expires is not None
    assert timedelta(89) < certificate.expires - datetime.now(UTC) < timedelta(91)


@pytest.mark.parametrize("chain", [(), (b"",), (b"garbage",), (b"garbage", ROOT)])
def test_facts_of_no_certificate_are_empty(chain: tuple[Issued | bytes, ...], authorities: Authorities):
    """Nor of one that cannot be read."""
    certificate = shown(chain, authorities)
    assert certificate.present == bool(chain)
    assert certificate.problem("a.test") == ("unreadable" if chain else "no certificate")
    assert (certificate.chain, certificate.names(), certificate.path) == ((), (), ())
    assert (certificate.usages, certificate.expires) == (None, None)


def test_long_chain_is_cut(authorities: Authorities):
    """What comes late is not looked at."""
    filler = (STRANGER,) * (CHAIN_LIMIT - 1)
    certificate = shown((BETWEEN.issue(A), *filler, BETWEEN), authorities)
    assert len(certificate.chain) == CHAIN_LIMIT
    assert certificate.problem("a.test") == UNKNOWN


def test_system_authorities_do_not_trust_a_stranger():
    """Without a file, the system's are used."""
    assert shown((STRANGER.issue(A),), Authorities("")).problem("a.test") == UNKNOWN


def test_file_without_authorities_is_refused(tmp_path):
    """A key, or nothing at all."""
    for file in (write(tmp_path, "x", ROOT)[1], tmp_path / "absent"):
        with pytest.raises(SSL.Error):
            Authorities(str(file))
