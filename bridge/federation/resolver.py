"""Finding the servers of a domain: SRV records, addresses, TLSA records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import accumulate, chain, groupby, zip_longest
from random import Random

import idna
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.names import dns

from bridge.config import ServerAddress
from bridge.federation.dns import Answer

PORT = 5269
"""The port of servers that have no SRV records (RFC 6120 §3.2.2)."""
SERVICES = (("_xmpps-server._tcp", True), ("_xmpp-server._tcp", False))
"""The SRV records that are looked up, and whether they lead to direct TLS (XEP-0368 §3)."""
TARGET_LIMIT = 16
"""Servers of a domain that are tried."""
ADDRESS_LIMIT = 8
"""Addresses of a server that are tried."""
TLSA = 52
"""The type of TLSA records (RFC 6698 §7.1)."""

SILENT = "the DNS did not answer"
"""What `LookupFailed` says."""

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Target(Struct, frozen=True, kw_only=True):
    """A server to try."""

    host: str
    """A name in A-labels, or an IP address."""
    port: int
    direct_tls: bool
    secure: bool
    """Whether DNSSEC, or the administrator, vouches that this is a server of the domain."""


class Tlsa(Struct, frozen=True):
    """A TLSA record (RFC 6698 §2.1): what a server's certificate must match."""

    usage: int
    selector: int
    matching: int
    data: bytes


class NoServer(Exception):
    """The domain has no XMPP server, says the DNS."""


class LookupFailed(Exception):
    """The DNS did not answer, or not credibly; another time it may."""


_Service = tuple[int, int, Target]
"""Priority, weight, and where."""


class Resolver:
    """Finds servers; `ask` is `Dns.ask`, `hosts` the addresses of the names that are not asked for."""

    def __init__(
        self,
        ask: Callable[[str, int], Deferred[Answer]],
        randomness: Random,
        hosts: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._ask = ask
        self._randomness = randomness
        self._hosts = hosts

    def find(self, domain: str) -> Deferred[tuple[Target, ...]]:
        """Return the servers of a domain in the order to try (RFC 6120 §3.2), at least one.

        Fails with NoServer or LookupFailed.
        """
        return Deferred.fromCoroutine(self._find(domain))

    def addresses(self, host: str) -> Deferred[tuple[str, ...]]:
        """Return the IP addresses of a host, IPv6 and IPv4 in turns (RFC 8305 §4), at least one.

        Fails with NoServer or LookupFailed.
        """
        return Deferred.fromCoroutine(self._addresses(host))

    def tlsa(self, target: Target) -> Deferred[tuple[Tlsa, ...]]:
        """Return the TLSA records of a server; none unless DNSSEC vouches for the whole way there.

        Fails with LookupFailed: then the server must not be connected to (RFC 7673 §3.3).
        """
        return Deferred.fromCoroutine(self._tlsa(target))

    async def _find(self, domain: str) -> tuple[Target, ...]:
        if literal := ip_literal(domain):
            return (Target(host=literal, port=PORT, direct_tls=False, secure=False),)
        name = a_labels(domain)
        answers = await self._ask_all((f"{service}.{name}", dns.SRV) for service, _ in SERVICES)
        targets = in_order(_services(answers), self._randomness)
        if targets:
            return tuple(dict.fromkeys(targets))[:TARGET_LIMIT]
        if any(answer.failed for answer in answers):
            raise LookupFailed(SILENT)
        if any(answer.records for answer in answers):
            raise NoServer("the domain says that it has no XMPP server")
        await self._addresses(name)
        secure = all(answer.secure for answer in answers)
        return (Target(host=name, port=PORT, direct_tls=False, secure=secure),)

    async def _addresses(self, host: str) -> tuple[str, ...]:
        if literal := ip_literal(host):
            return (literal,)
        name = a_labels(host)
        if name in self._hosts:
            return self._hosts[name]
        answers = await self._ask_all(((name, dns.AAAA), (name, dns.A)))
        v6 = [str(IPv6Address(record.address)) for record in answers[0].records]
        v4 = [str(IPv4Address(record.address)) for record in answers[1].records]
        found = [address for address in chain(*zip_longest(v6, v4)) if address is not None]
        if not found and any(answer.failed for answer in answers):
            raise LookupFailed(SILENT)
        if not found:
            raise NoServer("the host has no address")
        return tuple(found[:ADDRESS_LIMIT])

    async def _tlsa(self, target: Target) -> tuple[Tlsa, ...]:
        if not target.secure or ip_literal(target.host):
            return ()
        # RFC 7673 §3.2: where the addresses are not signed, a TLSA query may fail for no good reason.
        addresses = await self._ask_all(((target.host, dns.AAAA), (target.host, dns.A)))
        if not any(answer.secure for answer in addresses):
            if any(answer.failed for answer in addresses):
                raise LookupFailed(SILENT)
            return ()
        answer = await self._ask(f"_{target.port}._tcp.{target.host}", TLSA)
        if answer.failed:
            raise LookupFailed(SILENT)
        if not answer.secure:
            return ()
        data: list[bytes] = [record.data for record in answer.records]
        return tuple(Tlsa(one[0], one[1], one[2], one[3:]) for one in data if len(one) > 3)

    async def _ask_all(self, questions: Iterable[tuple[str, int]]) -> list[Answer]:
        """Ask side by side."""
        asked = [self._ask(name, type) for name, type in questions]
        return [await answer for answer in asked]


def _services(answers: Iterable[Answer]) -> list[_Service]:
    """Take the SRV records of both services as one set (XEP-0368 §3), without those that lead nowhere.

    The target "." says that there is no such service (RFC 2782).
    """
    found = []
    for answer, (_, direct_tls) in zip(answers, SERVICES, strict=True):
        for record in answer.records:
            host = record.target.name.decode("latin-1").lower()
            if record.port and _HOST.fullmatch(host):
                target = Target(host=host, port=record.port, direct_tls=direct_tls, secure=answer.secure)
                found.append((record.priority, record.weight, target))
    return found


def in_order(services: Iterable[_Service], randomness: Random) -> tuple[Target, ...]:
    """Return the targets in the order to try: by priority, then at random by weight (RFC 2782)."""
    ordered = []
    by_priority = sorted(services, key=lambda service: (service[0], service[1] > 0))
    for _, level in groupby(by_priority, key=lambda service: service[0]):
        left = list(level)
        while left:
            sums = list(accumulate(weight for _, weight, _ in left))
            drawn = randomness.randint(0, sums[-1])
            chosen = next(index for index, running in enumerate(sums) if running >= drawn)
            ordered.append(left.pop(chosen)[2])
    return tuple(ordered)


def override(servers: Iterable[ServerAddress]) -> tuple[Target, ...]:
    """Return the servers that the configuration names instead of the DNS (RFC 6120 §3.2.3), in its order."""
    return tuple(
        Target(
            host=ip_literal(server.host) or a_labels(server.host),
            port=server.port,
            direct_tls=server.direct_tls,
            secure=True,
        )
        for server in servers
    )


def ip_literal(host: str) -> str | None:
    """Return the IP address that a host is, without the brackets of IPv6; None for a name."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ip_address(bare))
    except ValueError:
        return None


def a_labels(domain: str) -> str:
    """Return a domain as the DNS knows it, in lower case; raises NoServer for what it cannot know."""
    lowered = domain.lower()
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered).decode("ascii")
    except idna.IDNAError:
        return _idna_2003(lowered)


def _idna_2003(domain: str) -> str:
    """Take what only the IDNA of 2003 allows, like emoji: older servers have such domains."""
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise NoServer("this is no name for the DNS") from None
