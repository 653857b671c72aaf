"""Who of our users is in which room, and by which of its addresses."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId, UserId
from transports.matrix.session import RoomSession, Stay


class Stays:
    """See the module's docstring. Rooms are known while any of our users is in, or about to come in."""

    def __init__(self) -> None:
        self.sessions: dict[str, RoomSession] = {}
        self.by_address: dict[RoomId, RoomSession] = {}
        self.by_user: dict[UserId, dict[RoomId, Stay]] = {}

    def get(self, user: UserId, room: RoomId) -> Stay | None:
        """Return where a user is or is about to be, None if he does not want to be in that room."""
        return self.by_user.get(user, {}).get(room)

    def find(self, user: UserId, room: RoomId) -> tuple[Stay, RoomSession]:
        """Return where a user is; BridgeError NOT_IN_ROOM."""
        stay = self.get(user, room)
        session = None if stay is None else self.session_of(stay)
        if stay is None or session is None or not stay.inside:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        return stay, session

    def all(self) -> Iterator[Stay]:
        """Everybody who is in a room or on the way in, once for each room."""
        for mine in list(self.by_user.values()):
            yield from list(mine.values())

    def session_of(self, stay: Stay) -> RoomSession | None:
        """Return the room that somebody is in, None while that is not known."""
        return self.sessions.get(stay.id)

    def add(self, stay: Stay) -> None:
        """Note that a user wants to be in a room."""
        self.by_user.setdefault(stay.user, {})[stay.room] = stay

    def forget(self, stay: Stay) -> None:
        """He does not want it any more."""
        mine = self.by_user.get(stay.user, {})
        if mine.get(stay.room) is stay:
            del mine[stay.room]
            if not mine:
                del self.by_user[stay.user]

    def seat(self, stay: Stay, session: RoomSession) -> None:
        """Take him into a room that is known."""
        session.seat(stay)
        self.by_address[stay.room] = session

    def unseat(self, stay: Stay, session: RoomSession) -> bool:
        """Take him out; True if nobody is in there any more, and the room is forgotten."""
        session.unseat(stay)
        if not session.addresses[stay.room] and self.by_address.get(stay.room) is session:
            del self.by_address[stay.room]
            del session.addresses[stay.room]
        if session.stays or self.sessions.get(session.id) is not session:
            return False
        del self.sessions[session.id]
        return True
