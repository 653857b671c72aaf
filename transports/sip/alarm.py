"""Wakes a pure machine when it wants to be woken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Alarm:
    """One timer; `ring` is called once for each time that was set, unless another was set before."""

    def __init__(self, clock: Any, ring: Callable[[], None]) -> None:
        self._clock, self._ring = clock, ring
        self._timer: Any = None
        self._at: float | None = None

    def set(self, at: float | None) -> None:
        """Ring at that time, in seconds of the clock; None: not at all."""
        if at == self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = None
        if at is not None:
            self._timer = self._clock.callLater(max(at - self._clock.seconds(), 0.0), self._rings)

    def _rings(self) -> None:
        self._timer = self._at = None
        self._ring()
