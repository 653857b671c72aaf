"""Self-ping (XEP-0410), and pings of other occupants."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactPing
from bridge.router import Request, Route, Target, iq_get
from bridge.services.muc.context import Context
from bridge.services.muc.occupancy import State
from bridge.xmpp.payloads.ping import NS_PING


class SelfPing:
    """Tells a client truthfully whether it is in the room."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [iq_get(NS_PING, "ping", self.ping, Target.OCCUPANT)]

    def ping(self, request: Request) -> Deferred[None] | None:
        """§3: success for one's own occupant, NOT_IN_ROOM for who is not in; others are really asked."""
        occupancy, _ = self._context.here(request)
        if occupancy.state is not State.INSIDE:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        nick = request.to.resource
        if nick.casefold() == occupancy.nick.casefold():
            return None
        contact = self._context.network.contact(occupancy.room, nick)
        return self._context.network.ask(occupancy.user, ContactPing(contact))
