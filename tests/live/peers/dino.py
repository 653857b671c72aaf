"""Dino: a desktop client on a screen that nobody sees, with a tone before its microphone.

It is ordered about as its user would: by what its notifications do (over D-Bus), by mouse and by keyboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import subprocess
from array import array
from collections.abc import Callable
from pathlib import Path

from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.tones import SHARE, energy_share
from tests.live.peers.daemon import HOST, Daemon, find_program
from tests.live.peers.xmpp import PASSWORD

RATE = 8000
LISTENED = RATE // 5
"""Samples in which a tone is looked for."""
GLANCE = 0.05
"""Seconds between two looks at the database or a file."""
PATIENCE = 1.0
"""Seconds in which a click shows."""
RECORDED = (f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=20")
"""How what it plays is written to a file."""
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
PRIVATE = (
    "unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)), "sh", "-c",
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" && shift 2 || exit 1; done; shift; exec "$@"', "sh",
)  # fmt: skip
"""Runs a program with files of its own in place of the system's: Dino has no settings for what they say."""
SOUND = """
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/pulse
load-module module-null-sink sink_name=speaker rate=48000
load-module module-null-sink sink_name=mouth rate=48000
load-module module-remap-source source_name=microphone master=mouth.monitor
load-module module-sine sink=mouth frequency={frequency}
set-default-sink speaker
set-default-source microphone
"""
"""Dino shows no monitors of sinks as microphones, so what is in `mouth` gets another name."""
ACCOUNT = """
insert into account (bare_jid, resourcepart, password, alias, enabled, roster_version, mam_earliest_synced)
  values (:jid, 'dino', :password, '', 1, '', 0);
"""
CONTACT = "insert into jid (bare_jid) values (:contact)"
CHAT = """
insert into conversation (account_id, jid_id, active, last_active, type, encryption) values (1, 1, 1, 0, 0, 0)
"""
"""A chat with the contact, which is open when it starts."""
LATEST_CALL = """
select conversation.id, call.id from call join conversation on conversation.jid_id = call.counterpart_id
  order by call.id desc limit 1
"""
MISSED = 6
"""A call's state, as Dino numbers it."""
CALL_BUTTON, HANG_UP_BUTTON = ("977", "28"), ("421", "475")
"""Where they are on the screen, on which no window manager moves windows."""


