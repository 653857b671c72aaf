"""Stanza ids."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    stanza_id,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_author_s_id_is_the_origin_id_or_the_stanza_s():
    """XEP-0359 §3."""
    assert stanza_id.parse_origin_id(message(stanza_id.build_origin_id("o"), id="s")) == "o"
    assert stanza_id.parse_origin_id(message(id="s")) == "s"
    assert stanza_id.parse_origin_id(message()) is None
