"""Replies and fallbacks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.payloads import (
    reply,
)

NS = "jabber:component:accept"


def message(*children: Element, **attributes: str) -> Element:
    return Element("message", NS, attributes, *children)


def test_reply_survives_writing():
    """XEP-0461 §3."""
    answered = reply.ReplyTo("id1", "room@gw/nick")
    assert reply.parse_reply(message(reply.build_reply(answered))) == answered
    assert reply.parse_reply(message(Element("reply", reply.NS_REPLY))) is None
    assert reply.parse_reply(message()) is None


def test_fallback_is_cut_out_of_the_body():
    """XEP-0428 §2: only the marked stretch of the named feature goes."""
    quoted = message(reply.build_fallback(reply.NS_REPLY, (0, 5)))
    assert reply.without_fallback(quoted, "> a\n\nyes", [reply.NS_REPLY]) == "yes"
    assert reply.without_fallback(quoted, "> a\n\nyes", ["urn:other"]) == "> a\n\nyes"
    whole = message(reply.build_fallback(reply.NS_REPLY))
    assert reply.without_fallback(whole, "all of it", [reply.NS_REPLY]) == ""


@given(st.text(max_size=20), st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=4))
def test_any_fallback_ranges_leave_a_part_of_the_body(body, ranges):
    """Ranges that overlap, are reversed, or are no numbers never raise."""
    bodies = [Element("body", reply.NS_FALLBACK, {"start": start, "end": end}) for start, end in ranges]
    marked = message(Element("fallback", reply.NS_FALLBACK, {"for": "f"}, *bodies))
    rest = reply.without_fallback(marked, body, ["f"])
    characters = iter(body)
    assert all(character in characters for character in rest)
