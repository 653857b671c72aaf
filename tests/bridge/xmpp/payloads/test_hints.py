"""Hints, and nicknames."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    hints,
    nick,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_hints_and_nickname():
    """XEP-0334, XEP-0280 §8, XEP-0172."""
    marked = message(nick.build_nick(" Romeo "), hints.build_hint(hints.NO_COPY), hints.build_private())
    assert marked.child(hints.NO_COPY, hints.NS_HINTS) is not None
    assert marked.child("private", hints.NS_CARBONS) is not None
    assert nick.parse_nick(marked) == "Romeo"
    assert nick.parse_nick(message()) == ""
