"""Calls that stand."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.caller import Acknowledge
from transports.sip.dialogs.dialog import Ask, Dialog
from transports.sip.dialogs.offer import Negotiation, OfferState, OutOfTurn, hold
from transports.sip.dialogs.session import (
    MAX_RETRIES,
    Agreed,
    Asked,
    Offered,
    OfferRefused,
    Over,
    Reply,
    Session,
)
from transports.sip.dialogs.session_timer import Agreement, Policy
from transports.sip.wire.message import Request, Response, respond
from transports.sip.wire.reason import Reason
from transports.sip.wire.sdp import Description, parse_sdp, write_sdp
from transports.sip.wire.uri import parse_uri

ANNS = parse_sdp(SDP)
BOBS = parse_sdp(SDP.replace(b"o=ann", b"o=bob").replace(b"192.0.2.9", b"192.0.2.2"))
WIDE = parse_sdp(SDP + b"m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")
TYPE = ("Content-Type", "application/sdp")
TIMED = Agreement(600, is_ours=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ends(clock: Clock, agreement: Agreement | None = None, **options: object) -> tuple[Session, Session]:
    """Both ends of a call that Ann has made."""
    invite = request("INVITE", fields=(("Contact", "<sip:ann@192.0.2.1>"),))
    success = respond(invite, 200, "b2", fields=(("Contact", "<sip:bob@192.0.2.2>"),))
    asking, serving = Dialog.of_client(invite, success), Dialog.of_server(invite, "b2", 100)
    serving.confirm()
    ours, theirs = Negotiation(), Negotiation()
    theirs.receive_offer(ours.offer(ANNS))
    ours.receive_answer(theirs.answer(BOBS))
    theirs_timer = Agreement(agreement.interval, not agreement.is_ours) if agreement else None
    return (
        session(asking, ours, agreement, "ann@192.0.2.1", clock, is_owner=True, **options),
        session(serving, theirs, theirs_timer, "bob@192.0.2.2", clock, is_owner=False),
    )


def session(
    dialog,
    negotiation,
    agreement,
    where,
    clock,
    is_owner,
    retry=lambda asked, response: None,
    policy=None,
):
    contact = (("Contact", f"<sip:{where}>"),)
    return Session(
        dialog,
        negotiation,
        agreement,
        contact,
        policy or Policy(),
        clock,
        retry,
        is_owner,
        lambda: 0.5,
        Timings(),
    )


class Alone:
    """Ann's end, and what comes to it."""

    def __init__(self, agreement: Agreement | None = None, **options: object) -> None:
        self.clock = Clock()
        self.session, other = ends(self.clock, agreement, **options)
        self.peer = other.dialog

    def asks(self, method: str, body: bytes = b"", *fields: tuple[str, str]) -> list:
        self.session.receive_request(self.peer.request(method, (*((TYPE,) if body else ()), *fields), body))
        return self.session.events()

    def says(self, asked: Request, status: int, body: bytes = b"", *fields: tuple[str, str]) -> list:
        self.session.receive_response(respond(asked, status, fields=fields, body=body))
        return self.session.events()

    def offers(self, description: Description = ANNS) -> Request:
        self.session.offer(description)
        [ask] = self.session.events()
        return ask.request

    def waits(self, seconds: float) -> list[tuple[float, object]]:
        start, stop, found = self.clock.now, self.clock.now + seconds, []
        while (deadline := self.session.next_deadline) is not None and deadline <= stop:
            self.clock.now = max(deadline, self.clock.now)
            self.session.expire()
            found += [(round(self.clock.now - start, 3), event) for event in self.session.events()]
        self.clock.now = stop
        return found


def status(events: list) -> int:
    [reply] = [event for event in events if isinstance(event, Reply)]
    return reply.response.status


@pytest.mark.spec("RFC 3261 §14.1")
def test_hold_is_offered_and_answered():
    """With an ACK, again if the 200 comes again."""
    call = Alone()
    asked = call.offers(hold(ANNS))
    assert (asked.method, asked.get("Contact"), asked.supports("timer")) == (
        "INVITE",
        "<sip:ann@192.0.2.1>",
        True,
    )
    with pytest.raises(OutOfTurn):
        call.session.offer(ANNS)
    answer = write_sdp(BOBS)
    assert call.says(asked, 180) == []
    ack, agreed = call.says(asked, 200, answer, ("Contact", "<sip:new@192.0.2.3>"))
    assert isinstance(ack, Acknowledge)
    assert (ack.request.method, ack.request.cseq.number, agreed) == ("ACK", asked.cseq.number, Agreed())
    assert call.session.dialog.target == parse_uri("sip:new@192.0.2.3")
    assert call.says(asked, 200, answer) == [ack]
    assert call.session.negotiation.local.origin.version == ANNS.origin.version + 1


