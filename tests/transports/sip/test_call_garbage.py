"""Whatever a peer of a call says, it is answered or dropped; the gateway goes on, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from bridge.calls import CallAnswer, CallEnd, CallHold, CallId, CallOffer, Ending
from tests.bench.sip.halfopen import AT_ONCE, Scene
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, described, ends
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER
from transports.sip.wire.message import Request

C1 = CallId("c1")
VALUES = (
    "",
    "x",
    '"',
    "<",
    "<sip:a@b",
    "<sip:c@198.51.100.9>",
    "1",
    "0",
    "99999999999",
    "7 1 INVITE",
    ";=;",
    "a,b",
)
NAMES = (
    *("Contact", "Record-Route", "Session-Expires", "Min-SE", "Require", "Supported", "RSeq", "RAck"),
    *("Reason", "Refer-To", "Replaces", "Referred-By", "Content-Type", "Event", "Content-Disposition"),
    *("Proxy-Authenticate", "WWW-Authenticate", "Accept", "Retry-After", "Content-Encoding"),
)
METHODS = (
    "INVITE",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "PRACK",
    "OPTIONS",
    "MESSAGE",
    "ACK",
    "BYE",
    "CANCEL",
)
BODIES = (
    SDP,
    b"",
    b"v=0",
    SDP.replace(b"49170", b"0"),
    SDP + b"m=video 9 RTP/AVP 96\r\n",
    b"\xff\0",
    b"x" * 999,
)
fields = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3)
said = st.tuples(st.sampled_from(METHODS), fields, st.sampled_from(BODIES))
answered = st.tuples(
    st.sampled_from((100, 180, 183, 199, 200, 202, 302, 401, 407, 422, 481, 486, 488, 491, 503, 603)),
    fields,
    st.sampled_from(BODIES),
)


HEAD, MEDIUM = SDP.partition(b"m=")[0], b"m=audio 9 RTP/AVP 0\r\n"
ABSURD = (
    HEAD + MEDIUM * 33,
    HEAD + b"m=audio 9 RTP/AVP" + b" 0" * 65 + b"\r\n",
    SDP + b"a=x\r\n" * 3000,
    SDP + b"a=" + b"x" * 70000,
    SDP.replace(b"49170", b"99999"),
    SDP.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 224.2.0.1/127"),
    SDP.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 255.255.255.255"),
    SDP + b"c=IN IP6 ff15::101\r\n",
    SDP + b"c=IN IP6 ::ffff:224.2.0.1\r\n",
    SDP + b"c=IN IP6 ::ffff:255.255.255.255\r\n",
    SDP.replace(b"o=ann 7", b"o=ann " + b"7" * 99),
    b"\xff" * 500,
)


@contextmanager
def no_failures() -> Iterator[None]:
    """Fail if anything is logged as a failure."""
    failures: list[Any] = []

    def observe(event: Any) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"].getTraceback())

    globalLogPublisher.addObserver(observe)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not failures, failures[0]


def finish(gateway: Gateway, phone: Phone, call: CallId) -> None:
    """End the call for the user; nothing is left of it when all timers have run out."""
    before = ends(gateway.told())
    gateway.do(CallEnd(call=call, ending=Ending.SUCCESS))
    for _ in range(320):
        gateway.reactor.advance(0.5)
        phone.answer_all(200)
    assert len(before) <= 1 and not gateway.told()
    assert gateway.is_forgotten


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(said, max_size=5))
def test_requests_in_a_call_do_no_harm(requests: list[tuple[str, list[tuple[str, str]], bytes]]) -> None:
    """Of any method, with any fields and bodies."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    with no_failures():
        phone.invite("sip:romeo%40a.example@a.gw")
        [offer] = gateway.told()
        gateway.do(CallAnswer(call=offer.call, description=described("audio0")))
        phone.take(200)
        phone.acknowledge()
        for method, more, body in requests:
            phone.request(method, *more, body=body)
            gateway.reactor.advance(0.1)
        finish(gateway, phone, offer.call)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), st.lists(answered, min_size=1, max_size=6))
def test_responses_to_a_call_do_no_harm(
    is_taken: bool, responses: list[tuple[int, list[tuple[str, str]], bytes]]
) -> None:
    """To the INVITE, and to whatever follows it."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    with no_failures():
        gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
        if is_taken:
            phone.accept(phone.asked("INVITE"))
        for number, (status, more, body) in enumerate(responses):
            gateway.do(CallHold(call=C1, held=number % 2 == 0))
            phone._read()
            asked = [one for one in phone.got if isinstance(one, Request) and one.method != "ACK"]
            if asked:
                phone.respond(asked[-1], status, *more, body=body)
            gateway.reactor.advance(0.1)
        finish(gateway, phone, C1)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(fields, st.sampled_from(BODIES))
def test_invites_do_no_harm(more: list[tuple[str, str]], body: bytes) -> None:
    """A call that is offered, whatever it says beside that."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    with no_failures():
        phone.invite("sip:romeo%40a.example@a.gw", *more, body=body)
        for offer in [event for event in gateway.told() if isinstance(event, CallOffer)]:
            names = [one.name for one in offer.description.contents]
            gateway.do(CallAnswer(call=offer.call, description=described(*names)))
            finish(gateway, phone, offer.call)
        assert gateway.is_forgotten


@pytest.mark.parametrize("body", ABSURD)
def test_absurd_descriptions_are_not_acceptable(body: bytes) -> None:
    """By 488, in a new call and in one that stands, which goes on."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    phone.invite("sip:romeo%40a.example@a.gw", body=body)
    phone.take(488)
    phone.invite("sip:romeo%40a.example@a.gw", call_id="other")
    [offer] = gateway.told()
    gateway.do(CallAnswer(call=offer.call, description=described("audio0")))
    phone.take(200)
    phone.acknowledge()
    phone.offer(body)
    phone.take(488)
    assert not gateway.told()
    finish(gateway, phone, offer.call)


def test_half_open_calls_of_all_kinds_end_with_their_timers() -> None:
    """Unanswered, unacknowledged, given up: ``python -m tests.bench.sip.halfopen`` has a great many."""
    Scene().run(AT_ONCE)
