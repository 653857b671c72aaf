"""Terminal clients of the demonstration: profanity with its account made, or a chat line by line."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.live.cast.stanzas import TIMEOUT, Pattern, Stanza
from tests.live.cast.xmpp import Person

INSTALL_PROFANITY = "apt-get install --no-install-recommends profanity"
PROFANITY_ACCOUNT = """[demo]
enabled=true
jid={account}
password={password}
server=127.0.0.1
port={port}
resource=profanity
muc.nick={nick}
tls.policy=disable
script.start=demo
"""
OURSELVES = Pattern("presence", has="mucuser:x/mucuser:status[@code='110']")


@dataclass(frozen=True)
class Place:
    """Where the running demonstration is found; kept in a file for those who come later."""

    accounts: list[str]
    password: str
    port: int
    room: str

    def write(self, folder: Path) -> None:
        """Say where it is."""
        (folder / "place.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Place:
        """Return where it is; FileNotFoundError when it does not run."""
        return cls(**json.loads((folder / "place.json").read_text()))


class Profanity:
    """profanity with folders of its own, an account, and a script that joins the room."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.home = folder / "profanity"
        data = self.home / "data/profanity"
        (data / "scripts").mkdir(parents=True, exist_ok=True)
        (self.home / "config").mkdir(exist_ok=True)
        account = place.accounts[0]
        nick = account.partition("@")[0]
        (data / "accounts").write_text(
            PROFANITY_ACCOUNT.format(account=account, password=place.password, port=place.port, nick=nick)
        )
        (data / "scripts/demo").write_text(f"/join {place.room} nick {nick}\n")

    @property
    def environment(self) -> Mapping[str, str]:
        """Its folders."""
        return {"XDG_CONFIG_HOME": str(self.home / "config"), "XDG_DATA_HOME": str(self.home / "data")}

    def command(self) -> str:
        """Return what to type into a shell."""
        folders = " ".join(f"{name}={shlex.quote(path)}" for name, path in self.environment.items())
        return f"{folders} profanity -a demo"

    def become(self) -> None:
        """Turn this process into it."""
        os.execvpe("profanity", ["profanity", "-a", "demo"], {**os.environ, **self.environment})


class LineChat(Person):
    """A room on standard output, and standard input said into it."""

    def __init__(self, place: Place, gateway: str) -> None:
        account = place.accounts[-1]
        super().__init__(f"{account}/lines", place.password, place.port, gateway)
        self._room = place.room
        self._nick = account.partition("@")[0]
        self._joined = asyncio.Event()
        self._ended = asyncio.Event()

    def received(self, stanza: Stanza) -> None:
        """Show what is said, and who comes and goes; answer requests."""
        sender = stanza.get("from", "")
        nick = sender.partition("/")[2] or sender.partition("%")[0]
        if stanza.tag == "iq":
            super().received(stanza)
        elif stanza.get("type") == "error":
            print(f"! {stanza.findtext('.//{*}text') or 'an error'}", flush=True)
        elif stanza.tag == "presence":
            print(f"* {nick} {'has left' if stanza.get('type') else 'is here'}", flush=True)
            if OURSELVES.matches(stanza):
                self._joined.set()
        elif "%" in sender and (text := stanza.findtext("body")) is not None:
            print(f"<{nick}> {text}", flush=True)

    def _read(self) -> None:
        read = os.read(sys.stdin.fileno(), 1 << 16).decode(errors="replace")
        for line in filter(None, read.splitlines()):
            if line == "/quit":
                self._ended.set()
            else:
                self.say(self._room, line)
        if not read:
            self._ended.set()

    async def run(self) -> None:
        """Join and chat until the input or the user's patience ends."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ended.set)
        await self.log_in()
        self.enter(self._room, self._nick)
        await asyncio.wait_for(self._joined.wait(), TIMEOUT)
        print(f"{self._room}: type and press Enter; /quit or Ctrl-D ends.", flush=True)
        loop.add_reader(sys.stdin.fileno(), self._read)
        await self._ended.wait()
        loop.remove_reader(sys.stdin.fileno())
        await self.log_out()


def chat(folder: Path, *, lines: bool = False) -> int:
    """Open profanity, or a chat line by line when it is not installed or `lines` are wanted."""
    try:
        place = Place.read(folder)
    except FileNotFoundError:
        print(
            "The demonstration does not run here: `make demo` in another terminal starts it.", file=sys.stderr
        )
        return 1
    if not lines:
        if shutil.which("profanity"):
            Profanity(folder, place).become()
        print(f"profanity is not installed (as root: {INSTALL_PROFANITY}), so line by line:", flush=True)

    async def talk() -> None:
        await LineChat(place, place.room.rpartition("@")[2]).run()

    asyncio.run(talk())
    return 0
