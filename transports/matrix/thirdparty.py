"""How rooms and people of XMPP are addressed on Matrix, as clients ask (MX v1.19 third-party networks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.errors import BridgeError
from bridge.events import RoomId
from bridge.xmpp.jid import Jid, JidError

from .ids import Ids
from .portal_ids import alias_of, room_of
from .portal_room import PROTOCOL as NAME

JID_PATTERN = r"[^@/\s]+@[^@/\s]+"
PROTOCOL: Mapping[str, object] = {
    "user_fields": ["jid"],
    "location_fields": ["room", "server"],
    "icon": "",
    "field_types": {
        "jid": {"regexp": JID_PATTERN, "placeholder": "romeo@example.org"},
        "room": {"regexp": r"[^@/\s]+", "placeholder": "room"},
        "server": {"regexp": r"[^@/\s]+", "placeholder": "conference.example.org"},
    },
    "instances": [{"desc": "XMPP", "network_id": NAME, "fields": {}}],
}


class ThirdParty:
    """Answers such questions; None where there is no such thing."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def answer(self, path: Sequence[str], query: Mapping[str, str]) -> object | None:
        """Answer what is asked by the path behind ``thirdparty`` and the query."""
        match list(path):
            case ["protocol", name]:
                return PROTOCOL if name == NAME else None
            case ["location", name]:
                return self._locations(query) if name == NAME else None
            case ["location"]:
                return self._location_of(query.get("alias", ""))
            case ["user", name]:
                return self._users(query) if name == NAME else None
            case ["user"]:
                return self._user_of(query.get("userid", ""))
        return None

    def _locations(self, query: Mapping[str, str]) -> Sequence[object]:
        """Return the alias of a room by ``room`` and ``server``, or by ``jid``."""
        address = query.get("jid") or f"{query.get('room', '')}@{query.get('server', '')}"
        return self._location(address)

    def _location_of(self, alias: str) -> Sequence[object]:
        room = room_of(alias, self._ids)
        return [] if room is None else self._location(room)

    def _location(self, address: str) -> Sequence[object]:
        jid = _bare(address)
        if jid is None:
            return []
        try:
            alias = alias_of(RoomId(jid.bare), self._ids)
        except BridgeError:
            return []
        fields = {"room": jid.local, "server": jid.domain}
        return [{"alias": alias, "protocol": NAME, "fields": fields}]

    def _users(self, query: Mapping[str, str]) -> Sequence[object]:
        """Return the ghost of a person by ``jid``."""
        return self._user(query.get("jid", ""))

    def _user_of(self, user_id: str) -> Sequence[object]:
        return self._user(self._ids.ghost_of(user_id) or "")

    def _user(self, address: str) -> Sequence[object]:
        jid = _bare(address)
        if jid is None:
            return []
        ghost = self._ids.ghost(jid.bare)
        return [{"userid": ghost, "protocol": NAME, "fields": {"jid": jid.bare}}]


def _bare(address: str) -> Jid | None:
    """Read the address of a room or a person, with or without ``xmpp:`` before it; None if it is none."""
    try:
        jid = Jid.parse(address.strip().removeprefix("xmpp:").partition("?")[0])
    except JidError:
        return None
    return jid if jid.local and not jid.resource else None
