"""Requests and responses in and out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import BOB, INVITE, SDP, read_request, request
from transports.sip.wire.headers import Via
from transports.sip.wire.message import (
    MAX_BODY,
    MAX_FIELDS,
    MAX_HEAD,
    Refused,
    Request,
    Response,
    UnsafeMessage,
    canonical,
    parse,
    respond,
    write,
)
from transports.sip.wire.uri import Malformed

few = settings(max_examples=100, deadline=None)


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(data)
    return caught.value


def test_a_request_is_read_into_its_parts():
    """What every request has is typed, the rest is text."""
    invite = read_request(INVITE)
    assert (invite.method, str(invite.uri)) == ("INVITE", "sip:+15551234@gw.example:5060;user=phone")
    assert [via.branch for via in invite.via] == ["z9hG4bK776asdhds", "z9hG4bKnashds8"]
    assert (invite.from_.display, invite.from_.tag, invite.to.tag) == ("Ann", "1928301774", "")
    assert (invite.call_id, invite.cseq.number, invite.max_forwards) == (
        "a84b4c76e66710@pc.ann.example",
        314159,
        69,
    )
    assert invite.values("Supported") == ["replaces", "100rel", "timer", "norefersub"]
    assert (invite.get("User-Agent"), invite.get("Subject"), invite.body) == ("Desk 1.2.3", None, SDP)


def test_what_was_read_is_written_the_same():
    """Nothing is lost on the way."""
    invite = read_request(INVITE)
    assert parse(write(invite)) == invite
    ringing = respond(invite, 180, tag="b2", fields=(("Contact", "<sip:bob@bob.example>"),))
    assert parse(write(ringing)) == ringing


def test_compact_and_odd_names_are_the_long_ones():
    """Case never matters (RFC 3261 §7.3.1, §7.3.3)."""
    assert [canonical(name) for name in ("v", "M", "cseq", "CALL-ID", "www-authenticate", "x-own")] == [
        "Via",
        "Contact",
        "CSeq",
        "Call-ID",
        "WWW-Authenticate",
        "X-Own",
    ]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_folds_of_all_kinds_are_read(line_end):
    """A folded line is one; line ends before the message are none of it (RFC 3261 §7.3.1, §7.5)."""
    lines = [
        b"",
        b"OPTIONS sip:bob@bob.example SIP/2.0",
        b"v: SIP/2.0/UDP h",
        b"f: <sip:a@b>",
        b" ;tag=",
        b"\t1",
        b"t: <sip:bob@bob.example>",
    ]
    lines += [b"i: 1", b"CSeq: 1 OPTIONS", b"Subject: one", b"   two", b"no colon here"]
    options = read_request(line_end.join(lines) + b"\r\n\r\n")
    assert (options.from_.tag, options.get("Subject"), options.to.uri) == ("1", "one two", BOB)


def test_a_line_that_is_no_field_is_left_out():
    """Its name is no token, or has no colon."""
    data = write(request(fields=(("Subject", "x"),))).replace(
        b"Subject", b"Su\xe2b ject: y\r\nSubject\r\n: z\r\nOk"
    )
    assert read_request(data).fields == (("Ok", "x"),)


def test_bytes_that_are_no_utf8_come_back():
    """Old phones write Latin-1."""
    data = write(request(fields=(("Subject", "x"),))).replace(b"Subject: x", b"Subject: caf\xe9")
    assert write(parse(data)) == data


@pytest.mark.parametrize("old", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_a_request_without_a_needed_field_is_refused(old):
    """Each of them is missed (RFC 3261 §8.1.1)."""
    refused = refusal(write(request()).replace(b"\r\n" + old + b":", b"\r\nX-Other:"))
    assert (refused.status, "no " + old.decode() in refused.reason) == (400, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Call-ID: ", b"Call-ID: a "),
        (b"Call-ID: c1@pc.ann.example", b"Call-ID:"),
        (b"Max-Forwards: 70", b"Max-Forwards: 256"),
        (b"Max-Forwards: 70", b"Max-Forwards: many"),
        (b"Content-Length: 0", b"Content-Length: 1"),
        (b"Content-Length: 0", b"Content-Length: 00000000000000000000000"),
        (b"Via: ", b"Via: ,"),
        (b"OPTIONS sip", b"OPTIONS tel"),
    ],
)
def test_values_are_looked_at(old, new):
    """A list may have empty items, and other schemes are no error here; the rest is."""
    data = write(request()).replace(old, new, 1)
    if new in (b"Via: ,", b"OPTIONS tel"):
        assert isinstance(parse(data), Request)
    else:
        assert refusal(data).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:bob@bob.example SIP/2.0\r\n" + b"x" * MAX_HEAD,
        b"OPTIONS sip:bob@bob.example SIP/2.0\r\n" + b"x: y\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        write(request()) + b"x" * (MAX_BODY + 1),
        write(request()).replace(b"Content-Length: 0", b"Content-Length: 999999999"),
    ],
)
def test_what_is_too_large_is_refused(data):
    """Head, fields and body have their limits."""
    assert refusal(data).status == 513


@pytest.mark.spec("RFC 3261 §8.2.6.2")
def test_a_refusal_answers_with_what_came():
    """The sender can match it, though nobody could read all."""
    data = write(request(to_tag="")).replace(
        b"Max-Forwards: 70", b"Max-Forwards: x\r\nSubject: " + b"long" * 20
    )
    answer = parse(refusal(data).answer("b2", is_limited=True))
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason, answer.to.tag) == (400, "Bad Request: Max-Forwards", "b2")
    assert answer.via == request().via
    again = data.replace(b"bob.example>", b"bob.example>;tag=b1")
    assert parse(refusal(again).answer("b2", is_limited=True)).to.tag == "b1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"OPTIONS", b"ACK"),
        (b"Via:", b"X-Via:"),
        (b"CSeq:", b"X-CSeq:"),
        (b"OPTIONS sip:bob@bob.example SIP/2.0", b"SIP/2.0 999 OK"),
    ],
)
def test_what_must_not_be_answered_is_not(old, new):
    """ACK, responses, and what has no way back."""
    data = write(request()).replace(b"Max-Forwards: 70", b"Max-Forwards: x\r\nSubject: " + b"long" * 20)
    assert refusal(data.replace(old, new)).answer("b2", is_limited=True) is None


@few
@given(st.integers(0, 400), st.binary(max_size=3))
def test_answers_are_never_larger_than_what_they_answer(cut, noise):
    """Nobody can make us send more to a forged address than was sent to us."""
    data = INVITE[:cut] + noise + INVITE[cut + 2 :]
    try:
        parse(data)
    except Refused as refused:
        answer = refused.answer("b2", is_limited=True)
        assert answer is None or len(answer) <= len(data)


@few
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data):
    """Nothing else is raised."""
    for whole in (data, b"SIP/2.0 200 OK\r\n" + data, b"INVITE sip:a@b SIP/2.0\r\nVia:" + data):
        try:
            parse(whole)
        except Malformed as malformed:
            assert isinstance(malformed, Refused)


@pytest.mark.parametrize(
    "field", [("Subject", "a\r\nVia: x"), ("Subject", "a\nb"), ("Sub ject", "a"), ("Via", "x"), ("", "x")]
)
def test_what_would_break_a_message_is_not_written(field):
    """No value ends its line, and no field comes in by the side door."""
    with pytest.raises(UnsafeMessage):
        write(request(fields=(field,)))


@pytest.mark.parametrize(
    ("status", "tag", "given_tag", "result"),
    [(100, "b2", "", ""), (180, "b2", "", "b2"), (200, "b2", "b1", "b1"), (200, "", "", "")],
)
@pytest.mark.spec("RFC 3261 §8.2.6.2")
def test_responses_get_a_tag(status, tag, given_tag, result):
    """Not 100, and not where there is one."""
    response = respond(request(to_tag=given_tag), status, tag=tag)
    assert response.to.tag == result
    assert response.reason == {100: "Trying", 180: "Ringing", 200: "OK"}[status]
    assert (response.is_final, response.is_success) == (status >= 200, status == 200)


def test_start_line_decides_what_it_is():
    """The method's case matters, the version's does not."""
    data = write(request("options"))
    assert read_request(data.replace(b"SIP/2.0\r\nV", b"sip/2.0\r\nV")).method == "options"
    reply = write(respond(request(), 200, reason="So sei es – ja"))
    assert parse(reply).reason == "So sei es – ja"
    assert isinstance(parse(reply).via[0], Via)


@pytest.mark.parametrize(
    ("fields", "supports", "requires"),
    [
        ((), False, False),
        ((("Supported", "timer, 100Rel"),), True, False),
        ((("Require", "100rel"),), True, True),
    ],
)
def test_a_message_says_what_its_sender_understands(fields, supports, requires):
    """Supported allows, Require insists."""
    invite = request("INVITE", fields=fields)
    assert (invite.supports("100rel"), invite.requires("100rel")) == (supports, requires)
