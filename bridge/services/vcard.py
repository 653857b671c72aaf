"""Cards (XEP-0054): the gateway's own, and what the network tells of people and rooms."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId
from bridge.network import AvatarQuery, ContactInfo, ContactQuery, Network, Photo
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.element import Element
from bridge.xmpp.jid import escape
from bridge.xmpp.payloads.avatar import (
    NODE_VCARD4,
    NS_DATA,
    NS_METADATA,
    NS_PUBSUB,
    build_data,
    build_items,
    build_metadata,
    build_photo,
    build_vcard4,
    parse_items,
)
from bridge.xmpp.payloads.vcard import NS_VCARD, build_vcard


class VCard:
    """Answers card requests, also in the forms of PEP (XEP-0084, XEP-0292); see `muc.owner` for setting."""

    def __init__(self, domain: str, network: Network) -> None:
        self._domain = domain
        self._network = network

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        people = (Target.CONTACT, Target.OCCUPANT)
        return [
            iq_get(NS_VCARD, "vCard", self.here, Target.GATEWAY, Target.SERVER),
            iq_get(NS_VCARD, "vCard", self.contact, *people),
            iq_get(NS_VCARD, "vCard", self.room, Target.ROOM),
            iq_get(NS_PUBSUB, "pubsub", self.items, *people, Target.ROOM),
        ]

    def here(self, request: Request) -> Element:
        """The gateway's, or a server's."""
        gateway = self._network.identity.name
        name = gateway if request.target is Target.GATEWAY else self._network.name(request.address)
        return build_vcard([("FN", name), ("NICKNAME", name), ("DESC", gateway)])

    def contact(self, request: Request) -> Deferred[Element]:
        """Somebody's."""
        contact = contact_of(self._network, request)
        return Deferred.fromCoroutine(self._contact(request, contact))

    async def _contact(self, request: Request, contact: ContactId) -> Element:
        info: ContactInfo = await self._network.ask(user_of(request), ContactQuery(contact))
        if not self._shows_pictures(request):
            return contact_card(info)
        return contact_card(info, await self._photo(request), self._jid(contact))

    def _jid(self, contact: ContactId) -> str:
        return f"{escape(contact)}@{self._domain}"

    def room(self, request: Request) -> Deferred[Element]:
        """A room's: its name and picture (XEP-0486 §4.4)."""
        if not self._shows_pictures(request):
            raise BridgeError(Trouble.UNSUPPORTED)
        return Deferred.fromCoroutine(self._room(request))

    async def _room(self, request: Request) -> Element:
        photo = await self._photo(request)
        card = build_vcard([("FN", self._network.name(request.address))])
        return card if photo is None else card.add(build_photo(photo))

    def items(self, request: Request) -> Deferred[Element]:
        """PEP: a picture, what it is, or a card; NOT_FOUND where there is none."""
        if not self._shows_pictures(request):
            raise BridgeError(Trouble.NO_SERVICE)
        node = parse_items(request.payload)
        if node == NODE_VCARD4 and request.target is not Target.ROOM:
            return Deferred.fromCoroutine(self._vcard4(request, contact_of(self._network, request)))
        if node not in (NS_METADATA, NS_DATA):
            raise BridgeError(Trouble.NOT_FOUND)
        return Deferred.fromCoroutine(self._avatar(request, node))

    async def _avatar(self, request: Request, node: str) -> Element:
        photo = await self._photo(request)
        if photo is None:
            raise BridgeError(Trouble.NOT_FOUND)
        return build_items(
            node, photo.id, build_metadata(photo) if node == NS_METADATA else build_data(photo)
        )

    async def _vcard4(self, request: Request, contact: ContactId) -> Element:
        info: ContactInfo = await self._network.ask(user_of(request), ContactQuery(contact))
        photo = await self._photo(request)
        card = build_vcard4(info.name or info.nick, info.nick, self._jid(contact), photo)
        return build_items(NODE_VCARD4, "current", card)

    def _shows_pictures(self, request: Request) -> bool:
        return "profiles" in self._network.capabilities(user_of(request), None).carried

    async def _photo(self, request: Request) -> Photo | None:
        """Ask for the picture of whom or what the request is for; None if there is none to be had."""
        if request.target is Target.ROOM:
            query = AvatarQuery(room=request.room.room)
        else:
            query = AvatarQuery(contact=contact_of(self._network, request))
        asked: Deferred[Photo] = self._network.ask(user_of(request), query)
        try:
            return await asked
        except BridgeError:
            return None


def contact_card(info: ContactInfo, photo: Photo | None = None, jid: str = "") -> Element:
    """Write what is known of a person; what has no field of its own goes into the description."""
    facts = [
        ("Address", info.address),
        ("Account", info.account),
        ("Server", info.server),
        ("Channels", " ".join(info.rooms)),
        ("Away", info.away or ""),
        ("Idle", "" if info.idle is None else f"{int(info.idle)} s"),
    ]
    description = "\n".join(f"{name}: {text}" for name, text in facts if text)
    name = info.name or info.nick
    card = build_vcard([("FN", name), ("NICKNAME", info.nick), ("JABBERID", jid), ("DESC", description)])
    return card if photo is None else card.add(build_photo(photo))
