"""What the homeserver refuses with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Trouble
from transports.matrix.refusal import LONGEST_PAUSE, WORDS, Refusal


@given(st.integers(300, 599), st.binary(max_size=200))
def test_refusal_of_any_bytes_is_read(status, body):
    """Whatever a homeserver or a proxy sends, there is something to tell."""
    refusal = Refusal.read(status, body)
    assert refusal.text
    assert refusal.retry_after is None or 0 <= refusal.retry_after <= LONGEST_PAUSE


def test_refusal_that_is_not_known_is_told_in_the_homeservers_words():
    """Its own words help where we have none, up to a length."""
    refusal = Refusal(400, {"errcode": "ORG.EXAMPLE", "error": "x" * 1000})
    assert refusal.text == "x" * WORDS
    assert Refusal(400, {"errcode": "M_FORBIDDEN", "error": "secret"}).text == Trouble.NO_PRIVILEGE.value.text


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(1500, 1.5), (0, 0), (-5, 0), (10**12, LONGEST_PAUSE), ("7", None), (None, None), (True, None)],
)
def test_pause_that_is_asked_for_is_bounded(said, seconds):
    """A pause is what it says, if that can be."""
    assert Refusal(429, {"retry_after_ms": said}).retry_after == seconds


def test_refusal_keeps_what_it_was_when_told_otherwise():
    """The same refusal means a ban on joining, and no voice on speaking."""
    refusal = Refusal(403, {"errcode": "M_FORBIDDEN"}).meaning(Trouble.BANNED)
    assert (refusal.trouble, refusal.errcode, refusal.status) == (Trouble.BANNED, "M_FORBIDDEN", 403)
