"""Links to people and rooms of Matrix: ``https://matrix.to`` and ``matrix:`` (MX v1.19 appendices/uris)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

from msgspec import Struct

from .ids import MAX_VIA, is_alias, is_room_id, is_server, is_user_id

LINK = re.compile(r"(?:https://matrix\.to/#/|matrix:)[^\s<>\"'`]+")
"""What looks like one in a text."""
MAX_LINK = 2_000
"""Code points of a link that is read."""
_SIGILS = {"u": "@", "r": "#", "roomid": "!"}


class Target(Struct, frozen=True):
    """A user, or a room by alias or id with the servers that know it."""

    id: str
    via: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        """Tell whether it is somebody, not a room."""
        return self.id.startswith("@")


def read_link(link: str) -> Target | None:
    """Return to whom or what a link leads; one to an event leads to its room. None if it leads elsewhere."""
    if len(link) > MAX_LINK:
        return None
    if link.startswith("https://matrix.to/#/"):
        path, _, query = link.removeprefix("https://matrix.to/#/").partition("?")
        identity = unquote(path.partition("/")[0])
    elif link.startswith("matrix:"):
        path, _, query = link.removeprefix("matrix:").partition("?")
        kind, _, rest = path.partition("/")
        identity = _SIGILS.get(kind, "") + unquote(rest.partition("/")[0])
    else:
        return None
    if not (is_user_id(identity) or is_alias(identity) or is_room_id(identity)):
        return None
    via = tuple(server for key, server in parse_qsl(query) if key == "via" and is_server(server))
    return Target(identity, () if identity[0] == "@" else via[:MAX_VIA])


def write_link(target: Target) -> str:
    """Return the link to a person or room that every client understands."""
    via = urlencode([("via", server) for server in target.via])
    return f"https://matrix.to/#/{quote(target.id, safe='@:!#')}" + (f"?{via}" if via else "")
