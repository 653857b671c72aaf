"""In a call: what client and contact offer each other, hold, keys, and how each finds that the other is gone."""

from __future__ import annotations

import pytest

from bridge.calls import (
    CallAnswer,
    CallDigits,
    CallHold,
    CallRefused,
    CallTransfer,
    Ending,
)
from bridge.events import ContactId
from bridge.services.calls.bounds import PING_INTERVAL, RINGING_PING_INTERVAL
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.jingle import Action
from bridge.xmpp.payloads.jingle_info import Info, Press, State, build_info, build_press
from bridge.xmpp.payloads.jingle_transfer import Transfer, build_transfer
from tests.bridge.services.calls.desk import (
    ANSWER,
    CALL,
    OFFER,
    Desk,
    because,
    ended,
    talking,
    talking_back,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def info(state: State) -> dict[str, tuple[Element, ...]]:
    """Return what a session-info of this state says."""
    return {"payloads": (build_info(Info(state)),)}


# ---- infos


def test_client_holds_and_goes_on(desk: Desk) -> None:
    """XEP-0167 §8: each change once; mute is nobody's matter."""
    client, call = talking(desk)
    for state in (State.HOLD, State.HOLD, State.MUTE, State.UNMUTE, State.UNHOLD, State.ACTIVE):
        assert client.ask(Action.SESSION_INFO, **info(state)) == ""
    assert desk.told() == [CallHold(call=call, held=True), CallHold(call=call, held=False)]


def test_contact_holds_and_goes_on(desk: Desk) -> None:
    """The client shows it."""
    talking_back(desk)
    desk.hear(CallHold(call=CALL, held=True))
    desk.hear(CallHold(call=CALL, held=False))
    assert desk.actions() == ["session-info hold", "session-info active"]


def test_keys_go_both_ways(desk: Desk) -> None:
    """XEP-0181; those that last no time are none, those that there are not are refused."""
    client, call = talking(desk)
    assert client.ask(Action.SESSION_INFO, payloads=(build_press(Press("5", 250)),)) == ""
    assert client.ask(Action.SESSION_INFO, payloads=(build_press(Press("5", 0)),)) == ""
    assert (
        client.ask(Action.SESSION_INFO, payloads=(build_press(Press("x", 1)),)) == "feature-not-implemented"
    )
    assert desk.told() == [CallDigits(call=call, digits="5", duration=250)]
    desk.hear(CallDigits(call=call, digits="1#", duration=200))
    assert desk.actions() == ["session-info dtmf", "session-info dtmf"]


def test_session_is_asked_whether_it_lives(desk: Desk) -> None:
    """XEP-0166 §6.8: an empty info is answered; what nobody knows is refused."""
    client, _call = talking(desk)
    assert client.ask(Action.SESSION_INFO) == ""
    assert client.ask(Action.SESSION_INFO, payloads=(Element("what", "urn:x"),)) == "unsupported-info"
    assert client.ask(Action.SECURITY_INFO) == "feature-not-implemented"
    assert client.ask(Action.DESCRIPTION_INFO, description=OFFER) == ""
    assert desk.told() == []


def test_nothing_is_held_or_pressed_before_the_call_stands(desk: Desk) -> None:
    """There is nobody who could hear it."""
    client, _call = desk.placed()
    assert client.ask(Action.SESSION_INFO, payloads=(build_press(Press("5")),)) == "out-of-order"
    assert client.ask(Action.SESSION_INFO, **info(State.HOLD)) == ""
    assert client.ask(Action.SESSION_ACCEPT, description=ANSWER) == "out-of-order"
    assert desk.told() == []


# ---- transfer


def test_client_transfers_the_contact(desk: Desk) -> None:
    """XEP-0251: to people of the network; the user hears if nothing comes of it."""
    client, call = talking(desk)
    to = Jid.parse("peter%irc.example@gw.example")
    assert client.ask(Action.SESSION_INFO, payloads=(build_transfer(Transfer(to=to)),)) == ""
    assert desk.told() == [CallTransfer(call=call, contact=ContactId("peter%irc.example"))]
    desk.hear(CallRefused(call=call))
    assert desk.actions() == ["The call could not be transferred."]
    desk.hear(ended(Ending.SUCCESS, call))
    assert desk.actions() == ["session-terminate success"]


@pytest.mark.parametrize(
    ("to", "sid", "condition"),
    [
        ("peter@elsewhere.example", "", "not-acceptable"),
        ("gw.example", "", "not-acceptable"),
        ("#verona%irc.example@gw.example", "", "not-acceptable"),
        ("peter%irc.example@gw.example", "unknown", "item-not-found"),
    ],
)
def test_transfer_to_nobody_is_refused(desk: Desk, to: str, sid: str, condition: str) -> None:
    """Only people whom the network knows can be talked to instead."""
    client, _call = talking(desk)
    payload = build_transfer(Transfer(to=Jid.parse(to), sid=sid))
    assert client.ask(Action.SESSION_INFO, payloads=(payload,)) == condition
    assert desk.told() == []


# ---- who is gone


def test_client_that_does_not_answer_pings_is_gone(desk: Desk) -> None:
    """Every minute; one that knows no pings is there."""
    _client, call = talking(desk)
    desk.acknowledges = False
    desk.clock.advance(PING_INTERVAL)
    (ping,) = desk.out()
    desk.reply(ping, "feature-not-implemented")
    desk.clock.advance(PING_INTERVAL)
    (ping,) = desk.out()
    desk.reply(ping, "service-unavailable")
    (end,) = desk.told()
    assert (end.call, end.ending) == (call, Ending.GONE)
    assert desk.clock.getDelayedCalls() != []  # the last request waits for its answer
    desk.clock.advance(PING_INTERVAL)
    assert desk.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("condition", "ending"), [("service-unavailable", Ending.GONE), ("feature-not-implemented", None)]
)
def test_client_that_vanishes_while_it_waits_for_an_answer_is_noticed(
    desk: Desk, condition: str, ending: Ending | None
) -> None:
    """Nobody's telephone rings on for it; one that knows no pings is there, and is asked less often later."""
    _client, call = desk.placed()
    desk.told()
    desk.acknowledges = False
    for _ in range(2):
        desk.clock.advance(RINGING_PING_INTERVAL)
        (ping,) = desk.out()
        desk.reply(ping, "feature-not-implemented")
    desk.clock.advance(RINGING_PING_INTERVAL)
    (ping,) = desk.out()
    desk.reply(ping, condition)
    assert [(end.call, end.ending) for end in desk.told()] == ([(call, ending)] if ending else [])
    if ending is None:
        desk.acknowledges = True
        desk.hear(CallAnswer(call=call, description=ANSWER))
        desk.out()
        desk.clock.advance(PING_INTERVAL - 1)
        assert desk.out() == []


