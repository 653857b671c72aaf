"""XEP-0199 XMPP Ping 2.0.1."""

from __future__ import annotations

from bridge.xmpp.element import Element

NS_PING = "urn:xmpp:ping"


def build_ping() -> Element:
    """Write the payload of a ping."""
    return Element("ping", NS_PING)
