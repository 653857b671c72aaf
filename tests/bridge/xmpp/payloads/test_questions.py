"""Payloads of the small questions: version, time, last activity, cards, addresses."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.gateway import NS_GATEWAY, build_jid, build_prompt, parse_prompt
from bridge.xmpp.payloads.last import build_last
from bridge.xmpp.payloads.time import build_time, build_time_request, parse_entity_time
from bridge.xmpp.payloads.vcard import build_vcard
from bridge.xmpp.payloads.version import SoftwareVersion, build_version, build_version_request, parse_version


def iq(payload: Element) -> Element:
    return Element("iq", "jabber:component:accept", {"type": "result"}, payload)


def test_version_survives_writing():
    """XEP-0092 §3."""
    software = SoftwareVersion(name="n", version="1", os="o")
    assert parse_version(iq(build_version(software))) == software
    assert build_version(SoftwareVersion(name="n")).child("os") is None
    assert parse_version(iq(Element("other", "urn:x"))) is None
    assert parse_version(iq(build_version_request())) == SoftwareVersion(name="")


def test_time_tells_utc_and_the_offset():
    """XEP-0202 §2: the time in UTC, and how far the clock is from it."""
    assert parse_entity_time(iq(build_time(60))) == (60, "+00:00")
    assert parse_entity_time(iq(build_time(60, -5400))) == (60, "-01:30")
    assert parse_entity_time(iq(build_time_request())) is None
    assert parse_entity_time(iq(Element("other", "urn:x"))) is None


def test_last_activity_is_whole_seconds():
    """XEP-0012 §3: no fractions, nothing negative, an optional status."""
    assert build_last(9.9).attributes == {"seconds": "9"}
    assert build_last(-1, "gone").to_xml().endswith("seconds='0'>gone</query>")


def test_card_leaves_out_what_is_empty():
    """XEP-0054."""
    assert [child.name for child in build_vcard([("FN", "Romeo"), ("DESC", "")]).elements()] == ["FN"]


def test_prompt_and_address():
    """XEP-0100 §6.3."""
    assert build_prompt("Please", "Address").child_text("prompt") == "Address"
    asked = Element("query", NS_GATEWAY, None, Element("prompt", NS_GATEWAY, None, " #chan "))
    assert parse_prompt(asked) == "#chan"
    assert parse_prompt(Element("query", NS_GATEWAY)) == ""
    assert build_jid("a@b").child_text("jid") == "a@b"
