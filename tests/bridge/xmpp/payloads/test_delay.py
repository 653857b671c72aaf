"""Times and delays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import build_delay, format_time, parse_delay, parse_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_000_000_000, "2001-09-09T01:46:40Z"),
        (1.5, "1970-01-01T00:00:01.500Z"),
        (0.0004, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (float("inf"), "9999-12-31T23:59:59Z"),
        (float("-inf"), "0001-01-01T00:00:00Z"),
        (float("nan"), "1970-01-01T00:00:00Z"),
    ],
)
def test_time_is_written_in_utc(seconds, text):
    """XEP-0082 §3.2: dates are UTC with a Z, and nothing is too far away."""
    assert format_time(seconds) == text


@given(st.floats())
def test_any_number_can_be_written_as_a_time(seconds):
    """No time, however odd, stops a stanza."""
    text = format_time(seconds)
    assert parse_time(text) is not None


@given(st.integers(-62_135_596_800_000, 253_402_300_799_000))
def test_time_in_milliseconds_is_read_as_it_was_written(milliseconds):
    """Writing and reading a time loses nothing down to the millisecond."""
    read = parse_time(format_time(milliseconds / 1000))
    assert read is not None and round(read * 1000) == milliseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T16:00:00-08:00", 0),
        ("1970-01-01T00:00:01.25Z", 1.25),
        ("1970-01-01 00:00:01z", 1),
        ("1970-01-01T00:00:01", 1),
        ("19700101T00:00:01", 1),
        ("2016-12-31T23:59:60Z", 1483228799),
        (" 1970-01-01T00:00:00Z ", 0),
    ],
)
def test_time_is_read_in_all_usual_forms(text, seconds):
    """Offsets, fractions, leap seconds and the old form of XEP-0091 are understood."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", [None, "", "now", "1970-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "٠" * 20])
def test_garbage_is_no_time(text):
    """What is no time is None."""
    assert parse_time(text) is None


@given(st.text())
def test_any_text_is_a_time_or_none(text):
    """Reading a time never raises."""
    assert parse_time(text) is None or isinstance(parse_time(text), float)


def test_delay_is_read_from_a_stanza():
    """A stanza tells when it was sent, if it is readable."""
    message = Element("message", "jabber:component:accept", None, build_delay(12, "room@gw"))
    assert parse_delay(message) == 12
    assert message.children[0].attributes == {"from": "room@gw", "stamp": "1970-01-01T00:00:12Z"}
    assert parse_delay(Element("message", "jabber:component:accept")) is None
