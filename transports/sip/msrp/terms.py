"""Chats in session descriptions: where the peer is, and what it takes (RFC 4975 §8)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.messages.content import COMPOSING, PLAIN
from transports.sip.wire.sdp import Description, Media, Origin
from transports.sip.wire.uri import MAX_PORT, Malformed, Uri, parse_host, write_host_port

CPIM = "message/cpim"
ACCEPTED = (PLAIN, COMPOSING, CPIM, "multipart/mixed", "multipart/alternative")
"""Types of content that we take."""
WRAPPED = (PLAIN, COMPOSING)
MAX_PATH = 8
"""Places on the path to a peer."""
PROTOCOLS = {"TCP/MSRP": False, "TCP/TLS/MSRP": True}
"""And whether they are secure."""

_PATH = re.compile(
    r"(msrps?)://(?:[^@/\s]{1,255}@)?(\[[^\]\s]{1,64}\]|[^:/;\s]{1,255}):([0-9]{1,5})"
    r"(?:/([^;\s]{1,255}))?;tcp(?:;\S*)?",
    re.IGNORECASE,
)


class Terms(Struct, frozen=True):
    """What a peer says of itself: the path to it, the next hop first, and what it takes of which length."""

    path: tuple[str, ...]
    accepts: frozenset[str]
    wrapped: frozenset[str]
    max_size: int | None
    chatroom: frozenset[str] | None = None
    """What of a chat room it knows (RFC 7701 §8); None if it says nothing of rooms."""

    def takes(self, kind: str) -> bool:
        """Tell whether it takes content of a type as it is."""
        return _has(self.accepts, kind)

    def takes_wrapped(self, kind: str) -> bool:
        """Tell whether it takes content of a type in a message of CPIM (RFC 4975 §8.6)."""
        return _has(self.accepts, CPIM) and (_has(self.accepts, kind) or _has(self.wrapped, kind))

    @property
    def is_usable(self) -> bool:
        """Tell whether it can be written to."""
        return self.takes(PLAIN) or self.takes_wrapped(PLAIN)


def _has(types: frozenset[str], kind: str) -> bool:
    return not types.isdisjoint((kind, "*", f"{kind.partition('/')[0]}/*"))


def next_hop(path: Sequence[str]) -> Uri:
    """Return where to connect to (RFC 4975 §6.2), as what a `Locator` finds. Raises Malformed."""
    found = _PATH.fullmatch(path[0])
    if found is None or not 0 < int(found[3]) <= MAX_PORT:
        raise Malformed("a path of MSRP is malformed")
    scheme = "sips" if found[1].lower() == "msrps" else "sip"
    params = {"transport": "tls" if scheme == "sips" else "tcp"}
    return Uri(scheme=scheme, host=parse_host(found[2]), port=int(found[3]), params=params)


def session_id(uri: str) -> str:
    """Return what a URI of MSRP names at its host, "" if that is nothing."""
    found = _PATH.fullmatch(uri)
    return (found[4] or "") if found is not None else ""


def write_uri(host: str, port: int, id: str, *, is_secure: bool) -> str:
    """Write a URI of ours."""
    return f"{'msrps' if is_secure else 'msrp'}://{write_host_port(host, port)}/{id};tcp"


def chat_of(description: Description) -> Media | None:
    """Return the medium of a description that is a chat by MSRP, None if there is none."""
    return next(
        (
            one
            for one in description.media
            if one.kind == "message" and one.port and one.protocol in PROTOCOLS
        ),
        None,
    )


def read_terms(description: Description) -> Terms:
    """Read what a peer offers or answers. Raises Malformed if it is no chat that can be had."""
    media = chat_of(description)
    if media is None:
        raise Malformed("there is no chat in a session description")
    path = tuple((media.get("path") or "").split())
    if not 0 < len(path) <= MAX_PATH:
        raise Malformed("a chat has no path")
    next_hop(path)
    size, chatroom = media.get("max-size") or "", media.get("chatroom")
    return Terms(
        path=path,
        accepts=_types(media.get("accept-types")),
        wrapped=_types(media.get("accept-wrapped-types")),
        max_size=int(size) if size.isascii() and size.isdecimal() and len(size) < 12 else None,
        chatroom=frozenset(chatroom.lower().split()) if chatroom is not None else None,
    )


def _types(text: str | None) -> frozenset[str]:
    return frozenset(one.partition(";")[0].lower() for one in (text or "").split())


def offer(uri: str, limit: int, number: int, chatroom: str | None = None) -> Description:
    """Describe a chat at our URI, in which messages of up to `limit` bytes are taken.

    `chatroom` tells what of a room we know; there, all messages are of CPIM (RFC 7701 §6.1).
    """
    types = ACCEPTED if chatroom is None else (CPIM,)
    room = () if chatroom is None else (("chatroom", chatroom),)
    place = next_hop([uri])
    media = Media(
        kind="message",
        port=place.port,
        protocol="TCP/TLS/MSRP" if place.scheme == "sips" else "TCP/MSRP",
        formats=("*",),
        address=place.host,
        attributes=(
            ("accept-types", " ".join(types)),
            ("accept-wrapped-types", " ".join(WRAPPED)),
            ("max-size", str(limit)),
            ("path", uri),
            *room,
        ),
    )
    origin = Origin("-", number, 1, place.host)
    return Description(origin=origin, media=(media,), address=place.host)


def answer(
    offered: Description, uri: str, limit: int, number: int, chatroom: str | None = None
) -> Description:
    """Answer an offer with a chat at our URI; nothing else is taken."""
    ours = offer(uri, limit, number, chatroom)
    chat = chat_of(offered)
    media = tuple(ours.media[0] if one is chat else one.refused() for one in offered.media)
    return replace(ours, media=media)
