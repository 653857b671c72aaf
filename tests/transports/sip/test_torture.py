"""The cases of RFC 4475 and RFC 5118, by their names there; the messages are our own."""

from pathlib import Path

import pytest

from tests.transports.sip.samples import read_request
from transports.sip.agent.acceptance import Abilities, inspect
from transports.sip.wire.framing import MessageBuffer
from transports.sip.wire.headers import parse_auth, parse_name_addr
from transports.sip.wire.message import Refused, Request, Response, parse, write
from transports.sip.wire.uri import Malformed

TORTURE = Path(__file__).parent / "torture"
ABILITIES = Abilities(methods=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "MESSAGE"))

REFUSED = {
    **dict.fromkeys(
        ("badinv01", "clerr", "ncl", "scalar02", "quotbal", "ltgtruri", "lwsruri", "lwsstart"), 400
    ),
    **dict.fromkeys(
        ("trws", "escruri", "baddn", "mismatch01", "mismatch02", "insuf", "multi01", "mcl01"), 400
    ),
    "badvers": 505,
    "ipv6-bad": 400,
}
"""Requests that get an answer from the parser."""
DISCARDED = ("bigcode", "scalarlg")
"""Responses that are dropped."""
INSPECTED = {
    "unkscm": 416,
    "novelsc": 416,
    "bext01": 420,
    "invut": 415,
    "sdp01": 406,
    "esc02": 501,
    "intmeth": 501,
}
"""Well-formed requests that are refused for what they want."""
NOT_OURS = ("mpart01",)
"""Multipart bodies are refused, as nothing that is served has them (RFC 3261 §8.2.3)."""
ALL = sorted(path.stem for path in TORTURE.glob("*.dat"))


def load(case: str) -> bytes:
    return (TORTURE / f"{case}.dat").read_bytes()


def request(case: str) -> Request:
    return read_request(load(case))


def test_every_case_has_its_message():
    """None got lost."""
    assert len(ALL) == 61
    assert {*REFUSED, *DISCARDED, *INSPECTED, *NOT_OURS} <= set(ALL)


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.spec("RFC 4475 §3.1.2")
def test_malformed_requests_are_answered(case):
    """With the status that the RFC names, in a response that the sender can match."""
    with pytest.raises(Refused) as caught:
        parse(load(case))
    assert caught.value.status == REFUSED[case]
    answer = caught.value.answer("b2")
    assert answer is not None
    assert answer.startswith(b"SIP/2.0 %d " % REFUSED[case])


@pytest.mark.parametrize("case", DISCARDED)
@pytest.mark.spec("RFC 4475 §3.1.2")
def test_malformed_responses_are_dropped(case):
    """Nobody answers a response."""
    with pytest.raises(Refused) as caught:
        parse(load(case))
    assert caught.value.answer("b2") is None


@pytest.mark.parametrize("case", sorted({*ALL} - {*REFUSED, *DISCARDED}))
@pytest.mark.spec("RFC 4475 §3.1.1")
def test_the_rest_is_well_formed(case):
    """It is read, written, and read the same again."""
    message = parse(load(case))
    assert parse(write(message)) == message


@pytest.mark.parametrize("case", sorted({*ALL} - {*REFUSED, *DISCARDED}))
@pytest.mark.spec("RFC 4475 §3.3")
def test_requests_are_served_or_refused_for_what_they_want(case):
    """By the application, not by the parser."""
    message = parse(load(case))
    if isinstance(message, Request):
        refusal = inspect(message, ABILITIES)
        assert (refusal and refusal.status) == (415 if case in NOT_OURS else INSPECTED.get(case))


def test_wsinv_is_read_through_its_folds():
    """White space, folding, compact forms and odd case all over (RFC 4475 §3.1.1.1)."""
    invite = request("wsinv")
    assert (invite.to.tag, invite.from_.display, invite.max_forwards, invite.cseq.number) == (
        "77t",
        'Ann \\"',
        42,
        17,
    )
    assert [(via.transport, via.branch) for via in invite.via] == [
        ("UDP", "77kkj"),
        ("TCP", "z9hG4bK9ikj8"),
        ("UDP", "z9hG4bK30239"),
    ]
    assert (invite.get("Subject"), invite.get("Freshlymade")) == ("", "new value that goes on")
    assert invite.get("Nobodyknowsthis") == ";;,,;,;"
    contact = parse_name_addr(invite.get("Contact") or "")
    assert (contact.display, dict(contact.params)) == (
        'Quoted ""',
        {"fresh": "value", "another": "", "q": "0.33"},
    )
    assert parse_name_addr(invite.get("Route") or "").uri.params == {"lr": "", "odd": "no", "word": ""}


def test_intmeth_keeps_every_character():
    """Anything that the grammar allows in a method, a user, a tag (RFC 4475 §3.1.1.2)."""
    odd = request("intmeth")
    assert odd.method == "!odd-Method0123_*+`.%called'~"
    assert odd.to.display == "bell:\x07 nul:\x00 del:\x7f"
    assert (odd.uri.user, odd.uri.password) == (
        "2_odd.User~(oh-no!)&won't+go$/who?,/;;*",
        "&pw+x=3,un*sa$fe~wo_rd.(no't-so)",
    )
    assert (odd.from_.display, odd.from_.tag) == ("word9~` word8'+_ word7*%!.-", "_word~9'+`*%!-.")
    assert odd.from_.params["own''~+*_!.-%"] == "слово"


