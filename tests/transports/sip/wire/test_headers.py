"""Values of header fields in and out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.sip.wire.headers import (
    MAX_CSEQ,
    MAX_ITEMS,
    MAX_PARAMS,
    AuthParams,
    CSeq,
    NameAddr,
    Value,
    Via,
    parse_auth,
    parse_cseq,
    parse_name_addr,
    parse_params,
    parse_value,
    parse_via,
    quote_string,
    split_list,
    unquote_string,
    write_list,
)
from transports.sip.wire.uri import Malformed, Uri

few = settings(max_examples=100, deadline=None)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
BOB = Uri(scheme="sip", host="bob.example", user="bob")


@few
@given(texts)
def test_quoted_strings_come_back(text):
    """Quotes, backslashes and control characters are escaped."""
    assert unquote_string(quote_string(text)) == text


@few
@given(texts, st.dictionaries(st.from_regex(r"[a-z+][a-z0-9.-]{0,8}", fullmatch=True), texts))
def test_addresses_come_back(display, params):
    """A name may be any text, and so may a parameter's value."""
    address = NameAddr(uri=BOB, display=display, params=params)
    assert parse_name_addr(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<sip:bob@bob.example>", NameAddr(uri=BOB)),
        ("sip:bob@bob.example;tag=7", NameAddr(uri=BOB, params={"tag": "7"})),
        (
            "Bob B.<sip:bob@bob.example> ; tag = 7 ;x",
            NameAddr(uri=BOB, display="Bob B.", params={"tag": "7", "x": ""}),
        ),
        ('"Bob \\"B\\" <x>" <sip:bob@bob.example>', NameAddr(uri=BOB, display='Bob "B" <x>')),
        ("Böb <sip:bob@bob.example>", NameAddr(uri=BOB, display="Böb")),
        (
            '<sip:bob@bob.example>;+sip.instance="<urn:uuid:1>";q=0.3',
            NameAddr(uri=BOB, params={"+sip.instance": "<urn:uuid:1>", "q": "0.3"}),
        ),
        (
            "<sip:bob@bob.example;lr>;tag=1;tag=2",
            NameAddr(
                uri=Uri(scheme="sip", host="bob.example", user="bob", params={"lr": ""}), params={"tag": "1"}
            ),
        ),
    ],
)
@pytest.mark.spec("RFC 3261 §20.10")
def test_addresses_are_taken_apart(text, address):
    """With and without name, brackets and parameters."""
    assert parse_name_addr(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bob",
        "sip:a@h?x=1",
        "sip:a,b@h",
        '"Bob <sip:bob@bob.example>',
        "Bob, B <sip:bob@bob.example>",
        "<sip:bob@bob.example>;;",
        "<sip:bob@bob.example> x",
        "<sip:bob@bob.example>;tag=1, <sip:a@b>",
        "<sip:bob@bob.example",
        "<sip:bob@bob.example>" + ";x" * (MAX_PARAMS + 1) + ";y=1",
        '<sip:bob@bob.example>;x="open',
    ],
)
def test_what_is_no_address_is_malformed(text):
    """Open quotes, commas outside quotes, empty parameters."""
    params = "".join(f";p{number}" for number in range(MAX_PARAMS + 1))
    with pytest.raises(Malformed):
        parse_name_addr(text.replace(";x" * (MAX_PARAMS + 1), params))


def test_tags_are_put_on_and_taken_off():
    """Other parameters stay."""
    address = parse_name_addr("<sip:bob@bob.example>;x=1;tag=a")
    assert address.tag == "a"
    assert str(address.with_tag("b")) == "<sip:bob@bob.example>;x=1;tag=b"
    assert str(address.with_tag("")) == "<sip:bob@bob.example>;x=1"


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("SIP/2.0/UDP h.example", Via(transport="UDP", host="h.example")),
        (
            "sip / 2.0 / tcp  [2001:DB8::1] : 5070 ; branch=z9hG4bKx;rport",
            Via(transport="TCP", host="2001:db8::1", port=5070, params={"branch": "z9hG4bKx", "rport": ""}),
        ),
        (
            "SIP/2.0/TLS h;received=2001:db8::2;rport=77",
            Via(transport="TLS", host="h", params={"received": "2001:db8::2", "rport": "77"}),
        ),
    ],
)
@pytest.mark.spec("RFC 3261 §20.42")
def test_via_is_taken_apart(text, via):
    """White space is everywhere; what is written is read the same."""
    assert parse_via(text) == via
    assert parse_via(str(via)) == via


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h,",
        "SIP/2.0/UDP ::1",
    ],
)
def test_what_is_no_via_is_malformed(text):
    """A response could not be led home by it."""
    with pytest.raises(Malformed):
        parse_via(text)


