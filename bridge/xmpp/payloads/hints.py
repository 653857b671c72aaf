"""XEP-0334 Message Processing Hints 1.0.0, and XEP-0280 Message Carbons 1.0.1's ``<private/>``."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_HINTS = "urn:xmpp:hints"
NS_CARBONS = "urn:xmpp:carbons:2"

NO_COPY = "no-copy"
NO_STORE = "no-store"
NO_PERMANENT_STORE = "no-permanent-store"
STORE = "store"


def build_hint(name: str) -> Element:
    """Write one hint."""
    return Element(name, NS_HINTS)


def build_private() -> Element:
    """Write the mark of a message that carbons leave alone (XEP-0280 §8)."""
    return Element("private", NS_CARBONS)
