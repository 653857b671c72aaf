"""Reactions."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    reactions,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_reactions_are_read_once_each_and_bounded():
    """XEP-0444 §4.2: doubles, empty and endless ones are left out."""
    many = [*"👍👍", "", "x" * 1000, *map(str, range(100))]
    read = reactions.parse_reactions(message(reactions.build_reactions("id1", many)))
    assert read.id == "id1"
    assert read.emojis[:3] == ("👍", "0", "1")
    assert len(read.emojis) == reactions.REACTION_LIMIT
    assert reactions.parse_reactions(message(reactions.build_reactions("id1", []))).emojis == ()
    assert reactions.parse_reactions(message(Element("reactions", reactions.NS_REACTIONS))) is None
