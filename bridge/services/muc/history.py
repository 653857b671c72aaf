"""The past of rooms: who may read what we keep, and MUC history on joining (XEP-0045 §7.2.14).

Where the network does not remember what was said, a message is kept once for its room, however many users
see it; a user may read what was said while he was inside (his *spans*). Whether anything is kept is each
user's setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import Message, RoomId, UserId
from bridge.network import Scope
from bridge.services.muc.archive import Saying, to_archive
from bridge.services.muc.context import Context
from bridge.services.muc.occupancy import HistoryRequest, Occupancy, Resource

DEFAULT_HISTORY = 20
"""Messages given on join when neither the client nor the user's settings say otherwise."""
MAX_HISTORY = 1_000
"""The most messages given on join."""
PATIENCE = 10.0
"""Seconds that a join waits for its history."""


class History:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, context: Context) -> None:
        self._context = context
        self._recording: dict[RoomId, int] = {}

    # ---- settings

    def _setting(self, user: UserId, room: RoomId, name: str) -> Any:
        """The room's own setting, or the gateway's where the room's is unset."""
        own = getattr(self._context.settings.settings(user, Scope.ROOM, room), name, None)
        if own is not None:
            return own
        return getattr(self._context.settings.settings(user, Scope.GATEWAY, ""), name, None)

    def is_persistent(self, user: UserId, room: RoomId) -> bool:
        """Tell whether the user stays in the room without any client there."""
        scopes = ((Scope.ROOM, room), (Scope.GATEWAY, ""))
        return any(
            getattr(self._context.settings.settings(user, scope, key), "persistent", False)
            for scope, key in scopes
        )

    # ---- what is kept

    def archive(self, event: Saying) -> None:
        """Keep what was said or done, if anybody in its room wants that."""
        if event.room in self._recording:
            for kept in to_archive(event, self._context.store.next_id):
                self._context.store.append(self._context.domain, kept)

    def begin(self, occupancy: Occupancy) -> None:
        """The user came in: from now on he may read what is said."""
        if occupancy.recording or self._context.network.keeps_history:
            return
        if self._setting(occupancy.user, occupancy.room, "record_history") is False:
            return
        occupancy.recording = True
        self._recording[occupancy.room] = self._recording.get(occupancy.room, 0) + 1
        self._context.store.open_span(
            self._context.domain, occupancy.room, occupancy.user, self._context.store.next_id()
        )

    def end(self, occupancy: Occupancy) -> None:
        """The user went out, or his link is down."""
        if not occupancy.recording:
            return
        occupancy.recording = False
        left = self._recording[occupancy.room] - 1
        if left:
            self._recording[occupancy.room] = left
        else:
            del self._recording[occupancy.room]
        self._context.store.close_span(
            self._context.domain, occupancy.room, occupancy.user, self._context.store.next_id()
        )

    # ---- what is shown on join

    def recent(self, occupancy: Occupancy, resource: Resource) -> Deferred[list[bytes]]:
        """Return the templates of what a client gets to see on joining; never fails."""
        wish = resource.history
        limit = self._limit(occupancy, wish)
        if limit <= 0:
            return succeed([])
        found = self._context.archive.recent(occupancy.user, occupancy.room, limit, wish.since)
        found.addTimeout(PATIENCE, self._context.clock)
        return found.addCallbacks(lambda past: self._rendered(past, resource), self._unreadable)

    def _limit(self, occupancy: Occupancy, wish: HistoryRequest) -> int:
        if wish.max_chars == 0:
            return 0
        own = self._setting(occupancy.user, occupancy.room, "max_history_length")
        limit: int = DEFAULT_HISTORY if own is None or own < 0 else own
        if wish.max_stanzas is not None:
            limit = min(limit, wish.max_stanzas) if wish.since is None else wish.max_stanzas
        elif wish.since is not None:
            limit = MAX_HISTORY
        return min(limit, MAX_HISTORY)

    def _rendered(self, past: Sequence[Message], resource: Resource) -> list[bytes]:
        """Render what was said; what came while it was asked for is seen live."""
        render, live = self._context.render, b"".join(resource.pending or ())
        templates = [
            render.message(one, delayed=True)
            for one in past
            if not live or render.stanza_id(one).encode() not in live
        ]
        if resource.history.max_chars is None:
            return templates
        total, first = 0, len(templates)
        while first and total + len(templates[first - 1]) <= resource.history.max_chars:
            first -= 1
            total += len(templates[first])
        return templates[first:]

    def _unreadable(self, failure: Failure) -> list[bytes]:
        """A join succeeds even if the archive cannot be read."""
        if failure.check(BridgeError, TimeoutError):
            self.log.warn("history could not be read: {trouble}", trouble=str(failure.value))
        else:
            self.log.failure("history could not be read", failure)
        return []