@pytest.mark.parametrize("status_", [488, 500, 603])
def test_a_refused_offer_changes_nothing(status_):
    """The call goes on as it was, and another offer may come."""
    call = Alone()
    assert call.says(call.offers(WIDE), status_) == [OfferRefused(status_)]
    assert (call.session.negotiation.local, call.session.is_over) == (ANNS, False)
    call.offers(WIDE)


@pytest.mark.parametrize("status_", [481, 408])
@pytest.mark.spec("RFC 3261 §12.2.1.2")
def test_a_peer_that_knows_no_call_ends_it(status_):
    """As does one that is not there any more."""
    call = Alone()
    refused, bye, over = call.says(call.offers(), status_)
    assert (refused, bye.request.method, over) == (
        OfferRefused(status_),
        "BYE",
        Over((Reason("SIP", status_),), by_peer=False),
    )
    gone = Alone()
    gone.session.fail(gone.offers())
    assert gone.session.events()[-1] == Over((Reason("SIP", 408),), by_peer=False)
    gone.session.fail(request("INVITE"))
    assert gone.session.events() == []


def test_an_improper_answer_ends_the_call():
    """After its ACK."""
    call = Alone()
    events = call.says(call.offers(), 200, b"garbage")
    assert [type(event) for event in events] == [Acknowledge, Ask, Over]
    assert events[1].request.get("Reason") == "SIP;cause=488"


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_peers_offer_is_answered_or_refused(method):
    """By our user; the address of a refused one does not hold."""
    call = Alone()
    moved = ("Contact", "<sip:moved@192.0.2.5>")
    assert call.asks(method, write_sdp(BOBS), moved) == [Offered(BOBS)]
    call.session.refuse()
    assert status(call.session.events()) == 488
    assert call.session.dialog.target == parse_uri("sip:bob@192.0.2.2")
    call.asks(method, write_sdp(BOBS), moved)
    call.session.answer(ANNS)
    events = call.session.events()
    assert (status(events), events[0].response.body) == (200, SDP)
    assert call.session.dialog.target == parse_uri("sip:moved@192.0.2.5")
    assert (Agreed() in events) is (method == "UPDATE")
    if method == "INVITE":
        with pytest.raises(OutOfTurn):
            call.session.answer(ANNS)
        call.session.receive_request(
            replace(events[0].request, cseq=replace(events[0].request.cseq, method="ACK"))
        )
        assert call.session.events() == [Agreed()]
    with pytest.raises(OutOfTurn):
        call.session.answer(ANNS)


def test_a_peer_may_ask_for_our_offer():
    """Its answer is in the ACK."""
    call = Alone()
    assert call.asks("INVITE") == [Offered(None)]
    call.session.answer(ANNS)
    [reply] = call.session.events()
    ack = replace(reply.request, cseq=replace(reply.request.cseq, method="ACK"), body=write_sdp(BOBS))
    call.session.receive_request(ack)
    assert call.session.events() == [Agreed()]
    call.asks("INVITE")
    call.session.answer(ANNS)
    [reply] = call.session.events()
    call.session.receive_request(replace(reply.request, cseq=replace(reply.request.cseq, method="ACK")))
    assert [type(event) for event in call.session.events()] == [Ask, Over]


def test_a_200_that_is_not_acknowledged_ends_the_call():
    """It is repeated until then."""
    call = Alone()
    call.asks("INVITE", write_sdp(BOBS))
    call.session.answer(ANNS)
    call.session.events()
    found = call.waits(33)
    assert sum(isinstance(event, Reply) for _, event in found) == 10
    assert [type(event) for _, event in found[-2:]] == [Ask, Over]


@pytest.mark.spec("RFC 3261 §14.2")
def test_offers_that_cross_are_refused():
    """491 for ours against theirs, 500 with a pause for two of theirs."""
    call = Alone()
    call.offers()
    assert status(call.asks("INVITE", write_sdp(BOBS))) == 491
    assert status(call.asks("UPDATE")) == 200
    other = Alone()
    other.asks("INVITE", write_sdp(BOBS))
    events = other.asks("UPDATE", write_sdp(BOBS))
    assert (status(events), events[0].response.get("Retry-After")) == (500, "5")
    with pytest.raises(OutOfTurn):
        other.session.offer(ANNS)


