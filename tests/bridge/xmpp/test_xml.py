"""The strict XML front."""

from __future__ import annotations

import tracemalloc
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.xml import (
    NS_STREAMS,
    RENEWAL,
    Event,
    Limits,
    Oversized,
    StreamClosed,
    StreamOpened,
    StreamParser,
    XmlError,
)
from tests.bridge.xmpp.strategies import ELEMENTS, HEADER, STREAMS, chunked

SMALL = Limits(stanza_bytes=2_000, depth=8, elements=20, attributes=5)
SKIPPING = Limits(stanza_bytes=2_000, skip_bytes=10_000, depth=8, elements=20, attributes=5)
SMALLEST = 2_048
"""Bytes that a parser may take while it has nothing to read; expat alone takes five times that."""
QUICK = 0.5
"""Seconds of processor time that no input of ours may need; a quadratic one takes minutes."""


def read(*chunks: bytes, limits: Limits = SMALL) -> tuple[list[Event], str]:
    """All events, and the condition of the error that ended it."""
    parser, events = StreamParser(limits), []
    for chunk in chunks:
        try:
            events += parser.feed(chunk)
        except XmlError as error:
            return events + error.events, error.condition
    return events, ""


def opened(*chunks: bytes, limits: Limits = SMALL) -> tuple[list[Event], str]:
    """The same after a stream header, without the event of it."""
    events, condition = read(HEADER, *chunks, limits=limits)
    assert isinstance(events[0], StreamOpened)
    return events[1:], condition


def stanza(name: str, *children: Element | str, **attributes: str) -> Element:
    return Element(name, NS_COMPONENT, attributes, *children)


def test_header_read_tells_attributes_and_namespace():
    """The default namespace is the stream's content namespace (RFC 6120 §4.8.2)."""
    assert read(HEADER + b" ") == ([StreamOpened({"id": "i1"}, NS_COMPONENT)], "")
    bare = f"<stream xmlns='{NS_STREAMS}' xml:lang='en'/>".encode()
    assert read(bare) == ([StreamOpened({"xml:lang": "en"}, NS_STREAMS), StreamClosed()], "")


def test_stanzas_in_one_chunk_come_all():
    """Whitespace between them is nothing."""
    assert opened(b"<a/>\n <b c='d'>x<e xmlns='f'/>y</b> </stream:stream>") == (
        [stanza("a"), stanza("b", "x", Element("e", "f"), "y", c="d"), StreamClosed()],
        "",
    )


def test_prefixes_are_resolved_or_dropped():
    """Elements carry namespaces, attributes only xml:lang."""
    assert opened(b"<a xml:lang='en' stream:q='1' z='2'><p:b xmlns:p='urn:p' p:c='d'/><c xmlns=''/></a>")[
        0
    ] == [Element("a", NS_COMPONENT, {"z": "2", "xml:lang": "en"}, Element("b", "urn:p"), Element("c", ""))]


def test_text_is_one_piece_however_it_came():
    """References and CDATA are text like all other."""
    data = b"<m><body>a &lt;b&gt; <![CDATA[<c>]]>&#x1F600;<![CDATA[]]>\r\n\xc3\xa9</body><x/>z</m>"
    expected = stanza("m", stanza("body", "a <b> <c>\U0001f600\né"), stanza("x"), "z")
    assert opened(data)[0] == [expected]
    assert opened(*(data[i : i + 1] for i in range(len(data))))[0] == [expected]


def test_nothing_follows_the_end():
    """Bytes after the closing tag are not read."""
    parser = StreamParser(SMALL)
    parser.feed(HEADER)
    assert parser.feed(b"</stream:stream><a/>junk&") == [StreamClosed()]
    assert parser.feed(b"<a/>") == []


def test_nothing_follows_an_error():
    """A parser that failed reads no more."""
    parser = StreamParser(SMALL)
    with pytest.raises(XmlError):
        parser.feed(HEADER + b"<!---->")
    assert parser.feed(b"<a/>") == []


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<!DOCTYPE a []>", "restricted-xml"),
        (b"<?xml version='1.0'?><!DOCTYPE a SYSTEM 'file:///etc/passwd'>", "restricted-xml"),
        (b"<!-- c -->", "restricted-xml"),
        (b"<?pi x?>", "restricted-xml"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"),
        (b"<?xml version='1.1'?>", "not-well-formed"),
        ("<a/>".encode("utf-16"), "unsupported-encoding"),
        ("<a/>".encode("utf-16-le"), "unsupported-encoding"),
        ("<a/>".encode("utf-16-be"), "unsupported-encoding"),
        ("<a/>".encode("utf-32"), "unsupported-encoding"),
        (b"<stream>", "invalid-namespace"),
        (b"<s:stream xmlns:s='jabber:client'>", "invalid-namespace"),
        (b"<s:flow xmlns:s='http://etherx.jabber.org/streams'>", "bad-format"),
        (b"<s:stream>", "not-well-formed"),
        (b"hello <", "not-well-formed"),
        (b"\n" * 10_000, "policy-violation"),
        (b"<stream:stream a='" + b"x" * 10_000, "policy-violation"),
        (
            b"<s:stream xmlns:s='http://etherx.jabber.org/streams' a='' b='' c='' d='' e=''>",
            "policy-violation",
        ),
    ],
)
def test_forbidden_beginning_is_refused(data: bytes, condition: str):
    """RFC 6120 §4.9.3 names what is wrong with it, however the bytes come."""
    assert read(data) == ([], condition)
    assert read(*(data[i : i + 1] for i in range(len(data)))) == ([], condition)


