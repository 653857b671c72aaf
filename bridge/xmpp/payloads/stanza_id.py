"""XEP-0359 Unique and Stable Stanza IDs 0.7.0."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_STANZA_ID = "urn:xmpp:sid:0"


def build_stanza_id(id: str, by: str) -> Element:
    """Write the id that `by` gave a message."""
    return Element("stanza-id", NS_STANZA_ID, {"id": id, "by": by})


def parse_stanza_id(message: Element, by: str) -> str | None:
    """Return the id that `by` gave the message."""
    for element in message.all("stanza-id", NS_STANZA_ID):
        if element.get("by") == by:
            return element.get("id")
    return None


def build_origin_id(id: str) -> Element:
    """Write the id that the author gave a message."""
    return Element("origin-id", NS_STANZA_ID, {"id": id})


def parse_origin_id(message: Element) -> str | None:
    """Return the id that the author gave a message, his stanza's own if there is no origin-id."""
    element = message.child("origin-id", NS_STANZA_ID)
    return (element.get("id") if element is not None else None) or message.get("id")
