"""What is done again and again: when it is due, or, after it failed, ever later."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError
from transports.sip.agent.means import Means

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds until what failed is tried again, at first and at last."""


class Cycle:
    """See the module's docstring.

    `attempt` does it, and returns after how many seconds to do so again, or raises BridgeError; `told` hears
    each time whether it went well, and why not.
    """

    log = Logger()

    def __init__(
        self,
        attempt: Callable[[], Coroutine[Any, Any, float]],
        told: Callable[[bool, str], None],
        means: Means,
    ) -> None:
        self._attempt, self._told = attempt, told
        self._clock, self._jitter = means.clock, means.random.random
        self._failures = 0
        self._timer: Any = None
        self._is_trying = False
        self.is_stopped = False

    def start(self) -> None:
        """Begin; goes on until `stop`."""
        turn = Deferred.fromCoroutine(self._turn())
        turn.addErrback(lambda failure: self.log.failure("what is done again and again failed", failure))

    def stop(self) -> None:
        """Do it no more; what is under way goes on, and nothing is told of it."""
        self.is_stopped = True
        self._cancel()

    def hurry(self) -> None:
        """Do it soon, unless it is being done."""
        if not (self._is_trying or self.is_stopped):
            self._cancel()
            self._timer = self._clock.callLater(FIRST_PAUSE * (0.5 + 0.5 * self._jitter()), self.start)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def _turn(self) -> None:
        self._is_trying = True
        reason = ""
        try:
            wait = await self._attempt()
            self._failures = 0
        except BridgeError as error:
            reason = error.text
            wait = min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
            self._failures += 1
        self._is_trying = False
        if not self.is_stopped:
            self._timer = self._clock.callLater(wait * (0.8 + 0.2 * self._jitter()), self.start)
            self._told(not self._failures, reason)
