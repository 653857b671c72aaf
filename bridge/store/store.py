"""The store as the rest of the bridge sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from twisted.internet.defer import Deferred

from bridge.store.values import (
    ArchivedMessage,
    Durability,
    Journalled,
    Occupancy,
    Page,
    Subscription,
)

CallFromThread = Callable[..., object]


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
        call_from_thread: CallFromThread,
        clock: Callable[[], float],
        *,
        commit_interval: float = 0.05,
        durability: Durability = Durability.PROCESS,
    ) -> None: ...

    # ---- life

    def start(self) -> Deferred[None]:
        """Open, migrate and load; fails with `StoreError`."""

    def stop(self) -> Deferred[None]:
        """Write what is queued and end the thread; fires in any case, and logs what could not be written."""

    def flush(self) -> Deferred[None]:
        """Fire when all that was queued before is committed; STORE_FULL if it cannot be now (it stays queued)."""

    @property
    def failing(self) -> bool:
        """The last commit failed; it is tried again."""

    @property
    def is_full(self) -> bool:
        """The queue has reached its bound: archive writes are refused, settings raise STORE_FULL."""

    # ---- ids

    def next_id(self) -> int:
        """Return a fresh id: now in microseconds, above every id before, also over restarts and clock steps.

        Use it for messages and for whatever must not repeat over restarts (`journal`'s refs).
        """

    def last_id(self) -> int:
        """Return the newest id given out or stored."""

    # ---- settings and memory, answered at once

    def get_setting(self, domain: str, owner: str, scope: str, key: str) -> bytes | None:
        """Return what was put; `scope` is a `network.Scope` value, `key` a server or room, "" for the gateway."""

    def put_setting(self, domain: str, owner: str, scope: str, key: str, value: bytes | None) -> None:
        """Keep it; None forgets. TOO_MANY, TOO_LONG; STORE_FULL while the database fails."""

    def memory(self, domain: str, owner: str) -> Mapping[str, bytes]:
        """Return a read-only view of what was remembered, by key."""

    def remember(self, domain: str, owner: str, key: str, value: bytes | None) -> None:
        """Keep a small value; None forgets. TOO_MANY, TOO_LONG, STORE_FULL."""

    def owners(self, domain: str) -> Iterator[str]:
        """Iterate over the users that have settings or memory, each once, in no order."""

    # ---- subscriptions

    def put_subscription(self, subscription: Subscription) -> None:
        """Keep it, replacing one of the same domain, local and contact. TOO_MANY, TOO_LONG, STORE_FULL."""

    def drop_subscription(self, domain: str, local: str, contact: str) -> None:
        """Forget it, if it is there."""

    def subscription(self, domain: str, local: str, contact: str) -> Subscription | None:
        """Return one."""

    def subscriptions(self, domain: str, contact: str | None = None) -> Iterator[Subscription]:
        """Iterate over those of a domain, or of one user; a copy, so it may be changed meanwhile."""

    # ---- occupancies

    def put_occupancy(
        self, domain: str, room: str, owner: str, resource: str, nick: str, password: str = ""
    ) -> bool:
        """Note that the user is in the room; False if the store is full."""

    def drop_occupancy(self, domain: str, room: str, owner: str, resource: str) -> None:
        """Note that he is no longer."""

    def occupancies(self, domain: str) -> list[Occupancy]:
        """Hand over, once, what `start` found; they stay stored until dropped. Not kept in memory."""

    # ---- archive

    def append(self, domain: str, message: ArchivedMessage) -> bool:
        """Archive a message; False if the store is full. A second one of the same id is ignored."""

    def open_span(self, domain: str, room: str, owner: str, first: int) -> bool:
        """From message id `first` on, the user may read what is said; False if the store is full.

        Ask `has_history` before, if you need to know about former visits.
        """

    def close_span(self, domain: str, room: str, owner: str, last: int) -> None:
        """End his open span after message id `last`."""

    def has_history(self, domain: str, room: str, owner: str) -> bool:
        """Tell whether the user has, or ever had, a span there: if not, there is nothing to ask for."""

    def history(
        self, domain: str, room: str, owner: str, limit: int, since: int | None = None
    ) -> Deferred[list[ArchivedMessage]]:
        """Return the last `limit` messages he may read, oldest first, none before time `since` (XEP-0045 §7.2.13)."""

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
        last: bool = False,
        with_nick: str | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        ids: Sequence[int] | None = None,
    ) -> Deferred[Page]:
        """Return a page of what the user may read (XEP-0313 §4); fails with NOT_FOUND, STORE_FULL.

        Filters: `start` and `end` are times, both included; `after_id`, `before_id` and `ids` are the
        form's fields, messages excluded/excluded/included. Paging (XEP-0059): `after` pages forward,
        `before` backward, `last` (an empty <before/>) backward from the end. An id that is unknown, or
        not his to read, is NOT_FOUND. `limit` 0 counts only; above PAGE_LIMIT is PAGE_LIMIT.
        """

    def prune(self, before: int, limit: int = 1000) -> Deferred[int]:
        """Delete at most `limit` of the oldest messages of all rooms with ids below `before`; fires with how many."""

    # ---- outbox

    def journal(self, domain: str, owner: str, ref: int, stanza: bytes) -> None:
        """Keep an accepted message until `settled`. TOO_LONG, STORE_FULL. `ref` must not repeat over restarts."""

    def settled(self, domain: str, owner: str, ref: int) -> None:
        """Its fate is known to its sender."""

    def journalled(self, domain: str) -> list[Journalled]:
        """Hand over, once, what `start` found, oldest first; they stay stored until settled."""
