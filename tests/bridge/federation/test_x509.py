"""Certificates, read: whatever a peer sends has a harmless answer. The rules are in test_certificate.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.federation.x509 import SIZE_LIMIT, Certificate, read

from .certificates import dns, ip, root, srv, xmpp

ROOT = root("Root")
ISSUED = ROOT.issue(
    dns("a.test"), dns("*.b.test"), srv("_xmpp-server.c.test"), xmpp("d.test"), ip("192.0.2.1")
)


def certificate() -> Certificate:
    found = read(ISSUED.der)
    assert found is not None
    return found


def test_names_of_all_kinds_are_listed_once():
    """As they are compared."""
    twice = read(ROOT.issue(dns("A.test"), srv("_xmpp-server.a.test"), xmpp("a.TEST")).der)
    assert twice is not None
    assert twice.names == ("a.test",)
    assert certificate().names == ("a.test", "*.b.test", "c.test", "d.test", "192.0.2.1")


def test_host_is_named_by_dns_and_address_only():
    """A web server is no XMPP server."""
    named = [
        name
        for name in ("a.test", "x.b.test", "c.test", "d.test", "192.0.2.1")
        if certificate().names_host(name)
    ]
    assert named == ["a.test", "x.b.test", "192.0.2.1"]


def test_certificate_read_twice_is_one_object():
    """Streams of one server share it."""
    assert read(bytes(bytearray(ISSUED.der))) is certificate()


def test_certificate_of_excessive_size_is_not_read():
    """Nor remembered."""
    assert read(b"\x30" * (SIZE_LIMIT + 1)) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_certificate(data: bytes):
    """And no error."""
    assert read(data) is None


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=300)
@given(st.integers(0, len(ISSUED.der) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_certificate_is_read_or_refused(position: int, data: bytes):
    """Whatever is damaged, nothing breaks, and what is told can be put into XML."""
    damaged = ISSUED.der[:position] + data + ISSUED.der[position + len(data) :]
    found = read(damaged)
    if found is not None:
        told = "".join(found.names)
        assert told.isascii()
        assert not set(told) & set("<>&'\"")
        assert not found.names_domain("evil.test")
