"""Whether a peer can come back to us at the address that we tell it: what operators get wrong most."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

NOWHERE = (
    "it is told to come back to {told}, which has no address: set `advertised` to a name or address of ours"
)
PRIVATE = (
    "it is told to come back to {told}, a private address that it cannot reach: set `advertised` to the "
    "public one, and have its ports forwarded"
)
ELSEWHERE = (
    "it sees us at {seen}, but is told to come back to {told}: is that (`advertised`) where we are reached?"
)


def mistake(told: str, addresses: Sequence[str], peer: str) -> str:
    """Return what is wrong with `told`, which has these addresses, for a peer somewhere; "" if nothing."""
    if not addresses:
        return NOWHERE.format(told=told)
    if is_public(peer) and not any(is_public(one) for one in addresses):
        return PRIVATE.format(told=_named(told, addresses))
    return ""


def doubt(told: str, addresses: Sequence[str], seen: str) -> str:
    """Return what may be wrong, if a peer sees us at another address (RFC 3581 §4); "" if nothing."""
    if not seen or seen in addresses:
        return ""
    return ELSEWHERE.format(seen=seen, told=_named(told, addresses))


def is_public(address: str) -> bool:
    """Tell whether an address can be reached from anywhere; a name cannot be told."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _named(told: str, addresses: Sequence[str]) -> str:
    return told if told in addresses else f"{told} ({', '.join(addresses)})"
