"""Ghosts that are still in rooms whose users did not come back after a restart."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import RoomId, UserId
from bridge.network import Uplink

from .client import CLIENT, Homeserver
from .content import mapping, text
from .ids import Ids, is_room_id
from .rooms import leave_path


class Remains:
    """See the module's docstring; `is_back` tells whether a user is in a room again, or on his way."""

    log = Logger()

    def __init__(
        self, homeserver: Homeserver, ids: Ids, uplink: Uplink, is_back: Callable[[UserId, RoomId], bool]
    ) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._uplink = uplink
        self._is_back = is_back

    def clear(self, user: UserId, room: RoomId, reason: str) -> None:
        """Take the ghost of a user out of a room that he was in before, if it is there."""
        if any(map(is_room_id, self._uplink.memory(user))):
            Deferred.fromCoroutine(self._clear(user, room, reason)).addErrback(self._stuck)

    async def _clear(self, user: UserId, room: RoomId, reason: str) -> None:
        id, ghost = self._ids.target(room).id, self._ids.ghost(user)
        if not is_room_id(id):
            found = await self._homeserver.call("GET", f"{CLIENT}/directory/room/{quote(id, safe='')}")
            id = text(mapping(found), "room_id")
        if id not in self._uplink.memory(user) or self._is_back(user, room):
            return
        body = {"reason": reason} if reason else {}
        await self._homeserver.call("POST", leave_path(id), body=body, user=ghost, room=id, repeatable=True)
        self._uplink.remember(user, id, None)

    def _stuck(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.warn("a ghost did not get out of its room: {trouble}", trouble=str(failure.value))
