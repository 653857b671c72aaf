"""Guests: people of the network who act in rooms of XMPP, each under his own JID.

This file is the wiring: which stanza and which wish goes where.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, Outgoing, RoomId
from bridge.network import Network, RoomInfo
from bridge.refusals import refusal
from bridge.router import Router
from bridge.services.guests.lookup import look


class Guests:
    """See the module's docstring."""

    def __init__(self, router: Router, network: Network) -> None:
        self._router = router
        self._network = network

    def act(self, guest: ContactId, event: Outgoing) -> None:
        """Do what a guest wants; see `bridge.network.Uplink`."""
        answer = refusal(event, BridgeError(Trouble.UNSUPPORTED))
        if answer is not None:
            self._network.heard(guest, (answer,))

    def look(self, room: RoomId) -> Deferred[RoomInfo]:
        """Ask what a room is; see `bridge.network.Uplink`."""
        return look(self._router, room)
