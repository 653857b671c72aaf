"""Pictures and their types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.network import Photo
from bridge.pictures import media_type, photo_of

SHA1 = "25c9b37ae36a0a08318d4dca7ca57ea98d776821"


@pytest.mark.parametrize(
    ("data", "type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", ""),
        (b"<svg onload='x'>", ""),
        (b"", ""),
    ],
)
def test_type_is_what_the_bytes_are(data, type):
    """Nothing that could hold a script is a picture."""
    assert media_type(data) == type


@given(st.binary())
def test_any_bytes_are_a_picture_or_none(data):
    """Named by their SHA-1."""
    photo = photo_of(data)
    assert photo is None or (len(photo.id), photo.data) == (40, data)


def test_picture_is_named_by_its_hash():
    """XEP-0153 §3.1."""
    data = b"GIF89a"
    assert photo_of(data) == Photo(type="image/gif", data=data, id=SHA1)
