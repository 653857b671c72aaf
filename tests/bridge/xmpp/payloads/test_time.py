"""Entity time."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.time import build_time, build_time_request, parse_entity_time


def iq(payload: Element) -> Element:
    return Element("iq", "jabber:component:accept", {"type": "result"}, payload)


def test_time_tells_utc_and_the_offset():
    """XEP-0202 §2: the time in UTC, and how far the clock is from it."""
    assert parse_entity_time(iq(build_time(60))) == (60, "+00:00")
    assert parse_entity_time(iq(build_time(60, -5400))) == (60, "-01:30")
    assert parse_entity_time(iq(build_time_request())) is None
    assert parse_entity_time(iq(Element("other", "urn:x"))) is None
