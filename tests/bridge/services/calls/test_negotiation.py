"""What client and contact offer each other in a call, one after the other or both at once."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallRefused,
    CallUpdate,
    Content,
    Ending,
    Endpoint,
    Flow,
    SessionDescription,
)
from bridge.services.calls.bounds import ANSWER_TIME, STEPS_KEPT
from bridge.services.calls.steps import names_of
from bridge.xmpp.payloads.jingle import Action
from tests.bridge.services.calls.desk import (
    ANSWER,
    ANSWERING,
    BOTH,
    BOTH_ANSWER,
    CALL,
    ENDPOINT,
    FILM,
    OFFER,
    VOICE,
    Desk,
    ended,
    talking,
    talking_back,
)

ADDED = SessionDescription(contents=(FILM,))
ELSEWHERE = structs.replace(ENDPOINT, ufrag="zzzz", password="another-password-of-22-")
OTHER_FILM = structs.replace(FILM, endpoint=ANSWERING)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def with_flow(description: SessionDescription, flow: Flow) -> SessionDescription:
    """Return it with all contents flowing like this."""
    contents = tuple(structs.replace(one, flow=flow) for one in description.contents)
    return structs.replace(description, contents=contents)


def with_endpoint(content: Content, endpoint: Endpoint) -> SessionDescription:
    """Return a description of one content that is reached there."""
    return SessionDescription(contents=(structs.replace(content, endpoint=endpoint),))


# ---- offers of the client


def test_client_adds_a_content_and_it_is_taken(desk: Desk) -> None:
    """The network hears of all contents, the client only of what it added."""
    client, call = talking(desk)
    assert client.ask(Action.CONTENT_ADD, description=ADDED) == ""
    assert desk.told() == [CallUpdate(call=call, description=BOTH)]
    desk.hear(CallAnswer(call=call, description=BOTH_ANSWER))
    (accept,) = desk.out()
    taken = client.read(accept)
    assert (taken.action, names_of(taken.description)) == (Action.CONTENT_ACCEPT, ("film",))


@pytest.mark.parametrize("is_refused", [True, False])
def test_client_adds_a_content_and_it_is_not_taken(desk: Desk, is_refused: bool) -> None:
    """Refused as a whole, or left out of the answer; then it can be added again."""
    client, call = talking(desk)
    client.ask(Action.CONTENT_ADD, description=ADDED)
    desk.told()
    answer = CallRefused(call=call) if is_refused else CallAnswer(call=call, description=ANSWER)
    desk.hear(answer)
    (reject,) = desk.out()
    refused = client.read(reject)
    assert (refused.action, refused.names) == (Action.CONTENT_REJECT, ("film",))
    assert client.ask(Action.CONTENT_ADD, description=ADDED) == ""
    assert desk.told() == [CallUpdate(call=call, description=BOTH)]


def test_content_that_is_there_is_not_added_again(desk: Desk) -> None:
    """Nor is one removed that is not there."""
    client, _call = talking(desk)
    assert client.ask(Action.CONTENT_ADD, description=OFFER) == "out-of-order"
    assert client.ask(Action.CONTENT_REMOVE, names=("film",)) == "out-of-order"
    assert desk.told() == []


def test_client_removes_a_content(desk: Desk) -> None:
    """Nobody can refuse that; without any left there is no call (XEP-0166 §7.2.5)."""
    client, call = desk.placed(BOTH)
    desk.hear(CallAnswer(call=call, description=BOTH_ANSWER))
    for stanza in desk.out():
        client.read(stanza)
    assert client.ask(Action.CONTENT_REMOVE, names=("film",)) == ""
    assert desk.told() == [CallUpdate(call=call, description=OFFER)]
    desk.hear(CallRefused(call=call))
    assert desk.actions() == []
    assert client.ask(Action.CONTENT_REMOVE, names=("voice",)) == ""
    assert desk.told() == [ended(Ending.SUCCESS, call)]
    assert desk.actions() == ["session-terminate success"]


def test_client_turns_a_flow_round(desk: Desk) -> None:
    """content-modify, which is taken without a word, or turned back."""
    client, call = talking(desk)
    assert client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.SENDS}) == ""
    assert desk.told() == [CallUpdate(call=call, description=with_flow(OFFER, Flow.SENDS))]
    desk.hear(CallAnswer(call=call, description=with_flow(ANSWER, Flow.RECEIVES)))
    assert desk.actions() == []
    assert client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.NONE}) == ""
    desk.hear(CallRefused(call=call))
    (back,) = desk.out()
    assert client.read(back).flows == {"voice": Flow.RECEIVES}


def test_client_replaces_its_transport(desk: Desk) -> None:
    """transport-replace: accepted with ours, or rejected; one that nobody knows is rejected at once."""
    client, call = talking(desk)
    assert client.ask(Action.TRANSPORT_REPLACE, endpoints={"voice": ELSEWHERE}) == ""
    assert desk.told() == [CallUpdate(call=call, description=with_endpoint(VOICE, ELSEWHERE))]
    desk.hear(CallAnswer(call=call, description=ANSWER))
    (accept,) = desk.out()
    taken = client.read(accept)
    assert (taken.action, taken.endpoints) == (Action.TRANSPORT_ACCEPT, {"voice": ANSWERING})
    client.ask(Action.TRANSPORT_REPLACE, endpoints={"voice": ENDPOINT})
    desk.hear(CallRefused(call=call))
    assert desk.actions() == ["transport-reject"]
    desk.told()
    assert client.ask(Action.TRANSPORT_REPLACE, names=("voice",)) == ""
    assert (desk.told(), desk.actions()) == ([], ["transport-reject"])


def test_client_restarts_ice(desk: Desk) -> None:
    """XEP-0176 §5.5: by other credentials in a transport-info, answered by another."""
    client, call = talking(desk)
    bare = structs.replace(ELSEWHERE, fingerprint=None, candidates=())
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"voice": bare}) == ""
    (update,) = desk.told()
    endpoint = update.description.contents[0].endpoint
    assert (endpoint.ufrag, endpoint.fingerprint) == ("zzzz", ENDPOINT.fingerprint)
    again = structs.replace(ANSWERING, ufrag="yyyy")
    desk.hear(CallAnswer(call=call, description=with_endpoint(VOICE, again)))
    (answer,) = desk.out()
    told = client.read(answer)
    assert (told.action, told.endpoints["voice"].ufrag) == (Action.TRANSPORT_INFO, "yyyy")


def test_further_candidates_are_passed_on(desk: Desk) -> None:
    """In both directions, of contents that there are."""
    client, call = talking(desk)
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"voice": ENDPOINT}) == ""
    assert desk.told() == [CallCandidates(call=call, content="voice", endpoint=ENDPOINT)]
    desk.hear(CallCandidates(call=call, content="voice", endpoint=ANSWERING))
    desk.hear(CallCandidates(call=call, content="what", endpoint=ANSWERING))
    assert desk.actions() == ["transport-info"]


def test_candidates_of_a_content_that_waits_come_after_it(desk: Desk) -> None:
    """The network knows nothing of it before."""
    client, call = talking(desk)
    client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.SENDS})
    client.ask(Action.CONTENT_ADD, description=ADDED)
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"film": ENDPOINT}) == ""
    assert len(desk.told()) == 1
    desk.hear(CallAnswer(call=call, description=with_flow(ANSWER, Flow.RECEIVES)))
    update, candidates = desk.told()
    assert names_of(update.description) == ("voice", "film")
    assert candidates == CallCandidates(call=call, content="film", endpoint=ENDPOINT)


def test_offers_of_the_client_wait_for_each_other_within_bounds(desk: Desk) -> None:
    """One offer waits for its answer at a time."""
    client, call = talking(desk)
    for count in range(STEPS_KEPT + 1):
        flow = Flow.SENDS if count % 2 else Flow.BOTH
        assert client.ask(Action.CONTENT_MODIFY, flows={"voice": flow}) == ""
    assert client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.NONE}) == "resource-constraint"
    for _ in range(STEPS_KEPT + 1):
        (update,) = desk.told()
        assert isinstance(update, CallUpdate)
        desk.hear(CallAnswer(call=call, description=ANSWER))
    assert desk.told() == []


# ---- offers of the network


def test_contact_adds_a_content_and_it_is_taken(desk: Desk) -> None:
    """The client answers when its user has decided."""
    client = talking_back(desk)
    desk.hear(CallUpdate(call=CALL, description=BOTH))
    (add,) = desk.out()
    assert names_of(client.read(add).description) == ("film",)
    assert desk.told() == []
    accepted = SessionDescription(contents=(OTHER_FILM,))
    assert client.ask(Action.CONTENT_ACCEPT, description=accepted) == ""
    assert desk.told() == [CallAnswer(call=CALL, description=BOTH_ANSWER)]


def test_contact_adds_a_content_and_it_is_not_taken(desk: Desk) -> None:
    """Then all stays as it was, and it can be offered again."""
    client = talking_back(desk)
    for _ in range(2):
        desk.hear(CallUpdate(call=CALL, description=BOTH))
        (add,) = desk.out()
        client.read(add)
        assert client.ask(Action.CONTENT_REJECT, names=("film",)) == ""
        assert desk.told() == [CallRefused(call=CALL)]
    assert client.ask(Action.CONTENT_REJECT, names=("film",)) == "out-of-order"


def test_content_that_is_not_decided_on_is_taken_back(desk: Desk) -> None:
    """The network waits no longer than it can."""
    client = talking_back(desk)
    desk.hear(CallUpdate(call=CALL, description=BOTH))
    client.read(desk.out()[0])
    desk.clock.advance(ANSWER_TIME)
    assert desk.told() == [CallRefused(call=CALL)]
    assert desk.actions() == ["content-remove"]
    late = SessionDescription(contents=(OTHER_FILM,))
    assert client.ask(Action.CONTENT_ACCEPT, description=late) == "out-of-order"


def test_contact_removes_a_content_and_turns_another_round(desk: Desk) -> None:
    """Two steps, done once they are acknowledged; the client's flow follows."""
    desk.acknowledges = False
    client = desk.taken_up(offer=BOTH)
    client.ask(Action.SESSION_ACCEPT, description=BOTH_ANSWER)
    desk.told()
    desk.hear(CallUpdate(call=CALL, description=with_flow(OFFER, Flow.SENDS)))
    remove, modify = desk.out()
    assert client.read(remove).names == ("film",)
    assert client.read(modify).flows == {"voice": Flow.SENDS}
    desk.reply(remove)
    assert desk.told() == []
    desk.reply(modify)
    assert desk.told() == [CallAnswer(call=CALL, description=with_flow(ANSWER, Flow.RECEIVES))]