@pytest.mark.parametrize(
    ("branch", "has"), [("z9hG4bKa", True), ("Z9HG4BKa", True), ("z9hG4bK", False), ("a", False), ("", False)]
)
@pytest.mark.spec("RFC 3261 §8.1.1.7")
def test_branch_is_an_identifier_only_with_cookie_and_more(branch, has):
    """The cookie alone identifies nothing."""
    assert Via(transport="UDP", host="h").with_params(branch=branch).has_cookie is has


def test_cseq_has_its_limit():
    """A number is below 2**31 (RFC 3261 §8.1.1.5)."""
    assert parse_cseq(f" 00{MAX_CSEQ % 10**8}  INVITE ") == CSeq(number=MAX_CSEQ % 10**8, method="INVITE")
    assert str(parse_cseq(f"{MAX_CSEQ} BYE")) == f"{MAX_CSEQ} BYE"
    for text in (f"{MAX_CSEQ + 1} BYE", "1", "BYE", "-1 BYE", "1 A B", "1 A;"):
        with pytest.raises(Malformed):
            parse_cseq(text)


def test_values_have_parameters():
    """As Content-Type and Reason have them."""
    value = parse_value(' SIP ;cause=200;text="Call completed, elsewhere"')
    assert value == Value(value="SIP", params={"cause": "200", "text": "Call completed, elsewhere"})
    assert str(value) == 'SIP;cause=200;text="Call completed, elsewhere"'
    assert parse_value("text/plain") == Value(value="text/plain")
    assert parse_params("") == {}


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        ("a", ["a"]),
        (" a , b,,c ,", ["a", "b", "c"]),
        ('"a, b" <sip:x@y;z=1,2>;t="q,\\"r", <sip:c@d>', ['"a, b" <sip:x@y;z=1,2>;t="q,\\"r"', "<sip:c@d>"]),
    ],
)
def test_lists_are_cut_at_their_commas(text, items):
    """Commas in quotes and brackets belong to the item."""
    assert split_list(text) == items
    assert split_list(write_list(items)) == items


@pytest.mark.parametrize("text", ['a, "b', "a, <b", '"a" , b"', ",".join("a" * (MAX_ITEMS + 1))])
def test_what_is_no_list_is_malformed(text):
    """Open quotes and brackets, and too many items."""
    with pytest.raises(Malformed):
        split_list(text)


def test_authentication_parameters_are_read():
    """Commas in quoted values do not part them; the first of equal names holds."""
    auth = parse_auth('Digest realm="a, b",qop="auth,auth-int" , algorithm=MD5,stale=TRUE, realm=c')
    assert auth == AuthParams(
        scheme="digest", params={"realm": "a, b", "qop": "auth,auth-int", "algorithm": "MD5", "stale": "TRUE"}
    )
    assert parse_auth("Basic").params == {}
    for text in (
        'Digest realm="a',
        "Digest realm",
        'Digest a="b" c="d"',
        "Digest " + ",".join(f"a{n}=1" for n in range(MAX_PARAMS + 1)),
    ):
        with pytest.raises(Malformed):
            parse_auth(text)


@few
@given(st.text(st.sampled_from(list(' \t;,=<>"\\:@a/')), max_size=40))
def test_any_text_is_read_or_malformed(text):
    """No reader raises anything else."""
    for read in (parse_name_addr, parse_via, parse_cseq, parse_value, parse_auth, split_list):
        try:
            read(text)
        except Malformed as malformed:
            assert str(malformed)


@pytest.mark.parametrize(
    "evil", [" " * 30000, '"' * 30001, "<" * 30000, ";" * 30000, "a " * 15000, "\\" * 30000, "=" * 30000]
)
def test_long_garbage_is_read_in_a_moment(evil):
    """Work grows with the length, not with its square."""
    for read in (parse_name_addr, parse_via, parse_cseq, parse_value, parse_auth, split_list):
        for text in (
            evil,
            f"sip:a{evil}",
            f"Digest a={evil}",
            f"SIP/2.0/UDP h{evil}",
            f"<sip:a@b>{evil}",
            f"x,{evil}",
        ):
            try:
                read(text)
            except Malformed:
                continue
