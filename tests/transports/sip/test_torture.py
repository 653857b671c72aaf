"""How the messages of RFC 4475 and RFC 5118 are read; `test_torture_agent` tells what is done about them."""

import pytest

from tests.transports.sip.samples import read_request
from tests.transports.sip.vectors import CASES, load
from transports.sip.wire.framing import MessageBuffer
from transports.sip.wire.headers import parse_auth, parse_name_addr
from transports.sip.wire.message import Refused, Request, Response, parse, write
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import Malformed

REFUSED = {
    **dict.fromkeys(
        ("badinv01", "clerr", "ncl", "scalar02", "quotbal", "ltgtruri", "lwsruri", "lwsstart"), 400
    ),
    **dict.fromkeys(("trws", "escruri", "baddn", "mismatch01", "insuf", "multi01", "mcl01"), 400),
    "mismatch02": 501,
    "badvers": 505,
    "ipv6-bad": 400,
}
"""Requests that get an answer from the parser."""
DISCARDED = ("bigcode", "scalarlg")
"""Responses that are dropped."""


def request(case: str) -> Request:
    return read_request(load(case))


def test_every_case_has_its_message():
    """None got lost."""
    assert len(CASES) == 61
    assert {*REFUSED, *DISCARDED} <= set(CASES)


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.spec("RFC 4475 §3.1.2")
def test_malformed_requests_are_answered(case):
    """With the status that the RFC names, in a response that the sender can match."""
    with pytest.raises(Refused) as caught:
        parse(load(case))
    assert caught.value.status == REFUSED[case]
    answer = caught.value.answer("b2", is_limited=True)
    assert answer is not None
    assert answer.startswith(b"SIP/2.0 %d " % REFUSED[case])
    assert len(answer) <= len(load(case))


@pytest.mark.parametrize("case", DISCARDED)
@pytest.mark.spec("RFC 4475 §3.1.2")
def test_malformed_responses_are_dropped(case):
    """Nobody answers a response."""
    with pytest.raises(Refused) as caught:
        parse(load(case))
    assert caught.value.answer("b2", is_limited=False) is None


@pytest.mark.parametrize("case", sorted({*CASES} - {*REFUSED, *DISCARDED}))
@pytest.mark.spec("RFC 4475 §3.1.1")
def test_the_rest_is_well_formed(case):
    """It is read, written, and read the same again, also with the short names."""
    message = parse(load(case))
    assert parse(write(message)) == parse(write(message, is_compact=True)) == message


def test_wsinv_is_read_through_its_folds():
    """White space, folding, compact forms and odd case all over (RFC 4475 §3.1.1.1)."""
    invite = request("wsinv")
    assert (invite.to.tag, invite.from_.display, invite.max_forwards, invite.cseq.number) == (
        "1918181833n",
        'J Rosenberg \\"',
        68,
        9,
    )
    assert [(via.transport, via.host, via.branch) for via in invite.via] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert invite.get("Subject") == ""
    assert invite.get("Newfangledheader") == "newfangled value continued newfangled value"
    assert invite.get("Unknownheaderwithunusualvalue") == ";;,,;;,;"
    contact = parse_name_addr(invite.get("Contact") or "")
    assert (contact.display, dict(contact.params)) == (
        'Quoted string ""',
        {"newparam": "newvalue", "secondparam": "", "q": "0.33"},
    )
    route = parse_name_addr(invite.get("Route") or "").uri
    assert route.params == {"lr": "", "unknownwith": "value", "unknown-no-value": ""}
    assert len(invite.body) == 150


def test_intmeth_keeps_every_character():
    """Anything that the grammar allows in a method, a user, a tag (RFC 4475 §3.1.1.2)."""
    odd = request("intmeth")
    assert odd.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert odd.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert (odd.uri.user, odd.uri.password) == (
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
        "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
    )
    assert (odd.from_.display, odd.from_.tag) == ("token1~` token2'+_ token3*%!.-", "_token~1'+`*%!-.")
    assert odd.from_.params["fromparam''~+*_!.-%"] == "работающий"
    assert odd.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert "\ufeff大停電" in dict(odd.fields).values()


def test_escapes_are_undone_where_they_are_escapes():
    """In URIs, once, and nowhere else (RFC 4475 §3.1.1.3 to §3.1.1.5)."""
    assert request("esc01").uri.user == "sips:user@example.com"
    assert request("esc01").to.uri.user == "user"
    assert request("esc01").from_.uri.user == "I have spaces"
    contact = parse_name_addr(request("esc01").get("Contact") or "").uri
    assert (contact.user, dict(contact.params)) == ("caller", {"lr": "", "name": "value%41"})
    assert request("escnull").to.uri.user == "null-\0-null"
    assert [parse_name_addr(item).uri.user for item in request("escnull").values("Contact")] == ["\0", "\0\0"]
    assert (request("esc02").method, request("esc02").to.display) == ("RE%47IST%45R", "%Z%45")
    assert len(request("esc02").values("Contact")) == 2


def test_names_stand_before_brackets_without_a_space():
    """As the grammar forgot to allow (RFC 4475 §3.1.1.6)."""
    assert request("lwsdisp").from_.display == "caller"


def test_longreq_is_read_whole():
    """Long values, and 34 hops (RFC 4475 §3.1.1.7)."""
    long = request("longreq")
    assert (len(long.via), long.to.uri.port, len(long.from_.tag)) == (34, 6000, 155)
    assert long.via[-1].params["received"] == "192.0.2.5"


