"""A web server of somebody else, which gives out what a test puts there and counts who asks."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from aiohttp import web

from tests.live.peers.daemon import HOST


def picture(width: int = 2, height: int = 3) -> bytes:
    """A PNG of noise-free grey, that every program can show."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@dataclass
class WebSite:
    """Files by path; a text of ``http…`` is where a path redirects to."""

    port: int
    files: dict[str, tuple[str, bytes] | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Answer from now on."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        found = self.files.get(request.path)
        if found is None:
            raise web.HTTPNotFound
        if isinstance(found, str):
            raise web.HTTPFound(found)
        return web.Response(body=found[1], headers={"Content-Type": found[0]})

    async def stop(self) -> None:
        """Do not answer any more."""
        await self._runner.cleanup()
