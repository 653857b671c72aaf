"""Reading events whose keys are missing or of another type."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from transports.matrix.content import LARGEST, integer, mapping, text, time_of

from .raw import json


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (50, 50),
        (50.9, 50),
        ("50", 50),
        (" -1 ", -1),
        (10**30, LARGEST),
        (-(10**30), -LARGEST),
        *(
            (value, None)
            for value in (True, None, "", "-", "5x", "٣", "²", "9" * 17, 1e300, math.nan, math.inf, [], {})
        ),
    ],
)
def test_number_is_read_as_other_servers_write_it(value, number):
    """Integers, floats and strings of digits; nothing else counts."""
    assert integer(value) == number


@given(json)
def test_any_value_is_read_as_something(value):
    """No event makes the reader stumble, and no text holds what XML cannot."""
    number = integer(value)
    assert number is None or -LARGEST <= number <= LARGEST
    assert not {"\0", "\ud800"} & set(text(mapping({"key": value}), "key"))
    time = time_of({"origin_server_ts": value})
    assert time is None or 0 <= time < 1e12


def test_time_is_in_seconds():
    """Matrix counts milliseconds."""
    assert time_of({"origin_server_ts": 1_700_000_000_500}) == 1_700_000_000.5
    assert time_of({"origin_server_ts": -1}) is None
    assert time_of({}) is None
