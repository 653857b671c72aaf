"""Whole documents of strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.document import LIMITS, parse_document, write_document
from bridge.xmpp.element import Element


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\n <?xml version='1.0'?>\r\n",
        b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
        b"\xef\xbb\xbf<?xml version='1.0' encoding='us-ascii'?>",
    ],
)
def test_document_is_read_with_whatever_stands_before_it(before: bytes) -> None:
    """A declaration, a byte order mark, white space: all are usual."""
    found = parse_document(before + b"<a xmlns='urn:a' b='1'>c<d xmlns='urn:d'/></a>\n")
    assert found == Element("a", "urn:a", {"b": "1"}, "c", Element("d", "urn:d"))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"words",
        b"<a xmlns='urn:a'>",
        b"<a xmlns='urn:a'/><b xmlns='urn:b'/>",
        b"<a xmlns='urn:a'/></stream:stream>",
        b"</a>",
        b"<?xml version='1.0' encoding='UTF-16'?><a xmlns='urn:a'/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a xmlns='urn:a'>&b;</a>",
        b"<a xmlns='urn:a'><!-- c --></a>",
        b"<a xmlns='urn:a'>\xff</a>",
        b"<a xmlns='urn:a'>" + b"x" * LIMITS.stanza_bytes + b"</a>",
        b"<a xmlns='urn:a'>" * (LIMITS.depth + 1) + b"</a>" * (LIMITS.depth + 1),
        b"<a xmlns='urn:a'>" + b"<b/>" * (LIMITS.elements + 1) + b"</a>",
    ],
)
def test_what_is_no_whole_harmless_document_is_refused(bad: bytes) -> None:
    """Nothing is expanded, and nothing grows."""
    with pytest.raises(ValueError, match="document"):
        parse_document(bad)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    """Whatever a stranger sends is an element or a ValueError."""
    try:
        parse_document(data)
    except ValueError:
        return


@given(st.text(st.characters(categories=["L", "N", "P", "Zs", "S"]), max_size=30))
def test_what_is_written_is_read_as_it_was(text: str) -> None:
    """Any words survive."""
    root = Element("a", "urn:a", {"b": text}, *([text] if text else []))
    assert parse_document(write_document(root)) == root
