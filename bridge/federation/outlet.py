"""The ways out of a gateway: the exchange, the server that it is a component of, or either by domain."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.config import DomainPattern
from bridge.federation.exchange import Exchange
from bridge.router import Outlet

DECISIONS = 8_000
"""How many domains' ways are remembered."""


class ByExchange:
    """Implements `Outlet` for a domain of ours: all goes through the exchange."""

    def __init__(self, domain: str, exchange: Exchange) -> None:
        self._domain = domain
        self._exchange = exchange

    def write(self, stanzas: bytes, domain: str) -> None:
        """See `Outlet`."""
        self._exchange.write(self._domain, stanzas, domain)


class ByDomain:
    """Implements `Outlet`: what is for a domain in `served` goes to `server`, all else by the exchange.

    `served` holds patterns: ``example.org``, ``*.example.org`` (those below it) or ``*``. Domains that
    the exchange serves are never reached by the server.
    """

    def __init__(self, domain: str, exchange: Exchange, server: Outlet, served: Iterable[str]) -> None:
        self._exchange = exchange
        self._by_exchange = ByExchange(domain, exchange)
        self._server = server
        self._served = frozenset(served)
        self._decided: dict[str, bool] = {}

    def write(self, stanzas: bytes, domain: str) -> None:
        """See `Outlet`."""
        if self._exchange.serves(domain) or not self._is_served(domain):
            self._by_exchange.write(stanzas, domain)
        else:
            self._server.write(stanzas, domain)

    def _is_served(self, domain: str) -> bool:
        decided = self._decided.get(domain)
        if decided is None:
            if len(self._decided) >= DECISIONS:
                self._decided.clear()
            decided = self._decided[domain] = not self._served.isdisjoint(DomainPattern.meaning(domain))
        return decided


def parents(domain: str) -> tuple[str, ...]:
    """Return patterns for the domain that this one is below, and all below that.

    Below a top-level domain are others' domains, so of such only itself is meant.
    """
    parent = domain.partition(".")[2]
    return (parent, f"*.{parent}") if "." in parent else (parent,)
