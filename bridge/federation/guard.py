"""Limits on what other servers take: connections by address, and what is read by domain."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from bridge.config import FederationLimits

BURST = 2.0
"""Seconds' worth of what a domain may send that it may send at once."""
DOMAINS = 20_000
"""How many domains' recent rates are remembered; beyond that, those at rest are forgotten."""


class Guard:
    """Counts connections and paces domains; `seconds` is a clock that does not go back."""

    def __init__(self, limits: FederationLimits, seconds: Callable[[], float]) -> None:
        self._limits = limits
        self._seconds = seconds
        self._connections: dict[str, int] = {}
        self._strangers = 0
        self._rested_at: dict[str, float] = {}
        """When what a domain has sent will have been worked off at the rate that it may have."""

    def apply(self, limits: FederationLimits) -> None:
        """Put other limits in force; connections that are there already stay."""
        self._limits = limits

    # connections

    def admit(self, address: str) -> str:
        """Tell why one more connection from there is refused, "" if it is not."""
        if self._connections.get(network_of(address), 0) >= self._limits.connections_per_address:
            return "too many connections from this address"
        return ""

    @property
    def is_crowded(self) -> bool:
        """Whether one that has not authenticated has to go before the next may come.

        That should be the oldest: who means it is done in a moment, who only takes up room is not.
        """
        return self._strangers >= self._limits.unauthenticated_connections

    def opened(self, address: str) -> None:
        """Count a connection; `authenticated` or `closed` follow."""
        network = network_of(address)
        self._connections[network] = self._connections.get(network, 0) + 1
        self._strangers += 1

    def authenticated(self) -> None:
        """Note that the peer of a connection has proven who it is; once for each."""
        self._strangers -= 1

    def closed(self, address: str, *, authenticated: bool) -> None:
        """Forget a connection; `authenticated` tells whether that was called for it."""
        network = network_of(address)
        left = self._connections[network] - 1
        if left:
            self._connections[network] = left
        else:
            del self._connections[network]
        if not authenticated:
            self._strangers -= 1

    # rates

    def take(self, domain: str, size: int, stanzas: int) -> float:
        """Count what a domain has sent; returns the seconds for which its streams should not be read.

        The generic cell rate algorithm: what was sent pushes the time at which the domain is at rest
        into the future, and reading waits while that is further away than the burst.
        """
        limits, now = self._limits, self._seconds()
        cost = max(size / limits.bytes_per_second, stanzas / limits.stanzas_per_second)
        if domain not in self._rested_at and len(self._rested_at) >= DOMAINS:
            self._forget(now)
        rested_at = max(self._rested_at.get(domain, now), now) + cost
        self._rested_at[domain] = rested_at
        return max(0.0, rested_at - now - BURST)

    def _forget(self, now: float) -> None:
        """Drop the domains that are at rest, or, should there be none, all of them."""
        self._rested_at = {domain: at for domain, at in self._rested_at.items() if at > now}
        if len(self._rested_at) >= DOMAINS:
            self._rested_at.clear()


def network_of(address: str) -> str:
    """Return what is counted as one: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()
