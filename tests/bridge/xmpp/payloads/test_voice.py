"""XEP-0045 §7.13 and §8.6."""

from __future__ import annotations

import pytest

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import build_submit
from bridge.xmpp.payloads.voice import (
    FORM_REQUEST,
    VoiceAnswer,
    build_approval,
    build_request,
    is_request,
    parse_answer,
    parse_approval,
)


def message(*payloads: Element) -> Element:
    return Element("message", "jabber:component:accept", None, *payloads)


def test_request_is_read_as_it_is_written():
    """It is no answer, and no form to fill in."""
    asked = message(build_request())
    assert is_request(asked)
    assert parse_answer(asked) is None and parse_approval(asked) is None


def test_approval_form_names_who_asks():
    """The moderator's client shows it, and it is no request itself."""
    told = message(build_approval("Romeo", "romeo@montague.example", "Romeo asks."))
    assert parse_approval(told) == "Romeo"
    assert not is_request(told) and parse_answer(told) is None


@pytest.mark.parametrize(("value", "allows"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_answer_says_whether_he_may(value: str, allows: bool):
    """XEP-0004 §3.3: a boolean has two spellings."""
    fields = [("muc#roomnick", "Romeo"), ("muc#request_allow", value)]
    answered = message(build_submit(FORM_REQUEST, fields))
    assert parse_answer(answered) == VoiceAnswer(nick="Romeo", allows=allows)
    assert not is_request(answered)


def test_other_forms_and_roles_are_none():
    """Nobody becomes a moderator by asking."""
    for form in (
        build_submit("urn:example", [("muc#role", "participant")]),
        build_submit(FORM_REQUEST, [("muc#role", "moderator")]),
    ):
        assert not is_request(message(form)) and parse_answer(message(form)) is None
    assert not is_request(message())
