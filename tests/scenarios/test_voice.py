"""Asking for voice: XEP-0045 §7.13, §8.6."""

from __future__ import annotations

import pytest

from tests.scenarios.stage import JULIET, ROMEO, ROOM, Stage

ADMIN = "http://jabber.org/protocol/muc#admin"


def form(**values: str) -> str:
    fields = "".join(
        f"<field var='muc#{name}'><value>{value}</value></field>" for name, value in values.items()
    )
    kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>"


@pytest.fixture
def mute(verona: Stage) -> Stage:
    """Juliet may only listen in Romeo's room, and asks to be let speak."""
    verona.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='set' id='v'><query xmlns='{ADMIN}'>"
        "<item nick='Juliet' role='visitor'/></query></iq>"
    )
    verona.take()
    verona.say(f"<message from='{JULIET}' to='{ROOM}' id='ask'>{form(role='participant')}</message>")
    return verona


def test_moderator_is_asked_by_a_form(mute: Stage) -> None:
    """It says who asks; who is no moderator is not asked."""
    [asked] = mute.take()
    assert asked.element.get("to") == ROMEO and asked.element.get("from") == ROOM
    assert asked.get("string(data:x[@type='form']/data:field[@var='muc#roomnick']/data:value)") == "Juliet"
    assert "Juliet" in asked.get("string(c:body)")


def test_who_is_allowed_may_speak(mute: Stage) -> None:
    """Everybody sees the role (§8.3)."""
    mute.take()
    answer = form(role="participant", roomnick="Juliet", request_allow="1")
    mute.say(f"<message from='{ROMEO}' to='{ROOM}' id='ok'>{answer}</message>")
    seen = mute.take()
    assert {one.element.get("to") for one in seen} == {ROMEO, JULIET}
    assert all(one.has("user:x/user:item[@role='participant']") for one in seen)


def test_who_is_not_allowed_stays_as_he_is(mute: Stage) -> None:
    """§8.6 knows no answer to that."""
    mute.take()
    answer = form(role="participant", roomnick="Juliet", request_allow="0")
    mute.say(f"<message from='{ROMEO}' to='{ROOM}' id='no'>{answer}</message>")
    assert mute.take() == []


@pytest.mark.parametrize(
    ("sender", "values", "condition"),
    [
        (ROMEO, {"request_allow": "1"}, "bad-request"),
        (ROMEO, {"request_allow": "1", "roomnick": "Nobody"}, "item-not-found"),
        (JULIET, {"request_allow": "1", "roomnick": "Juliet"}, "not-allowed"),
        ("paris@verona.example/x", {"role": "participant"}, "not-acceptable"),
    ],
)
def test_answer_that_cannot_be_is_refused(mute: Stage, sender: str, values: dict, condition: str) -> None:
    """Nobody named, nobody there, nobody who may, nobody who is in."""
    mute.take()
    mute.say(f"<message from='{sender}' to='{ROOM}' id='no'>{form(**values)}</message>")
    [refused] = mute.take()
    assert refused.element.get("to") == sender and refused.has(f"c:error/err:{condition}")
