"""Cards."""

from __future__ import annotations

import pytest

from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.network import AvatarQuery, ContactInfo, ContactQuery, Photo
from bridge.services.vcard import VCard
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.avatar import (
    NODE_VCARD4,
    NS_DATA,
    NS_METADATA,
    NS_PUBSUB,
    NS_VCARD4,
    parse_data,
    parse_photos,
)
from bridge.xmpp.payloads.vcard import NS_VCARD
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, SERVER, Scene, condition

PHOTO = Photo(type="image/png", data=b"picture", id="a" * 40)


def items(node: str) -> Element:
    return Element("pubsub", NS_PUBSUB, None, Element("items", NS_PUBSUB, {"node": node}))


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    return scene.add(VCard(DOMAIN, scene.network))


@pytest.fixture
def pictured(scene) -> Scene:
    """A network that has pictures."""
    scene.network.levels = Capabilities(profiles=Level.NATIVE)
    scene.network.answers |= {ContactQuery: ContactInfo(nick="Nurse", name="Angelica"), AvatarQuery: PHOTO}
    return scene


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


def test_card_shows_the_picture_and_the_address(pictured):
    """XEP-0054; without a picture the card is there all the same."""
    card = pictured.get(NURSE, Element("vCard", NS_VCARD))
    assert parse_photos(card, 99) == [b"picture"]
    assert card.child_text("JABBERID") == NURSE
    pictured.network.answers[AvatarQuery] = BridgeError(Trouble.NOT_FOUND)
    assert parse_photos(pictured.get(NURSE, Element("vCard", NS_VCARD)), 99) == []


def test_room_has_a_card_with_its_picture(pictured):
    """XEP-0486 §4.4."""
    card = pictured.get(ROOM, Element("vCard", NS_VCARD))
    assert (card.child_text("FN"), parse_photos(card, 99)) == ("#verona on irc.example", [b"picture"])


@pytest.mark.parametrize("address", [NURSE, ROOM])
def test_picture_is_had_by_pep_too(pictured, address):
    """XEP-0084: what it is, and the picture itself."""
    about = pictured.get(address, items(NS_METADATA))
    (item,) = about.child("items").elements()
    assert item.get("id") == PHOTO.id
    answer = Element("iq", NS_COMPONENT, None, pictured.get(address, items(NS_DATA)))
    assert parse_data(answer, 99) == [b"picture"]
    pictured.network.answers[AvatarQuery] = BridgeError(Trouble.NOT_FOUND)
    for node in (NS_DATA, "urn:other"):
        assert condition(pictured.iq("get", address, items(node)))[1] == "item-not-found"


def test_newer_card_is_an_item_of_pep(pictured):
    """XEP-0292 §3.2: of people, not of rooms."""
    (item,) = pictured.get(NURSE, items(NODE_VCARD4)).child("items").elements()
    assert item.child("vcard", NS_VCARD4).child("photo") is not None
    assert condition(pictured.iq("get", ROOM, items(NODE_VCARD4)))[1] == "item-not-found"


def test_network_without_pictures_has_none(scene):
    """Nobody asks it for what it cannot have."""
    assert condition(scene.iq("get", NURSE, items(NS_DATA)))[1] == "service-unavailable"
    assert condition(scene.iq("get", ROOM, Element("vCard", NS_VCARD)))[1] == "feature-not-implemented"
    assert scene.network.asked == []
