"""Questions to the DNS: what is known, what is being asked, and whether DNSSEC vouches for the answer."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.names import client, dns
from twisted.names.dns import Message

TIMEOUTS = (1, 3)
"""Seconds each nameserver has for an answer, in the first round and in the second."""
QUESTION_TIMEOUT = 10.0
"""Seconds for a question as a whole, TCP included."""
QUERY_LIMIT = 256
"""Questions on the wire at once; others wait their turn."""
QUESTION_LIMIT = 8192
"""Different questions asked and not yet answered; beyond, a question fails at once."""
CACHE_LIMIT = 2048
"""Answers that are kept; the one not asked for the longest goes first."""
RECORD_LIMIT = 32
"""Records of an answer that are looked at."""
ALIAS_LIMIT = 8
"""CNAME records followed, one to the next."""
POSITIVE_TTL = (1.0, 3600.0)
"""The least and most seconds that records are kept."""
NEGATIVE_TTL = (5.0, 300.0)
"""The least and most seconds that it is kept that there are no records (RFC 2308 §5)."""
FAILURE_TTL = 5.0
"""Seconds without another attempt after a failed one (RFC 2308 §7)."""

RESOLV_CONF, HOSTS = "/etc/resolv.conf", "/etc/hosts"
NAMESERVERS = 3
"""As many lines of resolv.conf(5) count."""

_NAME = re.compile(r"(?=.{1,253}\Z)[!-\-/-~]{1,63}(\.[!-\-/-~]{1,63})*")


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to one question: records of the type asked for, or none."""

    records: tuple[Any, ...] = ()
    """`twisted.names.dns` payloads, at most `RECORD_LIMIT`."""
    secure: bool = False
    """Whether DNSSEC vouches for the records, or for there being none."""
    failed: bool = False
    """Whether there was no answer, or one that DNSSEC refutes: nothing is known then."""


_FAILED = Answer(failed=True)


class Dns:
    """Asks nameservers, given as address and port, or else those of resolv.conf(5).

    Whether DNSSEC vouches for an answer is the nameserver's word (the AD bit). It is believed when
    `dnssec` says so and when every nameserver is on this machine (RFC 6698 §A.3).
    """

    log = Logger()

    def __init__(self, reactor: Any, nameservers: Sequence[tuple[str, int]], dnssec: bool) -> None:
        servers = list(nameservers) or list(system_nameservers())
        self._clock = reactor
        self._client: Any = _Client(reactor, servers)
        self._believes = dnssec and all(ip_address(host).is_loopback for host, _ in servers)
        self._known: OrderedDict[tuple[str, int], tuple[float, Answer]] = OrderedDict()
        self._asking: dict[tuple[str, int], list[Deferred[Answer]]] = {}
        self._turns = DeferredSemaphore(QUERY_LIMIT)

    def ask(self, name: str, type: int) -> Deferred[Answer]:
        """Look up the records of a type (`dns.SRV`, …) of a name in A-labels; never errs."""
        question = name.lower(), type
        known = self._known.get(question)
        if known is not None and known[0] > self._clock.seconds():
            self._known.move_to_end(question)
            return succeed(known[1])
        if not _NAME.fullmatch(name):
            return succeed(Answer())
        waiting = self._asking.get(question)
        if waiting is None and len(self._asking) >= QUESTION_LIMIT:
            return succeed(_FAILED)
        answer: Deferred[Answer] = Deferred()
        if waiting is not None:
            waiting.append(answer)
            return answer
        self._asking[question] = [answer]
        self._turns.run(self._look_up, *question).addCallback(self._settle, question)
        return answer

    async def _look_up(self, name: str, type: int) -> tuple[float, Answer]:
        exchange = Deferred.fromCoroutine(self._exchange(dns.Query(name.encode("ascii"), type)))
        try:
            message = await exchange.addTimeout(QUESTION_TIMEOUT, self._clock)
            if not message.trunc and message.rCode in (dns.OK, dns.ENAME):
                return read(message, name, type, secure=self._believes and bool(message.authenticData))
            self.log.debug("{name!r}, type {type}: code {code}", name=name, type=type, code=message.rCode)
        except Exception as error:
            self.log.debug("{name!r}, type {type}: {error!r}", name=name, type=type, error=error)
        return FAILURE_TTL, _FAILED

    async def _exchange(self, query: dns.Query) -> Message:
        message: Message = await self._client.queryUDP([query], TIMEOUTS)
        if message.trunc:
            message = await self._client.queryTCP([query])
        return message

    def _settle(self, outcome: tuple[float, Answer], question: tuple[str, int]) -> None:
        ttl, answer = outcome
        self._known[question] = self._clock.seconds() + ttl, answer
        self._known.move_to_end(question)
        if len(self._known) > CACHE_LIMIT:
            self._known.popitem(last=False)
        for waiting in self._asking.pop(question):
            waiting.callback(answer)


