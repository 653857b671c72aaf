"""XEP-0054 vcard-temp 1.3.0, and XEP-0153 vCard-Based Avatars 1.1."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.xmpp.element import Element

NS_VCARD = "vcard-temp"
NS_UPDATE = "vcard-temp:x:update"


def build_vcard(parts: Iterable[tuple[str, str]]) -> Element:
    """Write a card of (``FN``, text) pairs; empty texts are left out."""
    card = Element("vCard", NS_VCARD)
    for name, text in parts:
        if text:
            card.add(Element(name, NS_VCARD, None, text))
    return card
