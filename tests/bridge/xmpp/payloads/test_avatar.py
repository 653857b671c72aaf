"""Pictures in stanzas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.network import Photo
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.avatar import (
    NS_DATA,
    NS_METADATA,
    NS_PUBSUB,
    build_data,
    build_items,
    build_metadata,
    build_photo,
    build_request,
    build_vcard4,
    parse_data,
    parse_items,
    parse_photos,
)
from bridge.xmpp.payloads.vcard import NS_VCARD
from bridge.xmpp.stanza import NS_COMPONENT

PHOTO = Photo(type="image/png", data=b"picture", id="a" * 40)


def card(*binvals: str | None) -> Element:
    photos = (
        Element("PHOTO", NS_VCARD, None, *([] if one is None else [Element("BINVAL", NS_VCARD, None, one)]))
        for one in binvals
    )
    return Element("vCard", NS_VCARD, None, *photos)


@given(st.binary(min_size=1, max_size=99))
def test_picture_of_a_card_is_read_again(data):
    """Base64, with or without line breaks."""
    photo = build_photo(Photo(type="image/png", data=data, id=""))
    assert parse_photos(Element("vCard", NS_VCARD, None, photo), 99) == [data]


def test_unreadable_and_large_pictures_are_left_out():
    """Others of the same card are not."""
    assert parse_photos(card(None, "", "!", "é", "A" * 99, "cGljdHVyZXM=", "cGlj\n dHVyZQ=="), 7) == [
        b"picture"
    ]


def test_node_asked_for_is_read():
    """XEP-0060 §6.5.2; all else is nothing that is answered."""
    items = Element("items", NS_PUBSUB, {"node": NS_DATA})
    assert parse_items(Element("pubsub", NS_PUBSUB, None, items)) == NS_DATA
    assert parse_items(Element("pubsub", NS_PUBSUB)) is None


def test_picture_of_a_node_is_read_again():
    """XEP-0084 §4.1."""
    answer = Element("iq", NS_COMPONENT, None, build_items(NS_DATA, PHOTO.id, build_data(PHOTO)))
    assert parse_data(answer, 9) == [b"picture"]
    assert parse_data(Element("iq", NS_COMPONENT), 9) == []
    assert parse_data(Element("iq", NS_COMPONENT, None, Element("pubsub", NS_PUBSUB)), 9) == []
    info = build_metadata(PHOTO).child("info", NS_METADATA)
    assert info is not None
    assert info.attributes == {"bytes": "7", "id": PHOTO.id, "type": "image/png"}


def test_question_names_the_picture():
    """The item is the one of that hash."""
    iq = build_request("romeo@montague.example", "gw.example", PHOTO.id)
    (pubsub,) = iq.elements()
    (items,) = pubsub.elements()
    assert (items.get("node"), [one.get("id") for one in items.elements()]) == (NS_DATA, [PHOTO.id])


def test_newer_card_has_a_picture_if_there_is_one():
    """XEP-0292: as a data URI."""
    names = [child.name for child in build_vcard4("Juliet", "juliet", "j@gw.example", None).elements()]
    assert names == ["fn", "nickname", "impp"]
    assert "data:image/png;base64,cGljdHVyZQ==" in build_vcard4("J", "j", "j@gw.example", PHOTO).to_xml()
