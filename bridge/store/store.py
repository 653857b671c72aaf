"""The store as the rest of the bridge sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.store.archive import Archive, PageQuery, SpanChange
from bridge.store.connection import Connection, Row, open_connection
from bridge.store.schema import migrate
from bridge.store.state import (
    NOTHING,
    State,
    check_memory,
    check_setting,
    check_subscription,
    load,
)
from bridge.store.tables import INBOX, JOURNAL, MEMORY, OCCUPANCY, SETTING, SUBSCRIPTION, Table
from bridge.store.values import (
    PAGE_LIMIT,
    VALUE_BYTES,
    ArchivedMessage,
    Durability,
    Journalled,
    Occupancy,
    Page,
    Subscription,
)
from bridge.store.writer import Writer

K = TypeVar("K")
P = TypeVar("P")
V = TypeVar("V")

STANZA_BYTES = 4 * VALUE_BYTES
"""Longest journalled stanza, and longest event in the inbox."""


class Store:
    """What the bridge remembers: small state in memory and written behind, the archive on disk.

    `url` is ``sqlite:///path`` (three slashes relative, four absolute), a bare path, or
    ``postgresql://…``. `call_from_thread` is `reactor.callFromThread`; `clock` gives seconds since
    the epoch. Every method is called on the reactor's thread and none blocks; Deferreds fire there.

    While the database fails (disk full, server down) everything is kept in a bounded queue and
    written when it works again; see `failing` and `is_full`.
    """

    def __init__(
        self,
        url: str,
        call_from_thread: Callable[..., object],
        clock: Callable[[], float],
        *,
        commit_interval: float = 0.1,
        durability: Durability = Durability.PROCESS,
    ) -> None:
        self._clock = clock
        self._state = State()
        self._last_id = 0
        self._writer = Writer(
            lambda: open_connection(url, durability), call_from_thread, self.last_id, commit_interval
        )

    # ---- life

    def start(self) -> Deferred[None]:
        """Open, migrate and load; fails with `StoreError`."""
        return self._writer.start(_migrate_and_load).addCallback(self._loaded)

    def _loaded(self, state: State) -> None:
        self._state = state
        self._last_id = max(self._last_id, state.last_id)

    def stop(self) -> Deferred[None]:
        """Write what is queued and end the thread; fires in any case, and logs what could not be written."""
        return self._writer.stop()

    def flush(self) -> Deferred[None]:
        """Fire when all that was queued before is committed; STORE_FULL if it cannot be now."""
        return self._writer.flush()

    @property
    def failing(self) -> bool:
        """The last commit failed; it is tried again."""
        return self._writer.failing

    @property
    def is_full(self) -> bool:
        """The queue has reached its bound: archive writes are refused, settings raise STORE_FULL."""
        return self._writer.is_full

    # ---- ids

    def next_id(self) -> int:
        """Return a fresh id: now in microseconds, above every id before, also over restarts and clock steps.

        Use it for messages and for whatever must not repeat over restarts (`journal`'s refs).
        """
        self._last_id = max(self._last_id + 1, int(self._clock() * 1_000_000))
        return self._last_id

    def last_id(self) -> int:
        """Return the newest id given out or stored."""
        return self._last_id

    # ---- settings and memory, answered at once

    def get_setting(self, domain: str, owner: str, scope: str, key: str) -> bytes | None:
        """Return what was put; `scope` is a `network.Scope` value, `key` a server, room or ""."""
        settings = self._state.settings.get((domain, owner))
        return None if settings is None else settings.get((scope, key))

    def put_setting(self, domain: str, owner: str, scope: str, key: str, value: bytes | None) -> None:
        """Keep it; None forgets. TOO_MANY, TOO_LONG; STORE_FULL while the database fails."""
        if self._writer.failing:
            raise BridgeError(Trouble.STORE_FULL)
        settings = self._state.settings.get((domain, owner), {})
        if value is not None:
            check_setting(settings, scope, key, value)
        self._write(SETTING, (domain, owner, scope, key), None if value is None else (value,))
        _keep(self._state.settings, (domain, owner), (scope, key), value)

    def memory(self, domain: str, owner: str) -> Mapping[str, bytes]:
        """Return a read-only view of what was remembered, by key."""
        kept = self._state.memories.get((domain, owner))
        return NOTHING if kept is None else MappingProxyType(kept)

    def remember(self, domain: str, owner: str, key: str, value: bytes | None) -> None:
        """Keep a small value; None forgets. TOO_MANY, TOO_LONG, STORE_FULL."""
        kept = self._state.memories.get((domain, owner), {})
        if value is not None:
            check_memory(kept, key, value)
        elif key not in kept:
            return
        self._write(MEMORY, (domain, owner, key), None if value is None else (value,))
        _keep(self._state.memories, (domain, owner), key, value)

    def owners(self, domain: str) -> Iterator[str]:
        """Iterate over the users that have settings or memory, each once, in no order."""
        keys = self._state.settings.keys() | self._state.memories.keys()
        return iter([owner for where, owner in keys if where == domain])

    # ---- subscriptions

    def put_subscription(self, subscription: Subscription) -> None:
        """Keep it, replacing one of the same domain, local and contact. TOO_MANY, TOO_LONG, STORE_FULL."""
        place = (subscription.domain, subscription.contact)
        check_subscription(self._state.subscribed.get(place, {}), subscription.local)
        values = (int(subscription.inbound), int(subscription.outbound))
        self._write(SUBSCRIPTION, (*place, subscription.local), values)
        _keep(self._state.subscribed, place, subscription.local, subscription)

    def drop_subscription(self, domain: str, local: str, contact: str) -> None:
        """Forget it, if it is there."""
        if self.subscription(domain, local, contact) is not None:
            self._write(SUBSCRIPTION, (domain, contact, local), None)
            _keep(self._state.subscribed, (domain, contact), local, None)

    def subscription(self, domain: str, local: str, contact: str) -> Subscription | None:
        """Return one."""
        return self._state.subscribed.get((domain, contact), {}).get(local)

    def subscriptions(self, domain: str, contact: str | None = None) -> Iterator[Subscription]:
        """Iterate over those of a domain, or of one user; a copy, so it may be changed meanwhile."""
        return self._state.subscriptions(domain, contact)

    # ---- occupancies

    def put_occupancy(
        self, domain: str, room: str, owner: str, resource: str, nick: str, password: str = ""
    ) -> bool:
        """Note that the user is in the room; False if the store is full."""
        return self._writer.change(OCCUPANCY, (domain, owner, room, resource), (nick, password))

    def drop_occupancy(self, domain: str, room: str, owner: str, resource: str) -> None:
        """Note that he is no longer."""
        self._writer.change(OCCUPANCY, (domain, owner, room, resource), None)

    def occupancies(self, domain: str) -> list[Occupancy]:
        """Hand over, once, what `start` found; they stay stored until dropped. Not kept in memory."""
        return self._state.occupancies.pop(domain, [])

    # ---- archive

    def append(self, domain: str, message: ArchivedMessage) -> bool:
        """Archive a message; False if the store is full. A second one of the same id is ignored.

        A tombstone takes the words of the message with its id away.
        """
        return self._writer.add_message(domain, message)

    def open_span(self, domain: str, room: str, owner: str, first: int) -> bool:
        """From message id `first` on, the user may read what is said; False if the store is full.

        Ask `has_history` before, if you need to know about former visits.
        """
        if not self._writer.add_span(SpanChange(True, domain, room, owner, first)):
            return False
        self._state.readers.add(hash((domain, room, owner)))
        return True

    def close_span(self, domain: str, room: str, owner: str, last: int) -> None:
        """End his open span after message id `last`."""
        self._writer.add_span(SpanChange(False, domain, room, owner, last))

    def has_history(self, domain: str, room: str, owner: str) -> bool:
        """Tell whether the user has, or ever had, a span there: if not, there is nothing to ask for."""
        return hash((domain, room, owner)) in self._state.readers

    def history(
        self, domain: str, room: str, owner: str, limit: int, since: int | None = None
    ) -> Deferred[list[ArchivedMessage]]:
        """Return the last messages he may read, oldest first, none before time `since` (XEP-0045 §7.2.13)."""
        return self._writer.ask(lambda _, archive: archive.history(domain, room, owner, limit, since))

    def page(
        self,
        domain: str,
        room: str,
        owner: str,
        *,
        limit: int,
        start: int | None = None,
        end: int | None = None,
        after: int | None = None,
        before: int | None = None,
        last_page: bool = False,
        with_nick: str | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        ids: Sequence[int] | None = None,
    ) -> Deferred[Page]:
        """Return a page of what the user may read (XEP-0313 §4); fails with NOT_FOUND, STORE_FULL.

        Filters: `start` and `end` are times, both included; `after_id`, `before_id` and `ids` are the
        form's fields, messages excluded/excluded/included. Paging (XEP-0059): `after` pages forward,
        `before` backward, `last_page` (an empty <before/>) backward from the end. An id that is unknown, or
        not his to read, is NOT_FOUND. `limit` 0 counts only; above PAGE_LIMIT is PAGE_LIMIT.
        """
        query = PageQuery(
            limit=limit,
            start=start,
            end=end,
            after=after,
            before=before,
            last_page=last_page,
            with_nick=with_nick,
            after_id=after_id,
            before_id=before_id,
            ids=None if ids is None else frozenset(ids),
        )
        if query.ids is not None and len(query.ids) > PAGE_LIMIT:
            raise BridgeError(Trouble.NOT_ACCEPTABLE)
        return self._writer.ask(lambda _, archive: archive.page(domain, room, owner, query))

    def prune(self, before: int, limit: int = 1000) -> Deferred[int]:
        """Delete the oldest messages of all, at most `limit`, ids below `before`; fires with how many."""

        def delete(connection: Connection, archive: Archive) -> int:
            with connection.transaction():
                return archive.prune(before, limit)

        return self._writer.ask(delete)

    # ---- outbox

    def journal(self, domain: str, owner: str, ref: int, stanza: bytes) -> None:
        """Keep an accepted message until `settled`. TOO_LONG, STORE_FULL.

        `ref` must not repeat over restarts: take it from `next_id`.
        """
        if len(stanza) > STANZA_BYTES:
            raise BridgeError(Trouble.TOO_LONG)
        self._write(JOURNAL, (domain, owner, ref), (stanza,))

    def settled(self, domain: str, owner: str, ref: int) -> None:
        """Its fate is known to its sender."""
        self._writer.change(JOURNAL, (domain, owner, ref), None)

    def journalled(self, domain: str) -> list[Journalled]:
        """Hand over, once, what `start` found, oldest first; they stay stored until settled."""
        return self._state.journalled.pop(domain, [])

    # ---- inbox

    def keep(self, domain: str, data: bytes) -> int:
        """Keep what a network gave us until `done` with the number returned. TOO_LONG, STORE_FULL."""
        if len(data) > STANZA_BYTES:
            raise BridgeError(Trouble.TOO_LONG)
        ref = self.next_id()
        self._write(INBOX, (domain, ref), (data,))
        return ref

    def done(self, domain: str, ref: int) -> None:
        """It need not be kept any more."""
        self._writer.change(INBOX, (domain, ref), None)

    def kept(self, domain: str) -> list[tuple[int, bytes]]:
        """Hand over, once, what `start` found, oldest first; it stays stored until `done`."""
        return self._state.kept.pop(domain, [])

    def _write(self, table: Table, key: Row, values: Row | None) -> None:
        if not self._writer.change(table, key, values):
            raise BridgeError(Trouble.STORE_FULL)


def _migrate_and_load(connection: Connection, archive: Archive) -> State:
    migrate(connection)
    return load(connection, archive)


def _keep(kept: dict[K, dict[P, V]], owner: K, place: P, value: V | None) -> None:
    """Put a value in its owner's dict, or take it out; no empty dict stays."""
    if value is not None:
        kept.setdefault(owner, {})[place] = value
    elif owner in kept:
        kept[owner].pop(place, None)
        if not kept[owner]:
            del kept[owner]
