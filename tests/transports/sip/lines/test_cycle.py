"""What is done again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.lines.test_errands import Agent, means
from transports.sip.agent.means import Means
from transports.sip.lines.cycle import FIRST_PAUSE, LONGEST_PAUSE, Cycle


class Work:
    """Fails as long as it is to."""

    def __init__(self) -> None:
        self.means: Means = means(Agent(None))
        self.is_failing = False
        self.count = 0
        self.told: list[tuple[bool, str]] = []
        self.cycle = Cycle(self._attempt, self._heard, self.means)

    async def _attempt(self) -> float:
        self.count += 1
        if self.is_failing:
            raise BridgeError(Trouble.TIMED_OUT, "nobody answers")
        return 100.0

    def _heard(self, is_well: bool, reason: str) -> None:
        self.told.append((is_well, reason))

    def done_within(self, most: float) -> float:
        """Return after how many seconds it is done again."""
        before = self.count
        for waited in range(1, int(most) + 2):
            self.means.clock.advance(1)
            if self.count > before:
                return waited
        raise AssertionError("it is not done")


@pytest.fixture
def work() -> Work:
    """Begun, once well."""
    made = Work()
    made.cycle.start()
    return made


def test_it_is_done_when_it_is_due(work: Work) -> None:
    """A little earlier, so that not all of a kind are at once."""
    assert [80 <= work.done_within(100) <= 100 for _ in range(3)] == [True] * 3
    assert work.told == [(True, "")] * 4


def test_what_fails_is_done_ever_later(work: Work) -> None:
    """Until it goes well, and never more than ten minutes later."""
    work.is_failing = True
    work.done_within(100)
    pauses = [work.done_within(LONGEST_PAUSE) for _ in range(10)]
    assert pauses[0] <= FIRST_PAUSE + 1 and LONGEST_PAUSE / 2 < pauses[-1] <= LONGEST_PAUSE
    assert work.told[-1] == (False, "nobody answers")
    work.is_failing = False
    work.done_within(LONGEST_PAUSE)
    assert work.told[-1] == (True, "")


@pytest.mark.parametrize("end", [lambda cycle: cycle.stop(), lambda cycle: (cycle.stop(), cycle.hurry())])
def test_what_is_stopped_is_done_no_more(work: Work, end: Callable[[Cycle], Any]) -> None:
    """Whoever wants it in a hurry."""
    end(work.cycle)
    work.means.clock.advance(LONGEST_PAUSE)
    assert work.count == 1


def test_what_is_hurried_is_done_soon(work: Work) -> None:
    """And again when it is due then."""
    work.cycle.hurry()
    assert work.done_within(FIRST_PAUSE) <= FIRST_PAUSE + 1
    assert work.done_within(100) >= 80