@pytest.mark.parametrize("data", [b">\xff\xff\xff", b"<aa\0", b" h\xff\xff", b"\xef\xff<<"])
def test_wrong_encoding_is_told_however_it_comes(data: bytes):
    """It shows in the first four bytes (XML 1.0 Appendix F)."""
    assert read(data) == ([], "unsupported-encoding")
    assert read(*(data[i : i + 1] for i in range(len(data)))) == ([], "unsupported-encoding")


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<!-- c -->", "restricted-xml"),
        (b"<b><!-- c --></b>", "restricted-xml"),
        (b"<?pi x?>", "restricted-xml"),
        (b"<b>&unknown;</b>", "not-well-formed"),
        (b"<b></c>", "not-well-formed"),
        (b"<b c=d/>", "not-well-formed"),
        (b"<b c='1' c='2'/>", "not-well-formed"),
        (b"<p:b/>", "not-well-formed"),
        (b"<b>&#0;</b>", "not-well-formed"),
        (b"<b>\x00</b>", "not-well-formed"),
        (b"<b>\xc3\x28</b>", "not-well-formed"),
        (b"<!DOCTYPE a>", "not-well-formed"),
        (b"<?xml version='1.0'?>", "not-well-formed"),
        (b"text", "bad-format"),
        (b"&#65;", "bad-format"),
        (b"<![CDATA[<b/>]]>", "bad-format"),
        (b"<![CDATA[ ]]><b/>", "bad-format"),
        (b"<b>" + b"x" * 4_000, "policy-violation"),
        (b"<b c='" + b"x" * 4_000, "policy-violation"),
        (b"<b>" + b"x" * 2_000 + b"</b>", "policy-violation"),
        (b"<b>" * 9, "policy-violation"),
        (b"<b>" + b"<c/>" * 20, "policy-violation"),
        (b"<b a1='' a2='' a3='' a4='' a5='' a6=''/>", "policy-violation"),
    ],
)
def test_forbidden_content_ends_the_stream(data: bytes, condition: str):
    """What was complete before it still comes."""
    assert opened(b"<a/>" + data) == ([stanza("a")], condition)
    data = b"<a/>" + data
    assert opened(*(data[i : i + 1] for i in range(len(data)))) == ([stanza("a")], condition)


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<b>&" + b"x" * 5_000, "not-well-formed"),
        (b"<b><!--" + b"x" * 5_000, "restricted-xml"),
        (b"<?" + b"x" * 5_000, "restricted-xml"),
    ],
)
def test_forbidden_content_without_end_is_not_awaited(data: bytes, condition: str):
    """Only a tag may be long."""
    assert opened(data, limits=Limits()) == ([], condition)
    assert opened(*(data[i : i + 1] for i in range(len(data))), limits=Limits()) == ([], condition)


@pytest.mark.parametrize(
    "data",
    [
        b"<b from='f' xml:lang='en' z='z'>" + b"x" * 9_000 + b"</b>",
        b"<b from='f' xml:lang='en'>" + b"<c>" * 500 + b"x" + b"</c>" * 500 + b"</b>",
        b"<b from='f' xml:lang='en'>" + b"<c/>" * 500 + b"</b>",
        b"<b from='f' xml:lang='en' a1='' a2='' a3='' a4=''/>",
        b"<b from='f' xml:lang='en'><c a1='' a2='' a3='' a4='' a5='' a6=''/>x</b>",
        b"<b from='f' xml:lang='en' c='" + b"x>" * 4_000 + b"'/>",
    ],
)
def test_oversized_stanza_of_a_relay_is_skipped(data: bytes):
    """One stranger's stanza does not end everybody's stream."""
    lost = Oversized(Element("b", NS_COMPONENT, {"from": "f", "xml:lang": "en"}))
    data = b"<a/>" + data + b"<c>d</c>"
    expected = ([stanza("a"), lost, stanza("c", "d")], "")
    assert opened(data, limits=SKIPPING) == expected
    assert opened(*(data[i : i + 7] for i in range(0, len(data), 7)), limits=SKIPPING) == expected


