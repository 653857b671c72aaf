"""Whom we speak with at all: trunks always, others if the operator allows it, and not too much at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from twisted.logger import Logger

from transports.sip.config import SipConfig

MAX_SOURCES = 10_000
"""Addresses whose rates are remembered."""
QUIET = 60.0
"""Seconds without a request too many, after which an address is logged again."""
LOGGED = 10
"""Addresses that are logged in that time; whoever makes more of them up fills no log."""
GUESSES, GUESS_PAUSE = 10, 30.0
"""Wrong passwords that an address may give at once, and the seconds until it may give one more."""
LOGINS, LOGIN_LIFE = 10_000, 600.0
"""Addresses that are remembered to have logged in, and the seconds for which they are."""


class Source:
    """How much an address may send: when its bucket is full, and when it last sent too much."""

    __slots__ = ("dropped_at", "full_at")

    def __init__(self) -> None:
        self.full_at = self.dropped_at = float("-inf")

    def has_room(self, now: float, rate: float, burst: float) -> bool:
        """Tell whether there may be one more, of `rate` in a second and `burst` at once."""
        return (max(self.full_at, now) - now) * rate <= burst - 1 + 1e-6

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Count one; False if it is one too many."""
        if not self.has_room(now, rate, burst):
            return False
        self.full_at = max(self.full_at, now) + 1 / rate
        return True

    def drop(self, now: float) -> bool:
        """Note that one was too many; tell whether it is the first in a while."""
        was_quiet = now - self.dropped_at > QUIET
        self.dropped_at = now
        return was_quiet


class Sources:
    """What addresses send, of those heard last; a network of IPv6 that one site has is counted together."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Source] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, host: str) -> Source:
        """Return the source that an address belongs to."""
        key = _site(host)
        source = self._known.setdefault(key, Source())
        self._known.move_to_end(key)
        if len(self._known) > MAX_SOURCES:
            self._known.popitem(last=False)
        return source


class Guard:
    """See the module's docstring. `seconds` is a clock."""

    log = Logger()

    def __init__(self, config: SipConfig, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._trusted: dict[str, frozenset[str]] = {}
        self._by_host: dict[str, dict[str, bool]] = {}
        self._sources, self._guesses = Sources(), Sources()
        self._logins: OrderedDict[str, float] = OrderedDict()
        self._all, self._log_lines = Source(), Source()
        self.apply(config)

    def apply(self, config: SipConfig) -> None:
        """Take over the rules of `config`."""
        self._ranges = [ip_network(one, strict=False) for one in config.allowed_peers]
        self._rate, self._burst = config.requests_per_second, config.request_burst
        self._rate_of_all = config.strangers_per_second
        self._proxies = [ip_network(one, strict=False) for one in config.websocket_proxies]
        self.origins = config.websocket_origins

    def is_proxy(self, host: str) -> bool:
        """Tell whether an address is an HTTP proxy's, which says for whom it connects."""
        return any(ip_address(host) in one for one in self._proxies)

    def trust(self, trunk: str, hosts: frozenset[str], *, is_limited: bool = False) -> None:
        """Take note of the addresses of a trunk, instead of those it had before; of none, forget it.

        One that `is_limited` may send no more than strangers.
        """
        for host in self._trusted.pop(trunk, frozenset()) - hosts:
            del self._by_host[host][trunk]
            if not self._by_host[host]:
                del self._by_host[host]
        for host in hosts:
            self._by_host.setdefault(host, {})[trunk] = is_limited
        if hosts:
            self._trusted[trunk] = hosts

    def trunks(self, host: str) -> list[str]:
        """Return whose address this is."""
        return list(self._by_host.get(host, ()))

    def is_trusted(self, host: str) -> bool:
        """Tell whether it is the address of a trunk of the operator's, or one has logged in from there."""
        is_trunks = not all(self._by_host.get(host, {}).values())
        return is_trunks or self._logins.get(host, 0.0) > self._seconds()

    def log_in(self, host: str) -> None:
        """A trunk has proved its password from an address, which may send as much as trunks for a while."""
        self._logins[host] = self._seconds() + LOGIN_LIFE
        self._logins.move_to_end(host)
        if len(self._logins) > LOGINS:
            self._logins.popitem(last=False)

    def may_guess(self, host: str) -> bool:
        """Tell whether an address may try a password, or has given too many wrong ones."""
        return self._guesses.of(host).has_room(self._seconds(), 1 / GUESS_PAUSE, GUESSES)

    def guessed(self, host: str) -> None:
        """Count a wrong password."""
        now, source = self._seconds(), self._guesses.of(host)
        source.take(now, 1 / GUESS_PAUSE, GUESSES)
        is_last = not source.has_room(now, 1 / GUESS_PAUSE, GUESSES)
        if is_last and source.drop(now) and self._log_lines.take(now, LOGGED / QUIET, LOGGED):
            self.log.warn("{host} gives wrong passwords; it is refused for a while", host=host)

    def may_reach(self, host: str, *, besides: str = "") -> bool:
        """Tell whether an address is spoken with: a public one, or one that is allowed, or a trunk's.

        The trunk `besides` does not count.
        """
        address = ip_address(host)
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if _is_public(address) or any(one != besides for one in self._by_host.get(host, ())):
            return True
        return any(address.version == one.version and address in one for one in self._ranges)

    def admits(self, host: str) -> bool:
        """Count a message; False if it is one too many. The operator's trunks' are not counted."""
        if self.is_trusted(host):
            return True
        now = self._seconds()
        source = self._sources.of(host)
        if not source.take(now, self._rate, self._burst):
            if source.drop(now) and self._log_lines.take(now, LOGGED / QUIET, LOGGED):
                self.log.warn("{host} sends too many requests; what is too much is dropped", host=host)
            return False
        is_known = host in self._by_host
        if not is_known and not self._all.take(now, self._rate_of_all, max(self._burst, self._rate_of_all)):
            if self._all.drop(now):
                self.log.warn("strangers send too many requests together; what is too much is dropped")
            return False
        return True


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_unspecified)


def _site(host: str) -> str:
    """Return what is counted together: an IPv4 address, or a network of 64 bits, which one site has."""
    address = ip_address(host)
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))
