"""A TCP proxy that can fall silent, as a link does whose other end is gone without a word, or reset it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from tests.live.peers.daemon import HOST

CHUNK = 1 << 16
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket that is to be closed with a reset (RST), whatever it has not sent yet."""


class Proxy:
    """Forwards to `target`; after `fall_silent` it takes bytes and passes none on.

    After `keep_answers` it passes on what is asked only.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.count = 0
        """How many connections have been made."""
        self._target = target
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._answers = asyncio.Event()
        self._answers.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def fall_silent(self) -> None:
        """Forward nothing more on any connection; new ones are accepted and stay mute."""
        self._speaks.clear()

    def keep_answers(self) -> None:
        """Forward nothing that comes from the target."""
        self._answers.clear()

    def speak(self) -> None:
        """Forward again, on connections made from now on too."""
        self._speaks.set()
        self._answers.set()

    def cut(self) -> int:
        """Reset every connection at both ends; what is under way is lost. Returns how many there were."""
        writers = [writer for writer in self._writers if not writer.transport.is_closing()]
        for writer in writers:
            end = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()
        return len(writers) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            for source, sink, is_answer in ((reader, far_writer, False), (far_reader, writer, True)):
                task = asyncio.ensure_future(self._pump(source, sink, is_answer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_answer: bool) -> None:
        self._writers.add(sink)
        with contextlib.suppress(ConnectionError):
            while data := await source.read(CHUNK):
                await self._may_pass(is_answer)
                sink.write(data)
        await self._may_pass(is_answer)
        sink.close()
        self._writers.discard(sink)

    async def _may_pass(self, is_answer: bool) -> None:
        await self._speaks.wait()
        if is_answer:
            await self._answers.wait()

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        if self._server is not None:
            self._server.close()
