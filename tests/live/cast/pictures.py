"""Pictures of one shade of grey that are sent, and what is seen of them."""

from __future__ import annotations

import asyncio

from aiortc import MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from tests.live.cast.stanzas import TIMEOUT

WIDTH, HEIGHT = 160, 96
NEAR = 8
"""How far a shade that is seen may be from the one that was sent."""


class Picture(VideoStreamTrack):
    """A camera before which everything has one shade."""

    def __init__(self, shade: int) -> None:
        super().__init__()
        self.shade = shade

    async def recv(self) -> VideoFrame:
        """Return the next frame when it is time for it."""
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=WIDTH, height=HEIGHT)
        for plane, value in zip(frame.planes, (self.shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Eye:
    """Who looks at a track, for as long as it lasts."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self._shade = -1
        self._saw = asyncio.Event()
        self._looking = asyncio.create_task(self._look(track))

    async def _look(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self._shade = bytes(frame.planes[0])[0]  # type: ignore[union-attr]
            self._saw.set()

    async def sees(self, shade: int) -> None:
        """Wait until that is what it sees."""
        async with asyncio.timeout(TIMEOUT):
            while abs(self._shade - shade) > NEAR:
                self._saw.clear()
                await self._saw.wait()

    def close(self) -> None:
        """Look no more."""
        self._looking.cancel()
