"""Chats in session descriptions, and the content of their messages."""

from __future__ import annotations

import pytest

from bridge.events import TypingState
from transports.sip.messages.content import COMPOSING, Unsupported, composing
from transports.sip.msrp.cpim import Letter, open_letter, read, reads, wrap
from transports.sip.msrp.terms import answer, chat_of, next_hop, offer, read_terms, session_id, write_uri
from transports.sip.wire.sdp import parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed, parse_uri

SDP = (
    "v=0\r\no=alice 2890844526 2890844527 IN IP4 alice.example.com\r\ns= -\r\nc=IN IP4 alice.example.com\r\n"
    "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\nm=message 7394 TCP/MSRP *\r\na=accept-types:{types}\r\n"
    "a=path:{path}\r\n"
)
PATH = "msrp://alice.example.com:7394/2s93i9ek2a;tcp"


def described(types: str = "text/plain", path: str = PATH) -> bytes:
    return SDP.format(types=types, path=path).encode()


@pytest.mark.spec("RFC 4975 §8.2")
def test_example_of_the_rfc_says_where_alice_is() -> None:
    """And what she takes."""
    terms = read_terms(parse_sdp(described()))
    place = next_hop(terms.path)
    assert (place.host, place.port, place.params["transport"]) == ("alice.example.com", 7394, "tcp")
    assert session_id(terms.path[-1]) == "2s93i9ek2a" and terms.is_usable
    assert terms.max_size is None and not terms.takes_wrapped("text/plain")


@pytest.mark.parametrize(
    ("types", "plain", "wrapped"),
    [
        ("text/plain", True, False),
        ("*", True, True),
        ("text/*", True, False),
        ("message/cpim text/plain;charset=utf-8", True, True),
        ("message/cpim", False, False),
        ("image/png", False, False),
    ],
)
def test_what_a_peer_takes_is_plain_or_wrapped(types: str, plain: bool, wrapped: bool) -> None:
    """RFC 4975 §8.6."""
    terms = read_terms(parse_sdp(described(types)))
    assert (terms.takes("text/plain"), terms.takes_wrapped("text/plain")) == (plain, wrapped)
    assert terms.is_usable is (plain or wrapped)


@pytest.mark.parametrize(
    "path",
    ["", "http://a:1/x", "msrp://a/x;tcp", "msrp://a:0/x;tcp", "msrp://a:99999/x;tcp", " ".join([PATH] * 9)],
)
def test_path_that_leads_nowhere_is_refused(path: str) -> None:
    """Before anything is dialled."""
    with pytest.raises(Malformed):
        read_terms(parse_sdp(described(path=path)))
    assert session_id("msrp://a:1;tcp") == session_id("nothing") == ""


def test_our_offer_is_read_by_ourselves_and_answers_what_was_offered() -> None:
    """Other media are refused; over IPv6 and TLS too."""
    uri = write_uri("2001:db8::1", 2855, "abcd", is_secure=True)
    terms = read_terms(parse_sdp(write_sdp(offer(uri, 5000, 1))))
    assert terms.path == (uri,) and terms.max_size == 5000 and terms.takes_wrapped("text/plain")
    assert next_hop([uri]).scheme == "sips" and session_id(uri) == "abcd"
    audio, chat = answer(parse_sdp(described()), uri, 5000, 1).media
    assert audio.port == 0 and chat.port == 2855 and chat_of(parse_sdp(described())) is not None


BOB = parse_uri("sip:bob@pbx.example")
NESTED = b"".join(
    b"--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(1000)
)
CPIM = b"From: <sip:a@b>\r\nTo: <sip:c@d>\r\nDateTime: 2000-12-13T13:40:00-08:00\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/plain;charset=utf-8", "été".encode(), "été"),
        ("message/cpim", wrap(BOB, BOB, "text/plain;charset=UTF-8", "été".encode()), "été"),
        ("message/cpim", CPIM + b"Content-Type: text/plain\r\n\r\nhello", "hello"),
        ("message/cpim", wrap(BOB, BOB, COMPOSING, composing(TypingState.PAUSED)[1]), TypingState.PAUSED),
        (
            "multipart/alternative;boundary=b",
            b"--b\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
            "x",
        ),
    ],
)
def test_words_are_found_in_what_wraps_them(kind: str, body: bytes, said: object) -> None:
    """CPIM (RFC 3862) and multipart (RFC 4975 §7.3.1)."""
    assert reads(kind) and read(kind, body) == said


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("message/cpim", b"no blank line", 400),
        ("message/cpim", CPIM + b"Content-Type: image/png\r\n\r\nx", 415),
        ("multipart/mixed", b"\xff" * 30, 415),
        ("multipart/mixed;boundary=b0", NESTED, 413),
        ("text/plain", b"\xff", 400),
        ("text/plain", b"x" * 70_000, 413),
    ],
)
def test_what_nobody_can_read_has_a_status(kind: str, body: bytes, status: int) -> None:
    """Which its sender gets."""
    with pytest.raises(Unsupported) as raised:
        read(kind, body)
    assert raised.value.status == status
    assert not reads("image/png")


def test_addresses_of_a_letter_are_read() -> None:
    """RFC 3862 §3.2, with what RFC 7702 puts beside the URI; what is no address is none."""
    letter = open_letter(
        "message/cpim",
        b"to: <sip:a@x>;gr=Romeo\r\nFrom: MR SANDERS <sip:b@y>\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
    )
    assert letter.said == "hi" and letter.sender is not None and letter.recipient is not None
    assert (letter.sender.display, letter.recipient.params) == ("MR SANDERS", {"gr": "Romeo"})
    assert open_letter("text/plain", b"hi") == Letter("hi")
    assert open_letter("message/cpim", b"From: nobody\r\n\r\n\r\nhi") == Letter("hi")


def test_room_is_offered_by_its_attribute() -> None:
    """RFC 7701 §8: all its messages are of CPIM, and the peer says what it knows."""
    offered = offer("msrp://a:1/aaaa;tcp", 1000, 1, "nickname")
    [media] = offered.media
    assert (media.get("accept-types"), media.get("chatroom")) == ("message/cpim", "nickname")
    assert read_terms(offered).chatroom == {"nickname"}
    assert read_terms(offer("msrp://a:1/aaaa;tcp", 1000, 1)).chatroom is None
