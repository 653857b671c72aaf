"""Deadlines shared by many owners."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from transports.irc.timers import RESOLUTION, ROUNDING, Timers


def test_deadline_fires_once_within_the_resolution():
    """A deadline is met, never early, and only once."""
    clock, fired = Clock(), []
    timers = Timers(clock)
    timers.deadline(lambda: fired.append(clock.seconds())).by(3.02)
    clock.advance(3.0)
    assert fired == []
    clock.pump([0.01] * 20)
    [at] = fired
    assert 3.02 <= at <= 3.02 + RESOLUTION + 0.011


def test_earlier_wish_moves_the_deadline_and_later_does_not():
    """The earliest wish holds, so that extending a time-out costs nothing."""
    clock, fired = Clock(), []
    deadline = Timers(clock).deadline(lambda: fired.append(clock.seconds()))
    deadline.by(10)
    deadline.by(20)
    deadline.by(None)
    deadline.by(5)
    clock.pump([1.0] * 30)
    assert fired == [5]


def test_cancelled_deadline_does_not_fire():
    """Cancelling is final until the deadline is set again."""
    clock, fired = Clock(), []
    deadline = Timers(clock).deadline(lambda: fired.append(clock.seconds()))
    deadline.by(1)
    deadline.cancel()
    clock.advance(2)
    deadline.by(3)
    clock.advance(2)
    assert fired == [4]


def test_failing_owner_leaves_the_others_alone():
    """One owner's fault is logged; the other deadlines are met."""
    clock, fired = Clock(), []
    timers = Timers(clock)
    timers.deadline(lambda: 1 / 0).by(1)
    timers.deadline(lambda: fired.append("second")).by(1)
    timers.deadline(lambda: fired.append("third")).by(2)
    clock.pump([1.0, 1.0])
    assert fired == ["second", "third"]


def test_deadline_in_the_past_fires_at_the_next_tick_only():
    """An owner that always wants the past cannot stop the clock."""
    clock, fired = Clock(), []
    timers = Timers(clock)
    clock.advance(100)

    def fire():
        fired.append(clock.seconds())
        deadline.by(0)

    deadline = timers.deadline(fire)
    deadline.by(0)
    clock.pump([0.0] + [RESOLUTION] * 3)
    assert len(fired) <= 4


def test_thousand_idle_owners_cost_one_delayed_call():
    """Nothing is armed in the reactor but the next tick."""
    clock = Clock()
    timers = Timers(clock)
    for number in range(1000):
        timers.deadline(lambda: None).by(60 + number / 100)
    assert len(clock.getDelayedCalls()) == 1
    timers.stop()
    assert clock.getDelayedCalls() == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 50, allow_nan=False), min_size=1, max_size=30),
    st.lists(st.floats(0.01, 5), max_size=30),
)
def test_every_deadline_is_met_in_order_whatever_the_clock_does(dues, steps):
    """No deadline is lost, early, or out of order by more than the resolution."""
    clock, fired = Clock(), []
    timers = Timers(clock)
    for due in dues:
        timers.deadline(lambda due=due: fired.append((due, clock.seconds()))).by(due)
    clock.pump([*steps, 60.0, 60.0])
    assert sorted(due for due, _ in fired) == sorted(dues)
    assert all(at >= due - 2 * ROUNDING for due, at in fired)
    assert all(first[0] <= second[0] + RESOLUTION for first, second in itertools.pairwise(fired))
