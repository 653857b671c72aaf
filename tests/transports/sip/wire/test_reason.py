"""Why a call ended."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import request
from transports.sip.wire.message import parse, write
from transports.sip.wire.reason import MAX_TEXT, Reason, reason_fields, reasons

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Reason,
        protocol=st.sampled_from(["SIP", "Q.850", "x-own"]),
        cause=st.none() | st.integers(0, 999),
        text=texts,
    )
)
def test_reasons_come_back(reason):
    """Whatever their text is."""
    bye = request("BYE", fields=reason_fields(reason))
    assert reasons(parse(write(bye))) == [reason]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('SIP ;cause=200 ;text="Call completed elsewhere"', [Reason("SIP", 200, "Call completed elsewhere")]),
        (
            'Q.850;cause=16;text="Terminated", sip;cause=600',
            [Reason("Q.850", 16, "Terminated"), Reason("SIP", 600)],
        ),
        ("SIP;cause=x", [Reason("SIP")]),
        ("SIP;cause=²", [Reason("SIP")]),
        ("SIP;cause=99999999999999999999", [Reason("SIP")]),
        (f"SIP;text={'x' * 1000}", [Reason("SIP", None, "x" * MAX_TEXT)]),
        (";cause=1", []),
        ("SIP;;", []),
        ("", []),
    ],
)
@pytest.mark.spec("RFC 3326 §2")
def test_reasons_are_read_or_left_out(value, found):
    """A bad reason is no reason to refuse a BYE."""
    assert reasons(request("BYE", fields=(("Reason", value),))) == found


def test_no_reason_is_no_field():
    """It may always be missing."""
    assert reason_fields(None) == ()
    assert reasons(request("BYE")) == []
