"""Entity time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.network import ContactTime
from bridge.services.time import Time, read_clock
from bridge.xmpp.payloads.time import build_time_request
from tests.bridge.services.scene import DOMAIN, NURSE, Scene, condition

NOON = 1_795_262_400
"""2026-11-21T12:00:00Z."""


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    return scene.add(Time(scene.network, lambda: NOON))


def test_gateway_tells_the_time_in_utc(scene):
    """XEP-0202 §2."""
    time = scene.get(DOMAIN, build_time_request())
    assert (time.child_text("utc"), time.child_text("tzo")) == ("2026-11-21T12:00:00Z", "+00:00")


@pytest.mark.parametrize(
    ("text", "utc", "tzo"),
    [
        ("2026-11-21T13:00:00+01:00", "2026-11-21T12:00:00Z", "+00:00"),
        ("Sat, 21 Nov 2026 13:00:00 +0100", "2026-11-21T12:00:00Z", "+01:00"),
        ("Sat Nov 21 06:30:02 2026", "2026-11-21T12:00:02Z", "-05:30"),
        (":Sat Nov 21 12:00:00 2026", "2026-11-21T12:00:00Z", "+00:00"),
    ],
)
def test_clock_of_a_person_is_read_from_his_words(scene, text, utc, tzo):
    """CTCP TIME answers in any form; a missing offset is taken from the difference."""
    scene.network.answers[ContactTime] = text
    time = scene.get(NURSE, build_time_request())
    assert (time.child_text("utc"), time.child_text("tzo")) == (utc, tzo)


@pytest.mark.parametrize("text", ["", "later", "Sat Nov 21 06:30:02 1999"])
def test_answer_that_is_no_time_is_an_error(scene, text):
    """An unreadable or absurd clock is not made up."""
    scene.network.answers[ContactTime] = text
    assert condition(scene.iq("get", NURSE, build_time_request())) == ("cancel", "feature-not-implemented")


@given(st.text() | st.from_regex(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}"))
def test_any_words_are_a_clock_or_none(text):
    """Reading a clock never raises."""
    read = read_clock(text, NOON)
    assert read is None or len(read) == 2
