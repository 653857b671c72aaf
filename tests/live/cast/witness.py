"""Who takes part in a call, and tells what he saw of the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.live.cast.stanzas import TIMEOUT


class Witness:
    """`seen` is what the other side told, in order, e.g. ``session-terminate busy``, ``info hold``, ``proceed``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[str] = []
        self._noticed = 0
        self._news = asyncio.Event()

    def told(self, words: str) -> None:
        """Note what the other side told."""
        self.seen.append(words)
        self._news.set()

    async def sees(self, words: str, timeout: float = TIMEOUT) -> None:
        """Wait until the other side tells that, after what was waited for before."""
        await self.until(lambda: words in self.seen[self._noticed :], words, timeout)
        self._noticed = self.seen.index(words, self._noticed) + 1

    async def until(self, done: Callable[[], bool], what: str, timeout: float = TIMEOUT) -> None:
        """Wait until something is so; looked at whenever there is news."""
        try:
            async with asyncio.timeout(timeout):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} waits for {what}, but saw {self.seen}") from None
