"""A document that a stranger wrote, read as strictly as a stream: as an element, or not at all."""

from __future__ import annotations

import re

from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.stream import header
from bridge.xmpp.xml import Limits, StreamParser, XmlError

LIMITS = Limits(stanza_bytes=65_536, depth=20, elements=1_000, attributes=20)
"""What a document may be: bytes, depth, elements, attributes of one."""
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_OPENING = header(NS_COMPONENT)
_DECLARED = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s([^<>]*)\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([\w.-]+)["']""")
_READ = (b"utf-8", b"utf8", b"us-ascii", b"ascii")


def parse_document(data: bytes, limits: Limits = LIMITS) -> Element:
    """Read a document in UTF-8. Raises ValueError, also for entities, comments and instructions."""
    declared = _DECLARED.match(data)
    encoding = _ENCODING.search(declared[1]) if declared else None
    if encoding is not None and encoding[1].lower() not in _READ:
        raise ValueError("this document is not in UTF-8")
    body = data[declared.end() :] if declared else data.removeprefix(b"\xef\xbb\xbf")
    parser = StreamParser(limits)
    try:
        _, *content = parser.feed(_OPENING + body.strip())
    except XmlError as error:
        raise ValueError(f"this document cannot be read: {error.condition}") from None
    is_whole = not parser.trailing
    parser.close()
    if is_whole and len(content) == 1 and isinstance(content[0], Element):
        return content[0]
    raise ValueError("this is no whole document")


def write_document(root: Element) -> bytes:
    """Write a document."""
    return (DECLARATION + root.to_xml()).encode()
