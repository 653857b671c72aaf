"""Links to people and rooms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.matrix.links import LINK, Target, read_link, write_link


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://matrix.to/#/@bob:hs.example", Target("@bob:hs.example")),
        ("https://matrix.to/#/%40bob%3Ahs.example?via=x", Target("@bob:hs.example")),
        ("https://matrix.to/#/#a:hs.example?via=b.example&via=c.example&via=%20", Target("#a:hs.example", ("b.example", "c.example"))),
        ("https://matrix.to/#/%23a%3Ahs.example/$event", Target("#a:hs.example")),
        ("https://matrix.to/#/!opaque?via=b.example", Target("!opaque", ("b.example",))),
        ("matrix:u/bob:hs.example?action=chat", Target("@bob:hs.example")),
        ("matrix:r/a:hs.example/e/event", Target("#a:hs.example")),
        ("matrix:roomid/opaque:hs.example?via=b.example", Target("!opaque:hs.example", ("b.example",))),
        ("https://matrix.to/#/bob", None),
        ("matrix:x/bob:hs.example", None),
        ("https://elsewhere.example/#/@bob:hs.example", None),
        ("https://matrix.to/#/@bob:hs.example" + "?" * 3000, None),
    ],
)  # fmt: skip
def test_links_are_read_in_every_form(link, target):
    """To an event means to its room."""
    assert read_link(link) == target


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0 \n"), min_size=1, max_size=20))
def test_written_link_is_read_again(local):
    """Whatever ids are made of."""
    target = Target(f"#{local}:hs.example", ("a.example",))
    link = write_link(target)
    assert read_link(link) in (target, None)
    assert link.isascii() and LINK.fullmatch(link.replace("'", "%27"))


@given(st.text() | st.text().map(lambda text: f"matrix:u/{text}"))
def test_any_text_is_a_link_or_none(text):
    """Nothing makes it stumble."""
    assert isinstance(read_link(text), Target | None)
