"""XHTML-IM and message styling."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.events import Span, Style, Text
from bridge.text import MAX_SPANS, runs
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.markup import (
    MAX_LENGTH,
    STYLING,
    XHTML,
    XHTML_IM,
    from_styling,
    from_xhtml,
    read_text,
    to_xhtml,
)


def xhtml(content: str) -> Element:
    root = ElementTree.fromstring(f"<html xmlns='{XHTML_IM}'><body xmlns='{XHTML}'>{content}</body></html>")
    return element(root)


def element(node: ElementTree.Element) -> Element:
    namespace, _, name = node.tag[1:].partition("}")
    result = Element(name, namespace, dict(node.attrib))
    if node.text:
        result.add(node.text)
    for child in node:
        result.add(element(child))
        if child.tail:
            result.add(child.tail)
    return result


def seen(text: Text) -> list[tuple[str, str, str]]:
    return [(text.plain[span.start : span.end], span.style.value, span.value) for span in text.spans]


def test_plain_words_need_no_markup():
    """No payload is added to most messages."""
    assert to_xhtml(Text(plain="hello\nworld")) is None


@pytest.mark.spec("XEP-0071 §6")
def test_spans_become_styled_elements():
    """Namespaces, properties and line breaks as clients know them."""
    text = Text(
        plain="a bold\n& red",
        spans=(
            Span(start=2, end=6, style=Style.BOLD),
            Span(start=9, end=12, style=Style.COLOUR, value="#ff0000"),
            Span(start=9, end=12, style=Style.UNDERLINE),
            Span(start=9, end=12, style=Style.STRIKE),
        ),
    )
    html = to_xhtml(text)
    assert html is not None
    assert html.to_xml() == (
        "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
        "a <span style='font-weight:bold;'>bold</span><br/>&amp; "
        "<span style='text-decoration:underline line-through;color:#ff0000;'>red</span></body></html>"
    )


def test_a_colour_that_is_none_is_not_written():
    """Nothing but a colour comes into a style attribute."""
    text = Text(
        plain="x", spans=(Span(start=0, end=1, style=Style.COLOUR, value="red;background:url(http://x)"),)
    )
    html = to_xhtml(text)
    assert html is not None
    assert "url" not in html.to_xml()


@pytest.mark.parametrize(
    ("content", "plain", "spans"),
    [
        ("a <strong>b</strong> c", "a b c", [("b", "bold", "")]),
        ("<b>a <i>b</i></b>", "a b", [("a b", "bold", ""), ("b", "italic", "")]),
        (
            "<em>a</em><u>b</u><del>c</del><code>d</code>",
            "abcd",
            [("a", "italic", ""), ("b", "underline", ""), ("c", "strike", ""), ("d", "monospace", "")],
        ),
        ("<p><b>a</b></p><p>b<br/>c</p>", "a\nb\nc", [("a", "bold", "")]),
        ("<b>a</b>\n   b <br/> \n c  ", "a b\nc", [("a", "bold", "")]),
        ("<pre>a  b\n  c</pre>", "a  b\n  c", [("a  b", "monospace", ""), ("  c", "monospace", "")]),
        ("<blockquote><p><b>q</b></p><p>r</p></blockquote>no", "> q\n> r\nno", [("q", "bold", "")]),
        ("<ul><li>a</li><li><b>b</b></li></ul>", "• a\n• b", [("b", "bold", "")]),
        (
            "<b>see</b> <a href='https://x.org/a'>this</a>",
            "see this <https://x.org/a>",
            [("see", "bold", "")],
        ),
        ("<b>see</b> <a href='https://x.org/'>x.org</a>", "see x.org", [("see", "bold", "")]),
        (
            "<b>see</b> <a href='https://x.org/'><i>https://x.org/</i></a>",
            "see https://x.org/",
            [("see", "bold", ""), ("https://x.org/", "italic", "")],
        ),
        ("<b>see</b> <a href='https://x.org/'/>", "see https://x.org/", [("see", "bold", "")]),
        ("<b>a</b><img alt='cat' src='u'/>", "acat", [("a", "bold", "")]),
        ("<b>a</b><script>evil()</script><style>x</style>", "a", [("a", "bold", "")]),
        ("<b>a</b><unknown>b</unknown>", "ab", [("a", "bold", "")]),
        ("<b>a</b><q>b</q>", "a“b”", [("a", "bold", "")]),
        ("<b>a<span style='font-weight:normal'>b</span></b>", "ab", [("a", "bold", "")]),
        (
            "<span style='COLOR: Red; Font-Weight: 700'>x</span>",
            "x",
            [("x", "bold", ""), ("x", "colour", "#ff0000")],
        ),
        ("<span style='color:#AbC'>x</span>", "x", [("x", "colour", "#aabbcc")]),
        ("<span style='background-color: rgb(1, 2,300)'>x</span>", "x", [("x", "background", "#0102ff")]),
        (
            "<span style='text-decoration: underline line-through'>x</span>",
            "x",
            [("x", "strike", ""), ("x", "underline", "")],
        ),
        (
            "<span style='font-style:oblique;font-family: Courier New'>x</span>",
            "x",
            [("x", "italic", ""), ("x", "monospace", "")],
        ),
        ("<font color='lime'>x</font>", "x", [("x", "colour", "#00ff00")]),
    ],
)
def test_markup_becomes_spans(content, plain, spans):
    """What clients of any age send."""
    text = from_xhtml(xhtml(content), "the body")
    assert text.plain == plain
    assert seen(text) == spans


@pytest.mark.parametrize(
    "content", ["", "words", "<p>words</p>", "<span style='color:nonsense;;:'>x</span>", "<b/>"]
)
def test_markup_that_formats_nothing_leaves_the_body(content):
    """The body is what the sender meant for those without markup."""
    assert from_xhtml(xhtml(content), " the  body ") == Text(plain=" the  body ")
    assert from_xhtml(Element("html", XHTML_IM), "x") == Text(plain="x")


def test_depth_and_length_are_bounded():
    """Words of a deep nest are kept, a text of megabytes is cut, no stack overflows."""
    deep: Element | str = "deep"
    for _ in range(5000):
        deep = Element("b", XHTML, None, deep)
    html = Element("html", XHTML_IM, None, Element("body", XHTML, None, deep))
    assert seen(from_xhtml(html, "")) == [("deep", "bold", "")]
    long = xhtml("<b>" + "x" * (2 * MAX_LENGTH) + "</b>")
    assert len(from_xhtml(long, "").plain) == MAX_LENGTH
    many = from_xhtml(xhtml("<b>a</b>c" * 2000), "")
    assert many.plain == "ac" * 2000
    assert len(many.spans) == MAX_SPANS


@st.composite
def formatted(draw):
    plain = draw(st.text(st.sampled_from("abc<&'\"é😀\n"), max_size=20)).strip("\n")
    spans = st.builds(
        lambda start, size, style: Span(start=start, end=start + size, style=style),
        st.integers(0, 20),
        st.integers(1, 20),
        st.sampled_from([Style.BOLD, Style.ITALIC, Style.UNDERLINE, Style.STRIKE, Style.MONOSPACE]),
    )
    return Text(plain=plain, spans=tuple(draw(st.lists(spans, max_size=5))))


@settings(max_examples=150, deadline=None)
@given(formatted())
def test_what_is_written_is_read_back(text):
    """Words and looks, through real XML."""
    html = to_xhtml(text)
    if html is None:
        return
    again = from_xhtml(element(ElementTree.fromstring(html.to_xml())), text.plain)
    assert again.plain == text.plain
    assert visible(again) == visible(text)


def visible(text: Text) -> list[tuple[str, dict[Style, str]]]:
    looks = [
        (text.plain[index], dict(look)) for start, end, look in runs(text) for index in range(start, end)
    ]
    return [each for each in looks if each[0] != "\n"]


@pytest.mark.parametrize(
    ("plain", "spans"),
    [
        ("plain span", []),
        ("*strong span*", ["*strong span*"]),
        ("plain _emphasis_ plain", ["_emphasis_"]),
        ("`pre` plain *strong*", ["`pre`", "*strong*"]),
        ("*strong*plain*", ["*strong*"]),
        ("* plain *strong*", ["*strong*"]),
        ("not strong*", []),
        ("*not strong", []),
        ("*not \n strong*", []),
        ("*not *strong", []),
        ("**", []),
        ("***", []),
        ("****", []),
        ("snake_case_name 2*3*4 a~b", []),
        ("Everyone ~dis~likes cake.", ["~dis~"]),
        ("This is `*monospace*`", ["`*monospace*`"]),
        ("*_x_*", ["*_x_*", "_x_"]),
        ("> *q*\n>> _n_\n*o*", ["*q*", "_n_", "*o*"]),
        ("```ignored\n*code*\n```\n*x*", ["```ignored\n*code*\n```", "*x*"]),
        ("> ```\n> *code*\n*x*", ["```\n> *code*", "*x*"]),
        ("```\nopen *x*", ["```\nopen *x*"]),
    ],
)
@pytest.mark.spec("XEP-0393 §5")
def test_styling_is_read_as_specified(plain, spans):
    """The examples of the specification, and what must not be styled."""
    text = from_styling(plain)
    assert text.plain == plain
    assert [plain[span.start : span.end] for span in text.spans] == spans


def test_each_directive_has_its_style():
    """Strong, emphasis, strike through, preformatted."""
    text = from_styling("*a* _b_ ~c~ `d`")
    assert [span.style for span in text.spans] == [Style.BOLD, Style.ITALIC, Style.STRIKE, Style.MONOSPACE]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("*_~`> \nab"), max_size=60))
def test_styling_never_changes_words_and_spans_nest(plain):
    """Whatever is sent, spans lie inside the text and inside each other or apart."""
    text = from_styling(plain)
    assert text.plain == plain
    for one in text.spans:
        assert 0 <= one.start < one.end <= len(plain)
        for other in text.spans:
            assert (
                other.end <= one.start
                or one.end <= other.start
                or contains(one, other)
                or contains(other, one)
            )


def contains(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


@pytest.mark.parametrize("unit", ["*a ", "*a", "_*~`", ">", "a* ", "* ", ">*a\n", "```\n", "*a _b ~c `d "])
def test_styling_of_a_hostile_text_is_bounded(unit):
    """Sixty thousand directives give few spans, and quickly: every character is looked at a few times."""
    text = from_styling((unit * MAX_LENGTH)[:MAX_LENGTH])
    assert len(text.spans) <= MAX_SPANS


def test_message_says_how_its_words_look():
    """By XHTML-IM, or by styling unless it says that there is none (XEP-0393 §6)."""
    plain = Element("message", "jabber:component:accept")
    assert seen(read_text(plain, "*so*")) == [("*so*", "bold", "")]
    formatted = Element("message", "jabber:component:accept", None, xhtml("<em>so</em>"))
    assert seen(read_text(formatted, "*so*")) == [("so", "italic", "")]
    unstyled = Element("message", "jabber:component:accept", None, Element("unstyled", STYLING))
    assert read_text(unstyled, "*so*") == Text(plain="*so*")
