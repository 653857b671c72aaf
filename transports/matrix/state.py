"""The state of a room as a homeserver tells it; each event is decoded whenever it is looked at.

Twenty thousand members are ten megabytes of JSON: decoded as a whole they keep the reactor, and while they
are kept as objects every collection of garbage looks at all of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from bridge.errors import BridgeError, Trouble

from .content import Json, mapping


class State:
    """See the module's docstring; what is no object, or cannot be decoded, is an empty one."""

    def __init__(self, events: Sequence[Raw]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Json]:
        """Decode one after the other."""
        for event in self._events:
            try:
                yield mapping(msgspec.json.decode(event))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield {}


def read_state(body: bytes) -> State:
    """Read the answer of a homeserver; BridgeError REFUSED if it is no list.

    What msgspec refuses (a lone surrogate) is read by json once more: the other events are good.
    """
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return State(msgspec.json.decode(body, type=list[Raw]))
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(body.decode("utf-8", "replace"))
        if isinstance(found, list):
            return State([Raw(json.dumps(event).encode()) for event in found])
    raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.")