def test_contact_is_elsewhere(desk: Desk) -> None:
    """Another certificate is another transport, other credentials are a restart of ICE."""
    client = talking_back(desk)
    stranger = structs.replace(ELSEWHERE, fingerprint=ANSWERING.fingerprint)
    desk.hear(CallUpdate(call=CALL, description=with_endpoint(VOICE, stranger)))
    (replace,) = desk.out()
    assert client.read(replace).action is Action.TRANSPORT_REPLACE
    assert client.ask(Action.TRANSPORT_ACCEPT, endpoints={"voice": ENDPOINT}) == ""
    assert desk.told() == [CallAnswer(call=CALL, description=with_endpoint(VOICE, ENDPOINT))]
    restarted = structs.replace(stranger, ufrag="yyyy")
    desk.hear(CallUpdate(call=CALL, description=with_endpoint(VOICE, restarted)))
    (told,) = desk.out()
    assert client.read(told).action is Action.TRANSPORT_INFO
    assert client.ask(Action.TRANSPORT_INFO, endpoints={"voice": ELSEWHERE}) == ""
    assert desk.told() == [CallAnswer(call=CALL, description=with_endpoint(VOICE, ELSEWHERE))]


def test_client_that_does_not_go_along_keeps_what_there_was(desk: Desk) -> None:
    """transport-reject, or an error."""
    desk.acknowledges = False
    client = talking_back(desk)
    stranger = structs.replace(ELSEWHERE, fingerprint=ANSWERING.fingerprint)
    desk.hear(CallUpdate(call=CALL, description=with_endpoint(VOICE, stranger)))
    client.read(desk.out()[0])
    assert client.ask(Action.TRANSPORT_REJECT, names=("voice",)) == ""
    assert desk.told() == [CallRefused(call=CALL)]
    desk.hear(CallUpdate(call=CALL, description=with_flow(OFFER, Flow.NONE)))
    (modify,) = desk.out()
    desk.reply(modify, "feature-not-implemented")
    assert desk.told() == [CallRefused(call=CALL)]


