"""What a file is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import OCTETS
from bridge.web.kinds import bare, dimensions, is_taken, kind_of, sniff

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
GIF = b"GIF89a" + struct.pack("<HH", 12, 34)
JPEG = (
    b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    + b"\xff\xc0" + struct.pack(">HBHH", 11, 8, 200, 300)
)  # fmt: skip
WEBP = b"RIFF" + bytes(4) + b"WEBPVP8X" + bytes(8) + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("declared", "head", "kind"),
    [
        ("image/png", PNG, "image/png"),
        ("text/html", PNG, "image/png"),
        ("image/png", b"<html>", OCTETS),
        ("Text/Plain; charset=utf-8", b"hello", "text/plain"),
        ("audio/mp4", b"\0\0\0\x20ftypisom", "audio/mp4"),
        ("image/png", b"\0\0\0\x20ftypisom", "video/mp4"),
        ("", b"\0\0\0\x20ftypavif", "image/avif"),
        ("audio/webm", b"\x1aE\xdf\xa3", "audio/webm"),
        ("nonsense", b"x", OCTETS),
        ("a/b c", b"x", OCTETS),
        ("audio/x-wav", b"RIFF....WAVE", "audio/wav"),
    ],
)
def test_first_bytes_count_more_than_the_header(declared: str, head: bytes, kind: str):
    """A picture that is none is not called one; what is not known stays what it says."""
    assert kind_of(declared, head) == kind


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (PNG, (640, 480)),
        (GIF, (12, 34)),
        (JPEG, (300, 200)),
        (WEBP, (100, 50)),
        (PNG[:20], None),
        (b"", None),
    ],
)
def test_size_of_a_picture_is_read_where_it_is_near(head: bytes, size: tuple[int, int] | None):
    """PNG, GIF, JPEG, WebP."""
    assert dimensions(head) == size


@given(st.binary(), st.sampled_from([b"", PNG, GIF, JPEG, WEBP, JPEG[:4]]), st.text())
def test_any_bytes_have_a_type(data: bytes, start: bytes, declared: str):
    """Nothing that anybody sends is too odd."""
    kind = kind_of(declared, start + data)
    assert kind == bare(kind)
    assert sniff(start + data) in ("", kind) or kind == bare(declared)
    dimensions(start + data)


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [(("*/*",), True), (("image/*",), True), (("image/png",), True), (("video/*", "image/gif"), False)],
)
def test_operator_says_which_types_are_taken(patterns: tuple[str, ...], taken: bool):
    """All, all of a sort, or one."""
    assert is_taken("image/png", patterns) is taken
