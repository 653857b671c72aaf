"""The small state, held in memory: read at the start, changed here first and written behind.

Occupancies, the journal and the inbox are needed at the next start only, so they are not held after
they were handed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from bridge.errors import BridgeError, Trouble
from bridge.store.archive import Archive
from bridge.store.connection import Connection
from bridge.store.tables import INBOX, JOURNAL, MEMORY, META, OCCUPANCY, SETTING, SUBSCRIPTION
from bridge.store.values import (
    KEY_LENGTH,
    MEMORIES_PER_OWNER,
    SETTINGS_PER_OWNER,
    SUBSCRIPTIONS_PER_CONTACT,
    VALUE_BYTES,
    Journalled,
    Occupancy,
    Subscription,
)

NOTHING: Mapping[str, bytes] = MappingProxyType({})


class State:
    """All that `start` finds."""

    def __init__(self) -> None:
        self.last_id = 0
        self.settings: dict[tuple[str, str], dict[tuple[str, str], bytes]] = {}
        self.memories: dict[tuple[str, str], dict[str, bytes]] = {}
        self.subscribed: dict[tuple[str, str], dict[str, Subscription]] = {}
        self.occupancies: dict[str, list[Occupancy]] = {}
        self.journalled: dict[str, list[Journalled]] = {}
        self.kept: dict[str, list[tuple[int, bytes]]] = {}
        # hashes of (domain, room, owner): a clash costs one needless query
        self.readers: set[int] = set()

    def subscriptions(self, domain: str, contact: str | None) -> Iterator[Subscription]:
        """See `Store.subscriptions`."""
        if contact is not None:
            found = list(self.subscribed.get((domain, contact), {}).values())
        else:
            found = [
                subscription
                for (where, _), by_local in self.subscribed.items()
                if where == domain
                for subscription in by_local.values()
            ]
        return iter(found)


def load(connection: Connection, archive: Archive) -> State:
    """Read everything, in the database's thread; ends the spans that a crash left open."""
    state = State()
    with connection.transaction():
        archive.end_spans()
    stored: dict[str, int] = dict(connection.execute(META.select))
    state.last_id = max(stored.get("last_id", 0), archive.newest())
    for domain, owner, scope, name, value in connection.execute(SETTING.select):
        state.settings.setdefault((domain, owner), {})[scope, name] = bytes(value)
    for domain, owner, name, value in connection.execute(MEMORY.select):
        state.memories.setdefault((domain, owner), {})[name] = bytes(value)
    for domain, contact, local, inbound, outbound in connection.execute(SUBSCRIPTION.select):
        state.subscribed.setdefault((domain, contact), {})[local] = Subscription(
            domain=domain, local=local, contact=contact, inbound=bool(inbound), outbound=bool(outbound)
        )
    for domain, owner, room, resource, nick, password in connection.execute(OCCUPANCY.select):
        state.occupancies.setdefault(domain, []).append(
            Occupancy(room=room, owner=owner, resource=resource, nick=nick, password=password)
        )
    for domain, owner, ref, stanza in sorted(connection.execute(JOURNAL.select), key=lambda row: row[2]):
        entry = Journalled(owner=owner, ref=ref, stanza=bytes(stanza))
        state.journalled.setdefault(domain, []).append(entry)
    for domain, ref, data in connection.execute(INBOX.select):
        state.kept.setdefault(domain, []).append((ref, bytes(data)))
    state.readers = {hash(reader) for reader in archive.readers()}
    return state


def check_setting(kept: Mapping[Any, Any], scope: str, key: str, value: bytes) -> None:
    """Hold a new setting against the bounds."""
    _check(kept, (scope, key), key, value, SETTINGS_PER_OWNER)


def check_memory(kept: Mapping[Any, Any], key: str, value: bytes) -> None:
    """Hold a new memory against the bounds."""
    _check(kept, key, key, value, MEMORIES_PER_OWNER)


def check_subscription(kept: Mapping[Any, Any], local: str) -> None:
    """Hold a new subscription against the bounds."""
    _check(kept, local, local, b"", SUBSCRIPTIONS_PER_CONTACT)


def _check(kept: Mapping[Any, Any], place: object, key: str, value: bytes, most: int) -> None:
    if len(value) > VALUE_BYTES or len(key) > KEY_LENGTH:
        raise BridgeError(Trouble.TOO_LONG)
    if place not in kept and len(kept) >= most:
        raise BridgeError(Trouble.TOO_MANY)
