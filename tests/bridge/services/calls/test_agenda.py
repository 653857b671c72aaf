"""What calls want done is done in order, and one failure stops nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import globalLogPublisher

from bridge.calls import CallEnd, CallOffer, CallRinging, Ending, MediaKind
from bridge.events import UserId
from bridge.network import CallQuery
from bridge.services.calls.agenda import Agenda
from bridge.services.calls.bounds import CALLS_PER_USER
from bridge.xmpp.payloads.jingle import Action
from bridge.xmpp.payloads.jingle_message import Step as Told
from tests.bridge.services.calls.desk import CALL, CONTACT, OFFER, ROMEO, SID, USER, Client, Desk, ended


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_answer_that_comes_at_once_follows_the_question(desk: Desk) -> None:
    """A network in this process tells before it returns; the client has its result first."""
    submit = desk.network.submit

    def told(user: UserId, event: Any) -> None:
        submit(user, event)
        if isinstance(event, CallOffer):
            desk.hear(CallRinging(call=event.call))
            desk.hear(CallEnd(call=event.call, ending=Ending.BUSY))

    desk.network.submit = told  # type: ignore[method-assign]
    client = Client(desk, ROMEO, SID, is_initiator=True)
    assert client.ask(Action.SESSION_INITIATE, description=OFFER) == ""
    assert desk.actions() == ["session-info ringing", "session-terminate busy"]


def test_network_that_fails_is_logged_and_the_call_goes_on(desk: Desk) -> None:
    """Nothing waits behind a fault of one network."""
    logged: list[Any] = []

    def broken(user: UserId, event: Any) -> None:
        raise ValueError("broken")

    desk.network.submit = broken  # type: ignore[method-assign]
    globalLogPublisher.addObserver(logged.append)
    client = Client(desk, ROMEO, SID, is_initiator=True)
    assert client.ask(Action.SESSION_INITIATE, description=OFFER) == ""
    globalLogPublisher.removeObserver(logged.append)
    assert any(isinstance(event.get("log_logger"), type(Agenda.log)) for event in logged)
    assert client.ask(Action.SESSION_TERMINATE) == ""


def test_question_that_breaks_rejects_the_call(desk: Desk) -> None:
    """By words that tell nothing of what broke."""
    desk.network.ask = lambda user, query: fail(ValueError("secret"))  # type: ignore[method-assign]
    desk.say(ROMEO, Told.PROPOSE, kinds=(MediaKind.AUDIO,))
    assert desk.actions() == ["<reject general-error>", "The gateway met an internal error."]


def test_answer_for_a_call_that_is_over_is_nobodys(desk: Desk) -> None:
    """The user gave up while the network was asked."""
    asked: Deferred[None] = Deferred()
    desk.network.answers[CallQuery] = asked
    desk.say(ROMEO, Told.PROPOSE, kinds=(MediaKind.AUDIO,))
    desk.say(ROMEO, Told.RETRACT)
    asked.callback(None)
    assert (desk.actions(), desk.told()) == ([], [])


def test_nothing_is_left_of_calls_that_are_over(desk: Desk) -> None:
    """No entry, no timer."""
    for _ in range(3 * CALLS_PER_USER):
        desk.called()
        desk.hear(ended(Ending.CANCELLED))
        desk.actions()
    calls = desk.calls
    assert (calls._by_id, calls._by_key, calls._by_user) == ({}, {}, {})
    assert calls._agenda._timers == {}
    assert desk.clock.getDelayedCalls() == []


def test_event_of_another_users_call_is_nobodys(desk: Desk) -> None:
    """A network that mistakes one for another tells nobody."""
    desk.called()
    desk.calls.deliver(UserId("juliet@capulet.example"), ended(Ending.SUCCESS))
    desk.hear(CallOffer(call=CALL, contact=CONTACT, description=OFFER))
    assert (desk.actions(), desk.told()) == ([], [])
    assert set(desk.calls._by_user) == {USER}
