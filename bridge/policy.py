"""The operator's policy: whom the gateways serve, who is an administrator, how much one may send."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bridge.config import Config
from bridge.xmpp.jid import Jid

PACED_USERS = 100_000
"""How many users' recent rates are remembered; beyond that, those at rest are forgotten."""
ROUNDING = 0.001
"""Stanzas by which a sum of floats may be off."""


class _Rules:
    """A set of JID patterns, made for quick answers."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._exact = frozenset(patterns)
        self._parents = frozenset(pattern[2:] for pattern in self._exact if pattern.startswith("*."))
        self._everyone = "*" in self._exact

    def match(self, jid: Jid) -> bool:
        if self._everyone or jid.domain in self._exact or jid.bare in self._exact:
            return True
        return bool(self._parents) and self._is_below(jid.domain)

    def _is_below(self, domain: str) -> bool:
        while "." in domain:
            domain = domain.partition(".")[2]
            if domain in self._parents:
                return True
        return False


class Policy:
    """Implements `router.Gate`; `apply` puts a new configuration in force at once."""

    def __init__(self, config: Config) -> None:
        self.apply(config)

    def apply(self, config: Config) -> None:
        """Take over the rules of `config`."""
        self._admins = frozenset(config.admins)
        self._own = frozenset(config.gateways)
        self._allow = _Rules(config.allow)
        self._deny = _Rules(config.deny)

    def admits(self, sender: Jid) -> bool:
        """Tell whether stanzas of `sender` are served; administrators' always are.

        So are those of people of our own gateways' networks: which of them may go where is for their network
        to say.
        """
        if sender.domain in self._own or self.is_admin(sender):
            return True
        return self._allow.match(sender) and not self._deny.match(sender)

    def is_admin(self, jid: Jid) -> bool:
        """Tell whether `jid` may execute administrators' commands."""
        return jid.bare in self._admins


class Pace:
    """How fast each user may send: a bucket of `burst` stanzas, refilled with `rate` a second."""

    def __init__(self, rate: float, burst: int, seconds: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = burst
        self._seconds = seconds
        self._full_at: dict[str, float] = {}

    def admits(self, user: str) -> bool:
        """Count one stanza of `user`; False if it is one too many.

        What is kept is when his bucket will be full again (the generic cell rate algorithm).
        """
        now = self._seconds()
        full_at = max(self._full_at.get(user, now), now)
        if (full_at - now) * self.rate > self.burst - 1 + ROUNDING:
            return False
        if user not in self._full_at and len(self._full_at) >= PACED_USERS:
            self._forget(now)
        self._full_at[user] = full_at + 1 / self.rate
        return True

    def _forget(self, now: float) -> None:
        """Drop the users whose buckets are full, or, should there be none, everyone."""
        self._full_at = {user: at for user, at in self._full_at.items() if at > now}
        if len(self._full_at) >= PACED_USERS:
            self._full_at.clear()
