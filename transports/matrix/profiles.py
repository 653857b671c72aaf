"""Profiles: what people of Matrix are called and look like, and how ghosts look."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import ContactInfo, Photo, Uplink
from transports.matrix.client import CLIENT, Homeserver
from transports.matrix.content import Json, mapping, text
from transports.matrix.ids import Ids
from transports.matrix.names import name_of
from transports.matrix.order import InOrder
from transports.matrix.pictures import Pictures

PATIENCE = 20.0
"""Seconds that a profile is asked for; the homeserver may have to ask another."""
AVATAR = "avatar"
"""Under which key the picture of a user's ghost is remembered: its SHA-1, "" once it was taken away."""
CHANGES = 3
"""Changes of one ghost's picture that may wait."""
WAITING = 20_000
"""Changes of all ghosts' pictures that may wait."""


class Profiles:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, homeserver: Homeserver, ids: Ids, pictures: Pictures, uplink: Uplink) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._pictures = pictures
        self._uplink = uplink
        self._changes = InOrder(CHANGES, WAITING)

    # ---- of people

    async def info(self, contact: ContactId) -> ContactInfo:
        """Return somebody's particulars; NO_SUCH_NICK."""
        user_id = self._ids.user_id(contact)
        name = name_of(text(await self._profile(user_id), "displayname"), user_id)
        return ContactInfo(nick=name, name=name, account=user_id)

    async def photo(self, contact: ContactId) -> Photo:
        """Return somebody's picture; NOT_FOUND if he has none, NO_SUCH_NICK if he is nobody."""
        return await self._pictures.photo(text(await self._profile(self._ids.user_id(contact)), "avatar_url"))

    async def _profile(self, user_id: str) -> Json:
        path = f"{CLIENT}/profile/{quote(user_id, safe='')}"
        try:
            return mapping(await self._homeserver.call("GET", path, patience=PATIENCE))
        except BridgeError as error:
            if error.trouble is Trouble.NO_SUCH_ROOM:
                raise BridgeError(Trouble.NO_SUCH_NICK) from None
            raise

    # ---- of ghosts

    def wear(self, user: UserId, id: str) -> None:
        """See to it that a user's ghost has the picture whose SHA-1 is `id`, none if that is ""."""
        changing: Deferred[Any] = self._changes.run(
            user, lambda: Deferred.fromCoroutine(self._wear(user, id))
        )
        changing.addErrback(
            lambda failure: self.log.warn(
                "a ghost keeps its other picture: {trouble}", trouble=str(failure.value)
            )
        )

    async def _wear(self, user: UserId, id: str) -> None:
        worn = self._uplink.memory(user).get(AVATAR, b"").decode()
        if worn == id:
            return
        ghost, mxc = self._ids.ghost(user), ""
        if id:
            photo = await self._uplink.photo(user, id)
            if photo is None:
                return
            mxc = await self._homeserver.upload(ghost, photo.data, photo.type)
        await self._homeserver.set_profile(ghost, avatar=mxc)
        self._uplink.remember(user, AVATAR, id.encode())
