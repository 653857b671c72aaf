"""XMPP Ping (XEP-0199); pings of occupants are the MUC's (XEP-0410)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.network import ContactPing, Network
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.payloads.ping import NS_PING


class Ping:
    """Answers for the gateway, and asks contacts."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_PING, "ping", self.here, Target.GATEWAY, Target.SERVER, Target.ROOM),
            iq_get(NS_PING, "ping", self.contact, Target.CONTACT),
        ]

    def here(self, _request: Request) -> None:
        """The gateway is there."""

    def contact(self, request: Request) -> Deferred[None]:
        """Is the contact?"""
        return self._network.ask(user_of(request), ContactPing(contact_of(self._network, request)))
