r"""Local parts of JIDs ↔ ids of Matrix, and JIDs ↔ the ids of their ghosts.

A room is ``#alias:server``, a room id with the servers that know it ``!id?via=server``, a person
``@user:server``; in a JID the colon and the at sign are escaped by XEP-0106, which is the caller's.
What a local part cannot hold, capital letters first of all, is written as bytes: ``\41`` is A,
``\\`` a backslash. An address keeps the form in which it was asked for, so several name one room:
``#alias%server`` and ``#alias#server`` are understood too, ``user%server`` and ``user_server`` for people.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, RoomId, UserId
from bridge.xmpp.jid import PART_LIMIT, Jid, JidError, escape

from .tables import MAX_ID

MAX_VIA = 5
"""Servers that a room's address may name."""
HASHED = "=="
"""Begins what stands for an address that is too long for an id; no address is written so."""

_SERVER = re.compile(r"(?!\d+\Z)(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_DOTTED = re.compile(r"[^.]+\..*|localhost(?::\d+)?")
_OPAQUE = re.compile(r"[!-%'-9;->@-~]+")
_EVENT = re.compile(r"\$[A-Za-z0-9+/_.=~:\[\]-]+")
_NOT_IN_ID = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff\\ufffe\\uffff]")
_ODD = re.compile(r"[^ -.0-@\[\]-~\x80-\U0010ffff]")
_ODD_OR_FOREIGN = re.compile(r"[^ -.0-@\[\]-~]")
_WRITTEN = re.compile(rb"\\(\\|[0-9a-f]{2})")
_VIA = re.compile(r"[?&]via=")
_NOT_IN_GHOST = re.compile(rb"[^a-z0-9._/+-]")
_GHOST_BYTE = re.compile(rb"=([0-9a-f]{2})")


class RoomTarget(Struct, frozen=True):
    """A room as the homeserver is asked for it: id or alias, and servers that know it."""

    id: str
    via: tuple[str, ...] = ()


