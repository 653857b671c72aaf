"""Many deadlines on one delayed call.

A thousand idle sessions must cost nothing, so they share a calendar: deadlines are rounded up to
`RESOLUTION`, moving one is two set operations, and only the next tick is armed in the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil, inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

RESOLUTION = 0.05
"""Seconds by which a deadline may be met late."""
ROUNDING = 1e-6
"""Seconds that adding to an epoch clock may lose."""


class Deadline:
    """One owner's next deadline; made by `Timers.deadline`."""

    __slots__ = ("_timers", "due", "fire", "slot")

    def __init__(self, timers: Timers, fire: Callable[[], None]) -> None:
        self._timers = timers
        self.fire = fire
        self.slot: int | None = None
        self.due = inf

    def by(self, due: float | None) -> None:
        """Fire at `due` seconds on the clock, or earlier if already so set; None changes nothing."""
        if due is not None and due < self.due:
            self._timers.set(self, due)

    def cancel(self) -> None:
        """Never fire, until set again."""
        self._timers.drop(self)


class Timers:
    """The calendar of one network."""

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._slots: dict[int, set[Deadline]] = {}
        self._order: list[int] = []
        self._call: IDelayedCall | None = None
        self._armed = 0
        self._past = -1

    def deadline(self, fire: Callable[[], None]) -> Deadline:
        """Make a deadline that is not set yet; `fire` is called when it is reached."""
        return Deadline(self, fire)

    def set(self, deadline: Deadline, due: float) -> None:
        """Have `deadline` fire at `due`."""
        self.drop(deadline)
        slot = max(ceil(due / RESOLUTION), int(self._clock.seconds() / RESOLUTION), self._past + 1)
        deadline.slot, deadline.due = slot, due
        owners = self._slots.get(slot)
        if owners is None:
            owners = self._slots[slot] = set()
            heappush(self._order, slot)
            self._arm()
        owners.add(deadline)

    def drop(self, deadline: Deadline) -> None:
        """Have `deadline` not fire."""
        if deadline.slot is not None:
            owners = self._slots.get(deadline.slot)
            if owners is not None:
                owners.discard(deadline)
            deadline.slot, deadline.due = None, inf

    def stop(self) -> None:
        """Forget everything."""
        self._slots.clear()
        self._order.clear()
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _arm(self) -> None:
        """Have the reactor call for the earliest slot."""
        if not self._order:
            return
        first = self._order[0]
        if self._call is not None and self._call.active():
            if self._armed <= first:
                return
            self._call.cancel()
        self._armed = first
        delay = max(0.0, first * RESOLUTION - self._clock.seconds())
        self._call = self._clock.callLater(delay, self._tick)

    def _tick(self) -> None:
        now = self._clock.seconds() + ROUNDING
        while self._order and self._order[0] * RESOLUTION <= now:
            self._past = heappop(self._order)
            for deadline in self._slots.pop(self._past):
                self._reached(deadline)
        self._arm()

    def _reached(self, deadline: Deadline) -> None:
        if deadline.slot != self._past:
            return
        deadline.slot, deadline.due = None, inf
        try:
            deadline.fire()
        except Exception:
            self.log.failure("a deadline's owner failed")
