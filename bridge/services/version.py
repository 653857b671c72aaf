"""Software Version (XEP-0092): the gateway's own, and that of people on the network."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.network import ClientVersion, ContactVersion, Network
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.version import NS_VERSION, SoftwareVersion, build_version


class Version:
    """Says which software this is; `own.os` stays "" unless the operator wants it told."""

    def __init__(self, network: Network, own: SoftwareVersion) -> None:
        self._network = network
        self._own = own

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_VERSION, "query", self.here, Target.GATEWAY, Target.SERVER, Target.ROOM),
            iq_get(NS_VERSION, "query", self.contact, Target.CONTACT, Target.OCCUPANT),
        ]

    def here(self, _request: Request) -> Element:
        """The gateway's."""
        return build_version(self._own)

    def contact(self, request: Request) -> Deferred[Element]:
        """Somebody's client's."""
        asked = self._network.ask(user_of(request), ContactVersion(contact_of(self._network, request)))
        return asked.addCallback(_told)


def _told(client: ClientVersion) -> Element:
    return build_version(SoftwareVersion(name=client.name, version=client.version, os=client.os))
