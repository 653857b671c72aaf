"""Rooms of XMPP and the people in them ↔ aliases and ghosts on the homeserver.

A room's alias holds its address written as a ghost's (Matrix: mapping from other character sets):
``#_xmpp_room=40conf.example:hs``. The form of other bridges, ``#_xmpp_conf.example_room:hs``, is read too.
"""

from __future__ import annotations

import re

from bridge.errors import BridgeError, Trouble
from bridge.events import Occupant, RoomId
from bridge.xmpp.jid import Jid, JidError

from .ids import HASHED, Ids, is_alias

_BYTE = re.compile(rb"=([0-9a-f]{2})", re.IGNORECASE)


def alias_of(room: RoomId, ids: Ids) -> str:
    """Return the alias of a room of XMPP; BridgeError JID_MALFORMED if it would be too long."""
    alias = "#" + ids.ghost(room)[1:]
    if alias.startswith(f"#{ids.prefix}{HASHED}"):
        raise BridgeError(Trouble.JID_MALFORMED)
    return alias


def room_of(alias: str, ids: Ids) -> RoomId | None:
    """Return which room of XMPP an alias means; None if it means none."""
    name, suffix = alias.removeprefix(f"#{ids.prefix}"), f":{ids.server}"
    if len(name) == len(alias) or not name.endswith(suffix) or not is_alias(alias):
        return None
    written = name.removesuffix(suffix).encode()
    try:
        address = _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), written).decode()
        if "@" not in address:
            domain, _, local = address.partition("_")
            address = f"{local}@{domain}" if local and "." in domain else ""
        return room_jid(address)
    except (UnicodeDecodeError, JidError):
        return None


def room_jid(address: str) -> RoomId | None:
    """Return a room's address as we know it, None if it can be none; JidError if it is no address at all."""
    jid = Jid.parse(address)
    return RoomId(jid.bare) if jid.local and not jid.resource else None


def ghost_in(room: RoomId, occupant: Occupant, ids: Ids) -> str:
    """Return the ghost of an occupant: his own where the room shows who he is, else one for this room."""
    if occupant.address:
        try:
            return ids.ghost(Jid.parse(occupant.address).bare)
        except JidError:
            pass
    return ids.ghost(f"{room}/{occupant.identity or occupant.nick}")
