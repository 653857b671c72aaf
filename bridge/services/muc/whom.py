"""Whom a JID means in a muc#admin item or an invitation: an occupant, a contact, or a user of XMPP."""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, RoomId, UserId
from bridge.network import ContactAddress, Network
from bridge.xmpp.jid import Jid, JidError, unescape


class Whom(Struct, frozen=True, kw_only=True):
    """Exactly one is given; `local` is a local part of the gateway that names no contact."""

    nick: str = ""
    contact: ContactId | None = None
    user: UserId | None = None
    local: str = ""


def whom(text: str, domain: str, network: Network) -> Whom:
    """Read a JID; `domain` is the gateway's, all others are of XMPP. JID_MALFORMED, NOT_FOUND."""
    try:
        jid = Jid.parse(text)
    except JidError:
        raise BridgeError(Trouble.JID_MALFORMED) from None
    if not jid.local:
        raise BridgeError(Trouble.NOT_FOUND)
    if jid.domain != domain:
        return Whom(user=UserId(jid.bare))
    local = unescape(jid.local)
    try:
        address = network.address(local)
    except BridgeError:
        return Whom(local=local)
    if jid.resource:
        return Whom(nick=jid.resource)
    if isinstance(address, ContactAddress):
        return Whom(contact=address.contact)
    return Whom(local=local)


def has_members(network: Network, asker: UserId, room: RoomId) -> bool:
    """Tell whether the room knows users of XMPP by their addresses."""
    return "memberships" in network.capabilities(asker, room).carried
