"""Second opinions on what the escaper writes."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from lxml import etree

from bridge.xmpp.element import Element
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
