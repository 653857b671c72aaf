"""Pictures: XEP-0084 User Avatar 1.1.4, and those of cards; XEP-0292 vCard4 0.12.0."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable

from bridge.queries import Photo
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.vcard import NS_VCARD

NS_PUBSUB = "http://jabber.org/protocol/pubsub"
NS_METADATA = "urn:xmpp:avatar:metadata"
NS_DATA = "urn:xmpp:avatar:data"
NS_VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
NODE_VCARD4 = "urn:xmpp:vcard4"


def build_photo(photo: Photo) -> Element:
    """Write the picture of a card (XEP-0054)."""
    return Element(
        "PHOTO",
        NS_VCARD,
        None,
        Element("TYPE", NS_VCARD, None, photo.type),
        Element("BINVAL", NS_VCARD, None, b64encode(photo.data).decode()),
    )


def parse_photos(card: Element, limit: int) -> list[bytes]:
    """Return the pictures in a card, up to `limit` bytes each."""
    return _decoded((photo.child_text("BINVAL") for photo in card.all("PHOTO")), limit)


def _decoded(texts: Iterable[str | None], limit: int) -> list[bytes]:
    found = []
    for text in texts:
        if text is None or len(text) > 2 * limit:
            continue
        try:
            data = b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        if 0 < len(data) <= limit:
            found.append(data)
    return found


# ---- PEP


def parse_items(pubsub: Element) -> str | None:
    """Return the node whose items are asked for, None if something else is."""
    items = pubsub.child("items")
    return None if items is None else items.get("node")


def build_items(node: str, ident: str, payload: Element) -> Element:
    """Write the one item of a node."""
    item = Element("item", NS_PUBSUB, {"id": ident}, payload)
    return Element("pubsub", NS_PUBSUB, None, Element("items", NS_PUBSUB, {"node": node}, item))


def build_metadata(photo: Photo) -> Element:
    """Write what a picture is (XEP-0084 §4.2.1)."""
    facts: dict[str, str | None] = {"bytes": str(len(photo.data)), "id": photo.id, "type": photo.type}
    return Element("metadata", NS_METADATA, None, Element("info", NS_METADATA, facts))


def build_data(photo: Photo) -> Element:
    """Write the picture itself."""
    return Element("data", NS_DATA, None, b64encode(photo.data).decode())


def build_request(to: str, sender: str, ident: str) -> Element:
    """Write the question for the picture `ident` of somebody."""
    item = Element("item", NS_PUBSUB, {"id": ident})
    items = Element("items", NS_PUBSUB, {"node": NS_DATA}, item)
    pubsub = Element("pubsub", NS_PUBSUB, None, items)
    return Element("iq", "jabber:component:accept", {"type": "get", "to": to, "from": sender}, pubsub)


def parse_data(answer: Element, limit: int) -> list[bytes]:
    """Return the pictures that an answer to it holds."""
    pubsub = answer.child("pubsub", NS_PUBSUB)
    items = None if pubsub is None else pubsub.child("items")
    found = [] if items is None else items.all("item")
    return _decoded((item.child_text("data", NS_DATA) for item in found), limit)


def build_vcard4(name: str, nick: str, jid: str, photo: Photo | None) -> Element:
    """Write a card in the newer form."""
    parts = [("fn", "text", name), ("nickname", "text", nick), ("impp", "uri", f"xmpp:{jid}")]
    if photo is not None:
        parts.append(("photo", "uri", f"data:{photo.type};base64,{b64encode(photo.data).decode()}"))
    card = Element("vcard", NS_VCARD4)
    for field, kind, text in parts:
        card.add(Element(field, NS_VCARD4, None, Element(kind, NS_VCARD4, None, text)))
    return card
