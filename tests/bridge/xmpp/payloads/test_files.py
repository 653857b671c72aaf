"""Files that go with a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Attachment, Thumbnail
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.files import (
    MAX_FILES,
    NS_FILES,
    NS_OOB,
    build_files,
    parse_files,
    with_links,
    without_links,
)

URL = "https://files.example/rose.png"
ROSE = Attachment(
    url=URL,
    name="rose.png",
    type="image/png",
    size=1000,
    width=40,
    height=30,
    thumbnail=Thumbnail(url="https://files.example/small", type="image/png", width=4, height=3),
)


def message(words: str, *attachments: Attachment) -> Element:
    return Element("message", "jabber:client", None, *build_files(words, attachments))


def oob(url: str) -> Element:
    return Element("x", NS_OOB, None, Element("url", NS_OOB, None, url))


@pytest.mark.spec("XEP-0447 §4")
def test_file_is_written_for_old_and_new_clients():
    """Metadata, source and thumbnail; out of band; and that the body is for those who know neither."""
    assert [one.to_xml("jabber:client") for one in build_files("", (ROSE,))] == [
        "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'>"
        "<media-type>image/png</media-type><name>rose.png</name><size>1000</size><width>40</width>"
        "<height>30</height><thumbnail xmlns='urn:xmpp:thumbs:1' uri='https://files.example/small' "
        "media-type='image/png' width='4' height='3'/></file><sources><url-data "
        "xmlns='http://jabber.org/protocol/url-data' target='https://files.example/rose.png'/></sources>"
        "</file-sharing>",
        "<x xmlns='jabber:x:oob'><url>https://files.example/rose.png</url></x>",
        "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'><body/></fallback>",
    ]
    assert with_links("", (ROSE,)) == URL


attachments = st.lists(
    st.builds(
        Attachment,
        url=st.integers(0, 99).map(lambda number: f"https://files.example/{number}"),
        name=st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=9),
        type=st.sampled_from(["", "image/png", "text/plain"]),
        size=st.none() | st.integers(0, 10**14),
        width=st.none() | st.integers(0, 99),
        height=st.none() | st.integers(0, 99),
        duration=st.none() | st.integers(0, 999).map(float),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.url,
).map(tuple)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), max_size=20)


@given(words, attachments)
def test_files_and_words_are_read_back(said: str, files: tuple[Attachment, ...]):
    """Whatever they are."""
    written = message(said, *files)
    assert parse_files(written) == files
    assert without_links(written, with_links(said, files), files) == said


@pytest.mark.parametrize("body", [URL, f" {URL}\n", "", "anything"])
def test_body_that_is_only_for_others_is_no_words(body: str):
    """The address alone, or what is marked as a fallback."""
    shared = message("", ROSE)
    assert without_links(shared, body, (ROSE,)) == ""


def test_words_without_a_mark_stay():
    """Most clients mark nothing; an address within the words is a part of them."""
    plain = Element("message", "jabber:client", None, oob(URL))
    assert without_links(plain, f"look\n{URL}", (ROSE,)) == "look"
    assert without_links(plain, f"look at {URL} there", (ROSE,)) == f"look at {URL} there"


def test_same_file_is_read_once():
    """Clients write it for each other's habits, with what is known of it in one place."""
    assert parse_files(message("", ROSE)) == (
        Attachment(url=URL, name="rose.png", type="image/png", size=1000, width=40, height=30),
    )


@pytest.mark.parametrize(
    "url", ["", "aesgcm://files.example/x#key", "file:///etc/passwd", "https://a b", "https://a\nb", "cid:x"]
)
def test_what_is_not_on_the_web_is_no_file(url: str):
    """It stays what it is in the body."""
    assert parse_files(Element("message", "jabber:client", None, oob(url))) == ()


def test_odd_payloads_are_no_files():
    """No source, no metadata, numbers that are none, more than anybody needs."""
    bare = Element("file-sharing", NS_FILES)
    source = Element("url-data", "http://jabber.org/protocol/url-data", {"target": URL})
    sourced = Element("file-sharing", NS_FILES, None, Element("sources", NS_FILES, None, source))
    wrong = Element(
        "file", "urn:xmpp:file:metadata:0", None, Element("size", "urn:xmpp:file:metadata:0", None, "-1")
    )
    assert parse_files(Element("message", "jabber:client", None, bare)) == ()
    assert parse_files(Element("message", "jabber:client", None, sourced)) == (Attachment(url=URL),)
    assert parse_files(Element("message", "jabber:client", None, sourced.add(wrong))) == (
        Attachment(url=URL),
    )
    many = (oob(f"https://files.example/{number}") for number in range(50))
    assert len(parse_files(Element("message", "jabber:client", None, *many))) == MAX_FILES
