"""Which connections carry which domain pairs, and on which they were asked for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from bridge.federation.connection import Connection
from bridge.xmpp.dialback import Pair

K = TypeVar("K", bound=Hashable)


class Index(Generic[K]):
    """Connections by something that several may have in common, in the order in which they came."""

    def __init__(self) -> None:
        self._by: dict[K, list[Connection]] = {}

    def __getitem__(self, key: K) -> Sequence[Connection]:
        return self._by.get(key, ())

    def add(self, key: K, connection: Connection) -> None:
        """Add a connection, once."""
        same = self._by.setdefault(key, [])
        if connection not in same:
            same.append(connection)

    def prefer(self, key: K, connection: Connection) -> None:
        """Let it be the first, if it is there."""
        same = self._by.get(key, [])
        if connection in same:
            same.remove(connection)
            same.insert(0, connection)

    def discard(self, key: K, connection: Connection) -> None:
        """Remove it, if it is there."""
        same = self._by.get(key, [])
        if connection in same:
            same.remove(connection)
            if not same:
                del self._by[key]

    def all(self) -> list[Connection]:
        """Return every connection."""
        return [each for same in self._by.values() for each in same]


class Carriers:
    """The pairs of each connection.

    Several connections may take a pair, as when two servers dial each other at once: the first is used as
    long as it lasts, so that nothing is overtaken.
    """

    def __init__(self) -> None:
        self._takers: Index[Pair] = Index()
        self._taken: dict[Connection, set[Pair]] = {}
        self._asked: Index[Pair] = Index()
        self._asked_on: dict[Connection, dict[Pair, float]] = {}
        """The pairs that the peer has not decided on, since when."""

    def of(self, pair: Pair) -> Connection | None:
        """Return the connection that carries a pair, None if there is none."""
        takers = self._takers[pair]
        return takers[0] if takers else None

    def pairs(self, connection: Connection) -> frozenset[Pair]:
        """Return the pairs that a connection carries."""
        taken = self._taken.get(connection, ())
        return frozenset(pair for pair in taken if self.of(pair) is connection)

    def carries(self, connection: Connection) -> bool:
        """Tell whether it carries any."""
        return any(self.of(pair) is connection for pair in self._taken.get(connection, ()))

    def is_asked(self, pair: Pair) -> bool:
        """Tell whether a peer is to decide on a pair."""
        return bool(self._asked[pair])

    def late(self, connection: Connection, before: float) -> list[Pair]:
        """Return the pairs that were asked for on a connection before a time."""
        return [pair for pair, since in self._asked_on.get(connection, {}).items() if since < before]

    def ask(self, pair: Pair, connection: Connection, now: float) -> None:
        """Note that the peer is asked to take a pair."""
        self._asked.add(pair, connection)
        self._asked_on.setdefault(connection, {})[pair] = now

    def take(self, pair: Pair, connection: Connection) -> None:
        """Note that it takes it."""
        self.refuse(pair, connection)
        self._takers.add(pair, connection)
        self._taken.setdefault(connection, set()).add(pair)

    def prefer(self, pair: Pair, connection: Connection) -> None:
        """Use a connection, if it takes a pair, rather than others: what it holds must not be overtaken."""
        self._takers.prefer(pair, connection)

    def refuse(self, pair: Pair, connection: Connection) -> bool:
        """Note that it does not, or may not any more; False if it was not asked."""
        asked = self._asked_on.get(connection, {})
        if pair not in asked:
            return False
        del asked[pair]
        self._asked.discard(pair, connection)
        if not asked:
            del self._asked_on[connection]
        return True

    def lose(self, connection: Connection) -> tuple[frozenset[Pair], Sequence[Pair]]:
        """Forget a connection; returns the pairs that it carried, and those asked for on it."""
        carried, asked = self.pairs(connection), tuple(self._asked_on.pop(connection, ()))
        for pair in self._taken.pop(connection, ()):
            self._takers.discard(pair, connection)
        for pair in asked:
            self._asked.discard(pair, connection)
        return carried, asked
