"""Occupant ids."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    occupant_id,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_occupant_ids_are_stable_and_differ_between_rooms():
    """XEP-0421 §5: the same person in another room, or under another secret, cannot be recognised."""
    one = occupant_id.derive_occupant_id(b"s", "#a", "me")
    others = [
        occupant_id.derive_occupant_id(b"s", "#b", "me"),
        occupant_id.derive_occupant_id(b"t", "#a", "me"),
        occupant_id.derive_occupant_id(b"s", "#a", "you"),
    ]
    assert one == occupant_id.derive_occupant_id(b"s", "#a", "me")
    assert one not in others
    assert len(one) == 24
