"""Messages at a steady pace, and when each arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.bench.usage import cpu_seconds

Say = Callable[[str], Awaitable[object] | None]
"""Sends a text; what it returns is waited for before its sender says the next."""
PATIENCE = 60.0
"""Seconds after the last message was sent in which all must have arrived."""
WORDS = "x" * 80


class Arrivals:
    """The other side: told of each text that it gets."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self.latencies: dict[str, float] = {}
        self.last = 0.0

    def begin(self) -> None:
        """Forget what was before."""
        self._sent.clear()
        self.latencies.clear()

    def leaves(self, text: str) -> None:
        """Note when a text is sent."""
        self._sent[text] = asyncio.get_running_loop().time()

    def arrives(self, text: str) -> None:
        """Note when it is there; what nobody waits for is passed by."""
        now = asyncio.get_running_loop().time()
        if text in self._sent and text not in self.latencies:
            self.latencies[text] = now - self._sent[text]
            self.last = now


async def _speak(say: Say, texts: Sequence[str], starts: Sequence[float], arrivals: Arrivals) -> None:
    """Say each text at its time; one who cannot keep up goes on as fast as he can."""
    clock = asyncio.get_running_loop().time
    for text, start in zip(texts, starts, strict=True):
        await asyncio.sleep(max(0.0, start - clock()))
        arrivals.leaves(text)
        done = say(text)
        if done is not None:
            await done


async def pace(
    prefix: str,
    speakers: Sequence[Say],
    arrivals: Arrivals,
    rate: float,
    seconds: float,
    gateway: int,
    homeserver: int,
    patience: float = PATIENCE,
) -> dict[str, float]:
    """Have `speakers` say `rate` texts a second in turn; return rate, latencies and CPU by figure.

    `gateway` and `homeserver` are process ids. RuntimeError if anything is lost.
    """
    arrivals.begin()
    clock = asyncio.get_running_loop().time
    count, began = int(rate * seconds), clock() + 0.1
    before = cpu_seconds(gateway), cpu_seconds(homeserver)
    texts = [f"{prefix} {number} {WORDS}" for number in range(count)]
    starts = [began + number / rate for number in range(count)]
    await asyncio.gather(
        *(
            _speak(say, texts[index :: len(speakers)], starts[index :: len(speakers)], arrivals)
            for index, say in enumerate(speakers)
        )
    )
    end = clock() + patience
    while len(arrivals.latencies) < count:
        if clock() > end:
            raise RuntimeError(f"{prefix}: {count - len(arrivals.latencies)} of {count} messages are lost")
        await asyncio.sleep(0.05)
    used = cpu_seconds(gateway) - before[0], cpu_seconds(homeserver) - before[1]
    ordered = sorted(arrivals.latencies.values())
    return {
        f"{prefix}_rate": count / (arrivals.last - began),
        f"{prefix}_p50": 1000 * ordered[count // 2],
        f"{prefix}_p99": 1000 * ordered[count * 99 // 100],
        f"{prefix}_cpu": 1000 * used[0] / count,
        f"{prefix}_homeserver": 1000 * used[1] / count,
    }
