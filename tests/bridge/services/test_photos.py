"""Pictures of users."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.events import UserId
from bridge.pictures import photo_of
from bridge.services.photos import Photos
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.avatar import NS_DATA, NS_PUBSUB, build_data, build_items, build_photo
from bridge.xmpp.payloads.vcard import NS_VCARD
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, Scene

USER = UserId("romeo@montague.example")
PHOTO = photo_of(b"GIF89a romeo")
OTHER = photo_of(b"GIF89a mercutio")
assert PHOTO is not None and OTHER is not None
CARD = Element("vCard", NS_VCARD, None, build_photo(PHOTO))


def ask(scene: Scene, *answers: Element | None):
    """Return what is found when the user's server answers the questions so; None is an error."""
    found: list = []
    asked: Deferred = Photos(scene.router).photo(USER, PHOTO.id)
    asked.addCallback(found.append)
    for answer in answers:
        (question,) = scene.taken()
        assert question.get("to") == USER and question.get("from") == DOMAIN
        head = {"from": USER, "to": DOMAIN, "id": question.get("id")}
        if answer is None:
            refused = Element("service-unavailable", "urn:ietf:params:xml:ns:xmpp-stanzas")
            error = Element("error", NS_COMPONENT, {"type": "cancel"}, refused)
            scene.router.receive(Element("iq", NS_COMPONENT, {**head, "type": "error"}, error))
        else:
            scene.router.receive(Element("iq", NS_COMPONENT, {**head, "type": "result"}, answer))
    return found


def test_picture_of_the_card_is_taken():
    """XEP-0054: one question."""
    assert ask(Scene(), CARD) == [PHOTO]


def test_picture_of_pep_is_taken_where_the_card_has_another():
    """XEP-0084: by its hash."""
    other = Element("vCard", NS_VCARD, None, build_photo(OTHER))
    assert ask(Scene(), other, build_items(NS_DATA, PHOTO.id, build_data(PHOTO))) == [PHOTO]


def test_picture_of_an_occupant_is_on_the_card_that_the_room_passes_on():
    """XEP-0054: asked by a guest, who is in; there is no second question."""
    scene, found = Scene(), []
    me, occupant = f"alice@{DOMAIN}/guest", "balcony@conf.example/Romeo"
    for card in (CARD, Element("vCard", NS_VCARD)):
        Photos(scene.router).face(me, occupant, PHOTO.id).addCallback(found.append)
        (question,) = scene.taken()
        assert (question.get("from"), question.get("to")) == (me, occupant)
        head = {"from": occupant, "to": me, "id": question.get("id"), "type": "result"}
        scene.router.receive(Element("iq", NS_COMPONENT, head, card))
    assert found == [PHOTO, None]
    assert scene.taken() == []


def test_picture_with_another_hash_is_none():
    """Nor is there one in an empty answer, or in none."""
    empty = Element("vCard", NS_VCARD)
    assert ask(Scene(), empty, build_items(NS_DATA, PHOTO.id, build_data(OTHER))) == [None]
    assert ask(Scene(), empty, Element("pubsub", NS_PUBSUB)) == [None]
    assert ask(Scene(), None, None) == [None]
