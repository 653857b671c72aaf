"""Tones that are sent, and what is heard of them."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Sequence
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from tests.live.cast.stanzas import TIMEOUT

RATE = 8000
"""Samples a second of what is sent."""
FRAME = RATE // 50
LISTENED = 0.1
"""Seconds of sound in which a tone is looked for."""
SHARE = 0.8
"""How much of the energy heard a tone has if it is what is heard."""
LOUDNESS = 8000
SILENCE = 100.0
"""Mean square of samples below which nothing is heard."""


def energy_share(samples: Sequence[int], rate: int, frequency: float) -> float:
    """Return how much of the energy of samples is in one frequency, 0 to 1 (Goertzel's algorithm)."""
    total = sum(sample * sample for sample in samples)
    if not samples or total < SILENCE * len(samples):
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + coefficient * last - before, last
    power = last * last + before * before - coefficient * last * before
    return 2 * power / (len(samples) * total)


class Tone(MediaStreamTrack):
    """A microphone before which a tone sounds; `frequency` 0 is silence, and may be changed at any time."""

    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> AudioFrame:
        """Return the next 20 ms when it is time for them."""
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(self._began + self._sent / RATE - now)
        step = 2 * math.pi * self.frequency / RATE
        wave = (round(LOUDNESS * math.sin(step * (self._sent + n))) for n in range(FRAME))
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(array("h", wave).tobytes())
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self._sent
        self._sent += FRAME
        return frame


class Ear:
    """Who listens to a track, for as long as it lasts."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self.frames = 0
        self.ended = False
        self._rate = RATE
        self._latest = array("h")
        self._news = asyncio.Event()
        self._task = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self.frames += 1
                if isinstance(frame, AudioFrame):
                    self._hear(frame)
                self._news.set()
        except MediaStreamError:
            self.ended = True
            self._news.set()

    def _hear(self, frame: AudioFrame) -> None:
        channels = len(frame.layout.channels)
        samples = array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])[::channels]
        self._rate = frame.sample_rate
        self._latest = (self._latest + samples)[-round(LISTENED * self._rate) :]

    def share(self, frequency: float) -> float:
        """Return how much of what was heard of late is in that frequency."""
        return energy_share(self._latest, self._rate, frequency)

    async def hears(self, frequency: float, timeout: float = TIMEOUT) -> None:
        """Wait until that tone is what is heard."""
        await self._until(lambda: self.share(frequency) > SHARE, f"{frequency} Hz", timeout)

    async def hears_nothing(self, timeout: float = TIMEOUT) -> None:
        """Wait until it is silent in the line."""
        await self._until(lambda: not any(self._latest), "silence", timeout)

    async def sees(self, frames: int, timeout: float = TIMEOUT) -> None:
        """Wait until so many frames came."""
        await self._until(lambda: self.frames >= frames, f"{frames} frames", timeout)

    async def _until(self, done: object, what: str, timeout: float) -> None:
        assert callable(done)
        try:
            async with asyncio.timeout(timeout):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} in {self.frames} frames") from None

    def close(self) -> None:
        """Listen no longer."""
        self._task.cancel()
