"""Who of our users is in which room, with which of his clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from bridge.events import Exit, Occupant, RoomId, UserId
from bridge.services.muc.render import GAP
from bridge.xmpp.element import quote
from bridge.xmpp.jid import spelt_domain

RESOURCES_PER_ROOM = 50
"""How many clients of one user may be in one room."""
ROOMS_PER_USER = 500
"""How many rooms one user may be in or joining."""
PENDING_WHILE_JOINING = 2_000
"""How many templates wait for a client whose history is still being read."""


class State(Enum):
    """Where the user is with this room."""

    ENTERING = "entering"
    INSIDE = "inside"
    LEAVING = "leaving"


class HistoryRequest:
    """How much history a client wants (XEP-0045 §7.2.14); None means that it set no bound."""

    __slots__ = ("max_chars", "max_stanzas", "since")

    def __init__(
        self, max_stanzas: int | None = None, since: float | None = None, max_chars: int | None = None
    ) -> None:
        self.max_stanzas = max_stanzas
        self.since = since
        self.max_chars = max_chars


class Resource:
    """One client of the user in the room: `to` is its full JID quoted for an attribute.

    `pending` is a list while the join sequence is not finished, what follows it waiting there.
    """

    __slots__ = ("full_jid", "history", "nick", "pending", "to")

    def __init__(self, full_jid: str, nick: str, history: HistoryRequest) -> None:
        self.full_jid = full_jid
        self.to = quote(full_jid).encode()
        self.nick = nick
        self.history = history
        self.pending: list[bytes] | None = []


class Occupancy:
    """One user in one room.

    `domain` is that of the user's address, where all that he is told goes. `known` holds the nicks that
    the clients see while the link is down; `recording` is True while what is said is archived for the
    user; `previous` are clients of an earlier occupancy whose exit is still to come.
    """

    __slots__ = (
        "domain",
        "known",
        "me",
        "nick",
        "password",
        "previous",
        "recording",
        "resources",
        "room",
        "server",
        "state",
        "targets",
        "user",
    )

    def __init__(self, user: UserId, room: RoomId, server: str, nick: str, password: str) -> None:
        self.user = user
        self.domain = spelt_domain(user)
        self.room = room
        self.server = server
        self.nick = nick
        self.password = password
        self.state = State.ENTERING
        self.me: Occupant | None = None
        self.known: frozenset[str] | None = None
        self.previous: tuple[bytes, ...] = ()
        self.recording = False
        self.resources: dict[str, Resource] = {}
        self.targets: tuple[bytes, ...] = ()

    def refresh(self) -> None:
        """Recompute `targets`, the clients that live traffic goes to at once."""
        self.targets = tuple(one.to for one in self.resources.values() if one.pending is None)

    def write(self, out: Callable[[bytes, str], None], template: bytes) -> None:
        """Give every client of the user this template."""
        domain = self.domain
        for to in self.targets:
            out(template.replace(GAP, to), domain)
        if len(self.targets) != len(self.resources):
            for one in self.resources.values():
                if one.pending is not None and len(one.pending) < PENDING_WHILE_JOINING:
                    one.pending.append(template)


class Rooms:
    """All occupancies of one gateway domain, found by user and by room."""

    def __init__(self) -> None:
        self._by_user: dict[UserId, dict[RoomId, Occupancy]] = {}

    def get(self, user: UserId, room: RoomId) -> Occupancy | None:
        """Return the occupancy, None if there is none."""
        rooms = self._by_user.get(user)
        return None if rooms is None else rooms.get(room)

    def of(self, user: UserId) -> dict[RoomId, Occupancy]:
        """Return the user's occupancies by room; not to be changed."""
        return self._by_user.get(user, {})

    def users(self) -> list[UserId]:
        """Return everybody who is in a room."""
        return list(self._by_user)

    def all(self) -> Iterator[Occupancy]:
        """Iterate over a copy of all occupancies."""
        return iter([one for rooms in self._by_user.values() for one in rooms.values()])

    def add(self, occupancy: Occupancy) -> None:
        """Enter an occupancy."""
        self._by_user.setdefault(occupancy.user, {})[occupancy.room] = occupancy

    def remove(self, occupancy: Occupancy) -> None:
        """Strike an occupancy."""
        rooms = self._by_user.get(occupancy.user)
        if rooms is not None and rooms.get(occupancy.room) is occupancy:
            del rooms[occupancy.room]
            if not rooms:
                del self._by_user[occupancy.user]

    def resources(self, user: UserId, server: str) -> list[bytes]:
        """Return the quoted full JIDs of the user's clients in rooms of `server`, oldest first."""
        found: dict[bytes, None] = {}
        for occupancy in self.of(user).values():
            if occupancy.server == server:
                for one in occupancy.resources.values():
                    found[one.to] = None
        return list(found)


EXIT_CODES: dict[Exit, tuple[int, ...]] = {
    Exit.LEFT: (),
    Exit.KICKED: (307,),
    Exit.STRUCK: (307, 321),
    Exit.BANNED: (301,),
    Exit.DISCONNECTED: (332,),
    Exit.SHUTDOWN: (332,),
    Exit.REPLACED: (),
}
"""XEP-0045 §15.6.2: status codes that tell a user why he is out (110 comes with each)."""