@pytest.mark.parametrize(
    ("body", "fields", "expected"),
    [
        (b"garbage", (), 488),
        (write_sdp(replace(BOBS, media=())), (), 488),
        (write_sdp(BOBS), (("Contact", "nobody"),), 400),
        (write_sdp(BOBS), (("Supported", "timer"), ("Session-Expires", "x")), 400),
        (write_sdp(BOBS), (("Supported", "timer"), ("Session-Expires", "91")), 422),
    ],
)
def test_bad_offers_are_refused_by_themselves(body, fields, expected):
    """Our user does not hear of them, and the next may come."""
    call = Alone(policy=Policy(least=120))
    events = call.asks("INVITE", body, *fields)
    assert (len(events), status(events)) == (1, expected)
    assert call.asks("INVITE", write_sdp(BOBS)) == [Offered(BOBS)]


@pytest.mark.spec("RFC 3261 §14.1")
def test_an_offer_that_crossed_another_is_made_again():
    """The owner of the Call-ID waits longer; what cannot be made any more is told."""
    call = Alone()
    asked = call.offers(hold(ANNS))
    assert call.says(asked, 491) == []
    [(when, again)] = call.waits(10)
    assert (when, again.request.body) == (3.05, asked.body)
    call.says(again.request, 491)
    call.asks("INVITE", write_sdp(WIDE))
    assert call.waits(10) == [(3.05, OfferRefused(491))]
    _, bob = ends(Clock())
    bob.offer(BOBS)
    [ask] = bob.events()
    bob.receive_response(respond(ask.request, 491))
    assert bob.next_deadline == 1001.0


def test_challenges_and_short_intervals_are_answered():
    """At once, with a new number, and not for ever."""

    def retry(asked: Request, response: Response) -> Request:
        return replace(asked, cseq=replace(asked.cseq, number=asked.cseq.number + 1))

    call = Alone(retry=retry)
    [again] = call.says(call.offers(), 407)
    assert again.request.cseq.number == 3
    [more] = call.says(again.request, 422, b"", ("Min-SE", "3600"))
    assert (more.request.get("Session-Expires"), more.request.get("Min-SE"), more.request.cseq.number) == (
        "3600",
        "3600",
        4,
    )
    asked = more.request
    for _ in range(MAX_RETRIES - 2):
        asked = call.says(asked, 401)[0].request
    assert call.says(asked, 401) == [OfferRefused(401)]
    assert call.session.dialog.request("BYE").cseq.number == asked.cseq.number + 1


@pytest.mark.spec("RFC 4028 §10")
def test_a_session_is_refreshed_at_half_time():
    """Our user hears nothing, unless the peer has moved its media."""
    call = Alone(TIMED)
    [(when, refresh)] = call.waits(300)
    assert (when, refresh.request.body, refresh.request.get("Session-Expires")) == (
        300,
        SDP,
        "600;refresher=uac",
    )
    timer = ("Session-Expires", "600;refresher=uac")
    assert [type(event) for event in call.says(refresh.request, 200, write_sdp(BOBS), timer)] == [Acknowledge]
    [(when, refresh)] = call.waits(300)
    moved = replace(BOBS, address="192.0.2.7")
    assert call.says(refresh.request, 200, write_sdp(moved), timer)[1:] == [Agreed()]


def test_a_session_that_nobody_refreshes_ends():
    """Whoever should have."""
    for is_ours in (True, False):
        call = Alone(Agreement(600, is_ours))
        found = call.waits(1000)
        assert (found[-1][0], found[-1][1]) == (
            568.0,
            Over((Reason("SIP", 408, "session timer"),), by_peer=False),
        )
        assert call.session.next_deadline is None


def test_a_refresh_waits_for_what_is_under_way():
    """An offer would refresh too; if it fails, the refresh is made up for."""
    call = Alone(TIMED)
    call.waits(299)
    asked = call.offers(hold(ANNS))
    assert call.waits(10) == []
    refused, refresh = call.says(asked, 488)
    assert (refused, refresh.request.body) == (OfferRefused(488), SDP)
    other = Alone(TIMED)
    other.asks("INVITE", write_sdp(BOBS))
    assert other.waits(400) == []
    other.session.refuse()
    assert [type(event) for event in other.session.events()] == [Reply, Ask]


def test_an_offer_that_is_answered_is_a_refresh():
    """None is owed any more, even if the next offer fails."""
    call = Alone(TIMED)
    call.waits(299)
    asked = call.offers(hold(ANNS))
    assert call.waits(10) == []
    timer = ("Session-Expires", "600;refresher=uac")
    assert [type(event) for event in call.says(asked, 200, write_sdp(BOBS), timer)] == [Acknowledge, Agreed]
    assert call.says(call.offers(), 488) == [OfferRefused(488)]
    assert [when for when, _ in call.waits(300)] == [300]


