"""A contact calls the user."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.calls import CallAnswer, CallCandidates, CallOffer, CallRinging, Ending, MediaKind
from bridge.services.calls.bounds import CALLS_PER_USER, INITIATE_TIME, RING_TIME, SILENCE
from bridge.services.calls.steps import Step
from bridge.xmpp.payloads.jingle import Action
from bridge.xmpp.payloads.jingle_info import Info, State, build_info
from bridge.xmpp.payloads.jingle_message import Step as Told
from bridge.xmpp.payloads.jingle_message import parse_jingle_message
from bridge.xmpp.payloads.nick import parse_nick
from tests.bridge.services.calls.desk import (
    ANSWER,
    ANSWERING,
    BOTH,
    CALL,
    CONTACT,
    ENDPOINT,
    JMI,
    OFFER,
    PHONE,
    ROMEO,
    USER,
    Client,
    Desk,
    because,
    ended,
    features_of,
)
from tests.bridge.services.scene import NURSE

AUDIO = (MediaKind.AUDIO,)
BEGUN = Step(action=Action.SESSION_INITIATE, description=OFFER)
PLAIN = JMI[:2]
RINGING = (build_info(Info(State.RINGING)),)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def rung(desk: Desk, *devices: str, features: tuple[str, ...] = PLAIN) -> tuple[str, list[Client]]:
    """The contact calls, and it rings at devices that know nothing of XEP-0353."""
    for device in devices:
        desk.there(device)
    desk.hear(CallOffer(call=CALL, contact=CONTACT, description=OFFER))
    proposal, *questions = desk.taken()
    told = parse_jingle_message(proposal)
    assert told is not None
    desk.sent = questions
    desk.tell_features(*features)
    clients = []
    for stanza in desk.out():
        client = Client(desk, stanza.attributes["to"], told.sid, is_initiator=False)
        assert client.read(stanza).action is Action.SESSION_INITIATE
        clients.append(client)
    return told.sid, clients


def test_call_is_proposed_to_all_clients_by_name_and_kind(desk: Desk) -> None:
    """XEP-0353 §3.1, with XEP-0172: to the bare JID."""
    desk.hear(CallOffer(call=CALL, contact=CONTACT, nick="The Nurse", description=BOTH))
    (proposal,) = desk.out()
    assert (proposal.get("from"), proposal.get("to"), proposal.get("type")) == (NURSE, USER, "chat")
    told = parse_jingle_message(proposal)
    assert told is not None and [kind.value for kind in told.kinds] == ["audio", "video"]
    assert parse_nick(proposal) == "The Nurse"


def test_client_that_takes_it_has_the_call(desk: Desk) -> None:
    """Ringing once however many ring, then a session with who proceeds, and its answer."""
    sid = desk.called()
    desk.say(ROMEO, Told.RINGING, sid)
    desk.say(PHONE, Told.RINGING, sid)
    assert desk.told() == [CallRinging(call=CALL)]
    desk.say(PHONE, Told.PROCEED, sid)
    (initiate,) = desk.out()
    client = Client(desk, PHONE, sid, is_initiator=False)
    assert (initiate.get("from"), initiate.get("to")) == (NURSE, PHONE)
    assert client.read(initiate).description == OFFER
    assert client.ask(Action.SESSION_ACCEPT, description=ANSWER) == ""
    assert desk.told() == [CallAnswer(call=CALL, description=ANSWER)]
    desk.hear(ended(Ending.SUCCESS))
    assert desk.actions() == ["session-terminate success", "<finish success>"]
    assert desk.clock.getDelayedCalls() == []


def test_client_that_comes_too_late_is_told_so_alone(desk: Desk) -> None:
    """Two proceed at once: the second is not to ring on, the first not to hear of it (XEP-0280)."""
    client = desk.taken_up()
    desk.say(PHONE, Told.PROCEED, client.sid)
    (late,) = desk.out()
    told = parse_jingle_message(late)
    assert told is not None and (told.step, late.get("to")) == (Told.RETRACT, PHONE)
    assert late.child("private", "urn:xmpp:carbons:2") is not None
    thief = Client(desk, PHONE, client.sid, is_initiator=False)
    assert thief.ask(Action.SESSION_ACCEPT, description=ANSWER) == "unknown-session"
    assert thief.ask(Action.SESSION_TERMINATE) == "unknown-session"
    assert desk.told() == []


def test_rejection_by_one_client_is_the_users(desk: Desk) -> None:
    """XEP-0353 §3.6."""
    sid = desk.called()
    desk.say(PHONE, Told.REJECT, sid, reason=because(Ending.BUSY, "Busy"))
    assert desk.told() == [ended(Ending.BUSY, text="Busy")]
    desk.say(ROMEO, Told.PROCEED, sid)
    assert (desk.told(), desk.actions()) == ([], ["<retract gone>"])


def test_caller_who_gives_up_retracts(desk: Desk) -> None:
    """XEP-0353 §3.3: without it some ring for ever."""
    desk.called()
    desk.hear(ended(Ending.CANCELLED))
    assert desk.actions() == ["<retract cancel>"]
    assert desk.clock.getDelayedCalls() == []


def test_caller_who_gives_up_before_the_session_is_accepted_ends_it(desk: Desk) -> None:
    """The client had the call by then."""
    client = desk.taken_up()
    desk.hear(ended(Ending.CANCELLED))
    assert desk.actions() == ["session-terminate cancel", "<finish cancel>"]
    assert client.ask(Action.SESSION_ACCEPT, description=ANSWER) == "unknown-session"


def test_call_that_nobody_takes_ends_with_the_ring_time(desk: Desk) -> None:
    """Both sides are told."""
    desk.called()
    desk.clock.advance(RING_TIME)
    assert desk.told() == [ended(Ending.TIMED_OUT)]
    assert desk.actions() == ["<retract timeout>"]


def test_client_that_proceeds_and_does_not_accept_is_given_up(desk: Desk) -> None:
    """Also if it answers nothing at all."""
    desk.acknowledges = False
    desk.taken_up()
    desk.clock.advance(INITIATE_TIME)
    assert desk.told()[0].ending is Ending.TIMED_OUT
    assert desk.actions() == ["session-terminate timeout", "<finish timeout>"]


@pytest.mark.parametrize(
    ("condition", "ending"), [("service-unavailable", Ending.EXPIRED), ("item-not-found", Ending.GONE)]
)
def test_call_that_reaches_nobody_is_over(desk: Desk, condition: str, ending: Ending) -> None:
    """The server sends the proposal back; without that it rings, whoever may be woken by it."""
    sid = desk.called()
    assert desk.bounce(f"call-propose-{sid}", condition)
    (end,) = desk.told()
    assert end.ending is ending
    assert not desk.bounce("m1", condition)


def test_candidates_of_the_caller_wait_for_the_client(desk: Desk) -> None:
    """They come after the session's beginning; those of the client after its answer."""
    sid = desk.called()
    told = CallCandidates(call=CALL, content="voice", endpoint=ENDPOINT)
    desk.hear(told)
    assert desk.actions() == []
    desk.say(ROMEO, Told.PROCEED, sid)
    assert desk.actions() == ["session-initiate", "transport-info"]
    client = Client(desk, ROMEO, sid, is_initiator=False)
    client._wire.made(BEGUN, by_us=False)
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"voice": ANSWERING}) == ""
    assert desk.told() == []
    client.ask(Action.SESSION_ACCEPT, description=ANSWER)
    answer, candidates = desk.told()
    assert answer == CallAnswer(call=CALL, description=ANSWER)
    assert candidates == CallCandidates(call=CALL, content="voice", endpoint=ANSWERING)


