"""Cards (XEP-0054): the gateway's own, and what the network tells of people."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.network import ContactInfo, ContactQuery, Network
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.vcard import NS_VCARD, build_vcard


class VCard:
    """Answers card requests; nobody can set one here."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_VCARD, "vCard", self.here, Target.GATEWAY, Target.SERVER),
            iq_get(NS_VCARD, "vCard", self.contact, Target.CONTACT, Target.OCCUPANT),
        ]

    def here(self, request: Request) -> Element:
        """The gateway's, or a server's."""
        gateway = self._network.identity.name
        name = gateway if request.target is Target.GATEWAY else self._network.name(request.address)
        return build_vcard([("FN", name), ("NICKNAME", name), ("DESC", gateway)])

    def contact(self, request: Request) -> Deferred[Element]:
        """Somebody's."""
        asked = self._network.ask(user_of(request), ContactQuery(contact_of(self._network, request)))
        return asked.addCallback(contact_card)


def contact_card(info: ContactInfo) -> Element:
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
    return build_vcard([("FN", info.name or info.nick), ("NICKNAME", info.nick), ("DESC", description)])
