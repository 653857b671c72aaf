"""Pictures of occupants of rooms on XMPP, brought to the homeserver, each once, for their ghosts to wear."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import ContactId
from bridge.network import Uplink

from .client import Homeserver
from .content import Json, mapping, text
from .ids import Ids
from .tables import MARKER, MEMBER

PICTURES = 20_000
"""Pictures of which it is known where they are."""
AT_ONCE = 4
"""Pictures that are asked for at a time."""
WAITING = 1_000
"""Pictures that may wait for that; who comes when there are more goes without."""
PICTURE = "picture"
"""Under which key the marker of a ghost's membership has the SHA-1 of what it wears."""


class Wardrobe:
    """See the module's docstring. Pictures are named by their SHA-1 in hexadecimal."""

    log = Logger()

    def __init__(self, homeserver: Homeserver, uplink: Uplink) -> None:
        self._homeserver = homeserver
        self._uplink = uplink
        self._places: OrderedDict[str, str] = OrderedDict()
        self._turns = DeferredSemaphore(AT_ONCE)

    def place(self, id: str) -> str | None:
        """Return the mxc URL of a picture, None if it is not there."""
        return self._places.get(id)

    def learn(self, state: Iterable[Any], ids: Ids) -> None:
        """Take in what ghosts already wear, as the state of a room tells."""
        for event in map(mapping, state):
            content = mapping(event.get("content"))
            id, place = text(mapping(content.get(MARKER)), PICTURE), text(content, "avatar_url")
            if event.get("type") == MEMBER and ids.is_ghost(text(event, "state_key")) and id and place:
                self._keep(id, place)

    def look(self, id: str, place: str) -> Json:
        """Return what a membership says of the picture that is worn; nothing if there is none."""
        known: Mapping[str, object] = {MARKER: {PICTURE: id}} if self._places.get(id) == place else {}
        return {"avatar_url": place, **known} if place else {}

    def bring(self, ghost: str, guest: ContactId, occupant: ContactId, id: str) -> Deferred[bool]:
        """Bring a picture that an occupant has, as a guest sees it; fires with False if it cannot be had."""
        if len(self._turns.waiting) >= WAITING:
            return succeed(False)
        brought = self._turns.run(lambda: Deferred.fromCoroutine(self._bring(ghost, guest, occupant, id)))
        return brought.addErrback(self._not_brought)

    async def _bring(self, ghost: str, guest: ContactId, occupant: ContactId, id: str) -> bool:
        if id not in self._places:
            photo = await self._uplink.face(guest, occupant, id)
            if photo is None:
                return False
            self._keep(id, await self._homeserver.upload(ghost, photo.data, photo.type))
        return True

    def _keep(self, id: str, place: str) -> None:
        self._places[id] = place
        if len(self._places) > PICTURES:
            self._places.popitem(last=False)

    def _not_brought(self, failure: Failure) -> bool:
        failure.trap(BridgeError)
        self.log.info("a ghost goes without its picture: {reason}", reason=str(failure.value))
        return False