def test_clients_without_proposals_are_called_one_by_one(desk: Desk) -> None:
    """Known from their presence; the first that accepts has the call, and all others stop ringing."""
    _sid, (first, second) = rung(desk, ROMEO, PHONE)
    assert {first.jid, second.jid} == {ROMEO, PHONE}
    first.ask(Action.SESSION_INFO, payloads=RINGING)
    second.ask(Action.SESSION_INFO, payloads=RINGING)
    assert desk.told() == [CallRinging(call=CALL)]
    assert second.ask(Action.SESSION_ACCEPT, description=ANSWER) == ""
    assert desk.told() == [CallAnswer(call=CALL, description=ANSWER)]
    assert desk.actions() == ["session-terminate cancel", "<retract cancel>"]
    assert first.ask(Action.SESSION_ACCEPT, description=ANSWER) == "unknown-session"
    assert second.ask(Action.SESSION_TERMINATE, reason=because(Ending.SUCCESS)) == ""
    assert desk.told() == [ended(Ending.SUCCESS)]
    assert desk.actions() == []


def test_clients_with_proposals_are_not_called_one_by_one(desk: Desk) -> None:
    """Nor are those that cannot be called at all."""
    sid, clients = rung(desk, ROMEO, features=JMI)
    assert clients == []
    desk.say(ROMEO, Told.PROCEED, sid)
    assert desk.actions() == ["session-initiate"]


