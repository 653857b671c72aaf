"""Where the past of rooms is read: in our store, or at a network that remembers it itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import structs
from twisted.internet.defer import Deferred, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    NO_REF,
    Kind,
    Message,
    MessageId,
    Reaction,
    Reply,
    Retraction,
    RoomId,
    Span,
    Text,
    UserId,
    Value,
)
from bridge.network import HistoryPage, HistoryQuery, Network, PastEvent, Tombstone
from bridge.store import REACTION, RETRACTION, TOMBSTONE, ArchivedMessage, Page, Store
from bridge.xmpp.payloads.mam import MamQuery


class Archive(Protocol):
    """What was said in the rooms of one gateway domain, as far as each user may read it."""

    def page(self, user: UserId, room: RoomId, query: MamQuery) -> Deferred[HistoryPage]:
        """Answer a query (XEP-0313 §4); fails with NOT_FOUND for a message that is named but not known."""

    def recent(
        self, user: UserId, room: RoomId, limit: int, since: float | None
    ) -> Deferred[Sequence[Message]]:
        """Return the last messages, oldest first, none said before `since` (XEP-0045 §7.2.14).

        Who joins sees how things stand: last words, and nothing that was taken back.
        """


class NetworkArchive:
    """An archive that the network keeps."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def page(self, user: UserId, room: RoomId, query: MamQuery) -> Deferred[HistoryPage]:
        """See `Archive`. Who pages on within what he asked for is past the bound that he asked for first."""
        asked = HistoryQuery(
            room=room,
            start=query.start,
            end=query.end,
            after=_message_id(query.rsm.after or query.after_id),
            before=_message_id(query.rsm.before or query.before_id),
            ids=tuple(map(MessageId, query.ids or ())),
            nick=nick_of(query) or "",
            limit=query.limit,
            last=query.is_last,
        )
        if query.ids == ():
            return succeed(HistoryPage(entries=(), complete=True))
        return self._network.ask(user, asked)

    def recent(
        self, user: UserId, room: RoomId, limit: int, since: float | None
    ) -> Deferred[Sequence[Message]]:
        """See `Archive`."""
        query = HistoryQuery(room=room, start=since, limit=limit, last=True, settled=True)
        asked = self._network.ask(user, query)
        return asked.addCallback(lambda page: [one for one in page.entries if isinstance(one, Message)])


class StoreArchive:
    """An archive in our store: a user may read what was said while he was inside."""

    def __init__(self, domain: str, store: Store) -> None:
        self._domain = domain
        self._store = store

    def page(self, user: UserId, room: RoomId, query: MamQuery) -> Deferred[HistoryPage]:
        """See `Archive`."""
        found = self._store.page(
            self._domain,
            room,
            user,
            start=_micros(query.start),
            end=_micros(query.end),
            after_id=_number(query.after_id),
            before_id=_number(query.before_id),
            after=_number(query.rsm.after),
            before=_number(query.rsm.before),
            ids=None if query.ids is None else [_known(id) for id in query.ids],
            last_page=query.is_last,
            limit=query.limit,
            with_nick=nick_of(query),
        )
        return found.addCallback(_page)

    def recent(
        self, user: UserId, room: RoomId, limit: int, since: float | None
    ) -> Deferred[Sequence[Message]]:
        """See `Archive`."""
        if not self._store.has_history(self._domain, room, user):
            return succeed(())
        found = self._store.history(self._domain, room, user, limit, _micros(since))
        return found.addCallback(lambda kept: [_said(one) for one in kept])


def nick_of(query: MamQuery) -> str | None:
    """XEP-0313 §4.1.1: in a room, `with` is an occupant's JID; None asks for everybody."""
    if not query.with_jid:
        return None
    _, slash, nick = query.with_jid.partition("/")
    return nick if slash else None


def _message_id(id: str | None) -> MessageId | None:
    return MessageId(id) if id else None


def _page(page: Page) -> HistoryPage:
    return HistoryPage(
        entries=[from_archive(one) for one in page.messages],
        complete=page.complete,
        total=page.total,
        first_index=page.first_index,
    )


def _micros(time: float | None) -> int | None:
    return None if time is None else int(time * 1_000_000)


def _number(id: str | None) -> int | None:
    return _known(id) if id else None


def _known(id: str) -> int:
    """XEP-0313 §4.1.3: an id that is none of ours cannot be in the archive."""
    number = _as_number(id)
    if number is None or not 0 < number < 1 << 63:
        raise BridgeError(Trouble.NOT_FOUND)
    return number


# ---- what happened in and out of the store


class Extra(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an archived message holds beside its plain words; `id` if the network named it itself."""

    id: str = ""
    spans: tuple[Span, ...] = ()
    reply: Reply | None = None
    replaces: str = ""


Saying = Message | Reaction | Retraction
"""What the store keeps."""
_EXTRA = msgspec.json.Decoder(Extra)
_REACTION, _RETRACTION = msgspec.json.Decoder(Reaction), msgspec.json.Decoder(Retraction)


def to_archive(event: Saying, fresh: Callable[[], int]) -> tuple[ArchivedMessage, ...]:
    """Return what the store keeps of an event: by its id, or a fresh one if the network named it or nobody.

    A retraction leaves a tombstone in the place of the message, if that has an id of ours.
    """
    if isinstance(event, Message):
        return (_message(event, fresh),)
    number = _as_number(event.act) or fresh()
    event = structs.replace(event, act=MessageId(f"{number:x}"), time=number / 1_000_000, ref=NO_REF)
    kept = ArchivedMessage(
        room=event.room,
        id=number,
        # from whom it is: what a moderator does the room tells
        nick="" if isinstance(event, Retraction) and event.actor else event.nick,
        identity=event.identity,
        kind=REACTION if isinstance(event, Reaction) else RETRACTION,
        origin=event.origin,
        data=msgspec.json.encode(event),
    )
    target = _as_number(event.id)
    if isinstance(event, Reaction) or target is None:
        return (kept,)
    return kept, ArchivedMessage(room=event.room, id=target, nick="", kind=TOMBSTONE, data=kept.data)


def _message(message: Message, fresh: Callable[[], int]) -> ArchivedMessage:
    extra, number = b"", _as_number(message.id)
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


def _as_number(id: str) -> int | None:
    """Return the id as a number if it is one of ours."""
    try:
        return int(id, 16)
    except ValueError:
        return None


def from_archive(kept: ArchivedMessage) -> PastEvent:
    """Return what was archived as it happened; the archive's id is its time."""
    if kept.kind == REACTION:
        return _REACTION.decode(kept.data)
    if kept.kind == RETRACTION:
        return _RETRACTION.decode(kept.data)
    if kept.kind != TOMBSTONE:
        return _said(kept)
    return Tombstone(
        room=RoomId(kept.room),
        id=MessageId(f"{kept.id:x}"),
        nick=kept.nick,
        origin=kept.origin,
        identity=kept.identity,
        time=kept.id / 1_000_000,
        retraction=_RETRACTION.decode(kept.data),
    )


def _said(kept: ArchivedMessage) -> Message:
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
