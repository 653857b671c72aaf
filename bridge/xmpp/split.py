"""Stanzas that were serialised by us, joined, and are needed one by one again."""

from __future__ import annotations

from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.stream import header
from bridge.xmpp.xml import Limits, StreamParser, XmlError

_OPENING = header(NS_COMPONENT)
_UNLIMITED = Limits(stanza_bytes=2**31, depth=10_000, elements=2**31, attributes=10_000)


def split_stanzas(data: bytes) -> list[bytes]:
    """Split whole stanzas that `Element.to_xml` or a rendering made; ValueError for anything else.

    Only tags have raw angle brackets there, so counting them is enough.
    """
    stanzas: list[bytes] = []
    depth = start = end = 0
    before, *tags = data.split(b"<")
    for tag in tags:
        end += len(tag) + 1
        if tag[:1] == b"/":
            depth -= 1
        elif b"/>" not in tag:
            depth += 1
        if depth <= 0:
            if depth < 0 or tag[-1:] != b">":
                raise ValueError("these are no whole stanzas")
            stanzas.append(data[start:end])
            start = end
    if before or depth:
        raise ValueError("these are no whole stanzas")
    return stanzas


def parse_stanza(data: bytes) -> Element:
    """Read one such stanza; ValueError if it is none."""
    parser = StreamParser(_UNLIMITED)
    try:
        _, *content = parser.feed(_OPENING + data)
    except XmlError:
        raise ValueError("this is no stanza") from None
    is_whole = not parser.trailing
    parser.close()
    if is_whole and len(content) == 1 and isinstance(content[0], Element):
        return content[0]
    raise ValueError("this is no stanza")
