"""Who is named in a message: references of XMPP (XEP-0372) ↔ `Mention`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.errors import BridgeError
from bridge.events import Mention, RoomId
from bridge.network import ContactAddress, Network, RoomAddress
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, escape, unescape
from bridge.xmpp.payloads.reference import (
    DATA,
    MAX_REFERENCES,
    MENTION,
    Reference,
    build_reference,
    jid_of,
    parse_references,
    uri_of,
)
from bridge.xmpp.payloads.reply import NS_REPLY, parse_fallback_ranges, without_ranges

_LINK = re.compile(r"xmpp:[^\s<>\"'`]+", re.IGNORECASE)
_TRAILING = ".,:;!?)]}"
EVERYBODY = re.compile(r"(?<![\w@])@room\b")
"""How people call everybody in a room of Matrix, and so also here."""


def read_mentions(
    element: Element, body: str, network: Network, domain: str, room: RoomId
) -> tuple[Mention, ...]:
    """Return whom a message to `room`, whose body was `body`, refers to, in the order of the words.

    Positions are those in the body without its quotation (XEP-0461 §3.1). Addresses of the gateway that
    the body links to count like references to them.
    """
    ranges = parse_fallback_ranges(element, (NS_REPLY,), len(body))
    found: list[Mention] = []
    references = parse_references(element, len(body))
    said = [(one.begin, one.end) for one in references]
    for match in _LINK.finditer(body):
        start, end = match.start(), match.start() + len(match[0].rstrip(_TRAILING))
        if not any(begin < end and start < until for begin, until in said):
            references.append(Reference(DATA, body[start:end], start, end))
    for one in references[:MAX_REFERENCES]:
        jid = jid_of(one.uri)
        mention = None if jid is None else _named(one, jid, network, domain, room)
        if mention is not None:
            found.append(mention)
    for match in EVERYBODY.finditer(body):
        found.append(Mention(start=match.start(), end=match.end()))
        break
    placed = ((without_ranges(one.start, ranges), without_ranges(one.end, ranges), one) for one in found)
    return tuple(
        Mention(start=start, end=end, nick=one.nick, contact=one.contact, room=one.room)
        for start, end, one in sorted(placed, key=lambda each: each[:2])
        # what was named in the quotation only is not named
        if start < end or not one.end
    )


def _named(reference: Reference, jid: Jid, network: Network, domain: str, room: RoomId) -> Mention | None:
    if jid.domain != domain:
        return None
    try:
        address = network.address(unescape(jid.local))
    except BridgeError:
        return None
    start, end = reference.begin, reference.end
    if isinstance(address, ContactAddress):
        return Mention(start=start, end=end, contact=address.contact)
    if not isinstance(address, RoomAddress):
        return None
    if address.room != room:
        return Mention(start=start, end=end, room=address.room)
    if jid.resource:
        return Mention(start=start, end=end, nick=jid.resource)
    return (
        Mention(start=start, end=end)
        if reference.type == MENTION
        else Mention(start=start, end=end, room=room)
    )


def write_mentions(mentions: Sequence[Mention], domain: str, room: RoomId, before: int) -> str:
    """Return the references of a message of `room` whose body has `before` code points more in front."""
    written = []
    for one in mentions[:MAX_REFERENCES]:
        if one.contact is not None:
            type, uri = MENTION, uri_of(_jid(one.contact, domain))
        elif one.room is not None:
            type, uri = DATA, uri_of(_jid(one.room, domain), "join")
        else:
            type, uri = MENTION, uri_of(_jid(room, domain) + (f"/{one.nick}" if one.nick else ""))
        begin, end = (one.start + before, one.end + before) if one.end else (0, 0)
        written.append(build_reference(Reference(type, uri, begin, end)).to_xml())
    return "".join(written)


def _jid(local: str, domain: str) -> str:
    return f"{escape(local)}@{domain}"
