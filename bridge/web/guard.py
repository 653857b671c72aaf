"""Which servers are fetched from when a user names a link: none that only we can reach.

Decided on the address that is connected to, not on the name: a name may lead anywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""What is given out of IPv6 (RFC 4291 §2.4 and IANA's list); all else is special."""


class Guard:
    """`ports` are those of anybody; `allowed` are ``host:port`` that nothing is asked of."""

    def __init__(self, ports: Collection[int], allowed: Collection[str]) -> None:
        self._ports = frozenset(ports)
        self._allowed = frozenset(allowed)

    def is_exempt(self, host: str, port: int) -> bool:
        """Tell whether the operator named this server."""
        written = f"[{host}]" if ":" in host else host
        return f"{written.lower()}:{port}" in self._allowed

    def admits_port(self, host: str, port: int) -> bool:
        """Tell whether this port of a server is one that is fetched from."""
        return port in self._ports or self.is_exempt(host, port)

    def admits_address(self, host: str, port: int, address: str) -> bool:
        """Tell whether the server `host` may be at this address."""
        return self.is_exempt(host, port) or is_public(address)


def is_public(text: str) -> bool:
    """Tell whether an IP address is one of the internet, also the IPv4 address inside an IPv6 one.

    RFC 6890 lists those that are not; NAT64 (RFC 6052), 6to4 (RFC 3056) and Teredo (RFC 4380) hold others.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_global(address.ipv4_mapped)
        inside = _embedded(address)
        if address not in _UNICAST and address not in _NAT64:
            return False
        return _is_global(address) and (inside is None or _is_global(inside))
    return _is_global(address)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_unspecified)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.sixtofour
