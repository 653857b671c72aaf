"""What a network sees of the bridge: `bridge.network.Uplink` for one gateway domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast, get_args

from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    CallEvent,
    ContactId,
    Incoming,
    Message,
    MessageId,
    Outgoing,
    Reaction,
    Ref,
    Retraction,
    RoomId,
    UserId,
)
from bridge.forms import Settings
from bridge.network import Media, Photo, RoomInfo, Scope
from bridge.services.calls.service import Calls
from bridge.services.guests.service import Guests
from bridge.services.muc.service import Muc
from bridge.services.photos import Photos
from bridge.settings import UserSettings
from bridge.store import Store
from bridge.web.sharing import Sharing

CALL_EVENTS = frozenset(get_args(CallEvent))


class BridgeUplink:
    """Passes events on, and keeps in the store what the network wants kept.

    `troubled` is told what is broken for the network as a whole, "" when nothing is any more.
    """

    def __init__(
        self,
        *,
        domain: str,
        muc: Muc,
        calls: Calls,
        guests: Guests,
        photos: Photos,
        settings: UserSettings,
        store: Store,
        troubled: Callable[[str], None],
        sharing: Sharing | None = None,
    ) -> None:
        self._domain = domain
        self._sharing = sharing
        self._settings = settings
        self._store = store
        self._muc = muc
        self._calls = calls
        self._guests = guests
        self._troubled = troubled
        self._photos = photos

    def deliver(self, user: UserId, events: Sequence[Incoming]) -> None:
        """See `Uplink`; what is said of calls comes by itself."""
        if events and type(events[0]) in CALL_EVENTS:
            for event in events:
                self._calls.deliver(user, cast(CallEvent, event))
        else:
            self._muc.deliver(user, events)

    def act(self, guest: ContactId, event: Outgoing) -> None:
        """See `Uplink`."""
        self._guests.act(guest, event)

    def look(self, room: RoomId) -> Deferred[RoomInfo]:
        """See `Uplink`."""
        return self._guests.look(room)

    def photo(self, user: UserId, id: str) -> Deferred[Photo | None]:
        """See `Uplink`."""
        return self._photos.photo(user, id)

    def face(self, guest: ContactId, occupant: ContactId, id: str) -> Deferred[Photo | None]:
        """See `Uplink`."""
        me = self._guests.jid(guest, occupant)
        return succeed(None) if me is None else self._photos.face(me, occupant, id)

    def message_id(self) -> MessageId:
        """See `Uplink`."""
        return MessageId(f"{self._store.next_id():x}")

    def archive(self, event: Message | Reaction | Retraction) -> None:
        """See `Uplink`."""
        self._muc.archive(event)

    def clients(self, user: UserId, room: RoomId) -> Sequence[str]:
        """See `Uplink`."""
        return self._muc.clients(user, room)

    def settings(self, user: UserId, scope: Scope, key: str) -> Settings:
        """See `Uplink`."""
        return self._settings.settings(user, scope, key)

    def save_settings(self, user: UserId, scope: Scope, key: str, settings: Settings) -> None:
        """See `Uplink`."""
        self._settings.save_settings(user, scope, key, settings)

    def link(self, name: str, filename: str) -> str:
        """See `Uplink`."""
        return "" if self._sharing is None else self._sharing.link(name, filename)

    def linked(self, url: str) -> str | None:
        """See `Uplink`."""
        return None if self._sharing is None else self._sharing.linked(url)

    def fetch(self, url: str) -> Deferred[Media]:
        """See `Uplink`."""
        return fail(BridgeError(Trouble.UNSUPPORTED)) if self._sharing is None else self._sharing.fetch(url)

    def repeatable(self, ref: Ref, data: bytes) -> Deferred[None] | None:
        """See `Uplink`."""
        return self._muc.repeatable(ref, data)

    def unanswered(self) -> Sequence[tuple[UserId, Ref, bytes]]:
        """See `Uplink`."""
        return self._muc.unanswered()

    def memory(self, user: UserId) -> Mapping[str, bytes]:
        """See `Uplink`."""
        return self._store.memory(self._domain, user)

    def remember(self, user: UserId, key: str, value: bytes | None) -> None:
        """See `Uplink`."""
        self._store.remember(self._domain, user, key, value)

    def trouble(self, words: str) -> None:
        """See `Uplink`."""
        self._troubled(words)

    def owners(self) -> Iterator[UserId]:
        """See `Uplink`."""
        return (UserId(owner) for owner in self._store.owners(self._domain) if owner)

    def keep(self, data: bytes) -> int:
        """See `Uplink`."""
        return self._store.keep(self._domain, data)

    def durable(self) -> Deferred[None]:
        """See `Uplink`."""
        return self._store.flush()

    def done(self, number: int) -> None:
        """See `Uplink`."""
        self._store.done(self._domain, number)

    def kept(self) -> Sequence[tuple[int, bytes]]:
        """See `Uplink`."""
        return self._store.kept(self._domain)
