"""The user calls a contact."""

from __future__ import annotations

import pytest

from bridge.calls import CallAnswer, CallCandidates, CallEnd, CallOffer, CallRinging, Ending, MediaKind
from bridge.errors import BridgeError, Trouble
from bridge.network import CallQuery
from bridge.services.calls.bounds import INITIATE_TIME, PATIENCE
from bridge.xmpp.payloads.jingle import INITIATOR, Action, Jingle, build_content
from bridge.xmpp.payloads.jingle_message import Step as Told
from bridge.xmpp.payloads.jingle_message import parse_jingle_message
from tests.bridge.services.calls.desk import (
    ANSWER,
    ANSWERING,
    CONTACT,
    OFFER,
    PHONE,
    ROMEO,
    SID,
    Client,
    Desk,
    because,
    ended,
)
from tests.bridge.services.scene import NURSE

AUDIO = (MediaKind.AUDIO,)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def proceed(desk: Desk) -> Client:
    """The call is proposed, and the client told to go on."""
    desk.say(ROMEO, Told.PROPOSE, kinds=AUDIO)
    assert desk.actions() == ["<proceed>"]
    return Client(desk, ROMEO, SID, is_initiator=True)


def test_proposed_call_is_admitted_offered_and_answered(desk: Desk) -> None:
    """XEP-0353 §3: propose, proceed, then Jingle; the client hears that it rings, and the answer."""
    client = proceed(desk)
    assert desk.network.asked[-1][1] == CallQuery(contact=CONTACT, kinds=frozenset(AUDIO))
    assert desk.told() == []
    assert client.ask(Action.SESSION_INITIATE, description=OFFER) == ""
    (offer,) = desk.told()
    assert offer == CallOffer(call=offer.call, contact=CONTACT, description=OFFER)
    desk.hear(CallRinging(call=offer.call))
    desk.hear(CallAnswer(call=offer.call, description=ANSWER))
    ringing, accept = desk.out()
    assert client.read(ringing).payloads[0].name == "ringing"
    taken = client.read(accept)
    assert (taken.action, taken.description) == (Action.SESSION_ACCEPT, ANSWER)
    assert client.ask(Action.SESSION_TERMINATE, reason=because(Ending.SUCCESS)) == ""
    assert desk.told() == [ended(Ending.SUCCESS, offer.call)]
    assert desk.actions() == ["<finish success>"]


def test_messages_are_chats_to_be_kept_from_the_address_that_was_called(desk: Desk) -> None:
    """XEP-0353 §3: type chat and a hint; to the client that proposed."""
    desk.say(ROMEO, Told.PROPOSE, kinds=AUDIO)
    (message,) = desk.out()
    assert (message.get("type"), message.get("from"), message.get("to")) == ("chat", NURSE, ROMEO)
    assert message.child("store", "urn:xmpp:hints") is not None


def test_call_that_is_not_admitted_is_rejected_in_words(desk: Desk) -> None:
    """The reason for the client, the words for the user, once."""
    desk.network.answers[CallQuery] = BridgeError(Trouble.UNAVAILABLE, "No route to this number.")
    desk.say(ROMEO, Told.PROPOSE, kinds=AUDIO)
    reject, words = desk.out()
    told = parse_jingle_message(reject)
    assert told is not None and told.reason == because(Ending.EXPIRED, "No route to this number.")
    assert words.child_text("body") == "No route to this number."
    assert desk.told() == []
    client = Client(desk, ROMEO, SID, is_initiator=True)
    assert client.ask(Action.SESSION_TERMINATE, reason=because(Ending.CANCELLED)) == "unknown-session"


def test_proposal_of_what_is_no_media_is_rejected(desk: Desk) -> None:
    """Nobody is asked for a file transfer."""
    desk.say(ROMEO, Told.PROPOSE, kinds=())
    assert desk.actions() == ["<reject unsupported-applications>"]
    assert desk.network.asked == []


def test_call_that_is_retracted_before_it_began_is_nobodys(desk: Desk) -> None:
    """XEP-0353 §3.3: also while the network is asked; a late session is unknown, if it is one."""
    client = proceed(desk)
    desk.say(ROMEO, Told.RETRACT)
    assert (desk.told(), desk.actions()) == ([], [])
    assert client.ask(Action.TRANSPORT_INFO) == "unknown-session"


def test_retraction_that_crosses_the_session_cancels_the_call(desk: Desk) -> None:
    """The network had the offer by then."""
    client = proceed(desk)
    client.ask(Action.SESSION_INITIATE, description=OFFER)
    (offer,) = desk.told()
    desk.say(ROMEO, Told.RETRACT)
    assert desk.told() == [ended(Ending.CANCELLED, offer.call)]
    assert desk.actions() == ["session-terminate cancel", "<finish cancel>"]


