"""Where a gateway listens and whom it asks: what its network and its probes have in common."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from twisted.names.client import Resolver as DnsResolver
from twisted.names.client import createResolver

from transports.sip.agent.locate import Resolver
from transports.sip.agent.routing import NOWHERE, WEBSOCKETS, Hop
from transports.sip.config import SipConfig
from transports.sip.wire.uri import Uri


def token() -> str:
    """Return a word that nobody can guess."""
    return secrets.token_hex(10)


def dns_of(config: SipConfig, reactor: Any) -> Resolver:
    """Return what asks the nameservers of the configuration, or the system's."""
    if not config.nameservers:
        resolver: Resolver = createResolver()
        return resolver
    split = [one.rpartition(":") for one in config.nameservers]
    servers = [(host.strip("[]"), int(port)) for host, _, port in split]
    own: Resolver = DnsResolver(servers=servers, reactor=reactor)
    return own


class Bound:
    """Where we listen, and so how others reach us."""

    def __init__(self, config: SipConfig, found: Mapping[tuple[str, int], tuple[str, int]]) -> None:
        self._config = config
        self._found = found
        # the same after a restart, so that a registration is known for the same
        self._nowhere = uuid5(NAMESPACE_DNS, config.domain).hex[:16] + NOWHERE

    @property
    def transports(self) -> frozenset[str]:
        """What can be spoken: all but UDP can be dialled without listening."""
        return frozenset({"TCP", "TLS", *WEBSOCKETS, *(transport for transport, _ in self._found)})

    @property
    def families(self) -> frozenset[int]:
        """Versions of IP."""
        return frozenset(version for _, version in self._found)

    def sent_by(self, hop: Hop) -> tuple[str, int]:
        """Return host and port for Via on the way to a hop (RFC 3261 §18.1.1).

        Where we are the client of a WebSocket nobody reaches us but by it (RFC 7118 §B.1). Where we are its
        server, the HTTP proxy before us is what others know.
        """
        if hop.is_websocket and hop.name:
            return self._nowhere, 0
        host, port = self._found.get((hop.transport, 6 if ":" in hop.host else 4), ("", 0))
        is_behind = hop.is_websocket and (not host or ip_address(host).is_loopback)
        if self._config.advertised or not host or is_behind or ip_address(host).is_unspecified:
            host = self._config.advertised or self._config.domain
        return host, 0 if is_behind else port

    def is_reached(self, hop: Hop) -> bool:
        """Tell whether what is at a hop can come to us by itself, and not only by a flow of ours."""
        return not (hop.is_websocket and hop.name)

    def contact(self, user: str, hop: Hop) -> Uri:
        """Return the URI under which we are reached by what comes from a hop (RFC 7118 §5.2)."""
        host, port = self.sent_by(hop)
        transport = "ws" if hop.is_websocket else hop.transport.lower()
        params = {} if transport == "udp" else {"transport": transport}
        return Uri(scheme="sip", user=user, host=host.strip("[]"), port=port, params=params)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts by which we are named."""
        listening = (host for host, _ in self._found.values())
        named = {self._config.domain, self._config.advertised, self._nowhere, *listening}
        return frozenset(named - {""})
