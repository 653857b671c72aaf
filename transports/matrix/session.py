"""One room of Matrix while users of ours are in it: who they are, and what each is told of an event.

All who came by the same address are told by the same tuple; `RoomSession.addresses` counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from bridge.events import (
    Decline,
    Entered,
    Incoming,
    Kick,
    Knock,
    Leave,
    Message,
    MessageId,
    Receipt,
    RoomEvent,
    RoomId,
    RoomNotice,
    Topic,
    Typing,
    UserId,
)

from . import translate
from .content import Json, mapping, text, time_of
from .room import SLICE, Bid, Room
from .tables import MEMBER
from .translate import Skipped

READERS = 30
"""Members of the largest room in which it is told how far each has read."""
WATCHED = 500
"""Members of the largest room in which it is told how each is."""
Delivery = tuple[UserId, Sequence[Incoming]]
"""A user, and what he is told."""


class Stay(Struct, eq=False):
    """A user of ours in a room: the address by which he came, and his ghost; `id` is "" until he joined.

    `inside` is True from `Entered` on; `gone` once he left, also while he was still coming in. `seen` are
    the nicks that he sees while he is taken from a room to its replacement.
    """

    user: UserId
    room: RoomId
    ghost: str
    nick: str
    id: str = ""
    inside: bool = False
    gone: bool = False
    seen: frozenset[str] | None = None


class RoomSession:
    """See the module's docstring; `id` is the room's on Matrix, `ready` whether its state was loaded.

    What was said later than `heard`, in seconds since the epoch, and is not in the room's timeline yet is
    still to come.
    """

    def __init__(self, id: str, room: Room) -> None:
        self.id = id
        self.room = room
        self.ready = False
        self.stays: dict[str, Stay] = {}
        self.addresses: Counter[RoomId] = Counter()
        self.heard = 0.0
        self._typing: frozenset[str] = frozenset()
        self._loaded: dict[tuple[str, str], tuple[object, float]] = {}

    def load(self, state: Iterable[object]) -> Iterator[int]:
        """Take in the state of the room; see `Room.load`."""
        self._loaded.clear()
        for number, event in enumerate(map(mapping, state), 1):
            time = time_of(event) or 0.0
            self._loaded[_key(event)] = (event.get("event_id"), time)
            self.heard = max(self.heard, time)
            if number % SLICE == 0:
                yield number
        yield from self.room.load(state)

    def settle(self) -> None:
        """What comes from now on is newer than the state that was loaded."""
        self._loaded.clear()

    def seat(self, stay: Stay) -> None:
        """Take somebody in."""
        self.stays[stay.ghost] = stay
        self.addresses[stay.room] += 1

    def unseat(self, stay: Stay) -> None:
        """Take him out again, if he is in."""
        if self.stays.get(stay.ghost) is stay:
            del self.stays[stay.ghost]
            self.addresses[stay.room] -= 1

    @property
    def listeners(self) -> list[Stay]:
        """Our users who are inside."""
        return [stay for stay in self.stays.values() if stay.inside]

    def entered(self, stay: Stay) -> Entered | None:
        """Return the room as the user sees it; None if his ghost is not there."""
        found = self.room.entered(stay.ghost)
        return None if found is None else _renamed(found, stay.room)

    def hear(self, event: Json) -> list[Delivery] | Skipped:
        """Take in an event of the room and return who is told what of it."""
        self.heard = max(self.heard, time_of(event) or 0.0)
        bid = self.room.invited.get(text(event, "state_key"))
        read = () if self.is_old(event) else translate.live(event, self.room)
        if isinstance(read, Skipped):
            return read
        if not read:
            return []
        own = self.stays.get(str(event.get("state_key"))) if event.get("type") == MEMBER else None
        told = [stay for stay in self.listeners if stay is not own]
        is_said = any(isinstance(one, Message) for one in read)
        if is_said and translate.origin_of(event, self.room) is not None:
            # who wrote it is told by the answer to it
            told = [stay for stay in told if stay.ghost != event.get("sender")]
        if bid is not None and any(isinstance(one, Decline) for one in read):
            return list(self._turned_down(bid, read))
        if any(isinstance(one, Knock) for one in read):
            levels = self.room.levels
            told = [stay for stay in told if levels.level(stay.ghost) >= levels.to_decide]
        deliveries = list(_shared(told, read))
        if own is not None and own.inside:
            deliveries += self._own(event, own, read)
        return deliveries

    def _turned_down(self, bid: Bid, read: Sequence[RoomEvent]) -> Iterator[Delivery]:
        """Tell who invited, be he in the room still or not, by the address that he knows."""
        stay, user = self.stays.get(bid.sender), self.room.ids.ghost_of(bid.sender)
        room = stay.room if stay is not None else next(iter(self.addresses), None)
        if user is not None and room is not None:
            yield user, tuple(_renamed(one, room) for one in read)

    def announce(self, words: str) -> Iterator[Delivery]:
        """Return a line of the room itself, for everybody who is inside."""
        return _shared(self.listeners, (RoomNotice(room=self.room.room, text=words),))

    def pictured(self, user_id: str) -> list[Delivery]:
        """Tell everybody of somebody's picture, if it is another than they know of."""
        return list(_shared(self.listeners, self.room.pictured(user_id)))

    def type(self, event: Json) -> list[Delivery]:
        """Take in who is writing; nobody is told of himself."""
        self._typing, changes = translate.typing(event, self.room, self._typing)
        deliveries: list[Delivery] = []
        for stay in self.listeners if changes else ():
            own = self.room.nick(stay.ghost)
            events = tuple(_renamed(one, stay.room) for one in changes if one.nick != own)
            deliveries.append((stay.user, events))
        return deliveries

    def read(self, event: Json) -> list[Delivery]:
        """Take in who read how far; told in small rooms only, and of others than the users themselves."""
        if len(self.room.members) > READERS:
            return []
        ids = translate.readers(event)
        read = [
            Receipt(room=self.room.room, nick=self.room.nick(user_id), id=MessageId(id))
            for user_id in ids
            if user_id in self.room.members and not self.room.ids.is_ghost(user_id)
            for id in ids[user_id]
            if self.room.timeline.said(id) is not None
        ]
        return list(_shared(self.listeners, read)) if read else []

    def show(self, user_id: str, away: str | None) -> list[Delivery]:
        """Take in how a member is; told in rooms that are not large."""
        if len(self.room.members) > WATCHED or not self.ready:
            return []
        changes = self.room.show(user_id, away)
        return list(_shared(self.listeners, changes)) if changes else []

    def _own(self, event: Json, stay: Stay, read: Sequence[RoomEvent]) -> list[Delivery]:
        """Return what somebody is told of his own membership."""
        for one in read:
            if isinstance(one, Leave | Kick):
                stay.inside, stay.gone = False, True
                return [(stay.user, (_renamed(translate.exited(event, self.room, one), stay.room),))]
        return list(_shared([stay], read))

    def is_old(self, event: Json) -> bool:
        """Tell whether the state that was loaded held this event, or one that came after it."""
        key = _key(event)
        loaded = self._loaded.get(key) if "state_key" in event else None
        if loaded is None:
            return False
        event_id, time = loaded
        is_old = event_id == event.get("event_id") or (time_of(event) or 0.0) < time
        if not is_old:
            del self._loaded[key]
        return is_old


def _key(event: Json) -> tuple[str, str]:
    return text(event, "type"), text(event, "state_key")


def _shared(stays: Sequence[Stay], events: Sequence[RoomEvent | Receipt]) -> Iterator[Delivery]:
    """Tell several users the same, by one tuple for each address of the room."""
    tuples: dict[RoomId, tuple[RoomEvent | Receipt, ...]] = {}
    for stay in stays:
        told = tuples.get(stay.room)
        if told is None:
            told = tuples[stay.room] = tuple(_renamed(event, stay.room) for event in events)
        yield stay.user, told


E = TypeVar("E", bound="RoomEvent | Typing | Receipt")


def _renamed(event: E, room: RoomId) -> E:
    """Return the event as of the room by the address `room`."""
    if event.room == room:
        return event
    if isinstance(event, Entered) and isinstance(event.topic, Topic):
        event = structs.replace(event, topic=structs.replace(event.topic, room=room))
    return structs.replace(event, room=room)
