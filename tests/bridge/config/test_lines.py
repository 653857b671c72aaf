"""Line numbers of TOML keys, against documents whose lines are known."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config.lines import KeyPath, key_lines

keys = st.text("ab-_1.\" é#='[]\\\t", min_size=1, max_size=4)
bare = st.text("ab-_1", min_size=1, max_size=3)
gaps = st.sampled_from(["", "\n", "# [not.a.table]\n", "\n\n  # key = 'x'\n", "\r\n"])
scalars = st.sampled_from(
    [
        "1",
        "-3.5e2",
        "true",
        "1979-05-27 07:32:00",
        '"a # b = [ ] \\" \\\\"',
        "'c:\\temp # x'",
        '"""\n[not.a.table]\nkey = 1\\"" ""still"""',
        '""""quoted""""',
        "'''\n[[x]]\n'q' ''it''''",
        "'''''two'''''",
    ]
)


def quoted(key: str, style: int) -> str:
    """Write a key bare, literal or basic, as far as it can be."""
    if style == 0 and key.replace("-", "a").replace("_", "a").isalnum() and key.isascii():
        return key
    if style == 1 and "'" not in key:
        return f"'{key}'"
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("é", "\\u00e9")
    return f'"{escaped}"'


styles = st.integers(0, 2)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.tuples(st.just("["), st.lists(st.tuples(gaps, inner, gaps), max_size=3), gaps).map(
            lambda array: "[" + ",".join(a + b + c for a, b, c in array[1]) + array[2] + "]"
        ),
        st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        ),
    ),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """Draw a document with tables, arrays of tables, dotted and quoted keys, and its own keys' lines."""
    text, lines = "", {}

    def add(written: str) -> int:
        nonlocal text
        line = text.count("\n") + 1
        text += written
        return line

    names = draw(st.lists(keys, min_size=1, max_size=4, unique=True))
    for number, name in enumerate(names):
        add(draw(gaps))
        copies = draw(st.integers(0, 2))
        heads = [f"[[ {quoted(name, draw(styles))} ]]\n"] * copies or [f"[{quoted(name, draw(styles))}]\n"]
        for index, head in enumerate(heads):
            path: KeyPath = (name, index) if copies else (name,)
            lines[path] = add(head)
            for key in draw(st.lists(keys, max_size=3, unique=True)):
                add(draw(gaps))
                dotted = draw(st.booleans())
                written = quoted(key, draw(styles)) + (f" . {quoted('sub', number % 3)}" if dotted else "")
                full = (*path, key, "sub") if dotted else (*path, key)
                lines[full] = add(f" {written}\t= {draw(values)} # end\n")
    return text, lines


def paths(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Walk over all that a parsed document holds."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from paths(each, (*path, index))


@settings(max_examples=300, deadline=None)
@given(documents())
def test_any_document_has_each_key_at_its_line(drawn: tuple[str, dict[KeyPath, int]]) -> None:
    """Every key that tomllib finds is found, no other, and each at the line it was written on."""
    text, expected = drawn
    found = key_lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    assert {path: found[path] for path in expected} == expected


def test_tables_below_arrays_of_tables_count_with_the_last_one() -> None:
    """A table below [[a]] belongs to the newest a."""
    text = "[[a]]\nx = 1\n[a.b]\ny = 1\n[[a]]\n[a.b]\ny = 2\n[[a.c]]\n[[a.c]]\nz = 3\n"
    found = key_lines(text)
    assert found[("a", 0, "b", "y")] == 4
    assert found[("a", 1, "b", "y")] == 7
    assert found[("a", 1, "c", 1, "z")] == 10


def test_inline_tables_and_lists_over_lines_are_walked() -> None:
    """The items of a list that spans lines have their own lines."""
    text = 'a = [ # one\n  1,\n  { b = "]", c.d = [\n    2 ] },\n]\ne = 5\n'
    found = key_lines(text)
    assert (found[("a", 0)], found[("a", 1, "b")], found[("a", 1, "c", "d", 0)], found[("e",)]) == (
        2,
        3,
        4,
        6,
    )
