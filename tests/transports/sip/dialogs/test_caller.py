"""Calls of ours, until they stand or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.caller import (
    MAX_LEGS,
    MAX_RETRIES,
    Abandon,
    Acknowledge,
    Answered,
    Caller,
    Cancel,
    Rang,
    State,
    Unanswered,
)
from transports.sip.dialogs.dialog import Ask, DialogState
from transports.sip.wire.message import Request, Response, respond
from transports.sip.wire.reason import Reason
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import parse_uri

OFFER = parse_sdp(SDP)
HOP = parse_uri("sip:edge.example;lr")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Call:
    """A caller, and what its peers say."""

    def __init__(self, offers: bool = True, retry=lambda request, response: None) -> None:
        self.clock = Clock()
        invite = replace(request("INVITE", fields=(("Contact", "<sip:ann@192.0.2.1>"),)), via=())
        self.caller = Caller(invite, HOP, OFFER if offers else None, self.clock, retry, 180.0, Timings())
        self.begun = self.caller.events()

    def says(
        self, status: int, tag: str = "b2", body: bytes = b"", *fields: tuple[str, str], **changes: object
    ) -> list:
        contact = (("Contact", f"<sip:{tag}@192.0.2.2>"),) if tag else ()
        response = respond(self.caller.invite, status, tag, fields=(*contact, *fields), body=body)
        self.caller.receive_response(replace(response, **changes))
        return self.caller.events()

    def waits(self, seconds: float) -> list:
        self.clock.now += seconds
        self.caller.expire()
        return self.caller.events()

    def cancels(self, reason: Reason | None = None) -> list:
        self.caller.cancel(reason)
        return self.caller.events()


def kinds(events: list) -> list[str]:
    """What happened, in short: requests by their method."""
    return [
        event.request.method if isinstance(event, Ask | Acknowledge) else type(event).__name__
        for event in events
    ]


def test_a_call_is_offered_and_answered():
    """INVITE, ringing, 200, ACK to the peer's Contact; a 200 that comes again gets the ACK again."""
    call = Call()
    [ask] = call.begun
    assert (ask.request.body, ask.request.supports("100rel"), ask.next_hop) == (SDP, True, HOP)
    assert call.says(100, "") == []
    [rang] = call.says(180)
    assert (rang.status, rang.description, rang.leg.dialog.state) == (180, None, DialogState.EARLY)
    ack, answered = call.says(200, "b2", SDP)
    assert (str(ack.request.uri), ack.request.cseq.number) == ("sip:b2@192.0.2.2", 1)
    assert isinstance(answered, Answered)
    assert (answered.leg, answered.offer) == (rang.leg, None)
    assert (answered.leg.dialog.state, answered.leg.negotiation.remote) == (DialogState.CONFIRMED, OFFER)
    assert call.says(200, "b2", SDP) == [ack]
    assert (call.caller.state, call.caller.next_deadline) == (State.ANSWERED, None)
    assert call.says(486) == []
    assert call.cancels() == []


@pytest.mark.spec("RFC 3261 §13.2.1")
def test_who_offers_nothing_answers_in_the_ack():
    """The 200 has the offer; a repeated one waits for our answer too."""
    call = Call(offers=False)
    assert (call.begun[0].request.body, call.begun[0].request.supports("100rel")) == (b"", False)
    [answered] = call.says(200, "b2", SDP)
    assert answered.offer == OFFER
    assert call.says(200, "b2", SDP) == []
    call.caller.answer(answered.leg, OFFER)
    [ack] = call.caller.events()
    assert (ack.request.method, ack.request.body, ack.request.get("Content-Type")) == (
        "ACK",
        SDP,
        "application/sdp",
    )
    assert call.says(200, "b2", SDP) == [ack]


