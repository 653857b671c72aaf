"""What is seen of traced calls, and what is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from bridge.calls import CallAnswer, CallDigits, CallEnd, CallId, CallOffer, CallRinging, Ending
from bridge.events import ContactId, UserId
from tests.transports.sip.calling import AUDIO, JULIET, ROMEO, TO_JULIET, Pair, described
from tests.transports.sip.samples import read_request, request
from transports.sip.agent.routing import Hop
from transports.sip.trace import (
    ENTRIES,
    FOLLOWED,
    LIFETIME,
    MAX_ENTRY,
    MAX_SHOWN,
    TRACES,
    Traces,
    normal,
)
from transports.sip.wire.message import Request, respond

HOP = Hop("UDP", "198.51.100.7", 5060)
C1 = CallId("c1")


@pytest.fixture
def clock() -> Iterator[list[float]]:
    yield [0.0]


def traces(clock: list[float], *names: str) -> Traces:
    made = Traces(lambda: clock[0], lambda: 1_700_000_000.25 + clock[0])
    for name in names:
        made.start(name)
    return made


def invite(*fields: tuple[str, str], body: bytes = b"") -> Request:
    return replace(request("INVITE", fields=fields, body=body), call_id="one")


def first_lines(text: str | None) -> list[str]:
    """What each entry is about."""
    found = []
    for entry in (text or "").split("\n\n"):
        head, _, rest = entry.partition("\n")
        words = head.split()
        if len(words) > 2 and words[1] == "SIP":
            found.append(f"{words[2]} {rest.partition(chr(10))[0]}".replace(" SIP/2.0", ""))
        elif len(words) > 2 and words[1] == "XMPP":
            found.append(f"{words[2]} {words[4]}")
    return found


def test_call_of_a_user_is_seen_in_order() -> None:
    """What he did, what SIP said, and what he was told, from the offer to the end."""
    pair = Pair()
    a = pair.a.network._traces
    a.start(ROMEO)
    pair.connect()
    pair.a.do(CallEnd(call=C1, ending=Ending.SUCCESS))
    pair.settle()
    seen = first_lines(a.show(ROMEO))
    uri = "sip:juliet%40b.example@b.gw"
    assert seen[:2] == ["from CallOffer", f"to INVITE {uri}"]
    assert [one for one in seen if "Trying" not in one and "PRACK" not in one][2:5] == [
        "from 180 Ringing",
        "to CallRinging",
        "from 200 OK",
    ]
    assert "to CallAnswer" in seen and seen[-3].startswith("from CallEnd")
    assert [one.split()[1] for one in seen[-2:]] == ["BYE", "200"]


def test_call_to_a_user_is_seen_from_its_invite_on() -> None:
    """By the user's name, or by the contact's."""
    pair = Pair()
    b = pair.b.network._traces
    b.start(JULIET)
    b.start("romeo@a.example@a.gw")
    offer = pair.offer()
    pair.b.do(CallRinging(call=offer.call))
    pair.settle()
    for who in (JULIET, "romeo@a.example@a.gw"):
        seen = first_lines(b.show(who))
        assert seen[0].startswith("from INVITE ") and "to CallOffer" in seen and "from CallRinging" in seen


def test_calls_of_others_are_not_seen() -> None:
    """Nor is anything recorded when nobody is traced."""
    pair = Pair()
    pair.a.network._traces.start("mercutio@a.example")
    pair.connect()
    assert pair.a.network._traces.show("mercutio@a.example") == ""
    assert pair.b.network._traces.show(ROMEO) is None and pair.b.network._traces._followed == {}


def test_call_that_is_refused_at_once_is_seen(clock: list[float]) -> None:
    """An INVITE names who it is for, whatever becomes of it."""
    made = traces(clock, normal("+49 30 (123)"))
    asked = read_request(
        b"INVITE sip:+4930123@gw.example;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa\r\n"
        b"From: <sip:4711@pbx.example>;tag=a\r\nTo: <sip:+4930123@gw.example>\r\nCall-ID: x\r\n"
        b"CSeq: 1 INVITE\r\n\r\n"
    )
    made.message(asked, HOP, is_ours=False)
    made.message(respond(asked, 404, "t"), HOP, is_ours=True)
    assert first_lines(made.show("+4930123")) == [
        "from INVITE sip:+4930123@gw.example;user=phone",
        "to 404 Not Found",
    ]


@pytest.mark.parametrize(
    ("field", "value", "secret"),
    [
        ("Authorization", 'Digest username="4711", realm="r", nonce="n0nce", response="abc"', "abc"),
        ("Authorization", 'Digest username="4711", nonce=n0nce, cnonce="abcd", qop=auth', "n0nce"),
        ("Proxy-Authorization", "Basic c2VjcmV0", "c2VjcmV0"),
        ("Proxy-Authorization", "Bearer token, response=x", "token"),
        ("WWW-Authenticate", 'Digest realm="r", opaque="hidden", nonce="n0nce"', "hidden"),
        ("Authentication-Info", 'nextnonce="later", rspauth="proof"', "later"),
        ("Refer-To", "<sip:4711:hush@pbx.example>", "hush"),
    ],
)
def test_secrets_of_a_message_are_masked(clock: list[float], field: str, value: str, secret: str) -> None:
    """The name of the account stays, what proves that it is ours does not."""
    made = traces(clock, "romeo@a.example")
    made.follow(UserId("romeo@a.example"), ContactId("x@y"), "one")
    made.message(invite((field, value)), HOP, is_ours=True)
    text = made.show("romeo@a.example") or ""
    assert f"{field}: " in text and secret not in text and "n0nce" not in text
    assert ("4711" in text) == ("4711" in value)


def test_keys_and_words_are_not_shown(clock: list[float]) -> None:
    """Keys of SRTP and ICE, pressed keys, and what people write."""
    made = traces(clock, "romeo@a.example")
    made.follow(UserId("romeo@a.example"), ContactId("x@y"), "one")
    sdp = b"v=0\r\na=crypto:1 AES inline:c2VjcmV0\r\na=ice-ufrag:frag\r\na=ice-pwd:hush\r\nk=clear:hush\r\n"
    made.message(invite(("Content-Type", "application/sdp"), body=sdp), HOP, is_ours=True)
    made.message(invite(("Content-Type", "text/plain"), body=b"I love you"), HOP, is_ours=False)
    made.event(UserId("romeo@a.example"), ContactId("x@y"), CallDigits(call=C1, digits="1234"), is_users=True)
    offer = CallOffer(call=C1, contact=TO_JULIET, description=described("audio", ufrag="frag"))
    made.event(UserId("romeo@a.example"), ContactId("x@y"), offer, is_users=True)
    text = made.show("romeo@a.example") or ""
    for secret in ("c2VjcmV0", "hush", "love", "1234", "frag" * 6):
        assert secret not in text
    for shown in ("a=ice-ufrag:frag", "4 keys", "audio (audio, sendrecv): PCMU/8000; ICE, DTLS actpass"):
        assert shown in text
    assert "(10 bytes that are not shown)" in text


def test_trace_ends_after_an_hour_and_when_it_is_stopped(clock: list[float]) -> None:
    """What was recorded can be read until then."""
    made = traces(clock, "romeo@a.example")
    end = CallEnd(call=C1, ending=Ending.BUSY, text="SIP 486 Busy Here")
    made.event(UserId("romeo@a.example"), ContactId("x@y"), end, is_users=False)
    clock[0] = LIFETIME
    made.event(UserId("romeo@a.example"), ContactId("x@y"), end, is_users=False)
    assert made.show("romeo@a.example") == (
        "22:13:20.250 XMPP to romeo@a.example: CallEnd busy SIP 486 Busy Here"
    )
    assert made.stop("romeo@a.example") and not made.stop("romeo@a.example")
    assert made.show("romeo@a.example") is None


def test_traces_are_bounded(clock: list[float]) -> None:
    """How many there are, how much is in each, and how much is shown."""
    made = traces(clock, *(f"u{number}@a.example" for number in range(TRACES + 1)))
    assert len(made.names) == TRACES and made.names[0] == "u1@a.example"
    user, contact = UserId("u1@a.example"), ContactId("x@y")
    for number in range(FOLLOWED + 10):
        made.follow(user, contact, f"c{number}")
    assert len(made._followed) == FOLLOWED
    end = CallEnd(call=C1, ending=Ending.GENERAL, text="x" * (2 * MAX_ENTRY))
    for _ in range(ENTRIES + 5):
        made.event(user, contact, end, is_users=False)
    text = made.show(user) or ""
    assert text.startswith("(") and "earlier ones are not shown" in text.partition("\n")[0]
    assert len(text) <= MAX_SHOWN + 100 and len(made._traces[user].entries) == ENTRIES


def test_control_characters_of_peers_are_not_shown(clock: list[float]) -> None:
    """A form is XML, which cannot have them."""
    made = traces(clock, "romeo@a.example")
    made.follow(UserId("romeo@a.example"), ContactId("x@y"), "one")
    made.message(
        invite(("Content-Type", "application/sdp"), body=b"v=0\r\ns=\x1b[31m\xff\r\n"), HOP, is_ours=False
    )
    answer = CallAnswer(call=C1, description=AUDIO)
    made.event(UserId("romeo@a.example"), ContactId("x@y"), answer, is_users=False)
    assert all(one.isprintable() or one == "\n" for one in made.show("romeo@a.example") or "")
