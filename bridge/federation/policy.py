"""The operator's policy towards other servers: who is spoken with, and on what terms."""

from __future__ import annotations

from functools import lru_cache, partial

from msgspec import Struct

from bridge.config import (
    Authentication,
    DomainPattern,
    Encryption,
    FederationConfig,
    PeerConfig,
    ServerAddress,
)

REMEMBERED = 4096
"""How many domains' policies are kept at hand."""


class PeerPolicy(Struct, frozen=True, kw_only=True):
    """What holds for one domain; `servers` is where it is, empty: where DNS says."""

    refused: bool
    authentication: Authentication
    encryption: Encryption
    servers: tuple[ServerAddress, ...]


class PeerPolicies:
    """The policy for each domain; `apply` puts a new configuration in force at once."""

    def __init__(self, config: FederationConfig) -> None:
        self.apply(config)

    def apply(self, config: FederationConfig) -> None:
        """Take over the rules of `config`."""
        self._of = lru_cache(REMEMBERED)(partial(_policy, _Rules(config)))

    def of(self, domain: str) -> PeerPolicy:
        """Return the policy for a domain, which is prepared (RFC 7622 §3.2)."""
        return self._of(domain)


class _Rules:
    """A configuration made for quick answers, however long its lists."""

    def __init__(self, config: FederationConfig) -> None:
        self.config = config
        self.allow = frozenset(config.allow)
        self.deny = frozenset(config.deny)


def _policy(rules: _Rules, domain: str) -> PeerPolicy:
    config, patterns = rules.config, list(DomainPattern.meaning(domain))
    peer = next((config.peers[pattern] for pattern in patterns if pattern in config.peers), PeerConfig())
    return PeerPolicy(
        refused=rules.allow.isdisjoint(patterns) or not rules.deny.isdisjoint(patterns),
        authentication=peer.authentication or config.authentication,
        encryption=peer.encryption or config.encryption,
        servers=peer.servers,
    )