@pytest.mark.spec("RFC 3262 §4")
def test_reliable_responses_are_acknowledged_once():
    """What they answer holds; what comes in the 200 then is of no account."""
    call = Call()
    reliable = ("Require", "100rel")
    prack, rang = call.says(183, "b2", SDP, reliable, ("RSeq", "7"))
    assert (prack.request.method, prack.request.get("RAck"), prack.request.cseq.number) == (
        "PRACK",
        "7 1 INVITE",
        2,
    )
    assert (rang.description, rang.leg.negotiation.remote) == (OFFER, OFFER)
    assert call.says(183, "b2", SDP, reliable, ("RSeq", "7")) == []
    assert call.says(180, "b2", b"", reliable, ("RSeq", "9")) == []
    assert call.says(180, "b2", b"", reliable) == []
    assert kinds(call.says(180, "b2", b"", reliable, ("RSeq", "8"))) == ["PRACK", "Rang"]
    assert kinds(call.says(200, "b2", b"garbage")) == ["ACK", "Answered"]


@pytest.mark.spec("RFC 3261 §13.2.1")
@pytest.mark.parametrize(("tag", "ending"), [("b2", "Answered"), ("c3", "Unanswered")])
def test_preview_is_the_answer_of_a_peer_that_says_it_no_more(tag, ending):
    """Carriers do; but not of another peer."""
    call = Call()
    call.says(183, "b2", SDP)
    events = call.says(200, tag)
    assert kinds(events)[0] == "ACK" and kinds(events)[-1] == ending
    if isinstance(events[-1], Answered):
        assert events[-1].leg.negotiation.remote == OFFER


def test_unreliable_media_are_a_preview():
    """The answer is in the 200."""
    call = Call()
    [rang] = call.says(183, "b2", SDP)
    assert (rang.description, rang.leg.negotiation.remote) == (OFFER, None)
    other = SDP.replace(b"49170", b"5000")
    answered = call.says(200, "b2", other)[1]
    assert answered.leg.negotiation.remote.media[0].port == 5000


@pytest.mark.parametrize("body", [b"", b"garbage", SDP + b"m=video 5 RTP/AVP 96\r\n"])
def test_a_call_without_a_proper_answer_is_ended(body):
    """It has to be acknowledged first."""
    call = Call()
    assert kinds(call.says(200, "b2", body)) == ["ACK", "BYE", "Unanswered"]
    assert call.caller.state is State.OVER
    assert kinds(call.says(200, "b2", body)) == ["ACK"]


def test_of_many_peers_one_wins():
    """The others get ACK and BYE, before and after."""
    call = Call()
    assert [call.says(180, tag)[0].leg.dialog.id.remote_tag for tag in ("b1", "b2", "b3")] == [
        "b1",
        "b2",
        "b3",
    ]
    assert kinds(call.says(200, "b2", SDP)) == ["ACK", "Answered"]
    assert kinds(call.says(200, "b3", SDP)) == ["ACK", "BYE"]
    assert kinds(call.says(200, "b3", SDP)) == ["ACK"]
    assert kinds(call.says(200, "new", SDP)) == ["ACK", "BYE"]


def test_legs_are_counted():
    """A forger of tags fills no memory, and gets no more from us for it."""
    call = Call()
    rang = [call.says(180, f"b{number}") for number in range(MAX_LEGS + 5)]
    assert [bool(events) for events in rang] == [True] * MAX_LEGS + [False] * 5
    assert kinds(call.says(200, "winner", SDP)) == ["ACK", "Answered"]
    late = [call.says(200, f"late{number}", SDP) for number in range(2 * MAX_LEGS)]
    assert sum(bool(events) for events in late) == MAX_LEGS - 1


@pytest.mark.parametrize(("status", "told"), [(486, 486), (302, 302), (603, 603), (503, 503)])
def test_a_refusal_is_told(status, told):
    """Once, with all that the peer said; early dialogs are over."""
    call = Call()
    [rang] = call.says(180)
    [over] = call.says(status)
    assert isinstance(over, Unanswered)
    assert (over.status, over.response.status, rang.leg.dialog.state) == (
        told,
        status,
        DialogState.TERMINATED,
    )
    assert call.says(status) == call.says(180) == call.cancels() == []
    assert call.caller.next_deadline is None


@pytest.mark.parametrize("status", [408, 503])
def test_what_never_arrived_is_told(status):
    """After a timeout, or when nothing could be sent."""
    call = Call()
    call.caller.fail(status)
    call.caller.fail(status)
    assert call.caller.events() == [Unanswered(status, None)]


