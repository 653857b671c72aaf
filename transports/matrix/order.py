"""Work that is done in order where it belongs together, and else at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble

T = TypeVar("T")
Work = Callable[[], Any]


class InOrder:
    """One piece of work at a time for each key; at most `each` wait for one key, `together` for all."""

    def __init__(self, each: int, together: int) -> None:
        self._each = each
        self._together = together
        self._waiting: dict[str, deque[tuple[Work, Deferred[Any]]]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many pieces wait or are being done."""
        return self._count

    @property
    def keys(self) -> int:
        """For how many keys anything waits or is being done."""
        return len(self._waiting)

    def run(self, key: str, work: Callable[[], Deferred[T] | T]) -> Deferred[T]:
        """Call `work` when all before it for `key` is done; fires or fails as it does. OVERLOADED.

        To cancel the Deferred keeps work that has not begun from beginning.
        """
        queue = self._waiting.get(key)
        ended: Deferred[T] = Deferred()
        if self._count >= self._together or (queue is not None and len(queue) >= self._each):
            ended.errback(BridgeError(Trouble.OVERLOADED))
            return ended
        self._count += 1
        if queue is not None:
            queue.append((work, ended))
        else:
            queue = self._waiting[key] = deque([(work, ended)])
            self._advance(key, queue)
        return ended

    def do(self, key: str, work: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> Deferred[T]:
        """Run a coroutine when all before it for `key` is done; else as `run`."""

        def begin() -> Deferred[T]:
            return Deferred.fromCoroutine(work())

        return self.run(key, begin)

    def _advance(self, key: str, queue: deque[tuple[Work, Deferred[Any]]]) -> None:
        """Begin with the first; go on in a loop, not deeper, while work ends at once."""
        while queue:
            work, ended = first = queue[0]
            if ended.called:
                self._drop(queue)
                continue
            try:
                doing = work()
            except Exception:
                doing = Failure()
            if not isinstance(doing, Deferred):
                self._settle(doing, queue, ended)
                continue
            doing.addBoth(self._settle, queue, ended)
            if queue and queue[0] is first:
                doing.addCallback(lambda _: self._advance(key, queue))
                return
        del self._waiting[key]

    def _settle(self, result: Any, queue: deque[tuple[Work, Deferred[Any]]], ended: Deferred[Any]) -> None:
        self._drop(queue)
        if not ended.called:
            ended.callback(result)

    def _drop(self, queue: deque[tuple[Work, Deferred[Any]]]) -> None:
        queue.popleft()
        self._count -= 1
