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
    marked = hints.one_resource_only(message(nick.build_nick(" Romeo ")))
    assert hints.has_hint(marked, hints.NO_COPY)
    assert marked.child("private", hints.NS_CARBONS) is not None
    assert nick.parse_nick(marked) == "Romeo"
    assert nick.parse_nick(message()) == ""
