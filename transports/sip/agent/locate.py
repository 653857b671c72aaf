"""Where the server of a SIP URI is: transports, addresses and ports, in the order to try (RFC 3263 §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.names import dns
from twisted.names.error import DNSNameError, DomainError

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.routing import DEFAULT_PORTS, SECURE, WEBSOCKETS, Hop, is_address, is_nowhere
from transports.sip.wire.uri import Uri

MAX_HOPS = 6
"""Addresses of a server that are tried."""
MAX_SERVERS = 8
"""SRV records that are followed."""
SERVICES = (
    ("SIP+D2U", "_sip._udp", "UDP"),
    ("SIP+D2T", "_sip._tcp", "TCP"),
    ("SIPS+D2T", "_sips._tcp", "TLS"),
    ("SIP+D2W", "_sip._ws", "WS"),
    ("SIPS+D2W", "_sips._ws", "WSS"),
)
"""NAPTR services (RFC 3263 §4.1, RFC 7118 §5.5), SRV labels, and transports as Via names them."""

Place = tuple[str, str, int]
"""A transport, a host and a port."""


class Resolver(Protocol):
    """What is used of `twisted.names`: answers, authority, additional."""

    def lookupNamingAuthorityPointer(self, name: str, timeout: Sequence[int]) -> Deferred[Any]:
        """Ask for NAPTR records."""

    def lookupService(self, name: str, timeout: Sequence[int]) -> Deferred[Any]:
        """Ask for SRV records."""

    def lookupAddress(self, name: str, timeout: Sequence[int]) -> Deferred[Any]:
        """Ask for A records."""

    def lookupIPV6Address(self, name: str, timeout: Sequence[int]) -> Deferred[Any]:
        """Ask for AAAA records."""


TIMEOUT = (1, 3)
"""Seconds to wait for each try of a question."""


class Locator:
    """Asks the DNS; `transports` are those that we speak, `families` the versions of IP.

    `named` knows the connections of those who have names that stand for no place.
    """

    def __init__(
        self,
        resolver: Resolver,
        random: Random,
        transports: frozenset[str],
        families: frozenset[int],
        named: Callable[[str], Hop | None] = lambda name: None,
    ) -> None:
        self._resolver = resolver
        self._random = random
        self._transports = transports
        self._families = families
        self._named = named

    async def locate(self, uri: Uri) -> list[Hop]:
        """Return the hops to try; BridgeError if there are none: REMOTE_NOT_FOUND, or TIMED_OUT.

        A sips URI is reached by TLS only (RFC 3261 §26.2.2). WebSockets, which are there for those who can
        nothing else, are only tried where the URI or NAPTR says so.
        """
        if is_nowhere(uri.host):
            known = self._named(uri.host)
            if known is None:
                raise BridgeError(Trouble.UNREACHABLE, "Who had this address is not connected any more.")
            return [known]
        hops: list[Hop] = []
        for transport, host, port in await self._places(uri):
            name = uri.host if transport in SECURE | WEBSOCKETS else ""
            for address in await self._addresses(host):
                hop = Hop(transport, address, port, name)
                if hop not in hops:
                    hops.append(hop)
            if len(hops) >= MAX_HOPS:
                break
        if not hops:
            raise BridgeError(Trouble.UNREACHABLE, "No SIP server was found for this address.")
        return hops[:MAX_HOPS]

    async def _places(self, uri: Uri) -> list[Place]:
        wanted = uri.params.get("transport", "").upper()
        is_secure = uri.scheme == "sips"
        if is_secure:
            wanted = {"TCP": "TLS", "WS": "WSS"}.get(wanted, wanted)
        known = [one for one in SERVICES if one[2] in self._transports and wanted in ("", one[2])]
        known = [one for one in known if not is_secure or one[2] in SECURE]
        if not known:
            raise BridgeError(Trouble.UNREACHABLE, "No transport is shared with this SIP server.")
        transport = wanted or known[0][2]
        default = DEFAULT_PORTS[transport]
        if is_address(uri.host) or uri.port:
            return [(transport, uri.host, uri.port or default)]
        labels = [] if wanted else await self._naptr(uri.host, known)
        usual = [one for one in known if wanted or one[2] not in WEBSOCKETS]
        for label, name in labels or [(f"{one[1]}.{uri.host}", one[2]) for one in usual]:
            if found := await self._servers(label, name):
                return found
        return [(transport, uri.host, default)]

    async def _naptr(self, host: str, known: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
        """Return which SRV records to ask for, and the transport of each, the best first."""
        names = {service: transport for service, _, transport in known}
        found = await self._ask("lookupNamingAuthorityPointer", host, dns.Record_NAPTR)
        found.sort(key=lambda one: (one.order, one.preference))
        usable = [
            (one, one.service.string.decode("ascii", "replace").upper())
            for one in found
            if one.flags.string.lower() == b"s"
        ]
        return [
            (one.replacement.name.decode("ascii", "replace"), names[service])
            for one, service in usable
            if service in names
        ]

    async def _servers(self, label: str, transport: str) -> list[Place]:
        found = await self._ask("lookupService", label, dns.Record_SRV)
        records = [one for one in found if one.target.name not in (b"", b".") and one.port]
        return [
            (transport, one.target.name.decode("ascii", "replace"), one.port)
            for one in in_order(records, self._random)[:MAX_SERVERS]
        ]

    async def _addresses(self, host: str) -> list[str]:
        if is_address(host):
            return [host]
        asked = []
        if 6 in self._families:
            asked.append(Deferred.fromCoroutine(self._ask("lookupIPV6Address", host, dns.Record_AAAA)))
        if 4 in self._families:
            asked.append(Deferred.fromCoroutine(self._ask("lookupAddress", host, dns.Record_A)))
        answers = await DeferredList(asked, consumeErrors=True)
        if not any(is_answered for is_answered, _ in answers):
            raise BridgeError(Trouble.TIMED_OUT, "The DNS did not answer.")
        # a record of twisted.names writes its address itself
        return [
            str(ip_address(one.address)) for is_answered, records in answers if is_answered for one in records
        ]

    async def _ask(self, method: str, name: str, kind: type) -> list[Any]:
        """Return the records of a kind; none if there is no such name."""
        try:
            answers, _, _ = await getattr(self._resolver, method)(name, timeout=TIMEOUT)
        except (DNSNameError, DomainError):
            return []
        except Exception as error:  # twisted.names raises what it likes, for what the network sent too
            raise BridgeError(Trouble.TIMED_OUT, "The DNS did not answer.") from error
        return [answer.payload for answer in answers if isinstance(answer.payload, kind)]


def in_order(records: list[Any], random: Random) -> list[Any]:
    """Return SRV records as RFC 2782 wants them tried: by priority, and at random by weight."""
    ordered = []
    remaining = sorted(records, key=lambda one: (one.priority, one.weight))
    while remaining:
        first = [one for one in remaining if one.priority == remaining[0].priority]
        chosen = random.uniform(0, sum(one.weight for one in first))
        for one in first:
            chosen -= one.weight
            if chosen <= 0:
                break
        ordered.append(one)
        remaining.remove(one)
    return ordered
