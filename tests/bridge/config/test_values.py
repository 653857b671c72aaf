"""The kinds of values that only this configuration has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.values import (
    BareJid,
    Domain,
    DomainPattern,
    Endpoint,
    FilePath,
    JidPattern,
    ServerAddress,
)

Parsed = BareJid | Domain | DomainPattern | Endpoint | JidPattern | ServerAddress


def test_addresses_are_prepared() -> None:
    """However the operator writes them."""
    assert Domain.parse("IRC.Example.ORG") == "irc.example.org"
    assert BareJid.parse("Me@Example.org") == "me@example.org"
    assert JidPattern.parse("*.Example.org") == "*.example.org"
    assert JidPattern.parse("*") == "*"
    assert JidPattern.parse("Me@example.org") == "me@example.org"
    assert DomainPattern.parse("*.Example.org") == "*.example.org"
    assert DomainPattern.parse("*") == "*"
    assert DomainPattern.parse("Example.org") == "example.org"


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (Domain, "a@example.org"),
        (Domain, "example.org/x"),
        (Domain, ""),
        (BareJid, "example.org"),
        (BareJid, "a@example.org/x"),
        (BareJid, 7),
        (JidPattern, "a@example.org/x"),
        (JidPattern, "a.*.example.org"),
        (JidPattern, "*@example.org"),
        (JidPattern, "*."),
        (JidPattern, None),
        (DomainPattern, "a@example.org"),
        (DomainPattern, "a.*.example.org"),
        (DomainPattern, "**"),
        (Endpoint, ""),
        (Endpoint, "example.org"),
        (Endpoint, "example.org:5269"),
        (Endpoint, "10.0.0.1:0"),
        (Endpoint, "10.0.0.1:65536"),
        (Endpoint, "10.0.0.1:+1"),
        (Endpoint, "10.0.1:5269"),
        (Endpoint, ":5269"),
        (Endpoint, "::1:5269"),
        (Endpoint, "[::]"),
        (Endpoint, "[1]:5269"),
        (Endpoint, 5269),
        (ServerAddress, ""),
        (ServerAddress, "::1"),
        (ServerAddress, "[:1]"),
        (ServerAddress, "http://example.org:5269"),
        (ServerAddress, "xmpps://example.org"),
        (ServerAddress, "example.org:x"),
        (ServerAddress, None),
    ],
)
def test_what_is_no_such_address_is_refused(kind: type[Parsed], written: object) -> None:
    """With ValueError, whose words the operator reads."""
    with pytest.raises(ValueError, match=r"expected|valid|permitted|appear|least 3"):
        kind.parse(written)


@pytest.mark.parametrize(
    ("domain", "patterns"),
    [
        ("a.b.example", ["a.b.example", "*.b.example", "*.example", "*"]),
        ("localhost", ["localhost", "*"]),
        ("[::ffff:10.0.0.1]", ["[::ffff:10.0.0.1]", "*"]),
    ],
)
def test_patterns_that_mean_a_domain_come_nearest_first(domain: str, patterns: list[str]) -> None:
    """An IPv6 address is below nothing."""
    assert list(DomainPattern.meaning(domain)) == patterns


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("127.0.0.1:5269", "127.0.0.1", 5269),
        ("[::]:5269", "::", 5269),
    ],
)
def test_endpoint_has_host_and_port(written: str, host: str, port: int) -> None:
    """IPv6 addresses lose their brackets."""
    endpoint = Endpoint.parse(written)
    assert (endpoint, endpoint.host, endpoint.port) == (written, host, port)


@pytest.mark.parametrize(
    ("written", "host", "port", "direct_tls"),
    [
        ("example.org", "example.org", 5269, False),
        ("example.org:5299", "example.org", 5299, False),
        ("[::1]", "::1", 5269, False),
        ("[::1]:5299", "::1", 5299, False),
        ("xmpps://example.org:443", "example.org", 443, True),
        ("xmpps://[::1]:5270", "::1", 5270, True),
    ],
)
def test_server_address_has_host_port_and_kind_of_tls(
    written: str, host: str, port: int, direct_tls: bool
) -> None:
    """The port of servers is the default one."""
    address = ServerAddress.parse(written)
    assert (address.host, address.port, address.direct_tls) == (host, port, direct_tls)


def test_file_is_relative_to_the_configuration() -> None:
    """An absolute one stays, and nothing stays nothing."""
    base = Path("/etc/xmppbridge")
    assert FilePath.parse("tls/a.pem", base) == "/etc/xmppbridge/tls/a.pem"
    assert FilePath.parse("/srv/a.pem", base) == "/srv/a.pem"
    assert FilePath.parse("", base) == ""
