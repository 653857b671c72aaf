"""Who stands behind a request's address."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import ContactAddress, Network, RoomAddress
from bridge.router import Request


def user_of(request: Request) -> UserId:
    """Return the user who sent it."""
    return UserId(request.sender.bare)


def contact_of(network: Network, request: Request) -> ContactId:
    """Return whom the JID of a contact or an occupant names.

    NOT_IN_ROOM when the sender is not in that room, NO_SUCH_NICK when the occupant is not.
    """
    if isinstance(request.address, ContactAddress):
        return request.address.contact
    if not isinstance(request.address, RoomAddress):
        raise BridgeError(Trouble.NO_SERVICE)
    room, nick = request.address.room, request.to.resource
    seen = network.snapshot(user_of(request), room)
    if seen is None:
        raise BridgeError(Trouble.NOT_IN_ROOM)
    if nick != seen.me.nick and nick not in seen.occupants:
        raise BridgeError(Trouble.NO_SUCH_NICK)
    return network.contact(room, nick)
