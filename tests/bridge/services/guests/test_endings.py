"""Why a guest is out, or not in, or not heard."""

from __future__ import annotations

import pytest

from bridge.errors import Trouble
from bridge.events import Exit
from bridge.services.guests.endings import (
    NO_MEMBER,
    NOW_CLOSED,
    ending,
    entry_error,
    is_passing,
    speech_error,
)
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import MucItem, MucUser
from bridge.xmpp.stanza import NS_COMPONENT, NS_STANZA_ERRORS


def refusal(condition: str, text: str = "", kind: str = "cancel") -> Element:
    error = Element("error", NS_COMPONENT, {"type": kind}, Element(condition, NS_STANZA_ERRORS))
    if text:
        error.add(Element("text", NS_STANZA_ERRORS, None, text))
    return Element("presence", NS_COMPONENT, {"type": "error"}, error)


@pytest.mark.parametrize(
    ("codes", "leaving", "exit"),
    [
        ({110}, True, Exit.LEFT),
        ({110}, False, None),
        ({110, 307}, True, Exit.KICKED),
        ({110, 301}, False, Exit.BANNED),
        ({110, 321}, False, Exit.STRUCK),
        ({110, 322}, False, Exit.STRUCK),
        ({110, 332}, False, None),
        ({110, 307, 333}, False, None),
        ({110, 332}, True, Exit.LEFT),
    ],
)
def test_codes_say_how_it_ended(codes, leaving, exit):
    """What was nobody's will is no end: he may come back (XEP-0045 §15.6.2)."""
    user = MucUser(item=MucItem(reason="why"), codes=frozenset(codes))
    assert ending(user, "", leaving) == (exit, "why")


def test_reason_is_the_items_or_the_presences():
    """As services put it here or there."""
    assert ending(MucUser(codes=frozenset({307})), "gone", False) == (Exit.KICKED, "gone")


@pytest.mark.parametrize(("code", "words"), [(321, NO_MEMBER), (322, NOW_CLOSED)])
def test_who_is_no_member_is_told_why(code, words):
    """Services seldom say more than the code."""
    assert ending(MucUser(codes=frozenset({code})), "", False) == (Exit.STRUCK, words)


def test_room_destroyed_without_words_is_destroyed():
    """Neither reason nor another room need be given."""
    assert ending(MucUser(destroyed=""), "", False) == (Exit.DISCONNECTED, "The room was destroyed.")


def test_words_of_the_room_are_kept():
    """Where it gives none, ours stand."""
    error = entry_error(refusal("forbidden", "Ask the owner."))
    assert (error.trouble, error.text) == (Trouble.BANNED, "Ask the owner.")
    assert entry_error(refusal("forbidden")).text == Trouble.BANNED.value.text
    assert speech_error(refusal("forbidden")).trouble is Trouble.CANNOT_SPEAK
    assert speech_error(refusal("gone")).trouble is Trouble.NOT_FOUND


@pytest.mark.parametrize(
    ("stanza", "passing"),
    [
        (refusal("remote-server-timeout"), True),
        (refusal("conflict", kind="wait"), True),
        (refusal("forbidden", kind="auth"), False),
        (Element("presence", NS_COMPONENT, {"type": "error"}), False),
    ],
)
def test_refusal_may_pass(stanza, passing):
    """A server that is away, or asks to wait."""
    assert is_passing(stanza) is passing
