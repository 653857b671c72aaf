"""What both directions share: the clients of the user hear of the end once, and as they learnt of the call."""

from __future__ import annotations

import pytest

from bridge.calls import CallAnswer, CallEnd, Ending
from bridge.services.calls.call import Call
from bridge.services.calls.outputs import EXPLAINED, NEVER, Output, Party
from bridge.xmpp.payloads.jingle import Action
from bridge.xmpp.payloads.jingle_message import Step as Told
from tests.bridge.services.calls.desk import (
    ANSWER,
    CALL,
    CONTACT,
    NURSE,
    PHONE,
    ROMEO,
    SID,
    USER,
    Desk,
    because,
    ended,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_call_without_a_session_has_nothing_to_end() -> None:
    """What is said of it by anybody leads to nothing."""
    wanted: list[Output] = []
    party = Party(call=CALL, user=USER, contact=CONTACT, jid=NURSE, sid=SID)  # type: ignore[arg-type]
    call = Call(party, wanted.append, lambda: 0.0)
    call.hear(ended(Ending.SUCCESS))
    call.gone(ROMEO)
    call.stop(Ending.GONE)
    call.migrate("other")
    call.wake()
    assert (wanted, call.is_active, call.deadline) == ([], False, NEVER)


@pytest.mark.parametrize("step", [Told.FINISH, Told.RETRACT, Told.REJECT])
def test_client_that_says_by_message_that_it_is_over_is_believed(desk: Desk, step: Told) -> None:
    """XEP-0353 §3.8: one that lost its session says it so; another client may not."""
    client = desk.taken_up()
    client.ask(Action.SESSION_ACCEPT, description=ANSWER)
    assert desk.told() == [CallAnswer(call=CALL, description=ANSWER)]
    desk.say(PHONE, step, client.sid)
    assert desk.told() == []
    desk.say(ROMEO, step, client.sid, reason=because(Ending.CONNECTIVITY, "lost"))
    assert desk.told() == [ended(Ending.CONNECTIVITY, text="lost")]
    assert desk.actions() == ["session-terminate connectivity-error", "<finish connectivity-error>"]


def test_client_that_names_no_reason_has_had_its_talk(desk: Desk) -> None:
    """Or had not, before the call stood."""
    client = desk.taken_up()
    client.ask(Action.SESSION_ACCEPT, description=ANSWER)
    desk.told()
    client.ask(Action.SESSION_TERMINATE)
    assert desk.told() == [ended(Ending.SUCCESS)]
    assert desk.actions() == ["<finish success>"]
    client = desk.taken_up()
    client.ask(Action.SESSION_TERMINATE)
    assert desk.told() == [ended(Ending.DECLINED)]


def test_endings_that_clients_show_are_not_explained(desk: Desk) -> None:
    """Nor is one of a call that stood."""
    assert Ending.BUSY not in EXPLAINED and Ending.SECURITY in EXPLAINED
    _client, call = desk.placed()
    desk.hear(CallAnswer(call=call, description=ANSWER))
    desk.hear(CallEnd(call=call, ending=Ending.SECURITY, text="no keys"))
    assert "no keys" not in desk.actions()


def test_contact_appears_to_the_user_for_the_time_of_their_calls(desk: Desk) -> None:
    """XEP-0353 §3.1: once, however many they have; not if there is to be none."""
    _client, call = desk.placed()
    desk.called()
    assert desk.shown == [(USER, CONTACT, True)]
    desk.hear(ended(Ending.CANCELLED))
    assert desk.shown == [(USER, CONTACT, True)]
    desk.hear(ended(Ending.BUSY, call))
    assert desk.shown.pop() == (USER, CONTACT, False)
    desk.say(ROMEO, Told.PROPOSE, "other")
    assert desk.shown == [(USER, CONTACT, True)]
