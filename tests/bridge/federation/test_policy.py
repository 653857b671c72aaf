"""The operator's policy towards other servers."""

from __future__ import annotations

import pytest

from bridge.config import DomainPattern, FederationConfig, PeerConfig, ServerAddress
from bridge.federation.policy import PeerPolicies


def patterns(*written: str) -> tuple[DomainPattern, ...]:
    return tuple(DomainPattern(each) for each in written)


def test_unknown_domain_has_the_defaults() -> None:
    """Everyone is spoken with, encrypted, by dialback if need be."""
    policy = PeerPolicies(FederationConfig()).of("example.org")
    assert not policy.refused and policy.servers == ()
    assert (policy.authentication, policy.encryption) == ("dialback", "required")


@pytest.mark.parametrize(
    ("domain", "refused"),
    [
        ("example.org", False),
        ("conference.example.org", True),
        ("example.net", True),
        ("a.example.net", False),
        ("b.a.example.net", False),
        ("bad.example.net", True),
        ("worse.bad.example.net", False),
        ("example.com", True),
    ],
)
def test_allowed_domains_are_spoken_with_but_for_denied_ones(domain: str, refused: bool) -> None:
    """A plain domain means itself only, one with a star those below it; deny wins."""
    policies = PeerPolicies(
        FederationConfig(allow=patterns("example.org", "*.example.net"), deny=patterns("bad.example.net"))
    )
    assert policies.of(domain).refused is refused


def test_denied_everyone_leaves_nobody() -> None:
    """A star in deny closes the bridge, whatever is allowed."""
    policies = PeerPolicies(FederationConfig(allow=patterns("example.org"), deny=patterns("*")))
    assert policies.of("example.org").refused


def test_nearest_table_of_a_peer_counts_alone() -> None:
    """What it leaves out is as for all servers, not as in a farther table."""
    peers = {
        DomainPattern("*"): PeerConfig(encryption="optional"),
        DomainPattern("*.example.org"): PeerConfig(authentication="certificate"),
        DomainPattern("a.example.org"): PeerConfig(servers=(ServerAddress("10.0.0.1"),)),
    }
    policies = PeerPolicies(FederationConfig(peers=peers))
    exact, below, other = map(policies.of, ("a.example.org", "x.b.example.org", "example.org"))
    assert (exact.authentication, exact.encryption, exact.servers) == ("dialback", "required", ("10.0.0.1",))
    assert (below.authentication, below.encryption, below.servers) == ("certificate", "required", ())
    assert (other.authentication, other.encryption) == ("dialback", "optional")


def test_new_configuration_counts_at_once() -> None:
    """Also for domains that have been asked for."""
    policies = PeerPolicies(FederationConfig())
    assert not policies.of("example.org").refused
    policies.apply(FederationConfig(deny=patterns("example.org")))
    assert policies.of("example.org").refused