@pytest.mark.parametrize("data", [b"<b>" + b"x" * 12_000, b"<b>" + b"<c>" * 8_000, b"<b c='" + b"x" * 12_000])
def test_endless_stanza_of_a_relay_ends_the_stream(data: bytes):
    """What is skipped is bounded, too."""
    assert opened(data, limits=SKIPPING) == ([], "policy-violation")


@given(chunked(STREAMS))
@settings(max_examples=300)
def test_chunks_of_any_size_give_the_same_events(chunks: list[bytes]):
    """How the network cuts the bytes does not matter, errors included."""
    assert read(*chunks) == read(b"".join(chunks))
    assert read(*chunks, limits=SKIPPING) == read(b"".join(chunks), limits=SKIPPING)


@pytest.mark.parametrize("cut", range(1, 16))
@pytest.mark.parametrize("markup", [b"<![CDATA[<x>]]>", b"<a><![CDATA[<x>]]></a>"])
def test_section_is_seen_wherever_it_is_cut(markup: bytes, cut: int):
    """Its beginning is short, so expat would wait for more."""
    assert opened(markup[:cut], markup[cut:]) == opened(markup)


@given(chunked(STREAMS))
@settings(max_examples=300)
def test_stream_that_rests_gives_the_same_events(chunks: list[bytes]):
    """Whenever it is told to, and whatever has come by then."""
    parser, events, condition = StreamParser(SMALL), [], ""
    for chunk in chunks:
        try:
            events += parser.feed(chunk)
        except XmlError as error:
            events += error.events
            condition = error.condition
        parser.rest()
    assert (events, condition) == read(*chunks)


def memory_of(*chunks: bytes, rests: bool) -> float:
    """Bytes that each of many parsers takes after these chunks."""
    tracemalloc.start()
    parsers = [StreamParser(SMALL) for _ in range(50)]
    for parser in parsers:
        for chunk in chunks:
            parser.feed(chunk)
        if rests:
            parser.rest()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(parsers)


def test_stream_that_has_only_begun_takes_little_memory():
    """Thousands of strangers may connect, send a header, and wait."""
    assert memory_of(rests=False) < SMALLEST
    assert memory_of(HEADER, rests=False) < SMALLEST


def test_stream_that_rests_takes_little_memory():
    """Most streams between servers are idle; not even the last stanza is kept."""
    large = b"<m>" + b"x" * 1_900 + b"</m>"
    assert memory_of(HEADER, large, rests=True) < SMALLEST < memory_of(HEADER, large, rests=False)


def test_stream_does_not_rest_within_a_stanza():
    """What has come of it is not lost."""
    parser = StreamParser(SMALL)
    parser.feed(HEADER + b"<a>b")
    parser.rest()
    assert parser.feed(b"c</a>") == [stanza("a", "bc")]


def test_closed_parser_reads_nothing():
    """Its owner has no use for more."""
    parser = StreamParser(SMALL)
    parser.feed(HEADER)
    parser.close()
    assert parser.feed(b"<a/>") == []


