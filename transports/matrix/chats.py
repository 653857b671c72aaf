"""Which rooms are conversations between two: a user of XMPP, by his ghost, and somebody of Matrix."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from bridge.events import ContactId, Ref, UserId

from .attachments import Link
from .content import Json, mapping, text
from .ids import Ids, is_room_id, is_user_id
from .room import Room
from .session import RoomSession, Stay
from .tables import MEMBER

CHATS = 100_000
"""Conversations that are known."""
CHATS_PER_USER = 1_000
"""Conversations of one user that are known; his oldest is forgotten first."""
CHATS_OF_TWO = 20
"""Rooms of the same two that are known."""
UNACCEPTED = 100
"""Messages that may be said to somebody who did not accept the invitation yet."""
PRESENT = frozenset({"join", "invite"})
KEY = "chat "
"""Begins the key by which a conversation is remembered; the room's id ends it."""


class Record(Struct, frozen=True, array_like=True):
    """What is remembered of a conversation over restarts; `is_warned`: that it is encrypted was said."""

    person: str
    number: float
    is_warned: bool = False


class Chat(Struct, eq=False):
    """A conversation in one room; of two between the same people the one with the greater number is newer.

    `contact` is how the user calls the person. `session` is None while nothing is said: its state is loaded
    when it is needed. `unaccepted` are messages that wait for the person to accept the invitation.
    `is_deserted`: the person was seen to leave, and was not asked back yet. `first_words` are the events that
    were heard before the ghost was there.
    """

    id: str
    stay: Stay
    person: str
    contact: ContactId
    number: float
    is_warned: bool = False
    is_writing: bool = False
    is_deserted: bool = False
    session: RoomSession | None = None
    memberships: dict[str, str] = {}
    first_words: frozenset[str] = frozenset()
    unaccepted: deque[Ref] = msgspec.field(default_factory=deque)

    @property
    def user(self) -> UserId:
        """The user of XMPP."""
        return self.stay.user

    @property
    def ghost(self) -> str:
        """His id on Matrix."""
        return self.stay.ghost

    @property
    def theirs(self) -> str:
        """How the person is in the room: "join", "invite", or "" for out of it."""
        return self.memberships.get(self.person, "")

    @property
    def others(self) -> list[str]:
        """Who else is in, or invited."""
        return [user_id for user_id in self.memberships if user_id not in (self.person, self.ghost)]

    @property
    def is_usable(self) -> bool:
        """Whether something can be said here: the ghost is in, and what it hears it can read."""
        is_in = self.memberships.get(self.ghost) == "join"
        return self.session is not None and is_in and not self.session.room.is_encrypted

    def begin(self, ids: Ids, link: Link) -> RoomSession:
        """Return a session of which nothing is known, in place of any other; `link` makes links of files."""
        self.session = session = RoomSession(self.id, Room(ids.room(self.id), ids, link))
        session.seat(self.stay)
        self.memberships = {}
        return session

    def move(self, event: Json) -> None:
        """Take in a membership."""
        user_id = text(event, "state_key")
        membership = text(mapping(event.get("content")), "membership")
        if membership in PRESENT:
            self.memberships[user_id] = membership
        else:
            self.memberships.pop(user_id, None)

    def named(self, id: str) -> str:
        """Return the id that a message has on XMPP: the user's own have that of his client."""
        said = None if self.session is None else self.session.room.timeline.said(id)
        return said.origin or id if said is not None else id

    def event(self, id: str) -> str:
        """Return the event of a message that is named as on XMPP."""
        found = None if self.session is None else self.session.room.timeline.event(self.ghost, id)
        return found or id

    @property
    def record(self) -> bytes:
        """What is to be remembered of it."""
        return msgspec.json.encode(Record(self.person, self.number, self.is_warned))


