"""XEP-0424 Message Retraction 0.4.2."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_RETRACT = "urn:xmpp:message-retract:1"


def build_retract(id: str) -> Element:
    """Write which message is retracted, in a room by its stanza-id."""
    return Element("retract", NS_RETRACT, {"id": id})


def parse_retract(message: Element) -> str | None:
    """Return the id of the message that is retracted."""
    element = message.child("retract", NS_RETRACT)
    return (element.get("id") or None) if element is not None else None
