"""Matrix HTML, both ways."""

from __future__ import annotations

from time import process_time

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Span, Style, Text
from transports.matrix.links import Target
from transports.matrix.markup import MAX_HTML, from_html, to_html

NICKS = {"@bob:hs.example": "Bob (away)"}


def read(html: str, plain: str = "plain") -> Text:
    return from_html(html, plain, lambda user_id: NICKS.get(user_id, ""))[0]


def seen(text: Text) -> list[tuple[str, str, str]]:
    return [(text.plain[span.start : span.end], span.style.value, span.value) for span in text.spans]


@pytest.mark.parametrize(
    ("html", "plain", "spans"),
    [
        ("a <b>b</b> <em>c</em>", "a b c", [("b", "bold", ""), ("c", "italic", "")]),
        ("<u>a</u><del>b</del><code>c</code>", "abc", [("a", "underline", ""), ("b", "strike", ""), ("c", "monospace", "")]),
        ("<pre><code>a\n  b\n</code></pre>", "a\n  b", [("a", "monospace", ""), ("  b", "monospace", "")]),
        ("<b>a<br>b</b>", "a\nb", [("a", "bold", ""), ("b", "bold", "")]),
        ("<blockquote><b>a</b></blockquote>b", "> a\nb", [("a", "bold", "")]),
        ("<b>x</b><ol start='3'><li>a</li><li>b</li></ol>", "x\n3. a\n4. b", [("x", "bold", "")]),
        ("<b>x</b><ul><li>a</li><li>b</li></ul>", "x\n• a\n• b", [("x", "bold", "")]),
        ("<b>x</b><hr>y", "x\n———\ny", [("x", "bold", "")]),
        ("<b>x</b><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "x\na | b\nc", [("x", "bold", "")]),
        ("<b>x</b> <img alt=':cat:' src='mxc://a/b'>", "x :cat:", [("x", "bold", "")]),
        ("<font color='#ff0000'>a</font>", "a", [("a", "colour", "#ff0000")]),
        (
            "<span data-mx-color='#ff0000' data-mx-bg-color='#00ff00'>a</span>",
            "a",
            [("a", "background", "#00ff00"), ("a", "colour", "#ff0000")],
        ),
        ("<b>x</b> <span data-mx-spoiler>a</span>", "x [spoiler] a", [("x", "bold", "")]),
        ("<b>x</b> <span data-mx-spoiler='end'>a</span>", "x [spoiler: end] a", [("x", "bold", "")]),
        ("<b>x</b> <a href='https://a.example/'>here</a>", "x here <https://a.example/>", [("x", "bold", "")]),
        ("<b>x</b> <a href='javascript:a()'>here</a>", "x here", [("x", "bold", "")]),
        ("<b>a", "a", [("a", "bold", "")]),
        ("<b>a</b><script>b</script><style>c</style><!-- d -->", "a", [("a", "bold", "")]),
        ("<mx-reply><blockquote>x</blockquote></mx-reply><b>a</b>", "a", [("a", "bold", "")]),
        ("<b>&lt;a&gt; &amp;amp;</b>", "<a> &amp;", [("<a> &amp;", "bold", "")]),
        ("<b>a\0b</b>", "ab", [("ab", "bold", "")]),
    ],
)  # fmt: skip
def test_html_becomes_words_and_looks(html, plain, spans):
    """Everything that Matrix allows in a formatted body is shown or said."""
    text = read(html)
    assert text.plain == plain
    assert seen(text) == spans


def each_look(text: Text) -> list[set[Style]]:
    """The styles of each character."""
    return [
        {span.style for span in text.spans if span.start <= index < span.end}
        for index in range(len(text.plain))
    ]


@pytest.mark.parametrize(
    "link",
    ["https://matrix.to/#/@bob:hs.example", "https://matrix.to/#/%40bob%3Ahs.example",
     "https://matrix.to/#/@bob:hs.example?via=a", "matrix:u/bob:hs.example", "matrix:u/bob:hs.example?action=chat"],
)  # fmt: skip
def test_mention_is_the_nick_in_the_room(link):
    """A pill names people as the room does, without the link."""
    assert read(f'<a href="{link}">Bob</a>: <b>hi</b>').plain == "Bob (away): hi"


def test_mention_of_somebody_elsewhere_keeps_its_words():
    """Who is not in the room is named as the author named him."""
    assert read('<a href="https://matrix.to/#/@eve:hs.example">Eve</a> <b>hi</b>').plain == "Eve hi"


def test_unformatted_html_leaves_the_body_alone():
    """Where nothing is formatted the plain body is what was said."""
    assert read("<p>a</p>", "plain") == Text(plain="plain")
    assert read("a &amp; b", "plain") == Text(plain="plain")


def test_oversized_html_leaves_the_body_alone():
    """Beyond the limit words stay and looks go."""
    assert read("<b>a</b>" * MAX_HTML, "plain") == Text(plain="plain")


@pytest.mark.parametrize(
    "html",
    ["<b>" * 9000, "<div>" * 9000, "<a " * 9000, "<x y='" * 9000, "</" * 9000, "<!--" * 9000, "<li>" * 9000,
     "<table><b>" * 9000, "<p><b>x" * 9000, "<blockquote>" * 9000, "<a href='https://a.example'>x" * 9000,
     "".join(f"<font color='{n}'>" for n in range(700)) + "<p>x" * 700],
)  # fmt: skip
def test_malicious_html_costs_little(html):
    """Unclosed, nested and amplifying tags: what amplifies takes a minute, and the rest milliseconds."""
    start = process_time()
    read(html[:MAX_HTML])
    assert process_time() - start < 5


@given(st.text(st.sampled_from("<>/'\"=&;! abpiu-"), max_size=60) | st.text())
def test_any_html_is_read(html):
    """No text makes the reader stumble, and no span leaves the words."""
    text = read(html)
    assert all(0 <= span.start < span.end <= len(text.plain) for span in text.spans)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (Text(plain="a"), ""),
        (Text(plain="a<b", spans=(Span(start=0, end=3, style=Style.BOLD),)), "<strong>a&lt;b</strong>"),
        (Text(plain="a\nb", spans=(Span(start=0, end=1, style=Style.ITALIC),)), "<em>a</em><br>b"),
        (Text(plain="a b", spans=(Span(start=2, end=3, style=Style.MONOSPACE),)), "a <code>b</code>"),
        (
            Text(plain="a\nb", spans=(Span(start=0, end=3, style=Style.MONOSPACE),)),
            "<pre><code>a\nb</code></pre>",
        ),
        (
            Text(plain="ab", spans=(Span(start=0, end=1, style=Style.COLOUR, value="#ff0000"),)),
            '<span data-mx-color="#ff0000">a</span>b',
        ),
        (Text(plain="a", spans=(Span(start=0, end=1, style=Style.COLOUR, value='"><b>'),)), "a"),
    ],
)
def test_looks_become_html(text, html):
    """Spans are the only source of tags."""
    assert to_html(text) == html


