"""XEP-0461 Message Replies 0.2.1, with the fallback ranges of XEP-0428 Fallback Indication 0.2.1."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.xmpp.element import Element

NS_REPLY = "urn:xmpp:reply:0"
NS_FALLBACK = "urn:xmpp:fallback:0"


class ReplyTo(Struct, frozen=True):
    """The message that is answered: its id and its author's JID, "" if not said."""

    id: str
    to: str = ""


def build_reply(reply: ReplyTo) -> Element:
    """Write which message is answered."""
    return Element("reply", NS_REPLY, {"id": reply.id, "to": reply.to or None})


def parse_reply(message: Element) -> ReplyTo | None:
    """Return which message is answered."""
    element = message.child("reply", NS_REPLY)
    if element is None or not element.get("id"):
        return None
    return ReplyTo(element.attributes["id"], element.get("to") or "")


def build_fallback(feature: str, *ranges: tuple[int, int]) -> Element:
    """Mark code points of the body (the whole body if no ranges) as there for clients without `feature`."""
    element = Element("fallback", NS_FALLBACK, {"for": feature})
    if not ranges:
        return element.add(Element("body", NS_FALLBACK))
    for start, end in ranges:
        element.add(Element("body", NS_FALLBACK, {"start": str(start), "end": str(end)}))
    return element


def parse_fallback_ranges(message: Element, features: Iterable[str], length: int) -> list[tuple[int, int]]:
    """Return the stretches of a body of `length` code points that are fallbacks for one of `features`."""
    wanted = frozenset(features)
    ranges: list[tuple[int, int]] = []
    for element in message.all("fallback", NS_FALLBACK):
        if element.get("for") not in wanted:
            continue
        if element.child("body") is None and element.child("subject") is None:
            ranges.append((0, length))
        for body in element.all("body"):
            start = _position(body.get("start"), 0, length)
            end = _position(body.get("end"), length, length)
            if start < end:
                ranges.append((start, end))
    return sorted(ranges)


def _position(text: str | None, default: int, length: int) -> int:
    if text is None:
        return default
    return min(int(text), length) if text.isascii() and text.isdigit() and len(text) <= 9 else default


def without_fallback(message: Element, body: str, features: Iterable[str]) -> str:
    """Return the body without its fallbacks for `features`."""
    parts: list[str] = []
    position = 0
    for start, end in parse_fallback_ranges(message, features, len(body)):
        parts.append(body[position:start])
        position = max(position, end)
    parts.append(body[position:])
    return "".join(parts)


def without_ranges(position: int, ranges: Iterable[tuple[int, int]]) -> int:
    """Return where a place in the body is once `ranges` of it (see `parse_fallback_ranges`) are taken out."""
    taken = reached = 0
    for start, end in ranges:
        start, end = max(start, reached), min(end, position)
        if start < end:
            taken += end - start
            reached = end
    return position - taken
