"""Second opinions on what the escaper writes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from lxml import etree

from bridge.xmpp.element import Element, clean, escape, quote
from tests.bridge.xmpp.strategies import ELEMENTS

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _same(ours: Element, theirs: etree._Element | ElementTree.Element) -> bool:
    """Compare a tree of ours with one of lxml or the standard library."""
    children = list(theirs)
    texts = [theirs.text or "", *(child.tail or "" for child in children)]
    content: list[Element | str] = []
    for index, text in enumerate(texts):
        if text:
            content.append(text)
        if index < len(children):
            content.append(Element("placeholder", str(index)))
    attributes = {("xml:lang" if key == XML_LANG else key): value for key, value in theirs.attrib.items()}
    shape = [child if isinstance(child, str) else None for child in ours.children]
    return (
        theirs.tag == (f"{{{ours.namespace}}}{ours.name}" if ours.namespace else ours.name)
        and attributes == ours.attributes
        and shape == [child if isinstance(child, str) else None for child in content]
        and all(_same(mine, other) for mine, other in zip(ours.elements(), children, strict=True))
    )


@given(ELEMENTS)
def test_lxml_reads_what_was_meant(element: Element):
    """libxml2 finds the same tree."""
    assert _same(element, etree.fromstring(element.to_xml()))


@given(ELEMENTS)
def test_expat_reads_what_was_meant(element: Element):
    """So does the standard library's expat tree builder."""
    assert _same(element, ElementTree.fromstring(element.to_xml()))


def test_only_what_is_printable_needs_no_second_look():
    """Whatever XML cannot carry is not printable, and what is a letter or digit is."""
    characters = [chr(code) for code in range(0x110000)]
    assert all(clean(character) == character for character in characters if character.isprintable())
    assert all(character.isprintable() for character in characters if character.isalnum())
    assert {chr(0), chr(0x1F), chr(0xD800), chr(0xFFFF)} <= {one for one in characters if not clean(one)}


@pytest.mark.parametrize(
    ("text", "content", "attribute"),
    [
        ("", "", ""),
        ("a b", "a b", "a b"),
        ("<&amp;>", "&lt;&amp;amp;&gt;", "&lt;&amp;amp;&gt;"),
        ("\"'", "\"'", "&quot;&apos;"),
        ("é\r\n\t", "é&#13;\n\t", "é&#13;&#10;&#9;"),
        ("a\0b\x1f\ud800\ufffe&", "ab&amp;", "ab&amp;"),
    ],
)
def test_text_is_escaped_for_where_it_stands(text: str, content: str, attribute: str):
    """What a parser would take for markup, or change, is written as a reference."""
    assert (escape(text), quote(text)) == (content, attribute)
    assert Element("a", "", {"b": text}, text).to_xml("") == f"<a b='{attribute}'>{content}</a>"
