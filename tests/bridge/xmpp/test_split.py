"""Stanzas joined, and taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.split import parse_stanza, split_stanzas
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.xmpp.strategies import ELEMENTS


@given(st.lists(ELEMENTS, max_size=5))
def test_joined_stanzas_come_apart_as_they_were(stanzas: list[Element]) -> None:
    """Whatever they contain."""
    written = [stanza.to_xml(NS_COMPONENT).encode() for stanza in stanzas]
    assert split_stanzas(b"".join(written)) == written
    for stanza, data in zip(stanzas, written, strict=True):
        assert parse_stanza(data) == stanza


@pytest.mark.parametrize(
    "data", [b"<a>", b"</a>", b"text", b"<a/>text", b"text<a/>", b"<a></a></b>", b"<a/><", b"<a></a> <a/>"]
)
def test_anything_else_is_an_error(data: bytes) -> None:
    """It would be sent or answered wrongly."""
    with pytest.raises(ValueError, match="no whole stanzas"):
        split_stanzas(data)


@pytest.mark.parametrize(
    "data", [b"<a>", b"<a></b>", b"", b"</stream:stream>", b"<a/><b/>", b"<a/><b>", b"<a/> "]
)
def test_what_is_no_stanza_is_not_read(data: bytes) -> None:
    """There would be nothing to answer."""
    with pytest.raises(ValueError, match="no stanza"):
        parse_stanza(data)
