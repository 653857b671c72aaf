"""References and the URIs in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.reference import (
    NS_REFERENCE,
    Reference,
    build_reference,
    jid_of,
    parse_references,
    uri_of,
)


@pytest.mark.parametrize(
    "reference", [Reference("mention", "xmpp:a@b", 3, 6), Reference("data", "xmpp:a@b?join")]
)
def test_what_is_written_is_read(reference):
    """With and without a stretch of the body."""
    assert parse_references(Element("message", "", None, build_reference(reference)), 6) == [reference]


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"uri": "xmpp:a"}, []),
        ({"type": "mention"}, []),
        ({"type": "mention", "uri": "xmpp:a", "anchor": "xmpp:b"}, []),
        ({"type": "mention", "uri": "xmpp:a", "begin": "4", "end": "9"}, [Reference("mention", "xmpp:a")]),
        ({"type": "mention", "uri": "xmpp:a", "begin": "x", "end": "1"}, [Reference("mention", "xmpp:a")]),
        ({"type": "mention", "uri": "xmpp:a", "begin": "2", "end": "1"}, [Reference("mention", "xmpp:a")]),
    ],
)
def test_what_makes_no_sense_is_left_out(attributes, found):
    """References of other messages too; a stretch that is none means the message as a whole."""
    element = Element("reference", NS_REFERENCE, attributes)
    assert parse_references(Element("message", "", None, element), 5) == found


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "S"]), min_size=1, max_size=9))
def test_address_survives_its_uri(nick):
    """RFC 5122 §2.2: whatever is in a resource, and the sign that begins rooms."""
    jid = Jid.parse("#a\\3ab@gw.example").with_resource("x").bare + "/" + nick
    try:
        expected = Jid.parse(jid)
    except ValueError:
        return
    assert jid_of(uri_of(jid, "join")) == expected


@pytest.mark.parametrize("uri", ["https://a.example", "xmpp:", "xmpp:@", "a@b"])
def test_other_uris_lead_to_nobody(uri):
    """They are no addresses."""
    assert jid_of(uri) is None
