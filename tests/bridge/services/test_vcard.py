"""Cards."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactInfo, ContactQuery
from bridge.services.vcard import VCard
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.vcard import NS_VCARD
from tests.bridge.services.scene import DOMAIN, NURSE, SERVER, Scene, condition


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    return scene.add(VCard(scene.network))


def test_gateway_has_a_card(scene):
    """A roster shows the gateway and its servers by name."""
    assert scene.get(DOMAIN, Element("vCard", NS_VCARD)).child_text("FN") == "IRC gateway"
    assert scene.get(SERVER, Element("vCard", NS_VCARD)).child_text("FN") == "irc.example"


def test_card_of_a_person_tells_what_is_known(scene):
    """XEP-0054: what WHOIS tells, in words where there is no field."""
    scene.network.answers[ContactQuery] = ContactInfo(
        nick="Nurse",
        name="Angelica",
        address="~a@host",
        account="nurse",
        rooms=["#verona", "@#kitchen"],
        idle=7.9,
    )
    card = scene.get(NURSE, Element("vCard", NS_VCARD))
    assert (card.child_text("FN"), card.child_text("NICKNAME")) == ("Angelica", "Nurse")
    assert (
        card.child_text("DESC") == "Address: ~a@host\nAccount: nurse\nChannels: #verona @#kitchen\nIdle: 7 s"
    )
    scene.network.answers[ContactQuery] = BridgeError(Trouble.NO_SUCH_NICK)
    assert condition(scene.iq("get", NURSE, Element("vCard", NS_VCARD)))[1] == "item-not-found"


def test_card_cannot_be_set(scene):
    """Nobody writes cards here."""
    assert condition(scene.iq("set", DOMAIN, Element("vCard", NS_VCARD)))[1] == "feature-not-implemented"
