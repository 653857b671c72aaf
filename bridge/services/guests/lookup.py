"""What a room of XMPP is, as its service tells (XEP-0045 §6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from bridge.network import RoomInfo
from bridge.router import Router
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.payloads.disco import NS_INFO, parse_info
from bridge.xmpp.payloads.forms import find_form, parse_values
from bridge.xmpp.payloads.muc import FORM_ROOM_INFO, NS_MUC
from bridge.xmpp.stanza import NS_COMPONENT

SHA1 = re.compile("[0-9A-Fa-f]{40}")
NAME_LENGTH = 255
"""Characters of a room's name that are read."""
DESCRIPTION_LENGTH = 4_096
"""Characters of a room's description that are read."""


def room_jid(room: RoomId) -> Jid:
    """Read a room's address, a prepared bare JID; BridgeError JID_MALFORMED if it is none."""
    try:
        jid = Jid.parse(room)
    except JidError:
        raise BridgeError(Trouble.JID_MALFORMED) from None
    if not jid.local or str(jid) != room or jid.resource:
        raise BridgeError(Trouble.JID_MALFORMED)
    return jid


def look(router: Router, room: RoomId) -> Deferred[RoomInfo]:
    """Ask what the room is; see `bridge.network.Uplink`."""
    try:
        jid = room_jid(room)
    except BridgeError as error:
        return fail(error)
    query = Element("query", NS_INFO)
    iq = Element("iq", NS_COMPONENT, {"type": "get", "from": router.domain, "to": str(jid)}, query)
    return router.request(iq).addCallbacks(read_room, _missing, callbackArgs=(room,))


def read_room(result: Element, room: RoomId) -> RoomInfo:
    """Read the answer; NO_SUCH_ROOM if it is about something else."""
    query = result.child("query", NS_INFO)
    if query is None:
        raise BridgeError(Trouble.NO_SUCH_ROOM)
    info = parse_info(query)
    name = next((one.name for one in info.identities if one.category == "conference"), None)
    if name is None or NS_MUC not in info.features:
        raise BridgeError(Trouble.NO_SUCH_ROOM)
    facts = parse_values(find_form(query, FORM_ROOM_INFO))
    told = {key: values[0].strip() for key, values in facts.items() if values}
    occupants = told.get("muc#roominfo_occupants", "")
    return RoomInfo(
        room=room,
        name=name[:NAME_LENGTH],
        description=told.get("muc#roominfo_description", "")[:DESCRIPTION_LENGTH],
        occupants=int(occupants) if occupants.isascii() and occupants.isdigit() else None,
        closed=_either(info.features, ("muc_membersonly", "muc_passwordprotected"), ("muc_open",)),
        public=_either(info.features, ("muc_public",), ("muc_hidden",)),
        avatar=_hash(told.get("muc#roominfo_avatarhash")),
    )


def _hash(told: str | None) -> str | None:
    """Return the hash of a room's picture (XEP-0486 §4.3), None if the room does not say."""
    return told.lower() if told is not None and (not told or SHA1.fullmatch(told)) else None


def _either(features: Iterable[str], yes: Iterable[str], no: Iterable[str]) -> bool | None:
    """Tell what the room says of itself, None if it does not (XEP-0045 §15.3)."""
    there = set(features)
    return True if there.intersection(yes) else False if there.intersection(no) else None


def _missing(failure: Failure) -> Failure:
    error = failure.value
    if isinstance(error, BridgeError) and error.trouble is Trouble.NOT_FOUND:
        raise BridgeError(Trouble.NO_SUCH_ROOM)
    return failure
