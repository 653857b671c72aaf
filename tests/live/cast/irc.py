"""The other person on IRC: a raw client that answers PING and shows every line."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from dataclasses import dataclass, field

from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.daemon import HOST

LINE = re.compile(r"(?:@(?P<tags>\S+) +)?(?::(?P<source>\S+) +)?(?P<command>\S+)(?P<rest>.*)", re.DOTALL)

SYNC = "sync-point"
REAL_NAME = "somebody of the tests"


@dataclass(frozen=True)
class Line:
    """One line of IRC, taken apart without the code under test."""

    command: str
    params: tuple[str, ...]
    source: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def nick(self) -> str:
        """Who sent it."""
        return self.source.partition("!")[0]

    @classmethod
    def parse(cls, text: str) -> Line:
        """Read a line without its CR LF."""
        found = LINE.match(text)
        assert found is not None, text
        head, colon, last = found["rest"].partition(" :")
        params = (*head.split(), *([last] if colon else []))
        tags = dict(item.partition("=")[::2] for item in (found["tags"] or "").split(";") if item)
        return cls(found["command"].upper(), params, found["source"] or "", tags)


class LineReader:
    """Lines of one connection; waits end with an AssertionError that shows everything."""

    def __init__(self, owner: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.owner = owner
        self._reader = reader
        self._writer = writer
        self._waiting: deque[Line] = deque()
        self._arrived = asyncio.Event()
        self._history: deque[str] = deque(maxlen=60)
        self.closed = False
        self._synced: asyncio.Future[None] | None = None
        self._task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            while raw := await self._reader.readline():
                text = raw.rstrip(b"\r\n").decode(errors="surrogateescape")
                self._history.append(text)
                if text.strip():
                    self.received(Line.parse(text))
        self.closed = True
        self._arrived.set()

    def received(self, line: Line) -> None:
        """Take one line; PING is answered at once and not shown."""
        if line.command == "PING":
            self.send(f"PONG :{line.params[-1]}")
            return
        if line.command == "PONG" and line.params[-1] == SYNC and self._synced is not None:
            if not self._synced.done():
                self._synced.set_result(None)
            return
        self._waiting.append(line)
        self._arrived.set()

    def send(self, *lines: str) -> None:
        """Send lines; each gets its CR LF."""
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode(errors="surrogateescape"))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def find(
        self,
        command: str,
        *params: str,
        nick: str | None = None,
        last: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Line:
        """Return the first line of `command` whose first parameters, sender and last parameter fit.

        Lines before it are dropped.
        """
        wanted = f"{command} {params} from {nick} with {last!r}"
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            while self._waiting:
                line = self._waiting.popleft()
                if (
                    line.command == command
                    and [one.lower() for one in line.params[: len(params)]] == [one.lower() for one in params]
                    and (nick is None or line.nick == nick)
                    and (last is None or line.params[-1:] == (last,))
                ):
                    return line
            self._arrived.clear()
            if self.closed:
                raise AssertionError(self._complain(f"lost the connection, waiting for {wanted}"))
            try:
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()
            except TimeoutError:
                raise AssertionError(self._complain(f"waits in vain for {wanted}")) from None

    def _complain(self, what: str) -> str:
        history = "\n  ".join(self._history)
        return f"{self.owner} on IRC {what}\nreceived so far:\n  {history or 'nothing'}"

    def take_all(self) -> list[Line]:
        """Return what waits, and take it."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        return taken

    async def more(self) -> None:
        """Wait until something waits, however long, or the connection is gone."""
        if not self._waiting and not self.closed:
            await self._arrived.wait()

    def seen(self, command: str) -> list[Line]:
        """Return the waiting lines of `command` without taking them."""
        return [line for line in self._waiting if line.command == command]

    async def close(self) -> None:
        """Cut the connection."""
        self._task.cancel()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            self._writer.close()
            await self._task


class IrcPerson(LineReader):
    """Someone with an ordinary IRC client."""

    def __init__(self, nick: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(nick, reader, writer)
        self.nick = nick

    @classmethod
    async def connect(cls, port: int, nick: str, *, caps: str = "") -> IrcPerson:
        """Connect and register."""
        reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 20)
        person = cls(nick, reader, writer)
        if caps:
            person.send("CAP LS 302", f"CAP REQ :{caps}")
            await person.find("CAP", "*", "ACK")
            person.send("CAP END")
        person.send(f"NICK {nick}", f"USER {nick} 0 * :{REAL_NAME}")
        await person.find("001")
        await person.sync()
        return person

    async def sync(self) -> None:
        """Wait until the server has dealt with everything sent so far."""
        self._synced = asyncio.get_running_loop().create_future()
        self.send(f"PING :{SYNC}")
        await asyncio.wait_for(self._synced, TIMEOUT)

    async def rename(self, nick: str) -> None:
        """Take another nick."""
        self.send(f"NICK {nick}")
        await self.find("NICK", nick=self.nick, last=nick)
        self.nick = self.owner = nick

    async def join(self, channel: str, key: str = "") -> None:
        """Join a channel and wait for the end of its names."""
        self.send(f"JOIN {channel} {key}".rstrip())
        await self.find("366", self.nick, channel)

    def say(self, target: str, text: str) -> None:
        """Send a PRIVMSG."""
        self.send(f"PRIVMSG {target} :{text}")

    async def hears(self, target: str, text: str, *, nick: str | None = None) -> Line:
        """Wait for exactly this PRIVMSG."""
        return await self.find("PRIVMSG", target, nick=nick, last=text)

    async def mode(self, channel: str, change: str) -> None:
        """Change a channel's mode and wait for its echo."""
        self.send(f"MODE {channel} {change}")
        await self.find("MODE", channel, nick=self.nick)

    async def oper(self, name: str, password: str) -> None:
        """Become an operator."""
        self.send(f"OPER {name} {password}")
        await self.find("381")

    async def quit(self) -> None:
        """Quit politely."""
        if not self.closed:
            with contextlib.suppress(ConnectionError):
                self.send("QUIT :bye")
        await self.close()
