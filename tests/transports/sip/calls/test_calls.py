"""Calls between two gateways, as their users see them."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace
from twisted.python.failure import Failure

from bridge.calls import (
    CallAnswer,
    CallDigits,
    CallEnd,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallUpdate,
    Ending,
    Flow,
    MediaKind,
)
from bridge.capabilities import Level
from bridge.errors import Trouble
from bridge.events import ContactId
from bridge.network import CallQuery
from tests.transports.sip.calling import (
    AUDIO,
    BOTH,
    TO_JULIET,
    TO_ROMEO,
    Gateway,
    Pair,
    described,
    ends,
    trickled,
)
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER, Bridge, Names, Reactor
from transports.sip.calls import calls
from transports.sip.calls.keypad import MAX_WAITING
from transports.sip.network import SipNetwork

C1 = CallId("c1")


def test_call_is_offered_rings_is_answered_and_hung_up() -> None:
    """Both users are told the same; nothing is left of it."""
    pair = Pair()
    offer = pair.offer()
    assert offer.contact == TO_ROMEO and [one.name for one in offer.description.contents] == ["audio0"]
    pair.b.do(CallRinging(call=offer.call))
    pair.settle()
    assert pair.a.told() == [CallRinging(call=C1)]
    pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
    pair.settle()
    [answer] = pair.a.told()
    assert isinstance(answer, CallAnswer) and answer.description.contents[0].name == "audio"
    pair.a.do(trickled(C1))
    assert pair.a.backend.anchors[0].heard == ["audio"]
    pair.a.do(CallEnd(call=C1, ending=Ending.SUCCESS))
    pair.settle()
    assert pair.b.told() == [CallEnd(call=offer.call, ending=Ending.SUCCESS)] and pair.a.told() == []
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


def test_callee_hangs_up() -> None:
    """The other direction of BYE."""
    pair = Pair()
    theirs = pair.connect()
    pair.b.do(CallEnd(call=theirs, ending=Ending.SUCCESS))
    pair.settle()
    assert pair.a.told() == [CallEnd(call=C1, ending=Ending.SUCCESS)]
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


@pytest.mark.parametrize(
    ("ending", "status", "told"),
    [
        (Ending.BUSY, 486, Ending.BUSY),
        (Ending.DECLINED, 603, Ending.DECLINED),
        (Ending.TIMED_OUT, 480, Ending.EXPIRED),
        (Ending.GONE, 410, Ending.GONE),
        (Ending.INCOMPATIBLE, 488, Ending.INCOMPATIBLE),
        (Ending.SECURITY, 488, Ending.INCOMPATIBLE),
        (Ending.CONNECTIVITY, 500, Ending.GENERAL),
    ],
)
def test_refusal_has_its_status_and_ending(ending: Ending, status: int, told: Ending) -> None:
    """The status tells the other side why, and its words are for people."""
    pair = Pair()
    offer = pair.offer()
    pair.b.do(CallEnd(call=offer.call, ending=ending))
    pair.settle()
    [end] = pair.a.told()
    assert end.ending is told and end.text.startswith(f"SIP {status} ")
    assert pair.b.told() == []
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


def test_caller_gives_up_while_it_rings() -> None:
    """CANCEL; and the callee is told."""
    pair = Pair()
    offer = pair.offer()
    pair.b.do(CallRinging(call=offer.call))
    pair.settle()
    pair.a.do(CallEnd(call=C1, ending=Ending.CANCELLED))
    pair.settle()
    assert [end.ending for end in ends(pair.b.told())] == [Ending.CANCELLED]
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten and not ends(pair.a.told())


def test_nobody_answers() -> None:
    """After two minutes both are told."""
    pair = Pair()
    pair.offer()
    pair.run(130)
    [ours], [theirs] = ends(pair.a.told()), ends(pair.b.told())
    assert ours.ending is Ending.TIMED_OUT and theirs.ending in (Ending.TIMED_OUT, Ending.CANCELLED)
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


def test_peer_that_is_gone_ends_the_call_by_its_session_timer() -> None:
    """Half an hour at most; nothing is left."""
    pair = Pair()
    pair.connect()
    pair.loss = 1.0
    pair.run(1900)
    assert ends(pair.a.told()) and ends(pair.b.told())
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


def test_session_is_refreshed_and_nobody_notices() -> None:
    """A call goes on for hours."""
    pair = Pair()
    pair.connect()
    pair.lines()
    pair.run(4000)
    lines = pair.lines()
    assert sum(line.startswith("INVITE") for line in lines) >= 3
    assert not pair.a.told() and not pair.b.told() and len(pair.a.calls) == 1


@pytest.mark.parametrize("end", ["a", "b"])
def test_hold_and_resume(end: str) -> None:
    """Of either side: the other is told of it, and of nothing else."""
    pair = Pair()
    theirs = pair.connect()
    (holder, own), (held, other) = ((pair.a, C1), (pair.b, theirs))[:: 1 if end == "a" else -1]
    for is_held in (True, False):
        holder.do(CallHold(call=own, held=is_held))
        pair.settle()
        pair.run(0.5)
        assert held.told() == [CallHold(call=other, held=is_held)] and holder.told() == []


def test_peer_that_held_resumes_by_asking_for_our_offer() -> None:
    """Which says what we want, not what the peer wanted before (RFC 3264 §5.1)."""
    gateway = Gateway("a", "b", {}, {})
    phone = Phone(gateway.reactor, PEER)
    phone.answer_all(200)
    gateway.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    phone.accept(phone.asked("INVITE"))
    gateway.told()
    phone.offer(SDP.replace(b"sendrecv", b"sendonly"))
    assert b"a=recvonly" in phone.take(200).body
    phone.acknowledge_again()
    assert gateway.told() == [CallHold(call=C1, held=True)]
    phone.offer(b"")
    assert b"a=sendrecv" in phone.take(200).body
    phone.acknowledge_again(SDP.replace(b"ann 7 7", b"ann 7 9"))
    assert gateway.told() == [CallHold(call=C1, held=False)]


def test_holds_of_both_sides_at_once_go_through() -> None:
    """The offers cross, get 491, and are made again (RFC 3261 §14.1)."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallHold(call=C1, held=True))
    pair.b.do(CallHold(call=theirs, held=True))
    pair.run(10)
    assert CallHold(call=C1, held=True) in pair.a.told()
    assert CallHold(call=theirs, held=True) in pair.b.told()


