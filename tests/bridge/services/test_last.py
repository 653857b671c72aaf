"""Last activity."""

from __future__ import annotations

import pytest

from bridge.network import ContactInfo, ContactQuery
from bridge.services.last import Last
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.last import NS_LAST
from tests.bridge.services.scene import DOMAIN, NURSE, Scene, condition


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.clock.advance(100)
    return scene.add(Last(scene.network, scene.clock.seconds))


def test_gateway_tells_its_uptime(scene):
    """XEP-0012 §5."""
    scene.clock.advance(61.5)
    assert scene.get(DOMAIN, Element("query", NS_LAST)).get("seconds") == "61"


def test_idle_time_of_a_person(scene):
    """XEP-0012 §4: as WHOIS tells it, with the away text."""
    scene.network.answers[ContactQuery] = ContactInfo(nick="Nurse", idle=5, away="busy")
    query = scene.get(NURSE, Element("query", NS_LAST))
    assert (query.get("seconds"), query.text()) == ("5", "busy")
    scene.network.answers[ContactQuery] = ContactInfo(nick="Nurse")
    assert condition(scene.iq("get", NURSE, Element("query", NS_LAST)))[1] == "service-unavailable"
