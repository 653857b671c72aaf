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


def test_tombstone_names_the_retraction_and_its_time():
    """XEP-0424 §4: by the id of its stanza; a time that is not known is not told."""
    stone = retract.build_retracted("r1", 0.0)
    assert (stone.name, stone.get("id"), stone.get("stamp")) == ("retracted", "r1", "1970-01-01T00:00:00Z")
    assert retract.build_retracted("r1", None).get("stamp") is None
