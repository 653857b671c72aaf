"""What a room's latest reactions were on, kept over a restart.

When somebody takes a reaction back, the homeserver tells neither then nor in the archive what it was on: only
who saw it knows. Of what our own ghosts take back they say it themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container
from functools import partial
from typing import Any

import msgspec

from bridge.network import Uplink

from .ids import is_event_id, is_user_id
from .inbox import NOBODY
from .session import RoomSession

KEY = "reactions "
"""Begins the keys under which they are kept, by room."""
KEPT = 100
"""Reactions of a room that are kept, and as many that were taken back."""
ROOMS = 1_000
"""Rooms whose reactions are kept."""
KEEP_AFTER = 5.0
"""Seconds after which they are."""

_Row = tuple[str, str, str]
"""A reaction, what it is on, and whose it is."""


class Reactions:
    """See the module's docstring."""

    def __init__(self, uplink: Uplink, clock: Any) -> None:
        self._uplink = uplink
        self._clock = clock
        self._due: dict[str, tuple[RoomSession, Any]] = {}

    def load(self, session: RoomSession) -> None:
        """Have a room know again what it knew in an earlier run."""
        kept = self._uplink.memory(NOBODY).get(KEY + session.id, b"[]")
        with contextlib.suppress(msgspec.DecodeError):
            for id, target, reactor in msgspec.json.decode(kept, type=list[_Row]):
                if is_event_id(id) and is_event_id(target) and is_user_id(reactor):
                    session.room.timeline.recollect(id, target, reactor)

    def changed(self, session: RoomSession) -> None:
        """Keep them soon: there is another one, or one less."""
        if session.id not in self._due:
            call = self._clock.callLater(KEEP_AFTER, partial(self._keep, session.id))
            self._due[session.id] = (session, call)

    def _keep(self, id: str) -> None:
        session, call = self._due.pop(id)
        if call.active():
            call.cancel()
        rows = [row for row in session.room.timeline.reactions(KEPT) if not session.room.ids.is_ghost(row[2])]
        self._uplink.remember(NOBODY, KEY + id, msgspec.json.encode(rows) if rows else None)
        for key in self._keys()[:-ROOMS]:
            self._uplink.remember(NOBODY, key, None)

    def forget_others(self, ids: Container[str]) -> None:
        """Forget what is kept of other rooms than these, where somebody of ours is."""
        for key in self._keys():
            if key.removeprefix(KEY) not in ids:
                self._uplink.remember(NOBODY, key, None)

    def _keys(self) -> list[str]:
        return [key for key in self._uplink.memory(NOBODY) if key.startswith(KEY)]

    def stop(self) -> None:
        """Keep what is not kept yet."""
        for id in list(self._due):
            self._keep(id)