def is_server(text: str) -> bool:
    """Tell whether this is a server's name; digits alone are a port."""
    return _SERVER.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Tell whether this is the id of a user, as strange as history allows (Matrix: user identifiers)."""
    local, colon, server = text[1:].partition(":")
    return text[:1] == "@" and bool(local and colon) and is_server(server) and _fits(text) and " " not in text


def is_room_id(text: str) -> bool:
    """Tell whether this is the id of a room, which has no server since room version 12."""
    opaque, colon, server = text[1:].partition(":")
    is_opaque = _OPAQUE.fullmatch(opaque) is not None
    return text[:1] == "!" and is_opaque and (not colon or is_server(server)) and _fits(text)


def is_alias(text: str) -> bool:
    """Tell whether this is a room alias (Matrix: room aliases)."""
    local, colon, server = text[1:].partition(":")
    return text[:1] == "#" and bool(local and colon) and is_server(server) and _fits(text)


def is_event_id(text: str) -> bool:
    """Tell whether this is the id of an event, of any room version."""
    return len(text) <= MAX_ID and _EVENT.fullmatch(text) is not None


def _fits(text: str) -> bool:
    return _NOT_IN_ID.search(text) is None and len(text.encode()) <= MAX_ID


class Ids(Struct, frozen=True):
    """Writes and reads ids; `server` is the homeserver's name, `prefix` begins the names of its ghosts."""

    server: str
    prefix: str = "_xmpp_"

    def target(self, room: RoomId) -> RoomTarget:
        """Return which room of Matrix is meant; BridgeError JID_MALFORMED."""
        if room.startswith("!"):
            written, *via = _VIA.split(room)
            identity = _decoded(written)
            if is_room_id(identity) and len(via) <= MAX_VIA and all(map(is_server, via)):
                return RoomTarget(identity, tuple(via))
            raise BridgeError(Trouble.JID_MALFORMED)
        alias = _named("#", _decoded(room)[1:], ("%", "#"))
        if alias is None or not is_alias(alias):
            raise BridgeError(Trouble.JID_MALFORMED)
        return RoomTarget(alias)

    def user_id(self, contact: ContactId) -> str:
        """Return who of Matrix is meant; BridgeError JID_MALFORMED."""
        written = _decoded(contact)
        user_id = _named("@", written.removeprefix("@"), () if written.startswith("@") else ("%", "_"))
        if user_id is None or not is_user_id(user_id):
            raise BridgeError(Trouble.JID_MALFORMED)
        return user_id

    def room(self, target: str, via: Sequence[str] = ()) -> RoomId:
        """Return how we name a room, by id or alias; BridgeError JID_MALFORMED if no JID can."""
        servers = "".join(
            f"{'&' if index else '?'}via={server}" for index, server in enumerate(via[:MAX_VIA])
        )
        return RoomId(_encoded(target) + (servers.lower() if target.startswith("!") else ""))

    def contact(self, user_id: str) -> ContactId:
        """Return how we name a user; BridgeError JID_MALFORMED if no JID can."""
        return ContactId(_encoded(user_id))

    def ghost(self, user: str) -> str:
        """Return the user id that stands for an address of XMPP (Matrix: mapping from other character sets).

        What would be longer than an id becomes a digest, which only who knows the address recognises.
        """
        name = _NOT_IN_GHOST.sub(lambda match: b"=%02x" % match[0][0], user.encode()).decode()
        ghost = f"@{self.prefix}{name}:{self.server}"
        if len(ghost) > MAX_ID:
            digest = base64.b32encode(sha256(user.encode()).digest()).decode().lower().rstrip("=")
            return f"@{self.prefix}{HASHED}{digest}:{self.server}"
        return ghost

    def is_ghost(self, user_id: str) -> bool:
        """Tell whether somebody of XMPP is behind this user id."""
        return user_id.startswith(f"@{self.prefix}") and user_id.endswith(f":{self.server}")

    def ghost_of(self, user_id: str) -> UserId | None:
        """Return whom a ghost stands for; None if it is no ghost, or only a digest is left of him."""
        if not self.is_ghost(user_id):
            return None
        name = user_id[len(self.prefix) + 1 : -len(self.server) - 1]
        try:
            user = _GHOST_BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), name.encode()).decode()
        except UnicodeDecodeError:
            return None
        return UserId(user) if self.ghost(user) == user_id else None


def _named(sigil: str, text: str, separators: Sequence[str]) -> str | None:
    """Put an id together from the form with a colon, or else with one of `separators`."""
    local, _, server = text.partition(":")
    if local and is_server(server):
        return f"{sigil}{text}"
    for separator in separators:
        local, _, server = text.rpartition(separator)
        if local and is_server(server) and (separator != "_" or _DOTTED.fullmatch(server)):
            return f"{sigil}{local}:{server}"
    return None


def _encoded(text: str) -> str:
    """Write an id as a local part, readable if the whole of it stays as it is in a JID."""
    for odd in (_ODD, _ODD_OR_FOREIGN):
        local = odd.sub(_written, text)
        try:
            escaped = escape(local)
            if len(escaped.encode()) <= PART_LIMIT and Jid.parse(f"{escaped}@localhost").local == escaped:
                return local
        except (JidError, UnicodeEncodeError):
            continue
    raise BridgeError(Trouble.JID_MALFORMED)


def _written(match: re.Match[str]) -> str:
    if match[0] == "\\":
        return r"\\"
    return "".join(f"\\{byte:02x}" for byte in match[0].encode())


def _decoded(local: str) -> str:
    """Read what `_encoded` wrote; BridgeError JID_MALFORMED when it is no text."""
    try:
        return _WRITTEN.sub(
            lambda match: b"\\" if match[1] == b"\\" else bytes.fromhex(match[1].decode()), local.encode()
        ).decode()
    except UnicodeError:
        raise BridgeError(Trouble.JID_MALFORMED) from None
