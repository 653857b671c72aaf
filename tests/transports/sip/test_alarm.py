"""One timer."""

from __future__ import annotations

from twisted.internet.task import Clock

from transports.sip.alarm import Alarm


def test_alarm_rings_once_at_the_time_that_was_set_last() -> None:
    """A time that has passed is now; none is never."""
    clock, rung = Clock(), []
    alarm = Alarm(clock, lambda: rung.append(clock.seconds()))
    alarm.set(5.0)
    alarm.set(5.0)
    alarm.set(3.0)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(10)
    assert rung == [10.0] and not clock.getDelayedCalls()
    alarm.set(5.0)
    clock.advance(0)
    assert len(rung) == 2
    alarm.set(20.0)
    alarm.set(None)
    clock.advance(100)
    assert len(rung) == 2