def test_client_that_rings_in_silence_rings_after_a_moment(desk: Desk) -> None:
    """Once, whatever is said of it later; Dino 0.4 says nothing."""
    sid, _clients = rung(desk, ROMEO, features=JMI)
    desk.clock.advance(SILENCE / 2)
    assert desk.told() == []
    desk.clock.advance(SILENCE / 2)
    assert desk.told() == [CallRinging(call=CALL)]
    desk.say(PHONE, Told.RINGING, sid)
    desk.clock.advance(SILENCE)
    assert desk.told() == []


def test_client_that_says_that_it_rings_rings_at_once(desk: Desk) -> None:
    """And not once more, when it would be taken to."""
    sid, _clients = rung(desk, ROMEO, features=JMI)
    desk.say(ROMEO, Told.RINGING, sid)
    assert desk.told() == [CallRinging(call=CALL)]
    desk.clock.advance(SILENCE)
    assert desk.told() == []


def test_call_that_was_taken_rings_no_more(desk: Desk) -> None:
    """Whoever was silent about it."""
    sid, _clients = rung(desk, ROMEO, features=JMI)
    desk.say(ROMEO, Told.PROCEED, sid)
    desk.clock.advance(SILENCE)
    assert desk.told() == []


def test_proposal_that_comes_back_rings_nowhere(desk: Desk) -> None:
    """The caller is told at once that nobody is there."""
    sid, _clients = rung(desk, ROMEO, features=JMI)
    desk.bounce(f"call-propose-{sid}", "service-unavailable")
    [end] = desk.told()
    desk.clock.advance(SILENCE)
    assert (end.call, desk.told()) == (CALL, [])


def test_clients_of_which_nothing_is_known_are_not_taken_to_ring(desk: Desk) -> None:
    """A push may wake one, which then says so."""
    desk.called()
    desk.clock.advance(SILENCE)
    assert desk.told() == []


def test_client_that_declines_by_jingle_ends_the_call(desk: Desk) -> None:
    """What one client's user decides counts for all; others are retracted."""
    _sid, (first, _second) = rung(desk, ROMEO, PHONE)
    first.ask(Action.SESSION_TERMINATE, reason=because(Ending.DECLINED))
    assert desk.told() == [ended(Ending.DECLINED)]
    assert desk.actions() == ["<retract decline>", "session-terminate decline"]


def test_client_that_cannot_have_it_leaves_it_to_others(desk: Desk) -> None:
    """Until none is left."""
    _sid, (first, second) = rung(desk, ROMEO, PHONE)
    first.ask(Action.SESSION_TERMINATE, reason=because(Ending.FAILED_APPLICATION))
    assert (desk.told(), desk.actions()) == ([], [])
    second.ask(Action.SESSION_TERMINATE, reason=because(Ending.UNSUPPORTED_TRANSPORTS))
    assert desk.told() == [ended(Ending.UNSUPPORTED_TRANSPORTS)]
    assert desk.actions() == ["<retract unsupported-transports>"]


def test_proposal_that_bounces_rings_on_where_it_rings(desk: Desk) -> None:
    """A client of negative priority gets no messages, but requests."""
    sid, (_client,) = rung(desk, ROMEO)
    desk.bounce(f"call-propose-{sid}", "service-unavailable")
    assert desk.told() == []


def test_client_that_goes_away_while_it_rings_is_hung_up(desk: Desk) -> None:
    """Others ring on."""
    _sid, (first, second) = rung(desk, ROMEO, PHONE)
    desk.away(first.jid)
    assert desk.told() == []
    second.ask(Action.SESSION_ACCEPT, description=ANSWER)
    assert desk.told() == [CallAnswer(call=CALL, description=ANSWER)]


def test_acceptance_of_nothing_ends_the_call(desk: Desk) -> None:
    """An answer has contents of its offer."""
    client = desk.taken_up()
    other = ANSWER.contents[0].name + "x"
    client._wire.made(BEGUN, by_us=False)
    alien = structs.replace(ANSWER, contents=(structs.replace(ANSWER.contents[0], name=other),))
    assert client.ask(Action.SESSION_ACCEPT, description=alien) == "out-of-order"
    assert desk.told() == []