def test_client_that_is_silent_is_gone(desk: Desk) -> None:
    """The request for a ping times out."""
    _client, _call = talking(desk)
    desk.acknowledges = False
    desk.clock.pump([PING_INTERVAL / 2] * 4)
    (end,) = desk.told()
    assert end.ending is Ending.TIMED_OUT


def test_client_that_knows_no_session_has_none(desk: Desk) -> None:
    """Whatever it was asked."""
    desk.acknowledges = False
    client = talking_back(desk)
    desk.hear(CallHold(call=CALL, held=True))
    (hold,) = desk.out()
    desk.reply(hold, "item-not-found")
    (end,) = desk.told()
    assert end.ending is Ending.GONE
    assert client.ask(Action.SESSION_INFO) == "unknown-session"


def test_terminate_crossing_the_contacts_end_is_told_once(desk: Desk) -> None:
    """Nothing follows an end."""
    client, call = talking(desk)
    desk.hear(ended(Ending.SUCCESS, call))
    assert client.ask(Action.SESSION_TERMINATE, reason=because(Ending.SUCCESS)) == "unknown-session"
    desk.hear(ended(Ending.SUCCESS, call))
    desk.hear(CallHold(call=call, held=True))
    assert desk.told() == []
    assert desk.actions() == ["session-terminate success"]
