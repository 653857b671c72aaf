"""Where media of a SIP peer may come from: what its description names, or what its signalling tells.

Who takes media from anywhere gives a call away to whoever sends first (RFC 7362 §5).
"""

from __future__ import annotations

from ipaddress import ip_address


def is_behind_nat(named: str, signalled: str) -> bool:
    """Tell whether a peer names an address that holds nearer than the one its signalling comes from."""
    return bool(signalled) and _scope(named) < _scope(signalled)


def media_source(named: str, signalled: str) -> str:
    """Return the address that media come from: the named one, unless NAT is in between."""
    return signalled if is_behind_nat(named, signalled) else named


def _scope(address: str) -> int:
    """Return how far an address is known: to its machine, its link, its site, the world.

    That of hold (RFC 3264 §8.4) is no place, and so behind nothing.
    """
    found = ip_address(address)
    if found.is_loopback:
        return 0
    if found.is_link_local:
        return 1
    return 3 if found.is_global or found.is_unspecified else 2
