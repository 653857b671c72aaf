"""The name and the picture of a room of XMPP, shown on Matrix as they are there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import ContactId

from .client import CLIENT
from .common import Common
from .content import Json, mapping, text
from .portal import Portal
from .tables import AVATAR, MARKER, NAME
from .wardrobe import PICTURE


class PortalLooks:
    """See the module's docstring. The picture says itself which one of XMPP it is, by its SHA-1."""

    log = Logger()

    def __init__(self, common: Common) -> None:
        self._homeserver = common.homeserver
        self._uplink = common.uplink
        self._ids = common.ids
        self._bot = common.bot
        self._shown: dict[str, str] = {}

    def load(self, portal: Portal, state: Iterable[Json]) -> None:
        """Learn which picture a room shows whose state was loaded."""
        for event in map(mapping, state):
            if event.get("type") == AVATAR and event.get("state_key") == "":
                self._shown[portal.id] = text(mapping(mapping(event.get("content")).get(MARKER)), PICTURE)

    def look(self, portal: Portal) -> None:
        """Have the room on Matrix look as the one on XMPP does."""
        Deferred.fromCoroutine(self._look(portal)).addErrback(self._failed)

    async def _look(self, portal: Portal) -> None:
        info = await self._uplink.look(portal.muc)
        name = info.name or portal.muc.partition("@")[0]
        if name != portal.room.name:
            await self._put(portal, NAME, {"name": name})
        if info.avatar is not None and info.avatar != self._shown.get(portal.id, ""):
            await self._dress(portal, info.avatar)

    async def _dress(self, portal: Portal, id: str) -> None:
        content: Json = {}
        if id:
            speaker = portal.speaker
            guest = None if speaker is None else self._ids.contact(speaker)
            photo = None if guest is None else await self._uplink.face(guest, ContactId(portal.muc), id)
            if photo is None:
                return
            url = await self._homeserver.upload(self._bot, photo.data, photo.type)
            info = {"mimetype": photo.type, "size": len(photo.data)}
            content = {"url": url, "info": info, MARKER: {PICTURE: id}}
        await self._put(portal, AVATAR, content)
        self._shown[portal.id] = id

    def _put(self, portal: Portal, kind: str, content: Json) -> Deferred[Any]:
        path = f"{CLIENT}/rooms/{quote(portal.id, safe='')}/state/{kind}"
        return self._homeserver.call("PUT", path, body=content)

    def _failed(self, failure: Failure) -> None:
        if failure.check(BridgeError):
            self.log.info("a room of XMPP looks as before: {reason}", reason=str(failure.value))
        else:
            self.log.failure("what a room of XMPP looks like could not be shown", failure)
