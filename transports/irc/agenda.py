"""What a session is to do later: time-outs and pauses on an injected clock."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Appointment:
    """Something that will be done, unless it is cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        """Do not do it."""
        self.action = None


class Agenda:
    """The appointments of one session; `clock` gives monotonic seconds."""

    __slots__ = ("_clock", "_count", "_heap")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Appointment]] = []
        self._count = 0

    def after(self, delay: float, action: Callable[[], object]) -> Appointment:
        """Do `action` in `delay` seconds."""
        appointment = Appointment(action)
        self._count += 1
        heappush(self._heap, (self._clock() + delay, self._count, appointment))
        return appointment

    def next(self) -> float | None:
        """Return when the next appointment is due; None if there is none."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def run(self) -> None:
        """Do what is due."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            action = heappop(self._heap)[2].action
            if action is not None:
                action()
