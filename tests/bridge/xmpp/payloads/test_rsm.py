"""Result set management."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.rsm import NS_RSM, PageRequest, build_result_set, parse_page_request


def request(**parts: str | None) -> Element:
    children = [Element(name, NS_RSM, None, *([text] if text else [])) for name, text in parts.items()]
    return Element("query", "urn:q", None, Element("set", NS_RSM, None, *children))


def test_request_without_a_set_asks_for_anything():
    """No limits means no limits."""
    assert parse_page_request(Element("query", "urn:q")) == PageRequest()


def test_request_is_read():
    """Limit, place and direction are read; an empty before asks for the last page."""
    assert parse_page_request(request(max="10", after="x")) == PageRequest(limit=10, after="x")
    assert parse_page_request(request(max=" 0 ", before=None)) == PageRequest(limit=0, before="")
    assert parse_page_request(request(index="7")) == PageRequest(index=7)


@pytest.mark.parametrize("text", ["", "-1", "ten", "1.5", "٣", "9" * 30])
def test_limit_that_is_no_number_is_a_bad_request(text):
    """A limit that cannot be read is refused rather than guessed."""
    with pytest.raises(BridgeError) as caught:
        parse_page_request(request(max=text))
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_result_set_is_written():
    """First, its index, last and count; what is unknown is left out."""
    xml = build_result_set(first="a", last="b", index=3, count=9).to_xml()
    assert xml == (f"<set xmlns='{NS_RSM}'><first index='3'>a</first><last>b</last><count>9</count></set>")
    assert build_result_set(count=0).to_xml() == f"<set xmlns='{NS_RSM}'><count>0</count></set>"
    assert build_result_set(first="a", last="a").child("first").attributes == {}
