"""Service Discovery (XEP-0030) of the gateway, its servers, rooms, occupants and contacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from bridge.capabilities import Level
from bridge.errors import BridgeError, Trouble
from bridge.events import Entered, ServerId, UserId
from bridge.network import (
    Address,
    AvatarQuery,
    ContactAddress,
    GatewayAddress,
    Network,
    RoomAddress,
    RoomInfo,
    RoomQuery,
    ServerAddress,
)
from bridge.router import Request, Route, Target, iq_get
from bridge.services.commands import Commands
from bridge.services.contacts import contact_of, user_of
from bridge.services.room_list import RoomLists
from bridge.web.sharing import Sharing
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.caps import build_caps
from bridge.xmpp.payloads.commands import NS_COMMANDS
from bridge.xmpp.payloads.disco import (
    NS_INFO,
    NS_ITEMS,
    Identity,
    Info,
    Item,
    build_contact_form,
    build_info,
    build_items,
)
from bridge.xmpp.payloads.forms import NS_FORMS, build_result
from bridge.xmpp.payloads.moderation import NS_MODERATION
from bridge.xmpp.payloads.muc import FORM_REGISTER, FORM_ROOM_INFO, NODE_NICK, NODE_TRAFFIC
from bridge.xmpp.payloads.upload import NS_UPLOAD
from bridge.xmpp.payloads.voice import FORM_REQUEST
from bridge.xmpp.specs import features

NODE = "urn:xmppbridge"
"""Names the software in entity capabilities (XEP-0115 §4, the `node` attribute)."""
PATIENCE = 3.0
"""Seconds to wait for what the network says of a room the user is not in; it is told without, then."""
CONTACT_KINDS = ("abuse", "admin", "feedback", "sales", "security", "status", "support")
"""XEP-0157 §2.1."""


class Disco:
    """Says what is where.

    `contacts` are URIs by kind (`CONTACT_KINDS`), as the operator gives them. Without `sharing`, files do
    not go through the gateway.
    """

    def __init__(
        self,
        domain: str,
        network: Network,
        commands: Commands,
        contacts: Mapping[str, Sequence[str]],
        clock: IReactorTime,
        sharing: Sharing | None = None,
    ) -> None:
        self._domain = domain
        self._sharing = sharing
        self._network = network
        self._commands = commands
        self._rooms = RoomLists(domain, network)
        self._clock = clock
        self._contact_forms = self._contact_form(contacts)

    def set_contacts(self, contacts: Mapping[str, Sequence[str]]) -> None:
        """Tell other contacts from now on."""
        self._contact_forms = self._contact_form(contacts)

    def _contact_form(self, contacts: Mapping[str, Sequence[str]]) -> tuple[Element, ...]:
        rows = [(f"{kind}-addresses", contacts[kind]) for kind in CONTACT_KINDS if contacts.get(kind)]
        return (build_contact_form(rows),) if rows else ()

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [iq_get(NS_INFO, "query", self.info), iq_get(NS_ITEMS, "query", self.items)]

    # ---- disco#info

    def info(self, request: Request) -> Element | Deferred[Element]:
        """§3.1, §3.2."""
        node = request.payload.get("node")
        if node and not self._is_own_caps(node, request.target):
            return build_info(self._of_node(request, node), node)
        if node and request.target is Target.CONTACT:
            return build_info(self._person(""), node)
        found = self._of(request)
        if isinstance(found, Deferred):
            return found.addCallback(lambda info: build_info(info, node))
        return build_info(found, node)

    def _of(self, request: Request) -> Info | Deferred[Info]:
        address = request.address
        if request.target is Target.OCCUPANT:
            contact_of(self._network, request)
            return self._person(request.to.resource)
        if isinstance(address, RoomAddress):
            return self._room(request, address)
        if isinstance(address, ContactAddress):
            return self._person(self._network.nick(address.contact))
        return self.host(address)

    def host(self, address: Address) -> Info:
        """Return what the gateway, or one of its servers, is."""
        identity = self._network.identity
        if isinstance(address, ServerAddress):
            name = self._network.name(address)
            return Info(
                identities=(Identity("conference", identity.type, name),), features=self._features("server")
            )
        identities = [Identity("gateway", identity.type, identity.name)]
        if "rooms" in self._network.capabilities(UserId(""), None).carried:
            identities.insert(0, Identity("conference", identity.type, identity.name))
        forms = self._contact_forms
        if self._sharing is not None:
            # XEP-0363 §4
            identities.append(Identity("store", "file", identity.name))
            forms += (build_result(NS_UPLOAD, [("max-file-size", str(self._sharing.max_size))]),)
        return Info(identities=tuple(identities), features=self._features("gateway"), forms=forms)

    def _features(self, place: str) -> tuple[str, ...]:
        carried = self._network.capabilities(UserId(""), None).carried
        return features(place, carried if self._sharing is not None else carried - {"attachments"})

    def caps(self, address: Address) -> Element:
        """Return the ``<c/>`` of a presence from the gateway or a server (XEP-0115 §4)."""
        return build_caps(NODE, self.host(address))

    def _is_own_caps(self, node: str, target: Target) -> bool:
        """XEP-0115 §6.2: asked for the verification string that a presence of ours gave."""
        hosts = (Target.GATEWAY, Target.SERVER, Target.CONTACT)
        return target in hosts and node.startswith(f"{NODE}#")

    def person_caps(self) -> Element:
        """Return the ``<c/>`` of a presence from a contact: one for all, so it holds no name."""
        return build_caps(NODE, self._person(""))

    def _person(self, nick: str) -> Info:
        return Info(identities=(Identity("account", "registered", nick),), features=self._features("contact"))

    def _room(self, request: Request, address: RoomAddress) -> Info | Deferred[Info]:
        """XEP-0045 §6.4: as the user sees it from inside, else what the network tells of it."""
        seen = self._network.snapshot(user_of(request), address.room)
        inside = () if seen is None else tuple(self._features_inside(request, seen))
        if seen is not None and not self._has_configuration() and not self._shows_pictures():
            return self._room_info(address, _facts_inside(seen), *inside)
        return Deferred.fromCoroutine(self._described(request, address, seen, inside))

    async def _described(
        self, request: Request, address: RoomAddress, seen: Entered | None, inside: Sequence[str]
    ) -> Info:
        """A room that cannot be looked up may still be joined; one that there is not is NOT_FOUND."""
        asked: Deferred[Any] = self._network.ask(user_of(request), RoomQuery(address.room))
        asked.addTimeout(PATIENCE, self._clock)
        try:
            told: RoomInfo = await asked
        except (BridgeError, TimeoutError) as error:
            if seen is None and isinstance(error, BridgeError) and error.trouble is Trouble.NO_SUCH_ROOM:
                raise BridgeError(Trouble.NOT_FOUND) from None
            return self._room_info(address, () if seen is None else _facts_inside(seen), *inside)
        picture = await self._picture(request, address) if self._shows_pictures() else ()
        return self._room_info(address, [*_facts(told, seen), *picture], *inside, *self._rules_of(told))

    def _shows_pictures(self) -> bool:
        return "profiles" in self._network.capabilities(UserId(""), None).carried

    async def _picture(self, request: Request, address: RoomAddress) -> list[tuple[str, str]]:
        """XEP-0486 §4.3: the hash of the room's picture, if there is one."""
        asked: Deferred[Any] = self._network.ask(user_of(request), AvatarQuery(room=address.room))
        asked.addTimeout(PATIENCE, self._clock)
        try:
            return [("avatarhash", (await asked).id)]
        except (BridgeError, TimeoutError):
            return []

    def _has_configuration(self) -> bool:
        return "configuration" in self._network.capabilities(UserId(""), None).carried

    def _rules_of(self, info: RoomInfo) -> Iterator[str]:
        """XEP-0045 §15.3.1: who comes in, and whether the room is shown and stays."""
        if info.closed is not None:
            yield "muc_membersonly" if info.closed else "muc_open"
        if info.knocking:
            yield FORM_REGISTER
        if info.public is not None:
            yield "muc_public" if info.public else "muc_hidden"
        if self._has_configuration():
            yield "muc_persistent"

    def _features_inside(self, request: Request, seen: Entered) -> Iterator[str]:
        yield "muc_moderated" if seen.moderated else "muc_unmoderated"
        levels = self._network.capabilities(user_of(request), seen.room)
        if levels.moderation in (Level.NATIVE, Level.PARTIAL):
            yield NS_MODERATION
        if "memberships" in levels.carried:
            yield FORM_REQUEST

    def _room_info(self, address: RoomAddress, facts: Iterable[tuple[str, str]], *more: str) -> Info:
        name = self._network.name(address)
        shown = [(f"muc#roominfo_{key}", value) for key, value in facts if value]
        return Info(
            identities=(Identity("conference", self._network.identity.type, name),),
            features=(*self._features("room"), "muc_nonanonymous", *more),
            forms=(build_result(FORM_ROOM_INFO, shown),) if shown else (),
        )

    def _of_node(self, request: Request, node: str) -> Info:
        if request.target in (Target.OCCUPANT, Target.CONTACT):
            raise BridgeError(Trouble.NOT_FOUND)
        if request.target is Target.ROOM and node in (NODE_TRAFFIC, NODE_NICK):
            return Info()
        if node == NS_COMMANDS:
            identity = Identity("automation", "command-list", "Ad-Hoc Commands")
            return Info(identities=(identity,), features=(NS_COMMANDS,))
        for command in self._commands.listed(request):
            if command.node == node:
                identity = Identity("automation", "command-node", command.name)
                return Info(identities=(identity,), features=(NS_COMMANDS, NS_FORMS))
        raise BridgeError(Trouble.NOT_FOUND)

    # ---- disco#items

    def items(self, request: Request) -> Element | Deferred[Element]:
        """§4.1: channels of a server, occupants of a room, commands of either."""
        node = request.payload.get("node")
        if request.target is Target.OCCUPANT:
            raise BridgeError(Trouble.UNSUPPORTED)
        if node == NS_COMMANDS and request.target is not Target.CONTACT:
            jid = str(request.to)
            listed = self._commands.listed(request)
            return build_items((Item(jid=jid, node=one.node, name=one.name) for one in listed), node)
        if node:
            self._of_node(request, node)
            return build_items((), node)
        address = request.address
        if isinstance(address, RoomAddress):
            return self._occupants(request, address)
        if isinstance(address, ServerAddress):
            return self._rooms.answer(request, address)
        if isinstance(address, GatewayAddress) and self._network.single_server:
            return self._rooms.answer(request, ServerAddress(ServerId("")))
        return build_items(())

    def _occupants(self, request: Request, address: RoomAddress) -> Element:
        """XEP-0045 §6.5: for those inside only."""
        seen = self._network.snapshot(user_of(request), address.room)
        nicks = () if seen is None else sorted({seen.me.nick, *seen.occupants})
        room = request.to.bare
        return build_items(Item(jid=f"{room}/{nick}") for nick in nicks)


def _facts_inside(seen: Entered) -> list[tuple[str, str]]:
    occupants = len(seen.occupants) + (seen.me.nick not in seen.occupants)
    return [("occupants", str(occupants)), ("subject", seen.topic.text if seen.topic else "")]


def _facts(info: RoomInfo, seen: Entered | None) -> list[tuple[str, str]]:
    if seen is None:
        return _facts_outside(info)
    return [("description", info.description), *_facts_inside(seen)]


def _facts_outside(info: RoomInfo) -> list[tuple[str, str]]:
    occupants = "" if info.occupants is None else str(info.occupants)
    return [("description", info.description), ("occupants", occupants)]
