"""A 2xx to INVITE, which its sender repeats until the ACK comes (RFC 3261 §13.3.1.4)."""

from __future__ import annotations

from collections.abc import Callable

from transports.sip.agent.transaction import Timings
from transports.sip.wire.message import Response


class Success:
    """One 2xx that was sent just now."""

    def __init__(self, response: Response, clock: Callable[[], float], timings: Timings) -> None:
        self.response = response
        self._clock = clock
        self._longest = timings.t2
        self._pause = timings.t1
        self._due = clock() + timings.t1
        self._end = clock() + 64 * timings.t1

    @property
    def next_deadline(self) -> float:
        """When to look again."""
        return min(self._due, self._end)

    @property
    def is_lost(self) -> bool:
        """Tell whether no ACK came in 64 T1: the session is to end with BYE."""
        return self._clock() >= self._end

    def expire(self) -> Response | None:
        """Return the response if it is to be sent again."""
        if self.is_lost or self._clock() < self._due:
            return None
        self._pause = min(2 * self._pause, self._longest)
        self._due = self._clock() + self._pause
        return self.response
