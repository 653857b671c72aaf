"""What the bridge remembers: SQLite by default, PostgreSQL by URL."""

from bridge.store.store import Store
from bridge.store.values import (
    ArchivedMessage,
    Durability,
    Journalled,
    Occupancy,
    Page,
    StoreError,
    Subscription,
)

__all__ = [
    "ArchivedMessage",
    "Durability",
    "Journalled",
    "Occupancy",
    "Page",
    "Store",
    "StoreError",
    "Subscription",
]