def test_offer_that_changes_nothing_is_answered_at_once(desk: Desk) -> None:
    """A refresh of the other side's."""
    talking_back(desk)
    desk.hear(CallUpdate(call=CALL, description=OFFER))
    assert desk.told() == [CallAnswer(call=CALL, description=ANSWER)]
    assert desk.actions() == []


# ---- both at once


def test_network_that_offers_while_the_client_waits_is_refused(desk: Desk) -> None:
    """As `bridge.calls` has it; also before the call stands."""
    client, call = talking(desk)
    client.ask(Action.CONTENT_ADD, description=ADDED)
    desk.told()
    desk.hear(CallUpdate(call=call, description=ANSWER))
    assert desk.told() == [CallRefused(call=call, crossed=True)]
    assert desk.actions() == []


def test_client_that_offers_the_same_while_the_network_waits_loses_where_we_began(desk: Desk) -> None:
    """XEP-0166 §7.2.16: the initiator's offer counts."""
    client = talking_back(desk)
    desk.hear(CallUpdate(call=CALL, description=BOTH))
    client.read(desk.out()[0])
    mine = SessionDescription(contents=(structs.replace(FILM, name="mine"),))
    assert client.ask(Action.CONTENT_ADD, description=mine) == "tie-break"
    assert desk.told() == []