@pytest.mark.spec("RFC 3261 §9.1")
def test_cancel_waits_for_the_first_response():
    """And then for the INVITE's end."""
    call = Call()
    assert call.cancels(Reason("SIP", 200)) == []
    [gone] = call.says(100, "")
    assert gone == Cancel(call.caller.invite, (("Reason", "SIP;cause=200"),))
    assert call.cancels() == call.says(180) == []
    [over] = call.says(487)
    assert over.status == 487


def test_a_cancelled_call_that_nobody_ends_is_forgotten():
    """After 64 T1."""
    call = Call()
    call.says(180)
    assert kinds(call.cancels()) == ["Cancel"]
    assert call.waits(31.9) == []
    assert call.waits(0.1) == [Abandon(call.caller.invite), Unanswered(487, None)]


def test_an_answer_that_crosses_the_cancel_is_ended():
    """The user had given up, and hears nothing of the answer."""
    call = Call()
    call.says(180)
    call.cancels(Reason("SIP", 487))
    events = call.says(200, "b2", SDP)
    assert kinds(events) == ["ACK", "BYE", "Unanswered"]
    assert events[1].request.get("Reason") == "SIP;cause=487"
    assert events[2].status == 487


def test_a_call_does_not_ring_for_ever():
    """It is cancelled, and told as not answered in time."""
    call = Call()
    call.says(180)
    assert call.waits(179) == []
    assert kinds(call.waits(1)) == ["Cancel"]
    assert call.says(487)[0].status == 408
    silent = Call()
    assert silent.waits(180) == []
    silent.caller.fail(408)
    assert silent.caller.events() == [Unanswered(408, None)]


def test_a_challenge_is_answered_with_a_new_number():
    """As often as it is of use, and not after giving up."""

    def retry(asked: Request, response: Response) -> Request:
        return replace(asked, cseq=replace(asked.cseq, number=asked.cseq.number + 1))

    call = Call(retry=retry)
    call.says(180)
    [again] = call.says(401)
    assert (again.request.cseq.number, again.request.body, call.caller.state) == (2, SDP, State.CALLING)
    assert call.says(486, cseq=request("INVITE").cseq) == []
    for _ in range(MAX_RETRIES - 1):
        assert kinds(call.says(422)) == ["INVITE"]
    assert call.says(401)[0].status == 401
    given_up = Call(retry=retry)
    given_up.says(100, "")
    given_up.cancels()
    assert given_up.says(401)[0].status == 487


@pytest.mark.parametrize("status", [180, 200])
def test_a_peer_without_contact_cannot_be_talked_to(status):
    """Its ringing is not heard, its answer is none."""
    call = Call()
    events = call.says(status, "b2", SDP, fields=())
    assert kinds(events) == ([] if status == 180 else ["Unanswered"])


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from([100, 180, 183, 200, 401, 486, "cancel", "fail", "wait"]),
            st.sampled_from(["b1", "b2"]),
        ),
        max_size=12,
    ),
)
def test_the_user_hears_of_one_end_whatever_happens(offers, happenings):
    """Answered or unanswered, never both and never twice; in the end time ends it."""
    call = Call(offers)
    events: list = []
    for happening, tag in happenings:
        if happening == "cancel":
            events += call.cancels()
        elif happening == "wait":
            events += call.waits(100)
        elif happening == "fail":
            call.caller.fail(408)
            events += call.caller.events()
        else:
            events += call.says(happening, tag, SDP if happening in (183, 200) else b"")
    for _ in range(3):
        events += call.waits(200)
    if call.caller.state is State.CALLING:
        call.caller.fail(408)
        events += call.caller.events()
    assert sum(isinstance(event, Answered | Unanswered) for event in events) == 1
    assert call.caller.next_deadline is None
    rang = [index for index, event in enumerate(events) if isinstance(event, Rang)]
    ends = [index for index, event in enumerate(events) if isinstance(event, Answered | Unanswered)]
    assert max(rang, default=-1) < ends[0]
