"""An HTTP proxy before a WebSocket: it says for whom it connects, as nginx is told to."""

from __future__ import annotations

import asyncio
import contextlib

from tests.live.peers.daemon import HOST

CHUNK = 1 << 16


class Front:
    """Forwards to a port of ours, in the name of whoever `visitor` is."""

    def __init__(self, target: int, visitor: str) -> None:
        self._target, self._visitor = target, visitor
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.url = f"ws://{HOST}:{self._server.sockets[0].getsockname()[1]}/sip"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n")
        there, here = await asyncio.open_connection(HOST, self._target)
        here.write(request + f"X-Forwarded-For: {self._visitor}\r\n".encode())
        for one in (_copy(reader, here), _copy(there, writer)):
            task = asyncio.ensure_future(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End it, and what goes over it."""
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