def read(message: Message, name: str, type: int, *, secure: bool) -> tuple[float, Answer]:
    """Return for how many seconds it holds, and what a message says about a name, through its aliases."""
    ttls: list[int] = []
    answers: list[Any] = message.answers
    authority: list[Any] = message.authority
    for _ in range(ALIAS_LIMIT):
        own = [record for record in answers if _name(record.name) == name]
        found = [record for record in own if record.type == type][:RECORD_LIMIT]
        if found:
            ttl = min([*ttls, *(record.ttl for record in found)])
            records = tuple(record.payload for record in found)
            return _clamp(ttl, POSITIVE_TTL), Answer(records=records, secure=secure)
        alias = next((record for record in own if record.type == dns.CNAME), None)
        if alias is None:
            ttls += [min(soa.ttl, soa.payload.minimum) for soa in authority if soa.type == dns.SOA]
            return _clamp(min(ttls, default=0), NEGATIVE_TTL), Answer(secure=secure)
        ttls.append(alias.ttl)
        name = _name(alias.payload.name)
    return FAILURE_TTL, _FAILED


def _name(name: dns.Name) -> str:
    return name.name.decode("latin-1").lower()


def _clamp(ttl: float, limits: tuple[float, float]) -> float:
    return min(max(ttl, limits[0]), limits[1])


class _WithAd:
    """Asks whether the data is authentic: an AD bit in the question (RFC 6840 §5.7)."""

    noisy = False

    def writeMessage(self, message: Message, *to: tuple[str, int]) -> None:
        message.authenticData = 1
        super().writeMessage(message, *to)  # type: ignore[misc]


class _Datagrams(_WithAd, dns.DNSDatagramProtocol):
    """Questions over UDP."""


class _Connection(_WithAd, dns.DNSProtocol):
    """Questions over TCP."""


class _Connections(client.DNSClientFactory):
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> _Connection:
        return _Connection(self.controller, self.controller._reactor)  # type: ignore[no-untyped-call]


class _Client(client.Resolver):
    """Twisted's client, with the AD bit, on ports that the kernel chooses."""

    def __init__(self, reactor: Any, servers: list[tuple[str, int]]) -> None:
        super().__init__(servers=servers, timeout=TIMEOUTS, reactor=reactor)  # type: ignore[no-untyped-call]
        self.factory = _Connections(self)  # type: ignore[no-untyped-call]

    def _connectedProtocol(self, interface: str = "") -> _Datagrams:
        protocol = _Datagrams(self, self._reactor)  # type: ignore[no-untyped-call]
        self._reactor.listenUDP(0, protocol, interface)
        return protocol

    def messageReceived(
        self, message: Message, protocol: Any, address: tuple[str, int] | None = None
    ) -> None:
        """Ignore what answers no question, like an answer that is late."""


def system_nameservers(path: str = RESOLV_CONF) -> tuple[tuple[str, int], ...]:
    """Return the nameservers of resolv.conf(5); without any, the one of this machine."""
    lines = [line.split() for line in _lines(path)]
    hosts = [words[1] for words in lines if words[0] == "nameserver" and len(words) > 1 and _is_ip(words[1])]
    return tuple((host, dns.PORT) for host in hosts[:NAMESERVERS] or ["127.0.0.1"])


def system_hosts(path: str = HOSTS) -> dict[str, tuple[str, ...]]:
    """Return the addresses of the names in hosts(5), in lower case."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _lines(path):
        address, *names = line.split()
        if _is_ip(address):
            for name in names:
                found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found


def _lines(path: str) -> list[str]:
    """Return the lines of a file with something in them besides comments; none if it is not there."""
    try:
        text = Path(path).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    bare = (re.sub(r"[#;].*", "", line) for line in text.splitlines())
    return [line for line in bare if line.strip()]


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