def test_session_that_does_not_begin_is_given_up(desk: Desk) -> None:
    """A client that was told to proceed and does not is no caller."""
    proceed(desk)
    desk.clock.advance(INITIATE_TIME)
    assert desk.actions() == ["<finish timeout>"]
    assert desk.clock.getDelayedCalls() == []


def test_session_of_another_client_is_not_begun(desk: Desk) -> None:
    """Only the one that proposed has the id."""
    proceed(desk)
    thief = Client(desk, PHONE, SID, is_initiator=True)
    assert thief.ask(Action.SESSION_INITIATE, description=OFFER) == "unknown-session"
    assert desk.told() == []


def test_proposal_that_comes_twice_is_one(desk: Desk) -> None:
    """A client may repeat itself after it lost its link."""
    proceed(desk)
    desk.say(ROMEO, Told.PROPOSE, kinds=AUDIO)
    assert desk.actions() == []


def test_call_without_proposal_is_offered_at_once(desk: Desk) -> None:
    """XEP-0166 alone; no message of XEP-0353 follows."""
    client, call = desk.placed()
    assert desk.actions() == []
    assert client.ask(Action.SESSION_INITIATE, description=OFFER) == "out-of-order"
    desk.hear(ended(Ending.BUSY, call, "486 Busy Here"))
    (end,) = desk.out()
    assert client.read(end).reason == because(Ending.BUSY, "486 Busy Here")
    assert client.ask(Action.SESSION_TERMINATE) == "unknown-session"
    assert desk.told() == []


def test_failure_is_explained_where_clients_show_none(desk: Desk) -> None:
    """What SIP said is for people."""
    _client, call = desk.placed()
    desk.hear(ended(Ending.GONE, call, "404 Not Found"))
    assert desk.actions() == ["404 Not Found", "session-terminate gone"]


def test_call_that_nobody_can_understand_is_ended(desk: Desk) -> None:
    """XEP-0166 §6.3: acknowledged, then terminated by the reason."""
    alien = Jingle(
        action=Action.SESSION_INITIATE, sid=SID, initiator=ROMEO, contents=(build_content(INITIATOR, "a"),)
    )
    assert desk.iq_of(ROMEO, alien) == ""
    assert desk.actions() == ["session-terminate unsupported-applications"]
    assert desk.told() == []


def test_candidates_of_the_caller_are_passed_on_at_once_and_those_of_the_callee_after_the_answer(
    desk: Desk,
) -> None:
    """XEP-0176 §5.3: the client knows of no transport of ours before."""
    client, call = desk.placed()
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"voice": OFFER.contents[0].endpoint}) == ""
    (told,) = desk.told()
    assert told == CallCandidates(call=call, content="voice", endpoint=OFFER.contents[0].endpoint)
    desk.hear(CallCandidates(call=call, content="voice", endpoint=ANSWERING))
    assert desk.actions() == []
    desk.hear(CallAnswer(call=call, description=ANSWER))
    accept, info = desk.out()
    assert client.read(accept).action is Action.SESSION_ACCEPT
    assert client.read(info).endpoints == {"voice": ANSWERING}


def test_call_that_the_network_does_not_answer_is_given_up(desk: Desk) -> None:
    """Nothing rings for ever."""
    _client, call = desk.placed()
    desk.clock.advance(PATIENCE)
    assert desk.told() == [ended(Ending.TIMED_OUT, call)]
    assert desk.actions() == ["session-terminate timeout"]
    assert desk.clock.getDelayedCalls() == []


def test_acceptance_that_the_client_does_not_know_ends_the_call(desk: Desk) -> None:
    """It hung up, and we did not hear of it."""
    _client, call = desk.placed()
    desk.acknowledges = False
    desk.hear(CallAnswer(call=call, description=ANSWER))
    (accept,) = desk.out()
    desk.reply(accept, "item-not-found")
    (end,) = desk.told()
    assert isinstance(end, CallEnd) and end.ending is Ending.GONE


def test_caller_who_goes_away_ends_the_call(desk: Desk) -> None:
    """RFC 6121 §4.5: his client is unavailable."""
    _client, call = desk.placed()
    desk.there(ROMEO)
    desk.away(ROMEO)
    assert desk.told() == [ended(Ending.GONE, call)]


def test_caller_who_goes_away_before_the_session_is_forgotten(desk: Desk) -> None:
    """The network knows nothing of it."""
    proceed(desk)
    desk.away(ROMEO)
    assert desk.told() == []
    assert desk.clock.getDelayedCalls() == []


def test_call_is_carried_on_by_another_client(desk: Desk) -> None:
    """XEP-0353 §4.2: the old session is finished in favour of the new one."""
    _client, call = desk.placed()
    desk.hear(CallAnswer(call=call, description=ANSWER))
    desk.actions()
    desk.say(PHONE, Told.PROPOSE, "another-sid", kinds=AUDIO)
    assert desk.told() == [ended(Ending.SUCCESS, call)]
    assert desk.actions() == ["session-terminate success", "<proceed>"]