def test_proposal_of_both_at_once_is_decided_by_the_lower_id(desk: Desk) -> None:
    """XEP-0353 §4.1: ours is rejected or retracted, with the sign of a tie-break."""
    sid = desk.called()
    desk.say(ROMEO, Told.PROPOSE, "zzz", kinds=AUDIO)
    (reject,) = desk.out()
    told = parse_jingle_message(reject)
    assert told is not None and (told.step, told.sid, told.tie_break) == (Told.REJECT, "zzz", True)
    assert desk.told() == []
    desk.say(ROMEO, Told.PROPOSE, "aaa", kinds=AUDIO)
    retract, proceed = desk.out()
    told = parse_jingle_message(retract)
    assert told is not None and (told.step, told.sid, told.tie_break) == (Told.RETRACT, sid, True)
    assert parse_jingle_message(proceed).sid == "aaa"  # type: ignore[union-attr]
    assert desk.told() == [ended(Ending.ALTERNATIVE)]


@pytest.mark.parametrize(("mine", "answer"), [("zzz", "tie-break"), ("aaa", "")])
def test_sessions_of_both_at_once_are_decided_by_the_lower_id(desk: Desk, mine: str, answer: str) -> None:
    """XEP-0166 §7.2.16, where a client is called by Jingle alone."""
    rung(desk, ROMEO)
    client = Client(desk, ROMEO, mine, is_initiator=True)
    assert client.ask(Action.SESSION_INITIATE, description=OFFER) == answer
    told = desk.told()
    if answer:
        assert told == []
    else:
        assert ended(Ending.ALTERNATIVE) in told
        assert any(isinstance(event, CallOffer) for event in told)


def test_calls_of_one_user_are_bounded(desk: Desk) -> None:
    """Who is called by many is busy for the next."""
    for number in range(CALLS_PER_USER + 1):
        desk.hear(CallOffer(call=f"c{number}", contact=CONTACT, description=OFFER))  # type: ignore[arg-type]
    (end,) = desk.told()
    assert (end.call, end.ending) == (f"c{CALLS_PER_USER}", Ending.BUSY)
    desk.out()
    desk.say(ROMEO, Told.PROPOSE, "a", "peter%irc.example@gw.example", kinds=AUDIO)
    assert desk.actions() == ["<reject busy>"]
    other = Client(desk, ROMEO, "b", is_initiator=True)
    assert other.ask(Action.SESSION_INITIATE, description=OFFER) == "resource-constraint"


def test_end_of_the_bridge_is_the_end_of_all_calls(desk: Desk) -> None:
    """Ringing or not; clients that go on are told that there is no session."""
    client = desk.taken_up()
    client.ask(Action.SESSION_ACCEPT, description=ANSWER)
    desk.hear(CallOffer(call="second", contact=CONTACT, description=OFFER))  # type: ignore[arg-type]
    desk.told()
    desk.out()
    desk.calls.stop("Gateway shutdown")
    assert [event.ending for event in desk.told()] == [Ending.GONE, Ending.GONE]
    assert desk.actions() == ["session-terminate gone", "<finish gone>", "<retract gone>"]
    assert client.ask(Action.SESSION_TERMINATE) == "unknown-session"
    desk.hear(CallOffer(call="third", contact=CONTACT, description=OFFER))  # type: ignore[arg-type]
    assert desk.told()[0].ending is Ending.BUSY


def test_client_that_fails_while_another_is_asked_ends_nothing(desk: Desk) -> None:
    """The other may have it yet; once it cannot, nobody waits for the ring time."""
    desk.there(ROMEO)
    desk.there(PHONE)
    desk.hear(CallOffer(call=CALL, contact=CONTACT, description=OFFER))
    proposal, first, second = desk.taken()
    told = parse_jingle_message(proposal)
    assert told is not None
    desk.reply(first, "", features_of(*PLAIN))
    (initiate,) = desk.out()
    client = Client(desk, first.attributes["to"], told.sid, is_initiator=False)
    client.read(initiate)
    client.ask(Action.SESSION_TERMINATE, reason=because(Ending.FAILED_APPLICATION))
    desk.bounce(f"call-propose-{told.sid}", "service-unavailable")
    assert desk.told() == []
    desk.reply(second, "", features_of("urn:xmpp:ping"))
    assert [event.ending for event in desk.told()] == [Ending.EXPIRED]
