"""Files in events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Attachment, Thumbnail
from tests.transports.matrix.raw import json
from transports.matrix.attachments import (
    Place,
    Secrets,
    file_content,
    filename_of,
    name_of_uri,
    read_file,
    read_name,
    uri_of,
)

MESSAGE, STICKER = "m.room.message", "m.sticker"
SECRETS = {"key": {"alg": "A256CTR", "k": "a+b"}, "iv": "i/v", "hashes": {"sha256": "h="}}


def link(name: str, filename: str) -> str:
    return f"https://f/{name}/{filename}"


def read(event_type: str = MESSAGE, **content) -> Attachment | None:
    return read_file(
        event_type, {"msgtype": "m.image", "body": "rose.png", "url": "mxc://hs.example/id", **content}, link
    )


def test_file_is_read_with_all_that_is_said_of_it():
    """Sizes in pixels and bytes, length in seconds."""
    info = {"mimetype": "Video/MP4; codecs=x", "size": 99, "w": 4, "h": 3, "duration": 2500}
    assert read(msgtype="m.video", body="a.mp4", info=info) == Attachment(
        url="https://f/hs.example/id/a.mp4",
        name="a.mp4",
        type="video/mp4",
        size=99,
        width=4,
        height=3,
        duration=2.5,
    )


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"body": "rose.png"}, "rose.png"),
        ({"body": "A caption", "filename": "rose.png"}, "rose.png"),
        ({"body": "rose", "info": {"mimetype": "image/png"}}, "rose.png"),
        ({"body": "", "info": {"mimetype": "image/png"}}, "image.png"),
        ({"body": "two\nlines"}, "image"),
        ({"body": 7}, "image"),
    ],
)
def test_file_has_a_name_that_programs_can_open(content, name: str):
    """With an ending, if its type is known."""
    found = read(**content)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "https://hs/x",
        "mxc://",
        "mxc://hs.example",
        "mxc://hs.example/../x",
        "mxc://hs.example/a/b",
        "mxc://hs.example/a?1x1",
        "mxc:///id",
        "mxc://h s/id",
    ],
)
def test_what_names_no_file_is_none(url):
    """It is told by words only."""
    assert read(url=url) is None


def test_text_has_no_file_and_a_sticker_has_one():
    """Whatever a text's content says."""
    assert read(msgtype="m.text") is None
    assert read(msgtype=["m.image"]) is None
    assert read(STICKER, msgtype=None) is not None
    assert read_file(MESSAGE, {"msgtype": "m.image", "url": "mxc://a.example/b"}, lambda *_: "") is None


def test_thumbnail_is_the_sender_s_or_the_homeserver_s():
    """A large picture has one in any case."""
    info = {
        "thumbnail_url": "mxc://hs.example/small",
        "thumbnail_info": {"w": 4, "h": 3, "mimetype": "image/png"},
    }
    found = read(info=info)
    assert found is not None and found.thumbnail == Thumbnail(
        url="https://f/hs.example/small/thumbnail.png", type="image/png", width=4, height=3
    )
    found = read(info={"mimetype": "image/png", "w": 2000, "h": 10})
    assert found is not None and found.thumbnail is not None
    assert found.thumbnail.url == "https://f/hs.example/id?320x240/thumbnail"
    found = read(info={"mimetype": "image/png", "w": 20, "h": 10})
    assert found is not None and found.thumbnail is None


def test_encrypted_file_is_named_with_what_decrypts_it():
    """Only by what we can decrypt."""
    found = read(url=None, file={"url": "mxc://hs.example/id", **SECRETS}, info={"mimetype": "image/png"})
    assert found is not None
    name = found.url.removeprefix("https://f/").removesuffix("/rose.png")
    assert read_name(name) == Place("hs.example", "id", secrets=Secrets("a+b", "i/v", "h=", "image/png"))
    assert read(url=None, file={"url": "mxc://hs.example/id"}) is None
    assert (
        read(url=None, file={"url": "mxc://hs.example/id", **SECRETS, "key": {"alg": "ROT13", "k": "x"}})
        is None
    )


@pytest.mark.parametrize(
    "name", ["", "id", "hs.example/", "hs.example/a b", "hs.example/id?x", "hs.example/id?k=1"]
)
def test_name_that_we_never_gave_is_none(name: str):
    """It came with our signature, but who knows."""
    assert read_name(name) is None


def test_uri_and_name_are_the_same_file():
    """There and back."""
    assert name_of_uri(uri_of("hs.example:8448/id")) == "hs.example:8448/id"
    assert read_name("hs.example/id?320x240") == Place("hs.example", "id", size=(320, 240))


@given(json, st.sampled_from([MESSAGE, STICKER, None]))
def test_any_content_is_read(content, event_type):
    """Whatever a server sends."""
    if not isinstance(content, dict):
        return
    for key in ("info", "file", "url"):
        mixed = {"msgtype": "m.image", "url": "mxc://hs.example/id", **content, key: content}
        read_file(event_type, mixed, link)


@pytest.mark.parametrize(
    ("kind", "msgtype"),
    [
        ("image/png", "m.image"),
        ("video/mp4", "m.video"),
        ("audio/ogg", "m.audio"),
        ("text/plain", "m.file"),
        ("image/svg+xml", "m.file"),
    ],
)
def test_file_is_sent_as_what_it_is(kind: str, msgtype: str):
    """Clients do not show SVG pictures in place."""
    attachment = Attachment(url="mxc://hs.example/id", type=kind, size=9, duration=1.5)
    assert file_content(attachment, "a.bin") == {
        "msgtype": msgtype,
        "body": "a.bin",
        "filename": "a.bin",
        "url": "mxc://hs.example/id",
        "info": {"mimetype": kind, "size": 9, "duration": 1500},
    }


def test_name_of_a_file_is_the_end_of_its_address():
    """If nobody says what it is called; its type may be read of that."""
    assert filename_of(Attachment(url="https://f/a/b%20c.png?x#y")) == "b c.png"
    assert filename_of(Attachment(url="https://f/")) == "file"
    assert filename_of(Attachment(url="https://f/x", name="rose.png")) == "rose.png"
    assert file_content(Attachment(url="mxc://a.example/b"), "rose.png")["msgtype"] == "m.image"