def test_what_follows_a_datagrams_message_is_dropped():
    """But not what follows it in a stream (RFC 4475 §3.1.1.8)."""
    assert (request("dblreq").method, request("dblreq").body) == ("REGISTER", b"")
    buffer = MessageBuffer(is_acceptor=True)
    buffer.receive_data(load("dblreq"))
    methods = [read_request(buffer.next_event()).method for _ in range(2)]
    assert methods == ["REGISTER", "INVITE"]


def test_semicolons_of_a_user_are_no_parameters():
    """Nor is its escaped @ the host's (RFC 4475 §3.1.1.9)."""
    uri = request("semiuri").uri
    assert (uri.user, uri.host, dict(uri.params)) == ("user;par=u@example.net", "example.com", {})


def test_transports_may_be_unknown():
    """And so may the reason of a response be missing, or odd (RFC 4475 §3.1.1.10 to §3.1.1.13)."""
    assert [via.transport for via in request("transports").via] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]
    assert len(request("mpart01").body) == 553 and request("mpart01").body.count(b"\0") == 2
    unreason, noreason = parse(load("unreason")), parse(load("noreason"))
    assert isinstance(unreason, Response)
    assert isinstance(noreason, Response)
    assert unreason.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert (noreason.status, noreason.reason) == (100, "")


def test_negative_length_breaks_a_stream():
    """The connection is closed after the answer (RFC 4475 §3.1.2.3)."""
    buffer = MessageBuffer(is_acceptor=True)
    buffer.receive_data(load("ncl"))
    with pytest.raises(Refused, match="Content-Length"):
        buffer.next_event()


def test_spaces_around_a_uri_are_forgiven():
    """Only the URI itself must have none (RFC 4475 §3.1.2.14)."""
    assert request("badaspec").to.uri.user == "t.watson"


def test_a_contact_without_brackets_may_have_no_headers():
    """With them it may (RFC 4475 §3.1.2.13, §3.3.14)."""
    with pytest.raises(Malformed):
        parse_name_addr(request("regbadct").get("Contact") or "")
    contact = parse_name_addr(request("regescrt").get("Contact") or "")
    assert contact.uri.headers == (("Route", "<sip:sip.example.com>"),)


def test_a_parameter_is_the_fields_or_the_uris():
    """Brackets tell which (RFC 4475 §3.3.12, §3.3.13)."""
    bare = parse_name_addr(request("cparam01").get("Contact") or "")
    inside = parse_name_addr(request("cparam02").get("Contact") or "")
    assert (dict(bare.params), dict(bare.uri.params)) == ({"unknownparam": ""}, {})
    assert (dict(inside.params), dict(inside.uri.params)) == ({}, {"unknownparam": ""})


def test_identifiers_may_be_missing():
    """A cookie without more, an old peer without a tag, an exhausted Max-Forwards (RFC 4475 §3.2.1, §3.3.11, §3.4.1)."""
    assert not request("badbranch").via[0].has_cookie
    assert request("zeromf").max_forwards == 0
    old = request("inv2543")
    assert (old.from_.tag, old.via[0].branch, old.from_.params, len(old.body)) == ("", "", {}, 105)
    assert old.from_.uri.params["user"] == "phone"


def test_unknown_schemes_are_read():
    """Of URIs and of credentials (RFC 4475 §3.3.4, §3.3.7)."""
    odd = request("unksm2")
    assert (odd.to.uri.scheme, odd.from_.uri.scheme, odd.from_.tag) == ("isbn", "http", "3234233")
    assert parse_auth(request("regaut01").get("Authorization") or "").scheme == "nooneknowsthisscheme"


def test_ipv6_is_read_with_its_brackets():
    """In URIs and Via, with a port inside or outside (RFC 5118 §4.1 to §4.5, §4.7, §4.9, §4.10)."""
    assert request("ipv6-good").uri.host == "2001:db8::10"
    assert request("ipv6-good").via[0].host == "2001:db8::9:1"
    ambiguous, clear = request("port-ambiguous").uri, request("port-unambiguous").uri
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", 0)
    assert (clear.host, clear.port) == ("2001:db8::10", 5070)
    with_brackets = request("via-received-param-with-delim").via[0].params["received"]
    assert with_brackets.strip("[]") == request("via-received-param-no-delim").via[0].params["received"]
    assert [(via.host, via.port) for via in request("mult-ip-in-header").via] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", 0),
        ("2001:db8::9:255", 0),
    ]
    assert [via.host for via in request("ipv4-mapped-ipv6").via] == ["::ffff:192.0.2.10", "::ffff:192.0.2.2"]
    correct, bug = request("ipv6-correct-abnf-2-colons"), request("ipv6-bug-abnf-3-colons")
    assert correct.uri.host == bug.uri.host == "2001:db8::192.0.2.1"


def test_ipv6_is_read_in_descriptions():
    """For all media, or for one of two (RFC 5118 §4.6, §4.8, §4.9)."""
    assert parse_sdp(request("ipv6-in-sdp").body).address == "2001:db8::20"
    assert parse_sdp(request("ipv4-mapped-ipv6").body).address == "::ffff:192.0.2.2"
    both = parse_sdp(request("mult-ip-in-sdp").body)
    assert [both.address_of(media) for media in both.media] == ["192.0.2.1", "2001:db8::1"]
