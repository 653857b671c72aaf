"""XEP-0012 Last Activity 2.0."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_LAST = "jabber:iq:last"


def build_last(seconds: float, text: str = "") -> Element:
    """Write the seconds of idleness, or of uptime for a service; `text` is a last status."""
    return Element("query", NS_LAST, {"seconds": str(max(0, int(seconds)))}, *([text] if text else ()))
