"""An IRC server that follows a test's script: capabilities no packaged server has, and bad manners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.live.cast.irc import Line, LineReader
from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.daemon import HOST

NAME = "scripted.test"
ISUPPORT = "CASEMAPPING=ascii CHANTYPES=# PREFIX=(ov)@+ CHANMODES=b,k,l,imnst NICKLEN=30 NETWORK=Scripted"


class Link(LineReader):
    """One client's connection: registration, JOIN, NAMES, PING are answered; the rest is the test's."""

    def __init__(
        self, server: ScriptedIrcd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self.nick = ""
        self.enabled: set[str] = set()
        self.registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._negotiating = False
        self._user = False
        super().__init__("the gateway", reader, writer)

    @property
    def mask(self) -> str:
        """The client's nick!user@host."""
        return f"{self.nick}!user@host"

    def received(self, line: Line) -> None:
        """Answer what every server answers, keep all of it for the test."""
        answer = self._server.answers.get(line.command)
        if answer is not None:
            answer(self, line)
        else:
            reaction = getattr(self, f"_on_{line.command.lower()}", None)
            if reaction is not None:
                reaction(line)
        if line.command != "PING":
            super().received(line)

    def _on_ping(self, line: Line) -> None:
        self.send(f":{NAME} PONG {NAME} :{line.params[-1]}")

    def _on_cap(self, line: Line) -> None:
        self._negotiating = line.params[0] != "END"
        match line.params[0]:
            case "LS":
                self.send(f":{NAME} CAP * LS :{' '.join(self._server.caps)}")
            case "REQ":
                self.enabled |= set(line.params[-1].split())
                self.send(f":{NAME} CAP * ACK :{line.params[-1]}")
            case "END":
                self._welcome()

    def _on_nick(self, line: Line) -> None:
        old, self.nick = self.mask, line.params[0]
        if self.registered.done():
            self.send(f":{old} NICK {self.nick}")
        else:
            self._welcome()

    def _on_user(self, line: Line) -> None:
        self._user = True
        self._welcome()

    def _welcome(self) -> None:
        if self._negotiating or not self.nick or not self._user or self.registered.done():
            return
        self.registered.set_result(None)
        self.send(
            f":{NAME} 001 {self.nick} :Welcome",
            f":{NAME} 005 {self.nick} {ISUPPORT} {self._server.isupport} :are supported",
            f":{NAME} 422 {self.nick} :No MOTD",
        )

    def _on_join(self, line: Line) -> None:
        for channel in line.params[0].split(","):
            self.send(
                f":{self.mask} JOIN {channel}",
                f":{NAME} 353 {self.nick} = {channel} :{self.nick} {self._server.others}".rstrip(),
                f":{NAME} 366 {self.nick} {channel} :End",
            )

    def _on_part(self, line: Line) -> None:
        self.send(f":{self.mask} PART {line.params[0]}")


class ScriptedIrcd:
    """Listens on a free port; `caps`, `isupport`, `others` and `answers` may be changed at any time."""

    name = NAME

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self.links: list[Link] = []
        self.reset()

    def reset(self) -> None:
        """Forget a test's script."""
        self.caps: list[str] = []
        self.isupport = ""
        self.others = "@juliet"
        self.answers: dict[str, Callable[[Link, Line], None]] = {}
        self._waiting: asyncio.Queue[Link] = asyncio.Queue()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, 0, limit=1 << 22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self, reader, writer)
        self.links.append(link)
        self._waiting.put_nowait(link)

    async def link(self, timeout: float = TIMEOUT) -> Link:
        """Return the next connection."""
        return await asyncio.wait_for(self._waiting.get(), timeout)

    async def close(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for link in self.links:
            await link.close()
