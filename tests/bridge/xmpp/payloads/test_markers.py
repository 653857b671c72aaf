"""XEP-0333: what was displayed."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.markers import NS_MARKERS, build_displayed, parse_displayed


def test_displayed_marker_is_read_as_written():
    """It names the message up to which all was read."""
    message = Element("message", "jabber:component:accept", None, build_displayed("m1"))
    assert parse_displayed(message) == "m1"


def test_marker_without_id_says_nothing():
    """Nor does a message without one."""
    message = Element("message", "jabber:component:accept", None, Element("displayed", NS_MARKERS))
    assert parse_displayed(message) is None
    assert parse_displayed(Element("message", "jabber:component:accept")) is None