class Chats:
    """All conversations that are known, by room and by who is in them."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._by_room: dict[str, Chat] = {}
        self._of: dict[UserId, dict[str, Chat]] = {}

    def __contains__(self, room: str) -> bool:
        return room in self._by_room

    def __len__(self) -> int:
        return len(self._by_room)

    def __iter__(self) -> Iterator[Chat]:
        return iter(self._by_room.values())

    def get(self, room: str) -> Chat | None:
        """Return the conversation in a room, if it is one."""
        return self._by_room.get(room)

    def of(self, user: UserId) -> list[Chat]:
        """Return a user's conversations."""
        return list(self._of.get(user, {}).values())

    def between(self, user: UserId, person: str) -> list[Chat]:
        """Return the conversations of two, the newest first."""
        found = [chat for chat in self._of.get(user, {}).values() if chat.person == person]
        return sorted(found, key=lambda chat: -chat.number)

    def make(self, room: str, user: UserId, person: str, number: float, *, is_warned: bool = False) -> Chat:
        """Make a conversation known; BridgeError JID_MALFORMED if no JID can name the person or the room."""
        stay = Stay(user, self._ids.room(room), self._ids.ghost(user), "", room, inside=True)
        chat = Chat(room, stay, person, self._ids.contact(person), number, is_warned)
        self._by_room[room] = self._of.setdefault(user, {})[room] = chat
        return chat

    def surplus(self, chat: Chat) -> Iterator[Chat]:
        """Return which conversations are to be forgotten so that this one can be kept."""
        of_two = self.between(chat.user, chat.person)
        yield from of_two[CHATS_OF_TWO:]
        mine = self.of(chat.user)
        if len(mine) > CHATS_PER_USER:
            yield min(mine, key=lambda one: one.number)
        if len(self._by_room) > CHATS:
            yield next(iter(self._by_room.values()))

    def drop(self, chat: Chat) -> None:
        """Forget a conversation."""
        if self._by_room.get(chat.id) is not chat:
            return
        del self._by_room[chat.id]
        mine = self._of[chat.user]
        del mine[chat.id]
        if not mine:
            del self._of[chat.user]

    def restore(self, user: UserId, key: str, value: bytes) -> None:
        """Take in what was remembered under a key of a user; what is no conversation is passed over."""
        room = key.removeprefix(KEY)
        if not key.startswith(KEY) or not is_room_id(room):
            return
        try:
            record = msgspec.json.decode(value, type=Record)
        except msgspec.DecodeError:
            return
        if is_user_id(record.person):
            self.make(room, user, record.person, record.number, is_warned=record.is_warned)


class Invitation(Struct, frozen=True):
    """Somebody of Matrix wants to talk with a user of XMPP alone."""

    room: str
    user: UserId
    person: str


def invitation(event: Json, ids: Ids) -> Invitation | None:
    """Read an invitation to talk with each other; None if the event is anything else."""
    room, person = text(event, "room_id"), text(event, "sender")
    content = mapping(event.get("content"))
    if event.get("type") != MEMBER or content.get("membership") != "invite" or not is_room_id(room):
        return None
    user = ids.ghost_of(text(event, "state_key"))
    if user is None or not is_user_id(person) or ids.is_ghost(person):
        return None
    return Invitation(room, user, person) if content.get("is_direct") is True else None


def first_words(latest: Iterable[Json], ghost: str) -> list[Json]:
    """Return what was said in a room between the invitation of a ghost and its coming, the oldest first.

    `latest` are the room's latest events, the newest first.
    """
    found: list[Json] = []
    is_before = False
    for event in latest:
        if event.get("type") == MEMBER and event.get("state_key") == ghost:
            if is_before:
                return found[::-1]
            is_before = True
        elif is_before and "state_key" not in event:
            found.append(event)
    return found[::-1]


def opened(event: Json, ids: Ids) -> Invitation | None:
    """Read how one of our ghosts asked somebody to talk with it; None if the event is anything else."""
    content, room = mapping(event.get("content")), text(event, "room_id")
    user, person = ids.ghost_of(text(event, "sender")), text(event, "state_key")
    is_asked = event.get("type") == MEMBER and content.get("membership") == "invite"
    if not is_asked or content.get("is_direct") is not True or user is None or not is_room_id(room):
        return None
    if not is_user_id(person) or ids.is_ghost(person):
        return None
    return Invitation(room, user, person)
