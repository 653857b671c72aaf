"""Calls to us, until they stand or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.callee import Callee, Established, Over, Respond, State, Tags
from transports.sip.dialogs.dialog import Ask, DialogState
from transports.sip.dialogs.offer import OutOfTurn
from transports.sip.wire.message import Request
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import Malformed

OFFER = parse_sdp(SDP)
ANN = ("Contact", "<sip:ann@192.0.2.1>")
OURS = (("Contact", "<sip:bob@192.0.2.2>"),)
TYPE = ("Content-Type", "application/SDP")
KNOWS, INSISTS = ("Supported", "100rel"), ("Require", "100rel")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Call:
    """A callee, and what its peer does."""

    def __init__(self, *fields: tuple[str, str], body: bytes = SDP) -> None:
        self.clock = Clock()
        typed = (TYPE,) if body else ()
        self.invite = request("INVITE", fields=(ANN, *typed, *fields), body=body)
        self.callee = Callee(self.invite, Tags("b2", 100, 7), OURS, self.clock, 180.0, Timings())

    def rings(self, *arguments: object) -> list:
        self.callee.ring(*arguments)
        return self.callee.events()

    def accepts(self, description=OFFER) -> list:
        self.callee.accept(description)
        return self.callee.events()

    def acks(self, body: bytes = b"", number: int = 1) -> list:
        self.callee.receive_ack(request("ACK", number=number, to_tag="b2", body=body))
        return self.callee.events()

    def pracks(self, rseq: int) -> int:
        return self.callee.receive_prack(
            request("PRACK", number=2, fields=(("RAck", f"{rseq} 1 INVITE"),))
        ).status

    def waits(self, seconds: float) -> list[tuple[float, object]]:
        start, stop, found = self.clock.now, self.clock.now + seconds, []
        while (deadline := self.callee.next_deadline) is not None and deadline <= stop:
            self.clock.now = max(deadline, self.clock.now)
            self.callee.expire()
            found += [(round(self.clock.now - start, 3), event) for event in self.callee.events()]
        self.clock.now = stop
        return found


def statuses(events: list) -> list[int]:
    return [event.response.status for event in events if isinstance(event, Respond)]


def test_a_call_rings_and_is_answered():
    """Each response has our tag, our Contact, and the proxies that want to stay."""
    call = Call(("Record-Route", "<sip:p1;lr>"))
    [ringing] = call.rings(180)
    assert (ringing.response.status, ringing.response.to.tag, ringing.response.body) == (180, "b2", b"")
    assert (ringing.response.get("Contact"), ringing.response.get("Record-Route")) == (
        OURS[0][1],
        "<sip:p1;lr>",
    )
    [success] = call.accepts()
    assert (success.response.body, success.response.get("Content-Type")) == (SDP, "application/sdp")
    assert (call.callee.dialog.state, call.callee.negotiation.remote) == (DialogState.CONFIRMED, OFFER)
    assert call.acks() == [Established()]
    assert call.acks() == call.accepts() == call.rings(180) == []
    assert call.callee.next_deadline is None


@pytest.mark.spec("RFC 3261 §13.3.1.4")
def test_a_success_is_repeated_until_it_is_acknowledged():
    """With pauses up to T2; then the call is ended."""
    call = Call()
    call.accepts()
    assert call.acks(number=2) == []
    found = call.waits(100)
    assert [when for when, event in found if isinstance(event, Respond)] == [
        0.5,
        1.5,
        3.5,
        7.5,
        11.5,
        15.5,
        19.5,
        23.5,
        27.5,
        31.5,
    ]
    (_, bye), (when, over) = found[-2:]
    assert isinstance(bye, Ask)
    assert (bye.request.method, str(bye.request.uri), bye.request.get("Reason")) == (
        "BYE",
        "sip:ann@192.0.2.1",
        "SIP;cause=500",
    )
    assert (when, over, call.callee.dialog.state) == (32.0, Over(500), DialogState.TERMINATED)


@pytest.mark.spec("RFC 3261 §13.2.1")
def test_a_peer_without_offer_gets_ours():
    """Its answer is in the ACK; a bad one ends the call."""
    call = Call(body=b"")
    assert call.callee.offer is None
    assert call.rings(183, OFFER)[0].response.body == b""
    with pytest.raises(OutOfTurn):
        call.callee.accept(None)
    assert call.accepts()[0].response.body == SDP
    assert call.acks(SDP) == [Established()]
    assert call.callee.negotiation.remote == OFFER
    bad = Call(body=b"")
    bad.accepts()
    ended = bad.acks(b"garbage")
    assert (ended[0].request.method, ended[1]) == ("BYE", Over(488))


def test_an_answer_is_needed():
    """Who was offered something answers it."""
    call = Call()
    with pytest.raises(OutOfTurn):
        call.callee.accept(None)
    with pytest.raises(Malformed):
        call.callee.accept(parse_sdp(SDP + b"m=video 5 RTP/AVP 96\r\n"))
    assert call.callee.state is State.RINGING


@pytest.mark.parametrize(
    ("fields", "description", "reliable", "body"),
    [
        ((), None, False, b""),
        ((), OFFER, False, SDP),
        ((KNOWS,), None, False, b""),
        ((KNOWS,), OFFER, True, SDP),
        ((INSISTS,), None, True, b""),
        ((INSISTS,), OFFER, True, SDP),
    ],
)
@pytest.mark.spec("RFC 3262 §3")
def test_ringing_is_reliable_where_it_matters(fields, description, reliable, body):
    """For early media, and for those who insist."""
    [ringing] = Call(*fields).rings(183, description)
    assert (ringing.response.get("RSeq"), ringing.response.body) == ("7" if reliable else None, body)


def test_an_answer_that_was_given_while_ringing_holds():
    """The 200 waits until it is acknowledged, and has none."""
    call = Call(KNOWS)
    call.rings(183, OFFER)
    assert call.callee.negotiation.remote == OFFER
    assert call.accepts(None) == []
    assert statuses([event for _, event in call.waits(4)]) == [183, 183, 183]
    assert (call.pracks(8), call.callee.events()) == (481, [])
    assert call.pracks(7) == 200
    [success] = call.callee.events()
    assert (success.response.status, success.response.body) == (200, b"")
    assert call.acks() == [Established()]


def test_reliable_ringing_comes_in_order():
    """One after the other."""
    call = Call(INSISTS)
    call.rings(183)
    assert call.rings(180) == []
    assert (call.pracks(7), statuses(call.callee.events())) == (200, [180])
    assert statuses(call.accepts()) == [200]
    assert call.pracks(8) == 200


def test_a_peer_that_does_not_acknowledge_ringing_is_refused():
    """It would not hear our answer either."""
    for accepts in (False, True):
        call = Call(KNOWS)
        call.rings(183, OFFER)
        if accepts:
            call.accepts(None)
        found = call.waits(40)
        assert statuses([event for _, event in found]) == [183] * 6 + [504]
        assert found[-1] == (32.0, Over(504))


def test_a_peer_that_insists_without_offer_hears_no_ringing():
    """We would have to offer then, and only answer later."""
    call = Call(INSISTS, body=b"")
    assert call.rings(180) == []
    assert statuses(call.accepts()) == [200]


def test_a_long_ringing_is_told_again_and_ends():
    """Proxies forget calls that are silent for three minutes; nobody rings for ever."""
    call = Call()
    call.rings(180)
    found = call.waits(500)
    assert [(when, event.response.status) for when, event in found[:-1]] == [
        (60.0, 180),
        (120.0, 180),
        (180.0, 408),
    ]
    assert found[-1] == (180.0, Over(408))


@pytest.mark.spec("RFC 3261 §13.3.1")
@pytest.mark.parametrize(
    ("expires", "end"), [("30", (30.0, Over(487))), ("500", (180.0, Over(408))), ("soon", (180.0, Over(408)))]
)
def test_an_invite_may_say_how_long_it_rings(expires, end):
    """But no longer than anybody."""
    assert Call(("Expires", expires)).waits(500)[-1] == end


@pytest.mark.spec("RFC 3261 §9.2")
def test_a_cancelled_call_gets_487():
    """But not after the answer."""
    call = Call(KNOWS)
    call.rings(183, OFFER)
    call.callee.cancelled()
    events = call.callee.events()
    assert (statuses(events), events[-1], call.callee.dialog.state) == (
        [487],
        Over(487),
        DialogState.TERMINATED,
    )
    call.callee.cancelled()
    assert call.callee.events() == call.waits(500) == []
    answered = Call()
    answered.accepts()
    answered.callee.cancelled()
    answered.callee.lost()
    assert answered.callee.events() == []
    assert answered.acks() == [Established()]


def test_a_refusal_is_final():
    """The user knows, and is told nothing more."""
    call = Call()
    call.rings(180)
    call.callee.refuse(486, (("Retry-After", "5"),))
    [refused] = call.callee.events()
    assert (refused.response.status, refused.response.to.tag, refused.response.fields) == (
        486,
        "b2",
        (("Retry-After", "5"),),
    )
    call.callee.refuse(603)
    assert call.callee.events() == call.accepts() == []


@pytest.mark.parametrize(
    "invite",
    [
        request("INVITE"),
        request("INVITE", fields=(ANN, TYPE), body=b"garbage"),
        request("INVITE", fields=(ANN, ("Require", 'a, "b')), body=b""),
    ],
)
def test_a_call_that_cannot_be_read_is_malformed(invite):
    """No Contact, a bad description, a bad list."""
    with pytest.raises(Malformed):
        Callee(invite, Tags("b2", 1, 1), OURS, Clock(), 180.0, Timings())


def test_other_bodies_are_not_offers():
    """One that may be ignored is."""
    invite = request("INVITE", fields=(ANN, ("Content-Type", "text/plain")), body=b"hi")
    assert Callee(invite, Tags("b2", 1, 1), OURS, Clock(), 180.0, Timings()).offer is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(), (KNOWS,), (INSISTS,)]),
    st.booleans(),
    st.lists(
        st.sampled_from(["ring", "media", "accept", "refuse", "cancel", "ack", "prack", "wait", "lost"]),
        max_size=12,
    ),
)
def test_a_call_ends_in_one_way_whatever_happens(fields, offers, happenings):
    """One final response is sent (a 200 perhaps often), and nothing waits for ever."""
    call = Call(*fields, body=SDP if offers else b"")
    events: list = []
    rseq = 7
    actions = {
        "ring": lambda: call.rings(180),
        "media": lambda: call.rings(183, OFFER),
        "accept": lambda: call.accepts(),
        "ack": lambda: call.acks(SDP),
        "wait": lambda: [event for _, event in call.waits(20)],
    }
    for happening in happenings:
        if happening in actions:
            events += actions[happening]()
        elif happening == "prack":
            rseq += call.pracks(rseq) == 200
        else:
            {
                "refuse": lambda: call.callee.refuse(486),
                "cancel": call.callee.cancelled,
                "lost": call.callee.lost,
            }[happening]()
        events += call.callee.events()
    events += [event for _, event in call.waits(1000)]
    assert call.callee.state in (State.ESTABLISHED, State.OVER)
    finals = [
        event.response.status for event in events if isinstance(event, Respond) and event.response.is_final
    ]
    assert len(set(finals)) == 1
    assert finals[0] == 200 or len(finals) == 1
    assert sum(isinstance(event, Established | Over) for event in events) <= 1
    assert isinstance(call.invite, Request)
