"""XEP-0184 Message Delivery Receipts 1.4.0."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_RECEIPTS = "urn:xmpp:receipts"


def wants_receipt(message: Element) -> bool:
    """Tell whether the sender wants to know that his message got there."""
    return message.child("request", NS_RECEIPTS) is not None


def build_received(id: str) -> Element:
    """Write that the message with this id got there."""
    return Element("received", NS_RECEIPTS, {"id": id})