def test_the_peers_update_refreshes_too():
    """Without a word to our user."""
    call = Alone(Agreement(600, is_ours=False))
    call.waits(300)
    events = call.asks("UPDATE", b"", ("Supported", "timer"), ("Session-Expires", "600;refresher=uac"))
    assert (len(events), status(events), events[0].response.get("Session-Expires")) == (
        1,
        200,
        "600;refresher=uac",
    )
    assert call.session.next_deadline == call.clock.now + 568


def test_either_end_hangs_up():
    """The reason is handed over; what comes later is unknown."""
    call = Alone()
    call.asks("INVITE", write_sdp(BOBS))
    events = call.asks("BYE", b"", ("Reason", "Q.850;cause=16"))
    assert [event.response.status for event in events if isinstance(event, Reply)] == [200, 487]
    assert events[-1] == Over((Reason("Q.850", 16),))
    assert status(call.asks("INFO")) == 481
    call.session.hang_up()
    assert call.session.events() == []
    ours = Alone()
    ours.session.hang_up(Reason("SIP", 200))
    [bye] = ours.session.events()
    assert (bye.request.method, bye.request.get("Reason"), ours.session.is_over) == (
        "BYE",
        "SIP;cause=200",
        True,
    )
    ours.session.expire()
    assert ours.session.events() == []


def test_other_requests_are_our_users():
    """Unless they come too late."""
    call = Alone()
    info = call.peer.request("INFO")
    call.session.receive_request(info)
    assert call.session.events() == [Asked(info)]
    call.session.receive_request(info)
    assert status(call.session.events()) == 500


class Pair:
    """Two ends with a network in between that loses nothing, but is slow."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.ann, self.bob = self.ends = ends(self.clock, TIMED)
        self.wires: dict[Session, list[Request | Response]] = {self.ann: [], self.bob: []}
        self.refuses = False

    def pump(self, who: Session) -> None:
        other = self.bob if who is self.ann else self.ann
        for event in who.events():
            assert not isinstance(event, Over)
            if isinstance(event, Ask | Acknowledge):
                self.wires[other].append(event.request)
            elif isinstance(event, Reply):
                self.wires[other].append(event.response)
            elif isinstance(event, Offered):
                if self.refuses:
                    who.refuse()
                else:
                    who.answer(ANNS if who is self.ann else BOBS)
                self.pump(who)

    def deliver(self, who: Session) -> None:
        if self.wires[who]:
            message = self.wires[who].pop(0)
            if isinstance(message, Request):
                who.receive_request(message)
            else:
                who.receive_response(message)
            self.pump(who)

    def offer(self, who: Session, description: Description) -> None:
        with suppress(OutOfTurn):
            who.offer(description)
        self.pump(who)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        for who in self.ends:
            who.expire()
            self.pump(who)

    def do(self, happening: str) -> None:
        self.refuses = happening == "refuse"
        if happening == "ann offers":
            self.offer(self.ann, hold(ANNS))
        elif happening == "bob offers":
            self.offer(self.bob, hold(BOBS))
        elif happening == "wait":
            self.wait(0.7)
        else:
            self.deliver(self.rng.choice(self.ends))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["ann offers", "bob offers", "deliver", "deliver", "refuse", "wait"]), max_size=25
    ),
    st.integers(0, 9),
)
def test_both_ends_agree_in_the_end(happenings, seed):
    """However their offers cross: each has what the other thinks that it has."""
    pair = Pair(seed)
    for happening in happenings:
        pair.do(happening)
    pair.refuses = False
    for _ in range(60):
        for who in pair.ends:
            pair.deliver(who)
        pair.wait(0.2)
    assert pair.wires == {pair.ann: [], pair.bob: []}
    ours, theirs = pair.ann.negotiation, pair.bob.negotiation
    assert ours.state is theirs.state is OfferState.STABLE
    assert (ours.local, ours.remote) == (theirs.remote, theirs.local)


def test_nothing_is_offered_before_the_answer_is_confirmed():
    """An ACK that comes after our turn to offer again belongs to the call's earlier offer, not to ours."""
    pair = Pair(4)
    steps = "ann offers,bob offers,deliver,refuse,deliver,deliver,wait,wait,wait,deliver,deliver,wait,wait"
    for happening in steps.split(","):
        pair.do(happening)
    pair.refuses = False
    for _ in range(60):
        for who in pair.ends:
            pair.deliver(who)
        pair.wait(0.2)
    assert pair.ann.negotiation.state is pair.bob.negotiation.state is OfferState.STABLE
