"""The archive of rooms: who may read what, MUC history (XEP-0045 §7.2.14), messages in and out.

A message is kept once for its room, however many users see it; a user may read what was said
while he was inside (his *spans*). Whether anything is kept is each user's setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.events import Kind, Message, MessageId, Reply, RoomId, Span, Text, UserId, Value
from bridge.network import Scope
from bridge.services.muc.context import Context
from bridge.services.muc.occupancy import HistoryRequest, Occupancy
from bridge.store import ArchivedMessage

DEFAULT_HISTORY = 20
"""Messages given on join when neither the client nor the user's settings say otherwise."""
MAX_HISTORY = 1_000
"""The most messages given on join."""


class Extra(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an archived message holds beside its plain words; `id` if the network named it itself."""

    id: str = ""
    spans: tuple[Span, ...] = ()
    reply: Reply | None = None
    replaces: str = ""


_EXTRA = msgspec.json.Decoder(Extra)


def to_archive(message: Message, fresh: Callable[[], int]) -> ArchivedMessage:
    """Return a room message as the store keeps it: by its id, or a fresh one if the network named it."""
    extra, number = b"", _number(message.id)
    if message.body.spans or message.reply is not None or message.replaces or number is None:
        extra = msgspec.json.encode(
            Extra(
                id=message.id if number is None else "",
                spans=message.body.spans,
                reply=message.reply,
                replaces=message.replaces,
            )
        )
    return ArchivedMessage(
        room=message.room,
        id=fresh() if number is None else number,
        nick=message.nick,
        identity=message.identity,
        kind=message.kind.value,
        body=message.body.plain,
        origin=message.origin,
        data=extra,
    )


def _number(id: str) -> int | None:
    """Return the id as a number if it is one of ours."""
    try:
        return int(id, 16)
    except ValueError:
        return None


def from_archive(kept: ArchivedMessage) -> Message:
    """Return an archived message as it was said; the archive's id is its time."""
    extra = _EXTRA.decode(kept.data) if kept.data else Extra()
    return Message(
        room=RoomId(kept.room),
        nick=kept.nick,
        body=Text(plain=kept.body, spans=extra.spans),
        id=MessageId(extra.id or f"{kept.id:x}"),
        origin=kept.origin,
        kind=Kind(kept.kind),
        reply=extra.reply,
        replaces=extra.replaces,
        time=kept.id / 1_000_000,
        identity=kept.identity,
    )


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

    def archive(self, message: Message) -> None:
        """Keep a message, if anybody in its room wants that."""
        if message.room in self._recording:
            self._context.store.append(self._context.domain, to_archive(message, self._context.store.next_id))

    def begin(self, occupancy: Occupancy) -> None:
        """The user came in: from now on he may read what is said."""
        if occupancy.recording or self._setting(occupancy.user, occupancy.room, "record_history") is False:
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

    def recent(self, occupancy: Occupancy, wish: HistoryRequest) -> list[bytes] | Deferred[list[bytes]]:
        """Return the templates of what a client gets to see on joining."""
        limit = self._limit(occupancy, wish)
        store, domain = self._context.store, self._context.domain
        if limit <= 0 or not store.has_history(domain, occupancy.room, occupancy.user):
            return []
        since = None if wish.since is None else int(wish.since * 1_000_000)
        now = store.next_id()
        found: Deferred[Any] = store.history(domain, occupancy.room, occupancy.user, limit, since)
        return found.addCallbacks(lambda kept: self._rendered(kept, now, wish.max_chars), self._unreadable)

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

    def _rendered(self, kept: Sequence[ArchivedMessage], now: int, max_chars: int | None) -> list[bytes]:
        """Render what was said before `now`; what came while the archive was read is seen live."""
        past = (from_archive(one) for one in kept if one.id < now)
        templates = [self._context.render.message(one, delayed=True) for one in past]
        if max_chars is None:
            return templates
        total, first = 0, len(templates)
        while first and total + len(templates[first - 1]) <= max_chars:
            first -= 1
            total += len(templates[first])
        return templates[first:]

    def _unreadable(self, failure: Failure) -> list[bytes]:
        """A join succeeds even if the archive cannot be read."""
        self.log.failure("history could not be read", failure)
        return []