def test_mentions_become_links():
    """Of those that overlap the first counts; what is outside of the words is none."""
    text = Text(plain="Bob <3: hi", spans=(Span(start=8, end=10, style=Style.BOLD),))
    bob, other = Target("@bob:hs.example"), Target("#x:hs.example", ("a.example",))
    assert to_html(text, [(0, 6, bob), (3, 7, other), (8, 99, other)]) == (
        '<a href="https://matrix.to/#/@bob:hs.example">Bob &lt;3</a>: <strong>hi</strong>'
    )
    assert to_html(text, [(8, 10, other)]) == (
        'Bob &lt;3: <a href="https://matrix.to/#/#x:hs.example?via=a.example"><strong>hi</strong></a>'
    )


def test_links_to_people_and_rooms_are_told():
    """By the words that may stand for them in the body, whether anything is formatted or not."""
    html = '<a href="https://matrix.to/#/@bob:hs.example">Bob</a> in <a href="matrix:r/x:hs.example">the room</a>'
    text, pills = from_html(html, "Bob in the room", lambda user_id: NICKS.get(user_id, ""))
    assert text == Text(plain="Bob in the room")
    assert pills == [
        (Target("@bob:hs.example"), ("Bob (away)", "Bob")),
        (Target("#x:hs.example"), ("the room",)),
    ]


spans = st.builds(
    Span,
    start=st.integers(0, 20),
    end=st.integers(0, 20),
    style=st.sampled_from([Style.BOLD, Style.ITALIC, Style.UNDERLINE, Style.STRIKE]),
)


@given(st.text(st.sampled_from("ab<>&\"' \n")), st.lists(spans, max_size=4))
def test_written_html_is_clean(plain, looks):
    """A sanitiser finds nothing to take away: nobody writes tags into a Matrix room through us."""
    html = to_html(Text(plain=plain, spans=tuple(looks)))
    assert nh3.clean(html) == html


@given(st.text(st.sampled_from("ab<>&"), min_size=1), st.lists(spans, min_size=1, max_size=4))
def test_looks_survive_the_round_trip(plain, looks):
    """What is written is read back as it looked."""
    text = Text(plain=plain, spans=tuple(looks))
    again = read(to_html(text), plain)
    assert again.plain == plain
    assert each_look(again) == each_look(text)
