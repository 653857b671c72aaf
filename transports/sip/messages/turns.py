"""One at a time: a MESSAGE to somebody leaves when the one before it is answered (RFC 3428 §8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from bridge.errors import BridgeError, Trouble

WAITING, WAITING_TOGETHER = 50, 10_000
"""Messages to the same address, and to all, that wait."""


class Turns:
    """Queues by a key."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[tuple[Callable[[], Deferred[Any]], Deferred[Any]]]] = {}
        self._count = 0

    def is_free(self, key: str) -> bool:
        """Tell whether nothing is under way for a key."""
        return key not in self._queues

    def take(self, key: str, do: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        """Do something when all is done that was to be done before; fires with its result.

        Raises BridgeError TOO_MANY or OVERLOADED if too much waits.
        """
        waiting = self._queues.get(key)
        if waiting is not None and len(waiting) >= WAITING:
            raise BridgeError(Trouble.TOO_MANY, "Too many messages wait for this address.")
        if self._count >= WAITING_TOGETHER:
            raise BridgeError(Trouble.OVERLOADED)
        done: Deferred[Any] = Deferred()
        self._count += 1
        if waiting is not None:
            waiting.append((do, done))
            return done
        self._queues[key] = deque()
        self._do(key, do, done)
        return done

    def _do(self, key: str, do: Callable[[], Deferred[Any]], done: Deferred[Any]) -> None:
        def finished(result: object) -> object:
            self._count -= 1
            waiting = self._queues[key]
            if waiting:
                self._do(key, *waiting.popleft())
            else:
                del self._queues[key]
            return result

        maybeDeferred(do).addBoth(finished).chainDeferred(done)
