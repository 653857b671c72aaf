"""Pictures of users, asked of their servers: from the card (XEP-0054), else from PEP (XEP-0084)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError
from bridge.events import UserId
from bridge.network import Photo
from bridge.pictures import photo_of
from bridge.router import Router
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.avatar import build_request, parse_data, parse_photos
from bridge.xmpp.payloads.vcard import NS_VCARD
from bridge.xmpp.stanza import NS_COMPONENT

MAX_BYTES = 256 * 1024
"""Bytes of a picture that is passed on."""


class Photos:
    """See the module's docstring."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def photo(self, user: UserId, id: str) -> Deferred[Photo | None]:
        """Return the picture whose SHA-1 is `id`; see `Uplink.photo`."""
        return Deferred.fromCoroutine(self._photo(user, id))

    def face(self, me: str, occupant: str, id: str) -> Deferred[Photo | None]:
        """Return the picture of an occupant of a room in which `me` is; see `Uplink.face`."""
        return Deferred.fromCoroutine(self._on_card(occupant, me, id))

    async def _on_card(self, whose: str, me: str, id: str) -> Photo | None:
        card = Element("vCard", NS_VCARD)
        answer = await self._answer(
            Element("iq", NS_COMPONENT, {"type": "get", "to": whose, "from": me}, card)
        )
        found = None if answer is None else answer.child("vCard", NS_VCARD)
        return None if found is None else _chosen(parse_photos(found, MAX_BYTES), id)

    async def _photo(self, user: UserId, id: str) -> Photo | None:
        photo = await self._on_card(user, self._router.domain, id)
        if photo is not None:
            return photo
        answer = await self._answer(build_request(user, self._router.domain, id))
        return None if answer is None else _chosen(parse_data(answer, MAX_BYTES), id)

    async def _answer(self, iq: Element) -> Element | None:
        try:
            return await self._router.request(iq)
        except BridgeError:
            return None


def _chosen(pictures: list[bytes], id: str) -> Photo | None:
    """Return the picture that was meant, whatever else is there."""
    for data in pictures:
        photo = photo_of(data)
        if photo is not None and photo.id == id:
            return photo
    return None