def test_client_that_began_wins_where_both_offer_the_same(desk: Desk) -> None:
    """Ours is taken back, and the network told of the other."""
    client, call = talking(desk)
    theirs = SessionDescription(contents=(*ANSWER.contents, structs.replace(FILM, name="theirs")))
    desk.hear(CallUpdate(call=call, description=theirs))
    desk.out()
    assert client.ask(Action.CONTENT_ADD, description=ADDED) == ""
    assert desk.told() == [CallRefused(call=call, crossed=True), CallUpdate(call=call, description=BOTH)]
    assert desk.actions() == ["content-remove"]


def test_client_that_says_that_both_offered_is_believed(desk: Desk) -> None:
    """Its error for a tie-break."""
    _client, call = talking(desk)
    desk.acknowledges = False
    desk.hear(CallUpdate(call=call, description=with_flow(ANSWER, Flow.NONE)))
    (modify,) = desk.out()
    desk.reply(modify, "conflict")
    assert desk.told() == [CallRefused(call=call, crossed=True)]


@pytest.mark.parametrize("is_calling", [True, False])
def test_offer_of_the_client_before_the_call_stands_follows_the_answer(desk: Desk, is_calling: bool) -> None:
    """XEP-0166 §4.2 allows it; one offer waits at a time."""
    client = desk.placed()[0] if is_calling else desk.taken_up()
    assert client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.SENDS}) == ""
    assert desk.told() == []
    if is_calling:
        call = next(iter(desk.calls._by_id))
        desk.hear(CallAnswer(call=call, description=ANSWER))
    else:
        call = CALL
        client.ask(Action.SESSION_ACCEPT, description=ANSWER)
        assert desk.network.submitted.pop(0)[1] == CallAnswer(call=call, description=ANSWER)
    (update,) = desk.told()
    assert update == CallUpdate(call=call, description=with_flow(OFFER if is_calling else ANSWER, Flow.SENDS))


def test_other_offers_of_the_client_wait_for_the_networks(desk: Desk) -> None:
    """They are no tie."""
    client = talking_back(desk)
    desk.hear(CallUpdate(call=CALL, description=BOTH))
    client.read(desk.out()[0])
    assert client.ask(Action.CONTENT_MODIFY, flows={"voice": Flow.SENDS}) == ""
    assert desk.told() == []
    client.ask(Action.CONTENT_REJECT, names=("film",))
    assert desk.told() == [
        CallRefused(call=CALL),
        CallUpdate(call=CALL, description=with_flow(ANSWER, Flow.SENDS)),
    ]


def test_answer_without_contents_ends_the_call(desk: Desk) -> None:
    """There is nothing to talk by."""
    client, call = desk.placed()
    other = structs.replace(VOICE, name="other")
    desk.hear(CallAnswer(call=call, description=SessionDescription(contents=(other,))))
    assert desk.told() == [ended(Ending.INCOMPATIBLE, call)]
    assert desk.actions() == ["session-terminate incompatible-parameters"]
    assert client.ask(Action.SESSION_INFO) == "unknown-session"
