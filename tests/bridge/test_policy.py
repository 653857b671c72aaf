"""Whom the gateways serve, and how fast."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import policy
from bridge.config import Config, parse
from bridge.policy import Pace, Policy
from bridge.xmpp.jid import Jid

GATEWAY = '\n[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "x"\n'


def config(rules: str) -> Config:
    return parse(rules + GATEWAY, Path("x.toml"), {})


def admits(rules: str, jid: str) -> bool:
    return Policy(config(rules)).admits(Jid.parse(jid))


@pytest.mark.parametrize(
    ("rules", "jid", "served"),
    [
        ("", "a@anywhere.example/x", True),
        ('allow = ["example.org"]', "a@example.org/x", True),
        ('allow = ["EXAMPLE.org"]', "example.org", True),
        ('allow = ["example.org"]', "a@sub.example.org/x", False),
        ('allow = ["*.example.org"]', "a@b.sub.example.org/x", True),
        ('allow = ["*.example.org"]', "a@example.org", False),
        ('allow = ["*.example.org"]', "a@badexample.org", False),
        ('allow = ["a@example.org"]', "a@example.org/x", True),
        ('allow = ["a@example.org"]', "b@example.org/x", False),
        ('deny = ["bad.example"]', "a@bad.example", False),
        ('allow = ["a@bad.example"]\ndeny = ["bad.example"]', "a@bad.example", False),
        ("allow = []", "a@example.org", False),
        ('allow = []\nadmins = ["a@example.org"]', "a@example.org/x", True),
        ('deny = ["*"]\nadmins = ["a@example.org"]', "a@example.org/x", True),
        ('allow = ["example.com"]\ndeny = ["*"]', "nick@irc.example.org/guest", True),
    ],
)
def test_rule_serves_whom_it_means(rules: str, jid: str, served: bool) -> None:
    """Deny wins over allow; administrators are always served, and people of our own networks."""
    assert admits(rules, jid) is served


def test_admin_is_known_by_the_bare_jid() -> None:
    """Whichever client he uses."""
    rules = Policy(config('admins = ["Boss@example.org"]'))
    assert rules.is_admin(Jid.parse("boss@example.org/phone"))
    assert not rules.is_admin(Jid.parse("boss@other.example"))


def test_new_configuration_is_in_force_at_once() -> None:
    """What was allowed is not, after a reload says so."""
    rules = Policy(config(""))
    rules.apply(config('deny = ["*"]'))
    assert not rules.admits(Jid.parse("a@example.org"))


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_burst_passes_and_then_the_rate_counts() -> None:
    """One user's flood is cut, another user is not concerned."""
    time = Time()
    pace = Pace(10.0, 3, time)
    assert [pace.admits("a") for _ in range(5)] == [True, True, True, False, False]
    assert pace.admits("b")
    time.now += 0.1
    assert [pace.admits("a") for _ in range(2)] == [True, False]
    time.now += 1000
    assert [pace.admits("a") for _ in range(5)].count(True) == 3


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.5, 20), st.integers(1, 10))
def test_no_timing_gets_more_than_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    """However a user spreads his stanzas, no window holds more than the burst and the rate give."""
    time = Time()
    pace = Pace(rate, burst, time)
    passed = []
    for gap in gaps:
        time.now += gap
        if pace.admits("a"):
            passed.append(time.now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) * rate + 0.01


def test_users_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of senders does not grow the memory."""
    monkeypatch.setattr(policy, "PACED_USERS", 10)
    time = Time()
    pace = Pace(1.0, 5, time)
    for number in range(100):
        pace.admits(f"user{number}")
        time.now += 0.01
    assert len(pace._full_at) <= 10
