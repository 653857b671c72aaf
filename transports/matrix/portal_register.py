"""Which room of Matrix is which room of XMPP: made when somebody asks for it, and kept over restarts."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import msgspec
from msgspec import Struct
from nio.api import Api
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from transports.matrix.client import CLIENT
from transports.matrix.common import Common
from transports.matrix.content import mapping, text
from transports.matrix.ids import is_room_id
from transports.matrix.inbox import NOBODY
from transports.matrix.order import InOrder
from transports.matrix.portal_ids import alias_of, room_of
from transports.matrix.portal_room import PROTOCOL, creation

MAX_PORTALS = 10_000
"""Rooms of XMPP that are known on the homeserver."""
MAKING = 2_000
"""Questions for one room that may wait while it is made."""
KEY = "portal "
"""Begins the key under which a portal is remembered; its room on XMPP follows."""


class Kept(Struct, frozen=True):
    """What is remembered of a portal: the room on Matrix, and whether anybody of Matrix was in it.

    `seen` is when something was last heard of it, in seconds since the epoch; `links` are pairs of ids.
    """

    id: str
    active: bool = False
    seen: float | None = None
    links: tuple[tuple[str, str], ...] = ()


class PortalRegister:
    """See the module's docstring; `kept` is by the room on XMPP, `rooms` names that by the id on Matrix."""

    log = Logger()

    def __init__(self, common: Common) -> None:
        self.kept: dict[RoomId, Kept] = {}
        self.rooms: dict[str, RoomId] = {}
        self._homeserver = common.homeserver
        self._ids = common.ids
        self._uplink = common.uplink
        self._bot = common.bot
        self._making = InOrder(MAKING, MAX_PORTALS)
        for key, value in common.uplink.memory(NOBODY).items():
            if key.startswith(KEY):
                with contextlib.suppress(msgspec.DecodeError):
                    self._know(RoomId(key.removeprefix(KEY)), msgspec.json.decode(value, type=Kept))

    def _know(self, room: RoomId, kept: Kept) -> None:
        self.kept[room] = kept
        self.rooms[kept.id] = room

    def keep(self, room: RoomId, kept: Kept) -> None:
        """Remember how it is with a room now."""
        if kept != self.kept.get(room):
            self._know(room, kept)
            self._uplink.remember(NOBODY, KEY + room, msgspec.json.encode(kept))

    @property
    def is_making(self) -> bool:
        """Whether any room is just being made."""
        return len(self._making) > 0

    def muc(self, target: str) -> RoomId | None:
        """Return the room on XMPP that an id or alias of Matrix leads to, None if it is of Matrix itself."""
        return self.rooms.get(target) or room_of(target, self._ids)

    def has_alias(self, alias: str) -> Deferred[bool]:
        """See to it that the room of an alias is there; fires with False if there is none on XMPP."""
        room = room_of(alias, self._ids)
        making: Deferred[bool] = self._making.run(
            room or "", lambda: Deferred.fromCoroutine(self._has_alias(alias, room))
        )
        return making

    async def _has_alias(self, alias: str, room: RoomId | None) -> bool:
        if room is None:
            return False
        try:
            room_id = await self.find(room)
            if alias != alias_of(room, self._ids):
                await self._name(alias, room_id)
        except BridgeError as error:
            self.log.info("there is no room for an alias: {reason}", reason=error.text)
            return False
        return True

    async def find(self, room: RoomId) -> str:
        """Return the room of Matrix for a room of XMPP, made if it was not there; fails with BridgeError."""
        kept, alias = self.kept.get(room), alias_of(room, self._ids)
        if kept is not None:
            await self._name(alias, kept.id)
            return kept.id
        if len(self.kept) >= MAX_PORTALS:
            raise BridgeError(Trouble.TOO_MANY)
        info = await self._uplink.look(room)
        body = creation(room, info, alias, self._bot)
        try:
            made = await self._homeserver.call("POST", f"{CLIENT}/createRoom", body=body)
        except BridgeError:
            # made by us before, and forgotten
            made = await self._homeserver.api(Api.room_resolve_alias(alias))
        room_id = text(mapping(made), "room_id")
        if not is_room_id(room_id):
            raise BridgeError(Trouble.REFUSED)
        self.keep(room, Kept(room_id))
        await self._uplink.durable()
        if info.public is not False:
            path = f"{CLIENT}/directory/list/appservice/{PROTOCOL}/{quote(room_id, safe='')}"
            listing = self._homeserver.call("PUT", path, body={"visibility": "public"})
            listing.addErrback(self._unlisted)
        return room_id

    async def _name(self, alias: str, room_id: str) -> None:
        """Let a room have an alias; it may have it already."""
        path = f"{CLIENT}/directory/room/{quote(alias, safe='')}"
        with contextlib.suppress(BridgeError):
            await self._homeserver.call("PUT", path, body={"room_id": room_id})

    def _unlisted(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.warn("a room of XMPP is not listed: {trouble}", trouble=str(failure.value))
