"""Numbers as people and trunks write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.sip.address import is_number
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.dialplan import CallerIds, DialPlan, fits, is_among

GERMANY = DialPlan(("00 +", "0 +49"))
DIGITS = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("030123", "+4930123"), ("0044123", "+44123"), ("+44123", "+44123"), ("110", "110"), ("0", "+49")],
)
def test_number_is_meant_as_the_first_rule_that_fits_says(written: str, meant: str) -> None:
    """National and international forms; what fits none is left alone."""
    assert GERMANY.apply(written) == meant


def test_beginning_may_come_and_go() -> None:
    """A prefix for an outside line; a rule that would leave no number is not applied."""
    assert DialPlan(('"" 0',)).apply("123") == "0123"
    assert DialPlan(('9 ""',)).apply("9123") == "123"
    assert DialPlan(('9 ""',)).apply("9") == "9"
    assert DialPlan(("+49 0", "+ 00")).apply("+44123") == "0044123"


@given(DIGITS)
def test_what_a_trunk_is_told_is_read_back_as_it_was(digits: str) -> None:
    """The rules of both ways undo each other."""
    number = f"+{digits}"
    there = DialPlan(("+49 0", "+ 00")).apply(number)
    assert is_number(there)
    if not digits.startswith("490"):
        assert GERMANY.apply(there) == number or there == number


@pytest.mark.parametrize("rule", ["", "00", "a +", "00 + 1", '"" ""', "00 x"])
def test_rule_that_makes_no_sense_is_refused_with_words(rule: str) -> None:
    """When the configuration is read."""
    with pytest.raises(ValueError, match="no rule of a dial plan"):
        SipConfig(domain="gw.example", dial_plan=(rule,))
    with pytest.raises(ValueError, match="no rule of a dial plan"):
        TrunkConfig(server="sip:a.example", callers=(rule,))


def test_who_shows_as_which_number_and_whom_it_rings() -> None:
    """The first that fits; a number of many rings nobody."""
    rules = CallerIds(("romeo@a.example +4911", "*@b.example +4922", "a.example +4933"))
    shown = [rules.number(one) for one in ("romeo@a.example", "x@b.example", "y@a.example", "z@c.example")]
    assert shown == ["+4911", "+4922", "+4933", ""]
    assert [rules.user(one) for one in ("+4911", "+4922", "+4933", "")] == ["romeo@a.example", "", "", ""]
    with pytest.raises(ValueError, match="which number"):
        TrunkConfig(server="sip:a.example", caller_ids=("romeo@a.example romeo",))


def test_patterns_are_of_stars_and_question_marks_only() -> None:
    """A bracket is a bracket; one without @ is about the domain."""
    assert fits("+49*", "+4930") and fits("1??", "123") and not fits("1??", "1234")
    assert not fits("[a]", "a") and fits("[a]", "[A]")
    assert is_among("a@b.example", ("*.example",)) and not is_among("a@b.example", ("c@*",))