def test_video_is_added_and_answered() -> None:
    """A later offer of other media is for the user to answer."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    pair.settle()
    [update] = pair.b.told()
    assert isinstance(update, CallUpdate) and len(update.description.contents) == 2
    names = [one.name for one in update.description.contents]
    pair.b.do(CallAnswer(call=theirs, description=described(*names)))
    pair.settle()
    [answer] = pair.a.told()
    assert [one.name for one in answer.description.contents] == ["audio", "video"]
    pair.a.do(CallHold(call=C1, held=True))
    pair.run(1)
    assert pair.b.told() == [CallHold(call=theirs, held=True)]


def test_video_is_refused_and_the_call_goes_on() -> None:
    """As it was before."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    pair.settle()
    pair.b.told()
    pair.b.do(CallRefused(call=theirs))
    pair.run(1)
    assert pair.a.told() == [CallRefused(call=C1)]
    pair.b.do(CallHold(call=theirs, held=True))
    pair.run(1)
    assert pair.a.told() == [CallHold(call=C1, held=True)]


def test_offers_of_both_users_cross() -> None:
    """One of them, or both, are told; the call stands."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    pair.b.do(CallUpdate(call=theirs, description=described("audio0", "video")))
    pair.run(10)
    told = pair.a.told() + pair.b.told()
    assert any(isinstance(event, CallUpdate | CallRefused) for event in told) and not ends(told)


def test_offer_that_nobody_answers_ends_the_call() -> None:
    """The user's client has half a minute."""
    pair = Pair()
    pair.connect()
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    pair.run(31)
    assert [end.ending for end in ends(pair.b.told())] == [Ending.TIMED_OUT]
    assert ends(pair.a.told())
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