def test_escapes_are_undone_where_they_are_escapes():
    """In URIs, and nowhere else (RFC 4475 §3.1.1.3 to §3.1.1.5)."""
    assert request("esc01").uri.user == "sips:bob@bob.example"
    assert request("esc01").to.uri.user == "bob"
    contact = parse_name_addr(request("esc01").get("Contact") or "").uri
    assert (contact.user, dict(contact.params)) == ("cook", {"lr": "", "word": "value%42"})
    assert request("escnull").to.uri.user == "nul-\0-nul"
    assert [parse_name_addr(item).uri.user for item in request("escnull").values("Contact")] == ["\0", "\0\0"]
    assert (request("esc02").method, request("esc02").to.display) == ("RE%47IST%45R", "%Q%46")
    assert len(request("esc02").values("Contact")) == 2


def test_names_stand_before_brackets_without_a_space():
    """As the grammar forgot to allow (RFC 4475 §3.1.1.6)."""
    assert request("lwsdisp").from_.display == "ann"


def test_longreq_is_read_whole():
    """Long values, and 17 hops (RFC 4475 §3.1.1.7)."""
    long = request("longreq")
    assert (len(long.via), long.to.uri.port, len(long.from_.tag)) == (17, 6000, 153)


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
    assert (uri.user, uri.host, dict(uri.params)) == ("bob;word=x@ann.example", "bob.example", {})


def test_transports_may_be_unknown():
    """And so may the reason of a response be missing, or odd (RFC 4475 §3.1.1.10 to §3.1.1.13)."""
    assert [via.transport for via in request("transports").via] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]
    assert b"\x00\r\n--" in request("mpart01").body
    unreason, noreason = parse(load("unreason")), parse(load("noreason"))
    assert isinstance(unreason, Response)
    assert isinstance(noreason, Response)
    assert unreason.reason == "= 2**3 * 5**2 но сто = 2**2 * 5**2"
    assert (noreason.status, noreason.reason) == (100, "")


def test_negative_length_breaks_a_stream():
    """The connection is closed after the answer (RFC 4475 §3.1.2.3)."""
    buffer = MessageBuffer(is_acceptor=True)
    buffer.receive_data(load("ncl"))
    with pytest.raises(Refused, match="Content-Length"):
        buffer.next_event()


def test_spaces_around_a_uri_are_forgiven():
    """Only the URI itself must have none (RFC 4475 §3.1.2.14)."""
    assert request("badaspec").to.uri.user == "t.watt"


def test_a_contact_without_brackets_may_have_no_headers():
    """With them it may (RFC 4475 §3.1.2.13, §3.3.13)."""
    with pytest.raises(Malformed):
        parse_name_addr(request("regbadct").get("Contact") or "")
    contact = parse_name_addr(request("regescrt").get("Contact") or "")
    assert contact.uri.headers == (("Route", "<sip:edge.example>"),)


def test_a_parameter_is_the_fields_or_the_uris():
    """Brackets tell which (RFC 4475 §3.3.11, §3.3.12)."""
    bare = parse_name_addr(request("cparam01").get("Contact") or "")
    inside = parse_name_addr(request("cparam02").get("Contact") or "")
    assert (dict(bare.params), dict(bare.uri.params)) == ({"unknownparam": ""}, {})
    assert (dict(inside.params), dict(inside.uri.params)) == ({}, {"unknownparam": ""})


def test_identifiers_may_be_missing():
    """A cookie without more, an old peer without a tag, an exhausted Max-Forwards (RFC 4475 §3.2.1, §3.3.10, §3.4)."""
    assert not request("badbranch").via[0].has_cookie
    assert request("zeromf").max_forwards == 0
    old = request("inv2543")
    assert (old.from_.tag, old.via[0].branch, old.from_.params["user"], len(old.body)) == (
        "",
        "",
        "phone",
        90,
    )


def test_unknown_schemes_are_read():
    """Of URIs and of credentials (RFC 4475 §3.3.4, §3.3.7)."""
    odd = request("unksm2")
    assert (odd.to.uri.scheme, odd.from_.uri.scheme, odd.from_.tag) == ("isbn", "http", "3234233")
    assert parse_auth(request("regaut01").get("Authorization") or "").scheme == "nobodyknowsthisscheme"


def test_a_response_of_somebody_elses_request_has_two_hops():
    """By which a user agent knows that it is not for it (RFC 4475 §3.3.9)."""
    assert [via.host for via in parse(load("bcast")).via] == ["192.0.2.198", "255.255.255.255"]


def test_ipv6_is_read_with_its_brackets():
    """In URIs and Via, with a port inside or outside (RFC 5118 §4)."""
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
    ]
    assert request("ipv4-mapped-ipv6").via[0].host == "::ffff:192.0.2.10"
    correct, bug = request("ipv6-correct-abnf-2-colons"), request("ipv6-bug-abnf-3-colons")
    assert correct.uri.host == bug.uri.host == "2001:db8::192.0.2.1"
