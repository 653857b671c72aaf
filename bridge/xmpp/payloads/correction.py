"""XEP-0308 Last Message Correction 1.2.1."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_CORRECTION = "urn:xmpp:message-correct:0"


def build_replace(id: str) -> Element:
    """Write which message (its sender's id) is replaced by this one."""
    return Element("replace", NS_CORRECTION, {"id": id})


def parse_replace(message: Element) -> str | None:
    """Return the sender's id of the message that this one replaces."""
    element = message.child("replace", NS_CORRECTION)
    return (element.get("id") or None) if element is not None else None
