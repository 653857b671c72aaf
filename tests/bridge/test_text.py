"""Formatted text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.events import Span, Style, Text
from bridge.text import MAX_SPANS, TextBuilder, clip, prefixed, runs

plains = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


@st.composite
def formatted(draw):
    plain = draw(plains)
    spans = st.builds(
        lambda start, size, style: Span(start=start, end=start + size, style=style),
        st.integers(-2, 30),
        st.integers(0, 30),
        st.sampled_from([Style.BOLD, Style.ITALIC, Style.MONOSPACE]),
    )
    return Text(plain=plain, spans=tuple(draw(st.lists(spans, max_size=6))))


def looks(text: Text) -> list[dict[Style, str]]:
    """Return the look of every character, found the slow way."""
    return [
        {span.style: span.value for span in text.spans if span.start <= index < span.end}
        for index in range(len(text.plain))
    ]


@settings(max_examples=100, deadline=None)
@given(formatted())
def test_runs_are_the_whole_text_with_its_looks(text):
    """Spans may overlap, be empty or stick out."""
    found = [dict(look) for start, end, look in runs(text) for _ in range(start, end)]
    assert found == looks(text)


@settings(max_examples=100, deadline=None)
@given(formatted(), st.integers(0, 30), st.integers(0, 30))
def test_a_clip_looks_as_it_did(text, start, size):
    """Nothing moves, nothing is lost."""
    end = min(start + size, len(text.plain))
    start = min(start, end)
    piece = clip(text, start, end)
    assert piece.plain == text.plain[start:end]
    assert looks(piece) == looks(text)[start:end]


@settings(max_examples=100, deadline=None)
@given(formatted())
def test_a_text_built_from_its_runs_is_the_same(text):
    """And no two spans of one style touch or overlap."""
    builder = TextBuilder()
    for start, end, look in runs(text):
        builder.add(text.plain[start:end], look)
    built = builder.build()
    assert built.plain == text.plain
    assert looks(built) == looks(text)
    for one in built.spans:
        assert one.start < one.end
        assert not any(
            other.style is one.style and one.start <= other.start <= one.end
            for other in built.spans
            if other is not one
        )


@given(formatted(), st.text(max_size=4))
def test_words_in_front_change_no_look(text, words):
    """What was formatted still is, and nothing more."""
    both = prefixed(words, text)
    assert both.plain == words + text.plain
    assert looks(both) == [{} for _ in words] + looks(text)


def test_of_two_colours_the_later_holds():
    """As the last word in a style sheet does."""
    text = Text(
        plain="ab",
        spans=(
            Span(start=0, end=2, style=Style.COLOUR, value="#000000"),
            Span(start=1, end=2, style=Style.COLOUR, value="#ffffff"),
        ),
    )
    assert [look for _, _, look in runs(text)] == [{Style.COLOUR: "#000000"}, {Style.COLOUR: "#ffffff"}]


def test_spans_are_bounded_and_words_are_not():
    """A text of a thousand looks keeps all its words."""
    builder = TextBuilder()
    for index in range(2 * MAX_SPANS):
        builder.add("x", {Style.BOLD: ""} if index % 2 else {Style.ITALIC: ""})
    text = builder.build()
    assert len(text.spans) == MAX_SPANS
    assert text.plain == "x" * 2 * MAX_SPANS
