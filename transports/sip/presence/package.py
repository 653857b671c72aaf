"""An event package: what a subscription is about, and how it is written (RFC 6665 §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Package(Struct, Generic[T], frozen=True):
    """What a subscriber reads: `parse` raises Malformed; `absent` is shown where nothing is known."""

    name: str
    type: str
    parse: Callable[[bytes], T]
    absent: T | None = None


class Writer(Protocol[T]):
    """How a notifier writes a state."""

    package: str
    type: str

    def write(self, state: T, *, is_full: bool) -> bytes:
        """Write a state, all of it or what has changed since the last call; b"" if that is nothing."""

    def last(self, state: T | None) -> T | None:
        """Return the state that is told when the subscription ends."""
