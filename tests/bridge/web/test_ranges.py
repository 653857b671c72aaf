"""Which part of a file is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.ranges import Unsatisfiable, part


@pytest.mark.spec("RFC 9110 §14.1.2")
@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=500-5000", (500, 1000)),
        ("bytes=-500", (500, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=0-0", (0, 1)),
        (" bytes = 1 - 2 ", (1, 3)),
    ],
)
def test_range_is_a_part_of_the_file(header: str, wanted: tuple[int, int]):
    """From, to; from; the last so many."""
    assert part(header, 1000) == wanted


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=5-3", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"]
)
def test_what_is_no_single_range_is_the_whole(header: str | None):
    """RFC 9110 §14.2 lets a server take no notice of it."""
    assert part(header, 1000) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_range_beyond_the_end_cannot_be_had(header: str):
    """There is no such part."""
    with pytest.raises(Unsatisfiable):
        part(header, 1000)


def test_file_of_unknown_size_has_no_parts():
    """It is given as a whole."""
    assert part("bytes=0-1", None) is None


@given(st.text(), st.integers(0, 10**9))
def test_part_lies_within_the_file(header: str, size: int):
    """Whatever is asked."""
    try:
        found = part(f"bytes={header}", size)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= size