@pytest.mark.parametrize(
    ("after", "trailing"),
    [
        (b"", 0),
        (b" ", 1),
        (b"\n\n", 2),
        (b"<", 1),
        (b"<b c='", 6),
        (b"<b>c", 4),
        (b" <b>c<d", 6),
        (b"<b>" + b"c" * 1_997, 2_000),
        (b"<b/>", 0),
        (b"<b/> ", 1),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_follows_an_element_is_counted(after: bytes, trailing: int, size: int):
    """Nothing may follow before a stream is restarted (RFC 6120 §5.3.3)."""
    parser = StreamParser(SMALL)
    data = HEADER + b" <a>x</a>" + after
    for position in range(0, len(data), size):
        parser.feed(data[position : position + size])
    assert parser.trailing == trailing
    parser.rest()
    assert parser.trailing == trailing


def test_header_is_followed_by_nothing():
    """It is an event like an element."""
    parser = StreamParser(SMALL)
    parser.feed(HEADER[:50])
    assert parser.trailing == 50
    parser.feed(HEADER[50:])
    assert parser.trailing == 0


def test_stanza_as_large_as_the_limit_is_read():
    """Whoever was told the limit (XEP-0478) may use all of it."""
    for largest in b"<a>" + b"x" * 1_993 + b"</a>", b"<a b='" + b"x" * 1_991 + b"'/>":
        assert len(largest) == SMALL.stanza_bytes
        events, condition = opened(largest)
        assert (len(events), condition) == (1, "")
    assert opened(b"<a b='" + b"x" * 1_992 + b"'/>") == ([], "policy-violation")


def test_changed_limits_hold_at_once():
    """Who has authenticated may send more, on the same stream."""
    parser = StreamParser(SMALL)
    parser.feed(HEADER + b"<a>")
    parser.limits = Limits()
    large = b"<b/>" * 100 + b"x" * 9_000
    (event,) = parser.feed(large + b"</a>")
    assert isinstance(event, Element)
    parser.limits = SMALL
    with pytest.raises(XmlError, match="policy-violation"):
        parser.feed(b"<a>" + large + b"</a>")


@given(st.lists(ELEMENTS, max_size=3), st.integers(1, 40))
def test_elements_written_are_the_elements_read(elements: list[Element], size: int):
    """Serialising and parsing are inverse."""
    data = "".join(element.to_xml(NS_COMPONENT) for element in elements).encode()
    assert opened(*(data[i : i + size] for i in range(0, len(data), size)), limits=Limits()) == (elements, "")


def test_namespace_may_be_any_text():
    """A stranger's namespace that is no URI does no harm."""
    element = Element("a", "urn:a b", {"c": "d"}, Element("e", "&'<>\" é"))
    assert opened(element.to_xml(NS_COMPONENT).encode()) == ([element], "")


@pytest.mark.parametrize("size", [1_000, 40_000, 65_536, 300_000])
def test_long_stream_reads_on_through_renewals(size: int):
    """expat is replaced now and then; prefixes of the header stay known, and no stanza is lost."""
    one = b"<message to='a'><p:body xmlns:p='urn:p'>x</p:body><stream:y/></message>\n"
    count = 3 * RENEWAL // len(one)
    data = one * count + b"</stream:stream>"
    events, condition = opened(*(data[i : i + size] for i in range(0, len(data), size)))
    expected = stanza("message", Element("body", "urn:p", None, "x"), Element("y", NS_STREAMS), to="a")
    assert condition == ""
    assert events == [expected] * count + [StreamClosed()]


def test_strangers_names_are_not_kept():
    """Names of elements seen once are forgotten with the expat that saw them."""
    parser = StreamParser(Limits())
    parser.feed(HEADER)
    for number in range(0, 100_000, 100):
        parser.feed(b"".join(b"<a%d/>" % n for n in range(number, number + 100)))
    assert len(parser._names) < RENEWAL // len("<a10000/>") + 100


BOMB = b"<?xml version='1.0'?><!DOCTYPE b [<!ENTITY a0 'lol'>" + b"".join(
    b"<!ENTITY a%d '&a%d;&a%d;&a%d;'>" % (n, n - 1, n - 1, n - 1) for n in range(1, 12)
) + b"]><b>&a11;</b>"  # fmt: skip
HOSTILE = {
    "document type bomb": BOMB,
    "newlines in a body": HEADER + b"<message><body>" + b"\n" * 2**20,
    "newlines between stanzas": HEADER + b"\n" * 2**20,
    "nested elements": HEADER + b"<a>" * 100_000,
    "many elements": HEADER + b"<a>" + b"<b/>" * 100_000,
    "many attributes": HEADER + b"<a " + b" ".join(b"a%d=''" % n for n in range(50_000)) + b"/>",
    "many namespaces": HEADER + b"<a " + b" ".join(b"xmlns:a%d='u'" % n for n in range(30_000)) + b"/>",
    "long attribute": HEADER + b"<a b='" + b"x" * 500_000 + b"'/>",
    "long attribute of markup": HEADER + b"<a b='" + b">" * 500_000 + b"'/>",
    "long name": HEADER + b"<" + b"a" * 500_000 + b"/>",
    "character data section": HEADER + b"<a><![CDATA[" + b"]" * 500_000 + b"]]></a>",
    "references": HEADER + b"<a>" + b"&lt;" * 120_000 + b"</a>",
}


@pytest.mark.parametrize("size", [100, 1_448, 65_536, 2**21])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_stream_takes_no_time(name: str, size: int):
    """Work stays in proportion to the bytes, in small chunks too."""
    data, begin = HOSTILE[name], process_time()
    _, condition = read(*(data[i : i + size] for i in range(0, len(data), size)), limits=Limits())
    assert process_time() - begin < QUICK
    assert condition in ("", "restricted-xml", "policy-violation")


def test_short_document_type_bomb_is_refused_at_once():
    """The first byte of a document type declaration is enough."""
    assert len(BOMB) < 600
    assert read(BOMB[:60]) == ([], "restricted-xml")