def test_offer_while_the_other_waits_is_crossed() -> None:
    """One offer waits at a time (`bridge.calls`)."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    pair.settle()
    pair.b.told()
    pair.b.do(CallUpdate(call=theirs, description=BOTH))
    assert pair.b.told() == [CallRefused(call=theirs, crossed=True)]
    pair.a.do(CallUpdate(call=C1, description=BOTH))
    assert pair.a.told() == [CallRefused(call=C1)]


def test_keys_are_pressed_in_the_media_or_told() -> None:
    """By the anchor, one after the other; or by INFO where the trunk wants it."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.do(CallDigits(call=C1, digits="1#", duration=100))
    pair.run(1)
    assert pair.a.backend.anchors[0].pressed == [("1", 100), ("#", 100)]
    pair.a.do(CallDigits(call=C1, digits="5" * 200, duration=100))
    pair.run(20)
    assert len(pair.a.backend.anchors[0].pressed) == 2 + MAX_WAITING
    pair.b.backend.anchors[0].listener.pressed("7")
    assert pair.b.told() == [CallDigits(call=theirs, digits="7")]
    told = Pair({"digits": "info"})
    theirs = told.connect()
    told.a.do(CallDigits(call=C1, digits="*9", duration=200))
    told.run(1)
    assert told.b.told() == [CallDigits(call=theirs, digits=digit, duration=200) for digit in "*9"]


def test_anchor_learns_where_the_peer_is_heard_from() -> None:
    """Whoever called; and nowhere before there is a peer."""
    pair = Pair()
    pair.connect()
    for side in (pair.a, pair.b):
        call = side.backend.anchors[0].listener
        assert call.signalled_from == call.party.hops[0].host != ""
        call.party = None
        assert call.signalled_from == ""


def test_lost_media_end_the_call_on_both_sides() -> None:
    """Nobody is to listen to silence."""
    pair = Pair()
    theirs = pair.connect()
    pair.a.backend.anchors[0].listener.media_lost("the relay died")
    pair.settle()
    assert pair.a.told() == [CallEnd(call=C1, ending=Ending.CONNECTIVITY, text="the relay died")]
    [end] = pair.b.told()
    assert (end.call, end.ending) == (theirs, Ending.GENERAL) and "the relay died" in end.text


@pytest.mark.parametrize(
    ("refused", "ending"),
    [("offer_to_sip", Ending.INCOMPATIBLE), ("answer_to_xmpp", Ending.INCOMPATIBLE)],
)
def test_media_that_do_not_fit_end_the_call(refused: str, ending: Ending) -> None:
    """With the reason; the peer is hung up on."""
    pair = Pair()
    pair.a.backend.refused.add(refused)
    pair.a.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    pair.run(1)
    for offer in pair.b.told():
        pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
    pair.run(1)
    assert [end.ending for end in ends(pair.a.told())] == [ending]
    pair.run(70)
    assert pair.a.is_forgotten and pair.b.is_forgotten


@pytest.mark.parametrize("refused", ["offer_to_xmpp", "answer_to_sip"])
def test_media_that_do_not_fit_refuse_the_call(refused: str) -> None:
    """By 488; a user who was never told of the call is not told of its end."""
    pair = Pair()
    pair.b.backend.refused.add(refused)
    pair.a.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    pair.run(1)
    told = pair.b.told()
    for offer in told:
        pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
    pair.run(1)
    assert [end.text for end in pair.a.told()] == ["SIP 488 Not Acceptable Here"]
    assert len(ends(pair.b.told())) == len(told)


def test_limits_of_all_of_a_user_and_of_a_trunk() -> None:
    """Who is one too many is told, and does no harm to the others."""
    for config, trunk, ending in (
        ({"max_calls": 1}, {}, Ending.GENERAL),
        ({"max_calls_per_user": 1}, {}, Ending.BUSY),
        ({}, {"max_calls": 1}, Ending.GENERAL),
    ):
        pair = Pair(trunk, **config)
        pair.connect()
        pair.a.do(CallOffer(call=CallId("c2"), contact=TO_JULIET, description=AUDIO))
        [end] = pair.a.told()
        assert (end.call, end.ending) == ("c2", ending) and "calls" in end.text
        assert len(pair.a.calls) == 1


