"""What the bridge remembers: SQLite by default, PostgreSQL by URL."""

from bridge.store.store import STANZA_BYTES, Store
from bridge.store.values import (
    REACTION,
    RETRACTION,
    TOMBSTONE,
    ArchivedMessage,
    Durability,
    Journalled,
    Occupancy,
    Page,
    StoreError,
    Subscription,
)

__all__ = [
    "REACTION",
    "RETRACTION",
    "STANZA_BYTES",
    "TOMBSTONE",
    "ArchivedMessage",
    "Durability",
    "Journalled",
    "Occupancy",
    "Page",
    "Store",
    "StoreError",
    "Subscription",
]
