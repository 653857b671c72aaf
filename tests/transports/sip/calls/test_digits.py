"""Keys in INFO."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.sip.samples import request
from transports.sip.calls.digits import MAX_DURATION, read_digit, write_digit
from transports.sip.wire.uri import Malformed


@given(st.sampled_from("0123456789*#ABCD"), st.integers(1, MAX_DURATION))
def test_key_is_read_as_it_was_written(digit: str, duration: int) -> None:
    """Whatever key, however long."""
    fields, body = write_digit(digit, duration)
    assert read_digit(request("INFO", fields=fields, body=body)) == (digit, duration)


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        ("application/dtmf-relay", b"Signal= 5\r\nDuration= 240", ("5", 240)),
        ("application/dtmf-relay", b"signal=11\n", ("#", 160)),
        ("application/dtmf-relay", b"Signal=a\r\nDuration=999999", ("A", MAX_DURATION)),
        ("application/dtmf-relay", b"Signal=1\r\nDuration=0", ("1", 160)),
        ("Application/DTMF", b"9", ("9", 160)),
    ],
)
def test_spellings_of_phones_are_read(kind: str, body: bytes, read: tuple[str, int]) -> None:
    """There is no standard."""
    assert read_digit(request("INFO", fields=(("Content-Type", kind),), body=body)) == read


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/dtmf-relay", b"Signal=x"), ("application/dtmf", b"12"), ("text/plain", b"1"), ("", b"")],
)
def test_what_is_no_key_is_malformed(kind: str, body: bytes) -> None:
    """It gets 415."""
    with pytest.raises(Malformed):
        read_digit(request("INFO", fields=(("Content-Type", kind),) if kind else (), body=body))
