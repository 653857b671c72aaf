"""Nicks made of display names."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bridge.xmpp.jid import Jid
from transports.matrix.ids import is_user_id
from transports.matrix.names import MAX_NAME, is_nick, is_telling, key_of, name_of, telling

from .raw import ALICE, json


@pytest.mark.parametrize(
    ("displayname", "name"),
    [
        ("Alice", "Alice"),
        ("  Alice \n  L. ", "Alice L."),
        (None, "alice"),
        ("", "alice"),
        (5, "alice"),
        (" \u200b\u202e ", "alice"),
        ("\u200d", "alice"),
        ("A\u202elice\x07", "Alice"),
        ("👩\u200d🚀", "👩🚀"),
        ("Zoé", "Zoé"),
        ("x" * 500, "x" * MAX_NAME),
        ("a\ud800b\0", "ab"),
    ],
)
def test_display_name_becomes_a_name(displayname, name):
    """On one line, without what cannot be seen; the user's own name where nothing is left."""
    assert name_of(displayname, ALICE) == name


@given(json)
@example("\u05e9\U0001fae8\u05e9")
def test_any_display_name_makes_a_nick(displayname):
    """Alone or told apart, it fits into a JID and stays as it is there."""
    name = name_of(displayname, ALICE)
    for nick in (name, telling(name, ALICE)):
        assert nick and Jid.parse(f"room@mx.example/{nick}").resource == nick


@given(st.text(max_size=20))
@example("\u05e9")
def test_any_user_id_makes_a_nick(local):
    """Also the strangest of the past."""
    user_id = f"@{local}:hs.example"
    assume(is_user_id(user_id))
    name = name_of("", user_id)
    nick = telling(name, user_id)
    assert name and Jid.parse(f"room@mx.example/{nick}").resource == nick


@given(st.text(max_size=20))
def test_name_is_a_name_of_its_own(text):
    """Taking the name of a name changes nothing more."""
    name = name_of(text, ALICE)
    assert name_of(name, ALICE) == name


def test_lookalikes_have_one_key():
    """Who differs only in what cannot be seen is told apart."""
    assert key_of("Bob") == key_of("Bob\u200d") == key_of("Ｂob")
    assert key_of("Bob") != key_of("bob")


@given(st.text(max_size=12), st.text(max_size=12))
def test_told_apart_nicks_name_one_user(one, other):
    """Two users never come to the same nick."""
    assert telling(one, "@a:hs.example") != telling(other, "@b:hs.example")


def test_name_like_somebody_told_apart_is_recognised():
    """Nobody calls himself by somebody else's nick."""
    assert is_telling("Bob (bob:hs.example)")
    assert not is_telling("Bob (away)") and not is_telling("Bob (at 5:30)")


@pytest.mark.parametrize("nick", ["", " a", "a  b", "a\nb", "x" * 200, "Bob (bob:hs.example)", "\u202ea"])
def test_nick_that_would_change_is_no_nick(nick):
    """An XMPP user has exactly the nick that he asked for, or an error."""
    assert not is_nick(nick)
    assert is_nick("romeo") and is_nick("Roméo 🌹")
