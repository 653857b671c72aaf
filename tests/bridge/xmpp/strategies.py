"""Elements and streams for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from bridge.xmpp.element import Element, clean
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.xml import NS_STREAMS

HEADER = f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}' id='i1'>".encode()

NAMES = st.sampled_from(["message", "body", "x", "a-b", "ü", "_1.2"])
NAMESPACES = st.sampled_from([NS_COMPONENT, "jabber:client", "urn:xmpp:ping", "urn:x?a=1&b='2'"])
TEXTS = st.text(max_size=12).map(clean) | st.sampled_from(
    ["\n", "]]>", "<a/>", "&amp;", "\r\n", "\t", "'\"", "😀" * 9]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["to", "from", "id", "type", "xml:lang", "ü"]), TEXTS, max_size=3
)


def _joined(children: list[Element | str]) -> list[Element | str]:
    """Text that stands side by side is one text, and empty text is none."""
    joined: list[Element | str] = []
    for child in children:
        if isinstance(child, str) and joined and isinstance(joined[-1], str):
            joined[-1] += child
        elif child != "":
            joined.append(child)
    return joined


def _element(name: str, namespace: str, attributes: dict[str, str], children: list[Element | str]) -> Element:
    return Element(name, namespace, attributes, *_joined(children))


ELEMENTS: st.SearchStrategy[Element] = st.recursive(
    st.builds(_element, NAMES, NAMESPACES, ATTRIBUTES, st.lists(TEXTS, max_size=2)),
    lambda inner: st.builds(_element, NAMES, NAMESPACES, ATTRIBUTES, st.lists(inner | TEXTS, max_size=3)),
    max_leaves=6,
)

MARKUP = st.sampled_from(
    [
        b"<message>", b"</message>", b"<a b='c'/>", b"<a xml:lang='en' stream:x='1'/>", b"text", b" \n", b"&lt;", b"&#10;",
        b"&unknown;", b"<![CDATA[<x>]]>", b"<!-- c -->", b"<?pi?>", b"<!DOCTYPE a>", b"</stream:stream>", b"<a b='>'>", b"</a>",
        b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", b"<handshake/>",
        b"<iq xmlns='jabber:client' from='a@b' type='get'/>", b"<", b">", b"\xc3\xa9", b"\xff", b"\0", b"<p:q xmlns:p='u'/>",
        b"<presence from='a' to='b'>" + b"x" * 300 + b"</presence>", b"<m>" + b"<n>" * 12 + b"</n>" * 12 + b"</m>",
    ]
)  # fmt: skip
STREAMS = st.builds(
    lambda header, parts: header + b"".join(parts),
    st.sampled_from([HEADER, HEADER, b""]),
    st.lists(MARKUP, max_size=8),
)


@st.composite
def chunked(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream, cut somehow."""
    data = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
