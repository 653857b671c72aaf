"""Whose pictures are shown in rooms: everybody's in small ones, in large ones those of who says something."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.events import Incoming, UserId

from .content import Json
from .pictures import Pictures
from .session import RoomSession
from .tables import MEMBER

SMALL_ROOM = 100
"""Members of a room up to which everybody's picture is looked at."""


class Faces:
    """See the module's docstring; `deliver` tells a user what he is to see."""

    def __init__(self, pictures: Pictures, deliver: Callable[[UserId, Sequence[Incoming]], None]) -> None:
        self._pictures = pictures
        self._deliver = deliver

    def loaded(self, session: RoomSession) -> None:
        """A room's state is known."""
        if len(session.room.members) <= SMALL_ROOM:
            for user_id in list(session.room.members):
                self._look(session, user_id)

    def heard(self, session: RoomSession, event: Json) -> None:
        """Something happened in a room, and was told."""
        user_id = event.get("sender")
        if event.get("type") == MEMBER:
            user_id = event.get("state_key") if len(session.room.members) <= SMALL_ROOM else None
        if isinstance(user_id, str):
            self._look(session, user_id)

    def _look(self, session: RoomSession, user_id: str) -> None:
        mxc = session.room.unseen(user_id)
        if mxc:
            self._pictures.look(mxc, lambda: self._show(session, user_id))

    def _show(self, session: RoomSession, user_id: str) -> None:
        for user, events in session.pictured(user_id):
            if events:
                self._deliver(user, events)
