"""Addresses: RFC 7622, its tolerance towards stringprep peers, and XEP-0106."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.xmpp.jid import PART_LIMIT, Jid, JidError, escape, unescape

VALID = [
    # given, local, domain, resource
    ("juliet@example.com", "juliet", "example.com", ""),
    ("juliet@example.com/foo", "juliet", "example.com", "foo"),
    ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
    ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
    ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
    ("fussball@example.com", "fussball", "example.com", ""),
    ("fußball@example.com", "fußball", "example.com", ""),
    ("π@example.com", "π", "example.com", ""),
    ("Σ@example.com/foo", "σ", "example.com", "foo"),
    ("king@example.com/♚", "king", "example.com", "♚"),
    ("example.com", "", "example.com", ""),
    ("example.com/foobar", "", "example.com", "foobar"),
    ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
    ("#chan%irc.example.org@gw.test", "#chan%irc.example.org", "gw.test", ""),
    ("#Chan[]^`{|}~%IRC@gw.test/Nick[away]", "#chan[]^`{|}~%irc", "gw.test", "Nick[away]"),
    ("#日本%irc@gw.test/たろう", "#日本%irc", "gw.test", "たろう"),
    ("EXAMPLE.COM.", "", "example.com", ""),
    ("Σας@EXAMPLE.com/Σας", "σας", "example.com", "Σας"),
    ("x@straße.test", "x", "straße.test", ""),
    ("x@bücher。test", "x", "bücher.test", ""),
    ("x@xn--bcher-kva.test", "x", "bücher.test", ""),
    ("x@[2001:DB8::0:1]/r", "x", "[2001:db8::1]", "r"),
    ("x@192.0.2.1", "x", "192.0.2.1", ""),
    ("x@my_host", "x", "my_host", ""),
    ("ａｂ@example.com", "ab", "example.com", ""),
    ("x@example.com/e\u0301", "x", "example.com", "é"),
]

TOLERATED = [
    # what PRECIS or IDNA2008 refuses, as stringprep peers prepare it
    ("♚@example.com", "♚", "example.com", ""),
    ("henryⅣ@example.com", "henryiv", "example.com", ""),
    ("#🤖%irc@example.com", "#🤖%irc", "example.com", ""),
    ("x@example.com/❤\ufe0f", "x", "example.com", "❤"),
    ("x@example.com/👩\u200d💻", "x", "example.com", "👩💻"),
    ("x@♚.example.com", "x", "♚.example.com", ""),
    ("x@xn--strae-oqa.test", "x", "xn--strae-oqa.test", ""),
    ("x@xn--a.test", "x", "xn--a.test", ""),
]

MALFORMED = [
    "",
    "@",
    "@example.com",
    "juliet@",
    "juliet@/foo",
    "/foo",
    "juliet@example.com/",
    '"juliet"@example.com',
    "foo bar@example.com",
    "foo&bar@example.com",
    "foo:bar@example.com",
    "foo<bar@example.com",
    "a＠b@example.com",
    "a@b@example.com",
    "a@example..com",
    "a@.example.com",
    "a@example.com..",
    "a@exa mple.com",
    "a@éxa<mple.com",
    "a@[::1",
    "a@[::1%eth0]",
    "a@[1.2.3.4]",
    "a@example.com\n",
    "a@example.com/\x07",
    "a@example.com/x\n",
    "a@example.com/\ud800",
    "א1b@example.com",
    "\u00ad@example.com",
]


@pytest.mark.parametrize(("text", "local", "domain", "resource"), VALID + TOLERATED)
def test_address_given_is_split_and_prepared(text: str, local: str, domain: str, resource: str):
    """Every part is brought into its form for comparison."""
    assert Jid.parse(text) == Jid(local, domain, resource)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_address_is_refused(text: str):
    """What neither RFC 7622 nor RFC 6122 allows is no address."""
    with pytest.raises(JidError):
        Jid.parse(text)


@pytest.mark.parametrize(
    "form", ["{}@example.com", "{}", "a@example.com/{}", "é{}@example.com", "a@example.com/é{}"]
)
def test_part_beyond_limit_is_refused(form: str):
    """RFC 7622 §3: 1023 bytes are allowed, 1024 are not."""
    room = PART_LIMIT - (2 if "é" in form else 0)
    Jid.parse(form.format("a" * room))
    with pytest.raises(JidError):
        Jid.parse(form.format("a" * (room + 1)))


def test_address_written_is_the_address_read():
    """bare and str leave out what is absent."""
    full = Jid.parse("a@b/c")
    assert (str(full), full.bare) == ("a@b/c", "a@b")
    assert (str(Jid.parse("b/c")), Jid.parse("b/c").bare) == ("b/c", "b")
    assert str(full.with_resource("")) == "a@b"


def test_resource_replaced_is_prepared():
    """with_resource follows the same rules as parse."""
    jid = Jid.parse("room@example.com")
    assert jid.with_resource("e\u0301") == Jid.parse("room@example.com/e\u0301")
    with pytest.raises(JidError):
        jid.with_resource("a\x00")
    with pytest.raises(JidError):
        jid.with_resource("a" * (PART_LIMIT + 1))


def test_equal_addresses_are_one_key():
    """Addresses serve as keys of dictionaries."""
    assert {Jid.parse("A@B/c"): 1}[Jid.parse("a@b/c")] == 1
    assert Jid.parse("a@b/c") != Jid.parse("a@b/C")


@given(st.text(max_size=30))
@example("\u0149@x")
@example("x/\u1e9b\u0323")
@example("\u0390\u0345@x")
def test_any_text_is_refused_or_stable(text: str):
    """A prepared address parses to itself, and only JidError comes out."""
    try:
        jid = Jid.parse(text)
    except JidError:
        return
    assert Jid.parse(str(jid)) == jid


@given(st.text(st.characters(max_codepoint=0x7F), min_size=1, max_size=20))
def test_plain_and_thorough_way_agree(text: str):
    """An ASCII address that takes the fast path is what PRECIS says it is."""
    from precis_i18n import get_profile

    try:
        jid = Jid.parse(f"{text}@example.com/{text}")
    except JidError:
        return
    if "/" not in text:
        assert jid.local == get_profile("UsernameCaseMapped").enforce(text.partition("@")[0])
        assert jid.resource == get_profile("OpaqueString").enforce(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("space cadet", "space\\20cadet"),
        ('call me "ishmael"', "call\\20me\\20\\22ishmael\\22"),
        ("at&t guy", "at\\26t\\20guy"),
        ("d'artagnan", "d\\27artagnan"),
        ("/.fanboy", "\\2f.fanboy"),
        ("::foo::", "\\3a\\3afoo\\3a\\3a"),
        ("<foo>", "\\3cfoo\\3e"),
        ("user@host", "user\\40host"),
        ("c:\\net", "c\\3a\\net"),
        ("c:\\\\net", "c\\3a\\\\net"),
        ("c:\\cool stuff", "c\\3a\\cool\\20stuff"),
        ("c:\\5commas", "c\\3a\\5c5commas"),
        ("\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool"),
        ("\\2plus\\2is\\4", "\\2plus\\2is\\4"),
        ("foo\\bar", "foo\\bar"),
        ("foob\\41r", "foob\\41r"),
    ],
)
def test_examples_of_escaping_hold(text: str, escaped: str):
    """XEP-0106 §4 and §5's tables, both ways."""
    assert escape(text) == escaped
    assert unescape(escaped) == text


def test_space_at_either_end_has_no_form():
    """XEP-0106 §4.1: ``\\20`` is neither first nor last."""
    for text in (" a", "a ", " "):
        with pytest.raises(JidError):
            escape(text)
    assert unescape("\\20a\\20b\\20") == "\\20a b\\20"


@given(st.text(min_size=1, max_size=30).filter(lambda text: text == text.strip(" ")))
@example("\\2F")
@example("\\5C20")
@example("\\\\5c")
def test_escaped_text_is_read_back(text: str):
    """unescape undoes escape, also after the case mapping of an address."""
    assert unescape(escape(text)) == text
    if text.isascii() and text.isprintable():
        assert unescape(Jid.parse(escape(text) + "@example.com").local) == text.lower()
