"""Last Activity (XEP-0012): uptime of the gateway, idle time of people."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactInfo, ContactQuery, Network
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.last import NS_LAST, build_last


class Last:
    """Counts from its creation; `clock` gives seconds."""

    def __init__(self, network: Network, clock: Callable[[], float]) -> None:
        self._network = network
        self._clock = clock
        self._started = clock()

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_LAST, "query", self.uptime, Target.GATEWAY),
            iq_get(NS_LAST, "query", self.contact, Target.CONTACT, Target.OCCUPANT),
        ]

    def uptime(self, _request: Request) -> Element:
        """XEP-0012 §5: how long the gateway runs."""
        return build_last(self._clock() - self._started)

    def contact(self, request: Request) -> Deferred[Element]:
        """XEP-0012 §4: how long somebody has been idle, with what he says of being away."""
        asked = self._network.ask(user_of(request), ContactQuery(contact_of(self._network, request)))
        return asked.addCallback(_told)


def _told(info: ContactInfo) -> Element:
    if info.idle is None:
        raise BridgeError(Trouble.NO_SERVICE, "The server does not tell how long this person has been idle.")
    return build_last(info.idle, info.away or "")