@pytest.mark.parametrize(("field", "status"), [("max_calls", 503), ("max_calls_per_user", 486)])
def test_caller_who_is_one_too_many_is_told(field: str, status: int) -> None:
    """And when to come again, if it is not the user's matter."""
    pair = Pair()
    pair.b.network.reload(replace(pair.b.config, **{field: 1}))
    pair.connect()
    pair.lines()
    pair.a.do(CallOffer(call=CallId("c2"), contact=TO_JULIET, description=AUDIO))
    pair.settle()
    assert any(line.startswith(f"SIP/2.0 {status}") for line in pair.lines())
    assert pair.b.told() == [] and len(pair.b.calls) == 1


def test_call_to_nowhere_is_ended_at_once() -> None:
    """No way, no media."""
    pair = Pair()
    for contact in ("bob@else.example", "911", "+4930"):
        pair.a.do(CallOffer(call=CallId("x"), contact=contact, description=AUDIO))
        [end] = pair.a.told()
        assert (end.call, end.ending) == ("x", Ending.DECLINED) and end.text
    pair.a.backend.is_full = True
    pair.a.do(CallOffer(call=CallId("x"), contact=TO_JULIET, description=AUDIO))
    assert [end.ending for end in pair.a.told()] == [Ending.GENERAL]


