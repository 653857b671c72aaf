"""Corrections and retractions."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    correction,
    retract,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_correction_and_retraction_name_their_message():
    """XEP-0308, XEP-0424: an element without id says nothing."""
    assert correction.parse_replace(message(correction.build_replace("a"))) == "a"
    assert correction.parse_replace(message(Element("replace", correction.NS_CORRECTION))) is None
    assert retract.parse_retract(message(retract.build_retract("b"))) == "b"
    assert retract.parse_retract(message()) is None
