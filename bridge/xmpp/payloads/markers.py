"""XEP-0333 Displayed Markers 1.0.0."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_MARKERS = "urn:xmpp:chat-markers:0"
MARKABLE = f"<markable xmlns='{NS_MARKERS}'/>"
"""In a message, asks for a marker when it was displayed."""


def build_displayed(id: str) -> Element:
    """Write that all up to the message with this id was displayed."""
    return Element("displayed", NS_MARKERS, {"id": id})


def parse_displayed(message: Element) -> str | None:
    """Return the id of the message up to which all was displayed."""
    element = message.child("displayed", NS_MARKERS)
    return (element.get("id") or None) if element is not None else None