def test_event_of_another_user_or_of_no_call_does_nothing() -> None:
    """Ids are no secret between users."""
    pair = Pair()
    pair.connect()
    pair.a.do(CallEnd(call=C1, ending=Ending.SUCCESS), user="mallory@a.example")
    pair.a.do(CallEnd(call=CallId("none"), ending=Ending.SUCCESS))
    pair.a.do(CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    pair.run(1)
    assert len(pair.a.calls) == 1 and not pair.a.told() and not pair.b.told()


def test_stopping_gateway_ends_its_calls() -> None:
    """With BYE, and the user is told."""
    pair = Pair()
    pair.connect()
    pair.a.network.stop("")
    pair.settle()
    assert [end.ending for end in ends(pair.a.told())] == [Ending.GONE]
    assert ends(pair.b.told()) and not pair.a.backend.running


def test_early_media_are_the_answer_where_the_operator_wants_it() -> None:
    """The 200 then says nothing new to the user."""
    pair = Pair({"early_media": "answer"})
    offer = pair.offer()
    party = next(iter(pair.b.calls.stack.invited.values()))
    party._callee.ring(183, pair.b.backend.anchors[0]._sdp(described("audio0")))
    party._pump()
    pair.settle()
    assert [type(event) for event in pair.a.told()] == [CallRinging, CallAnswer]
    pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
    pair.run(1)
    assert pair.a.told() == [] and len(pair.a.calls) == 1
    pair.a.do(CallHold(call=C1, held=True))
    pair.run(1)
    assert pair.b.told() == [CallHold(call=offer.call, held=True)]


def test_slow_anchor_and_an_end_in_between() -> None:
    """Nothing is told after the end, and nothing is left."""
    for pause in (0.1, 0.4, 0.7, 1.0, 1.3):
        pair = Pair()
        pair.a.backend.is_slow = pair.b.backend.is_slow = True
        pair.a.do(CallOffer(call=C1, contact=TO_JULIET, description=described("audio", flow=Flow.BOTH)))
        pair.run(0.65)
        for offer in pair.b.told():
            pair.b.do(CallAnswer(call=offer.call, description=described("audio0")))
        pair.run(pause)
        pair.a.do(CallEnd(call=C1, ending=Ending.SUCCESS))
        before = len(ends(pair.a.told()))
        pair.run(70)
        assert before == 0 and pair.a.told() == []
        assert pair.a.is_forgotten and pair.b.is_forgotten


def test_user_may_ask_whether_he_can_call() -> None:
    """The answer is why not, in words for him."""
    pair = Pair(max_calls_per_user=1)

    def asked(contact: str) -> object:
        outcome: list[object] = []
        query = CallQuery(contact=ContactId(contact), kinds=frozenset({MediaKind.AUDIO}))
        pair.a.network.ask(pair.a.user, query).addBoth(outcome.append)
        [answer] = outcome
        return answer.value.trouble if isinstance(answer, Failure) else answer

    assert asked(TO_JULIET) is None and asked("911") is Trouble.NOT_ALLOWED
    pair.connect()
    assert asked(TO_JULIET) is Trouble.TOO_MANY


def test_without_a_back_end_there_are_no_calls() -> None:
    """Nobody is told that there were, and who tries is told."""
    pair = Pair()
    network = SipNetwork(pair.a.config, Reactor(), Names(), Random(1), None, lambda: 0.0)
    bridge = Bridge()
    network.start(bridge)
    assert network.capabilities(pair.a.user, None).calls is Level.REJECTED
    assert pair.a.network.capabilities(pair.a.user, None).calls is Level.PARTIAL
    network.submit(pair.a.user, CallOffer(call=C1, contact=TO_JULIET, description=AUDIO))
    network.submit(pair.a.user, CallEnd(call=C1, ending=Ending.SUCCESS))
    assert [event.ending for _, event in bridge.taken()] == [Ending.UNSUPPORTED_APPLICATIONS]


def test_operator_is_told_of_the_back_ends_trouble() -> None:
    """And that it is over."""
    gateway = Pair().a
    for trouble in ("rtpengine does not answer", ""):
        gateway.backend.trouble = trouble
        gateway.backend.changed()
        assert gateway.bridge.troubles[-1] == trouble


def test_user_who_is_disconnected_loses_his_calls() -> None:
    """Both sides are told."""
    pair = Pair()
    pair.connect()
    assert pair.a.network.disconnect(pair.a.user, "by an administrator")
    pair.settle()
    assert pair.a.told() == [CallEnd(call=C1, ending=Ending.GONE, text="by an administrator")]
    assert ends(pair.b.told()) and not pair.a.network.disconnect(pair.a.user, "")


STRANGER = "203.0.113.9"


def stranger(**config: object) -> tuple[Gateway, Phone]:
    """A gateway that is open, and a phone at no trunk's address."""
    gateway = Gateway("a", "b", {}, {"federation": True, "allowed_peers": ("203.0.113.0/24",), **config})
    return gateway, Phone(gateway.reactor, STRANGER)


def call_in(phone: Phone, number: int) -> None:
    sender = f"sip:x@{phone.host}"
    phone.invite("sip:romeo%40a.example@a.gw", call_id=f"c{number}", tag=f"t{number}", sender=sender)


@pytest.mark.parametrize(("config", "status"), [({"max_calls_of_strangers": 2}, 503), ({}, 486)])
def test_calls_of_strangers_leave_room_for_those_of_trunks(config: dict[str, int], status: int) -> None:
    """Of all calls, and of a user's; who ends one may begin another."""
    gateway, phone = stranger(max_calls_per_user=4, **config)
    trunk = Phone(gateway.reactor, PEER)
    for number in range(2):
        call_in(phone, number)
    first, _ = gateway.told()
    phone._read()
    phone.got.clear()
    call_in(phone, 2)
    assert phone.take(status)
    phone.acknowledge_failure()
    trunk.invite("sip:romeo%40a.example@a.gw", sender="sip:juliet@b.gw")
    assert [type(event) for event in gateway.told()] == [CallOffer]
    gateway.do(CallEnd(call=first.call, ending=Ending.DECLINED))
    call_in(phone, 3)
    assert [type(event) for event in gateway.told()] == [CallOffer]


def test_one_stranger_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """By his address."""
    monkeypatch.setattr(calls, "OF_ONE_STRANGER", 1)
    gateway, phone = stranger()
    call_in(phone, 1)
    call_in(phone, 2)
    assert phone.take(503)
    call_in(Phone(gateway.reactor, "203.0.113.10"), 3)
    assert [type(event) for event in gateway.told()] == [CallOffer, CallOffer]
