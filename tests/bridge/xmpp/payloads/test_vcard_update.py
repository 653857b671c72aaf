"""XEP-0153: the picture's hash in presences."""

from __future__ import annotations

import pytest

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.vcard_update import NS_UPDATE, build_photo_hash, parse_photo_hash

HASH = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize("hash", [HASH, ""])
def test_hash_is_read_as_written(hash):
    """Empty: there is no picture."""
    presence = Element("presence", "jabber:component:accept", None, build_photo_hash(hash))
    assert parse_photo_hash(presence) == hash


@pytest.mark.parametrize(
    ("text", "hash"), [(HASH.upper(), HASH), (f" {HASH}\n", HASH), ("<x>", ""), ("é", "")]
)
def test_hash_is_hexadecimal(text, hash):
    """All else is no picture."""
    x = Element("x", NS_UPDATE, None, Element("photo", NS_UPDATE, None, text))
    assert parse_photo_hash(Element("presence", "jabber:component:accept", None, x)) == hash


def test_presence_may_say_nothing_of_a_picture():
    """The client is not ready, or does not know (XEP-0153 §4.3)."""
    presence = Element("presence", "jabber:component:accept")
    assert parse_photo_hash(presence) is None
    assert parse_photo_hash(presence.add(Element("x", NS_UPDATE))) is None
