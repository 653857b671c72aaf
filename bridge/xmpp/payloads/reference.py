"""XEP-0372 References 0.5.0, with the URIs of RFC 5122."""

from __future__ import annotations

from urllib.parse import quote, unquote

from msgspec import Struct

from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError

NS_REFERENCE = "urn:xmpp:reference:0"
MENTION = "mention"
DATA = "data"
MAX_REFERENCES = 64
"""References of one message that are read or written."""


class Reference(Struct, frozen=True):
    """What a message refers to by a `uri`: its code points `begin` to `end`, or all of it if both are 0."""

    type: str
    uri: str
    begin: int = 0
    end: int = 0


def build_reference(reference: Reference) -> Element:
    """Write a reference."""
    stretch: dict[str, str | None] = {}
    if reference.end:
        stretch = {"begin": str(reference.begin), "end": str(reference.end)}
    return Element("reference", NS_REFERENCE, {"type": reference.type, "uri": reference.uri, **stretch})


def parse_references(message: Element, length: int) -> list[Reference]:
    """Read what a message with a body of `length` code points refers to; what makes no sense is left out."""
    found: list[Reference] = []
    for element in message.all("reference", NS_REFERENCE):
        type, uri = element.get("type"), element.get("uri")
        if not type or not uri or element.get("anchor") is not None:
            continue
        begin, end = _position(element.get("begin")), _position(element.get("end"))
        if begin is None or end is None or not begin < end <= length:
            begin = end = 0
        found.append(Reference(type, uri, begin, end))
    return found[:MAX_REFERENCES]


def _position(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text)


def uri_of(jid: str, action: str = "") -> str:
    """Return the URI of an address, e.g. to ``join`` it (RFC 5122 §2.2)."""
    return f"xmpp:{quote(jid, safe='@/')}" + (f"?{action}" if action else "")


def jid_of(uri: str) -> Jid | None:
    """Return the address that a URI leads to; None if it is none of XMPP."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "xmpp":
        return None
    path = rest.partition("?")[0]
    try:
        return Jid.parse(unquote(path))
    except JidError:
        return None
