"""XEP-0424 Message Retraction 0.4.2."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import format_time

NS_RETRACT = "urn:xmpp:message-retract:1"


def build_retract(id: str) -> Element:
    """Write which message is retracted, in a room by its stanza-id."""
    return Element("retract", NS_RETRACT, {"id": id})


def build_retracted(id: str, time: float | None) -> Element:
    """Write what a tombstone has for its words: the id of the stanza that retracted them, and when it did."""
    stamp = None if time is None else format_time(time)
    return Element("retracted", NS_RETRACT, {"id": id, "stamp": stamp})


def parse_retract(message: Element) -> str | None:
    """Return the id of the message that is retracted."""
    element = message.child("retract", NS_RETRACT)
    return (element.get("id") or None) if element is not None else None
