"""SIP URIs in and out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.sip.wire.uri import MAX_URI, Malformed, Uri, is_equivalent, parse_uri

few = settings(max_examples=100, deadline=None)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z0-9]{1,5})?", fullmatch=True)
uris = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    host=names | st.ip_addresses(v=6).map(str),
    user=words | st.just(""),
    port=st.integers(0, 65535),
    params=st.dictionaries(
        words.map(str.lower).filter(lambda name: name == name.lower()), words | st.just("")
    ),
    headers=st.lists(st.tuples(words, words | st.just("")), max_size=3).map(tuple),
)


@few
@given(uris)
def test_what_was_written_is_read_the_same(uri):
    """Whatever a part holds, its escapes bring it through."""
    assert parse_uri(str(uri)) == uri


@few
@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_malformed(text):
    """Nothing else is raised, and what is a URI can be written and read again."""
    try:
        uri = parse_uri("sip:" + text)
    except Malformed:
        return
    assert parse_uri(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:pbx1", Uri(scheme="sip", host="pbx1")),
        ("SIPS:Ann@H_x.Example:5061", Uri(scheme="sips", host="h_x.example", user="Ann", port=5061)),
        ("sip:a:b:c@h", Uri(scheme="sip", host="h", user="a", password="b:c")),
        (
            "sip:+1555;ext=7@gw;user=phone;lr",
            Uri(scheme="sip", host="gw", user="+1555;ext=7", params={"user": "phone", "lr": ""}),
        ),
        ("sip:a%40b@[2001:DB8::1]", Uri(scheme="sip", host="2001:db8::1", user="a@b")),
        (
            "sip:a@h;gr=urn:uuid:f81?Replaces=x%3Bto-tag%3D1&Subject=",
            Uri(
                scheme="sip",
                host="h",
                user="a",
                params={"gr": "urn:uuid:f81"},
                headers=(("Replaces", "x;to-tag=1"), ("Subject", "")),
            ),
        ),
        ("sip:a@h;;x=1;x=2", Uri(scheme="sip", host="h", user="a", params={"x": "1"})),
        ("tel:+1-555;phone-context=x", Uri(scheme="tel", opaque="+1-555;phone-context=x")),
        ("im:ann@ann.example", Uri(scheme="im", opaque="ann@ann.example")),
        (" sip:a@h ", Uri(scheme="sip", host="h", user="a")),
    ],
)
@pytest.mark.spec("RFC 3261 §19.1")
def test_a_uri_is_taken_apart(text, uri):
    """Parts are decoded; names of hosts and parameters are in lower case."""
    assert parse_uri(text) == uri


def test_bytes_that_are_no_utf8_come_back():
    """An escape that is no UTF-8 leaves as it came."""
    assert str(parse_uri("sip:%FFx@h")) == "sip:%FFx@h"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann@ann.example",
        "sip:",
        "sip:@h",
        "sip::x@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@h",
        "sip:a@h>",
        "sip:2001:db8::10",
        "sip:a@h:0",
        "sip:a@h:65536",
        "sip:a@h:99999999999999",
        "sip:a@h:port",
        "sip:a@[::1",
        "sip:a@[::1%eth0]",
        "sip:a@[::::1]",
        "sip:a@[1:2]",
        "sip:a@[1::2::3]",
        "sip:a@-h",
        "sip:a\r\nb@h",
        "sip:" + "a" * MAX_URI + "@h",
    ],
)
def test_what_is_no_uri_is_malformed(text):
    """Anything that could be read in two ways is refused."""
    with pytest.raises(Malformed):
        parse_uri(text)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", True),
        ("sip:a@h?x=1&y=2", "sip:a@h?Y=2&X=1", True),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com", False),
        ("sip:carol@chicago.com;user=phone", "sip:carol@chicago.com", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next", False),
        ("sip:a@h;x=1", "sip:a@h;x=2", False),
        ("tel:+1", "tel:+1", True),
    ],
)
@pytest.mark.spec("RFC 3261 §19.1.4")
def test_uris_are_compared_as_the_rfc_says(one, other, equal):
    """Both ways round."""
    assert is_equivalent(parse_uri(one), parse_uri(other)) is equal
    assert is_equivalent(parse_uri(other), parse_uri(one)) is equal


def test_bare_uri_has_no_parameters():
    """What is left says who, and where."""
    assert str(parse_uri("sip:a@h:1;lr?x=1").bare()) == "sip:a@h:1"
