"""Delivery receipts."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.receipts import NS_RECEIPTS, build_received, wants_receipt

NS = "jabber:component:accept"


def test_receipt_is_wanted_and_names_its_message():
    """XEP-0184 §5."""
    assert wants_receipt(Element("message", NS, {}, Element("request", NS_RECEIPTS)))
    assert not wants_receipt(Element("message", NS, {}, Element("request", NS)))
    assert build_received("m1").to_xml() == "<received xmlns='urn:xmpp:receipts' id='m1'/>"
