"""How much each user may do in a day."""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId

DAY = 86_400
USERS = 100_000
"""Users that are counted in a day; more are refused."""


class Quota:
    """`limit` is what one user has in a day (UTC); it is counted anew after a restart."""

    def __init__(self, limit: int, wall: Callable[[], float]) -> None:
        self._limit = limit
        self._wall = wall
        self._day = 0
        self._used: dict[UserId, int] = {}

    @property
    def renewed(self) -> float:
        """When the next day begins, in seconds since the epoch."""
        return (self._wall() // DAY + 1) * DAY

    def take(self, user: UserId, amount: int) -> None:
        """Count it; BridgeError TOO_MANY if it is more than is left, and then nothing is counted."""
        today = int(self._wall() // DAY)
        if today != self._day:
            self._day = today
            self._used.clear()
        used = self._used.get(user, 0) + amount
        if used > self._limit or (user not in self._used and len(self._used) >= USERS):
            raise BridgeError(Trouble.TOO_MANY, "You have uploaded all that you may today.")
        self._used[user] = used

    def give_back(self, user: UserId, amount: int) -> None:
        """What was taken came to nothing."""
        if user in self._used:
            self._used[user] = max(0, self._used[user] - amount)