class Dino:
    """One user's Dino, with a screen, a message bus and a sound server of its own."""

    def __init__(
        self, folder: Path, jid: str, address: str, authority: Path, contact: str, frequency: int
    ) -> None:
        """`address` is where its server is, `authority` the root of that one's certificate."""
        self.user = jid.partition("@")[0]
        self._jid, self._contact, self._folder = jid, contact, folder
        self._database = folder / "data" / "dino" / "dino.db"
        self._heard = folder / "heard.raw"
        self._hosts, self._names, self._authority = folder / "hosts", folder / "resolv.conf", authority
        self._calls = 0
        self._running: list[Daemon] = []
        (folder / "run").mkdir(mode=0o700)
        (folder / "sound.pa").write_text(SOUND.format(folder=folder, frequency=frequency))
        self._hosts.write_text(f"{HOST} localhost\n{address} {jid.partition('@')[2]}\n")
        self._names.write_text(f"nameserver {HOST}\noptions attempts:1 timeout:1\n")
        self._environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            **{f"XDG_{kind.upper()}_HOME": str(folder / kind) for kind in ("data", "config", "cache")},
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus",
            "PULSE_SERVER": f"unix:{folder}/pulse",
            "GDK_BACKEND": "x11",
            "GSK_RENDERER": "cairo",
            "GTK_A11Y": "none",
            "GSETTINGS_BACKEND": "memory",
        }

    # ---- on and off

    def start(self) -> None:
        """Switch it on; it knows that the contact is there when this returns."""
        screen = self._run(
            "Xvfb", "-displayfd", "1", "-noreset", "-screen", "0", "1280x800x24", "-nolisten", "tcp"
        )
        self._environment["DISPLAY"] = f":{screen.output().strip()}"
        bus = f"--address={self._environment['DBUS_SESSION_BUS_ADDRESS']}"
        self._run("dbus-daemon", "--session", "--nofork", "--nopidfile", bus, ready=self._made("bus"))
        sound = ("-n", "--daemonize=no", "--exit-idle-time=-1", f"--file={self._folder}/sound.pa")
        self._run("pulseaudio", *sound, ready=self._made("pulse"))
        self._run("parec", "--device=speaker.monitor", *RECORDED, str(self._heard), ready=self._heard.exists)
        self._run_dino(self._has_window).kill()
        self._write_account()
        self._dino = self._run_dino(lambda: f"from='{self._contact}'" in self._stanzas())

    def _run_dino(self, ready: Callable[[], bool]) -> Daemon:
        """The first run makes the database."""
        replaced = {self._hosts: "/etc/hosts", self._names: "/etc/resolv.conf", self._authority: TRUSTED}
        mounts = [str(file) for pair in replaced.items() for file in pair]
        return self._run(*PRIVATE, *mounts, "--", "dino-im", "--print-xmpp=all", ready=ready)

    def _run(self, name: str, *arguments: str, ready: Callable[[], bool] | None = None) -> Daemon:
        made = Daemon(
            name,
            self._folder,
            [find_program(name), *arguments],
            ready=ready or (lambda: bool(made.output().strip())),
            environment=self._environment,
        )
        self._running.append(made)
        made.start()
        return made

    def _made(self, name: str) -> Callable[[], bool]:
        return (self._folder / name).exists

    def _has_window(self) -> bool:
        """Tell whether it is drawn. Its database is made by then; who looks into that before makes it fail."""
        search = ("xdotool", "search", "--onlyvisible", "--name", "Dino")
        environment = {**os.environ, **self._environment}
        return subprocess.run(search, env=environment, capture_output=True, check=False).returncode == 0

    def _write_account(self) -> None:
        values = {"jid": self._jid, "password": PASSWORD, "contact": self._contact}
        with contextlib.closing(sqlite3.connect(self._database, timeout=TIMEOUT)) as database, database:
            for statement in (ACCOUNT, CONTACT, CHAT):
                database.execute(statement, values)

    def _ask(self, question: str) -> list[tuple[int, ...]]:
        with contextlib.closing(sqlite3.connect(self._database, timeout=TIMEOUT)) as database:
            return database.execute(question).fetchall()

    def _stanzas(self) -> str:
        """What it wrote of them, without colours and namespaces."""
        return re.sub(r"\x1b\[[0-9;]*m|\{[^}]*\}:?", "", self._running[-1].output())

    def close(self) -> None:
        """Switch everything off."""
        for running in reversed(self._running):
            running.kill()

    # ---- what its user does

    async def _at_desk(self, *argv: str) -> str:
        """Run a program at its screen and bus."""
        environment = {**os.environ, **self._environment}
        running = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=subprocess.PIPE)
        said, _ = await asyncio.wait_for(running.communicate(), TIMEOUT)
        assert running.returncode == 0, argv
        return said.decode()

    async def _notified(self, action: str) -> None:
        """Press a button of the notification about the latest call."""
        [(chat, call)] = self._ask(LATEST_CALL)
        where = ("--session", "--dest=im.dino.Dino", "--object-path=/im/dino/Dino")
        method = "--method=org.gtk.Actions.Activate"
        await self._at_desk("gdbus", "call", *where, method, action, f"[<({chat}, {call})>]", "{}")

    async def _until(self, done: Callable[[], bool], what: str, timeout: float = TIMEOUT) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not done():
                    await asyncio.sleep(GLANCE)
        except TimeoutError:
            raise AssertionError(f"Dino waits for {what}") from None

    async def _click_until(self, done: Callable[[], bool], what: str, *clicks: str) -> None:
        """Click, again if nothing came of it: what is clicked at may not be drawn yet."""
        async with asyncio.timeout(TIMEOUT):
            while not done():
                await self._at_desk("xdotool", *clicks)
                with contextlib.suppress(AssertionError):
                    await self._until(done, what, PATIENCE)

    def _has_call(self) -> bool:
        return len(self._ask("select id from call")) > self._calls

    async def call(self) -> None:
        """Call the contact: the button, and the first line of its menu."""
        at_button = ("mousemove", *CALL_BUTTON, "click", "1", "sleep", "0.2", "key", "Return")
        await self._click_until(self._has_call, "its own call", *at_button)
        self._calls += 1

    async def is_called(self) -> None:
        """Wait until it rings."""
        await self._until(self._has_call, "a call")
        self._calls += 1

    async def missed(self) -> None:
        """Wait until the call is over without having been taken."""
        await self._until(
            lambda: self._ask("select state from call")[-1] == (MISSED,), "the caller to give up"
        )

    async def answer(self) -> None:
        """Take the call."""
        await self._notified("accept-call")

    async def refuse(self) -> None:
        """Refuse it."""
        await self._notified("reject-call")

    async def hang_up(self) -> None:
        """End the call that stands."""
        clicks = ("mousemove", *HANG_UP_BUTTON, "sleep", "0.2", "click", "1")
        before = self._ends()
        await self._click_until(lambda: self._ends() > before, "its end", *clicks)

    def _ends(self) -> int:
        return self._stanzas().count("action='session-terminate'")

    # ---- what its user hears

    async def _sounds(self, kind: str) -> bool:
        """Tell whether it is connected to its sound server."""
        return '"dino-im"' in await self._at_desk("pactl", "--format=json", "list", kind)

    async def has_microphone(self) -> bool:
        """Tell, once it plays what it hears, whether what is said to it is sent, too.

        COMPAT GStreamer 1.22: a pulsesrc that is linked on before its thread first runs, as Dino 0.4 does it,
        forgets to negotiate and is dead for that call; the busier the machine, the more often.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._sounds("source-outputs"):
                    await asyncio.sleep(GLANCE)
                return True
        return False

    async def lets_go(self) -> None:
        """Wait until the call is over for it, too: it plays nothing any more."""
        async with asyncio.timeout(TIMEOUT):
            while await self._sounds("sink-inputs"):
                await asyncio.sleep(GLANCE)

    def _share(self, frequency: float) -> float:
        """Return how much of what it played of late is in that frequency."""
        data = self._heard.read_bytes()
        return energy_share(array("h", data[: len(data) // 2 * 2])[-LISTENED:], RATE, frequency)

    async def hears(self, frequency: float) -> None:
        """Wait until that tone is what comes out of its speaker."""
        await self._until(lambda: self._share(frequency) > SHARE, f"{frequency} Hz")
