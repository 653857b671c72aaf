"""The servers of the demonstration, from their start to their end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.demo.echo import Echo
from tests.demo.phone import EchoPhone
from tests.demo.terminal import INSTALL_PROFANITY, Place, Profanity
from tests.live.peers.certificates import Authority
from tests.live.peers.daemon import HOST, Daemon, find_program, free_port
from tests.live.peers.gateway import Domain, IrcServer, SipBridge, XmppBridge
from tests.live.peers.irc import InspIrcd, Ircd, NgIrcd
from tests.live.peers.xmpp import PASSWORD, Prosody

DOMAIN = "localhost"
PEOPLE = ("romeo", "juliet")
GATEWAY = f"irc.{DOMAIN}"
IRC_NAME = "irc.demo.test"
CHANNEL = "#demo"
ROOM = f"{CHANNEL}%{IRC_NAME}@{GATEWAY}"
ECHO = "echo"
PHONES = f"sip.{DOMAIN}"
PHONE_DOMAIN = "phone.demo.test"
PHONE = f"{ECHO}\\40{PHONE_DOMAIN}@{PHONES}"
BARESIP = "baresip-core"
"""The Debian package of the telephone; without it the demonstration has none."""
LOOK = 0.5
"""Seconds between looks whether all servers still run."""

INSPIRCD = ("inspircd", "atheme-services")
IRCDS = (INSPIRCD, ("ngircd",))
"""The IRC servers that will do, best first, each with the programs it needs."""

GUIDE = """
The demonstration runs: an IRC server with "{echo}" on it, an XMPP server, and the gateway between them.

From any XMPP client on this machine
  account    {account}   (or {other})
  password   {password}   (of both)
  server     {host}, port {client_port}
  TLS        none is needed; STARTTLS shows a certificate of the demonstration: accept it,
             or trust {authority}
  room       {room}
  Say something there: {echo}, who is on IRC, says it again.
  {echo} in private:   {echo_jid}
  {call}
  Settings of yours:  the commands (ad-hoc) of {gateway} and {server}

From a terminal
  make demo-chat       opens {terminal}
  {profanity}

From the IRC side
  any IRC client: {host}, port {irc_port}, no TLS, then /join {channel}
  or bare, and then type  PRIVMSG {channel} :hello
  (printf 'NICK mercutio\\nUSER m 0 * :m\\n'; sleep 2; echo 'JOIN {channel}'; cat) | nc {host} {irc_port}

Configurations and logs: {folder}
Ctrl-C ends everything.
"""


def _installed(programs: Sequence[str]) -> bool:
    try:
        return all(map(find_program, programs))
    except FileNotFoundError:
        return False


def missing_programs() -> list[str]:
    """Name what must be installed first, by Debian package."""
    missing = [] if _installed(["prosody"]) else ["prosody"]
    return missing if any(map(_installed, IRCDS)) else [*missing, *INSPIRCD]


class Demo:
    """An IRC server, Prosody and the gateway, in `folder`, on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        authority = Authority(self._make("ca"))
        certificate = authority.issue("server", DOMAIN)
        self.ircd: Ircd
        if _installed(INSPIRCD):
            self.ircd = InspIrcd(self._make("inspircd"), certificate)
        else:
            self.ircd = NgIrcd(self._make("ngircd"))
        self.xmpp = Prosody(self._make("prosody"), DOMAIN, certificate)
        for name in PEOPLE:
            self.xmpp.register(name)
        self.gateway = XmppBridge(
            self._make("gateway"),
            [Domain(GATEWAY, self.xmpp.component_port)],
            [IrcServer(IRC_NAME, self.ircd.port)],
            authority.root,
        )
        self.phone = EchoPhone(self._make("phone"), ECHO, PHONE_DOMAIN) if _installed(["baresip"]) else None
        self.phone_gateway = self._make_phone_gateway(self.phone) if self.phone is not None else None
        self._authority = authority.root
        accounts = [f"{name}@{DOMAIN}" for name in PEOPLE]
        self.place = Place(accounts, PASSWORD, self.xmpp.client_port, ROOM)
        self._profanity = Profanity(folder, self.place)

    def _make(self, name: str) -> Path:
        made = self._folder / name
        made.mkdir()
        return made

    def _make_phone_gateway(self, phone: EchoPhone) -> SipBridge:
        trunk = {"server": f"sip:{HOST}:{phone.port}", "domain": PHONE_DOMAIN, "users": [DOMAIN]}
        return SipBridge(
            self._make("phone-gateway"),
            PHONES,
            self.xmpp.component_port,
            {"domain": PHONES, "listen": [f"udp {HOST}:{free_port()}"]},
            {"phone": trunk},
            {"relay_address": HOST},
            f"admin@{DOMAIN}",
        )

    @property
    def daemons(self) -> list[Daemon]:
        """The processes, in the order in which they start."""
        optional = [one.daemon for one in (self.phone, self.phone_gateway) if one is not None]
        return [self.ircd.daemon, self.xmpp.daemon, self.gateway.daemon, *optional]

    def guide(self) -> str:
        """Return what to type, and where."""
        installed = shutil.which("profanity") is not None
        account, other = self.place.accounts
        return GUIDE.format(
            account=account,
            other=other,
            password=PASSWORD,
            host=HOST,
            client_port=self.place.port,
            authority=self._authority,
            room=ROOM,
            echo=ECHO,
            call=(
                f"A call:  {PHONE} is a telephone: it answers, and you hear yourself"
                if self.phone is not None
                else f"(with {BARESIP} installed there is a telephone, too, that can be called)"
            ),
            echo_jid=f"{ECHO}%{IRC_NAME}@{GATEWAY}",
            gateway=GATEWAY,
            server=f"{IRC_NAME}@{GATEWAY}",
            terminal="profanity in the room; it is short for" if installed else "a simple chat in the room",
            profanity=self._profanity.command() if installed else f"(better, as root: {INSTALL_PROFANITY})",
            irc_port=self.ircd.port,
            channel=CHANNEL,
            folder=self._folder,
        )

    async def play(self) -> int:
        """Show the guide and be Echo; return 0 when asked to stop, 1 when a server ended."""
        stop = asyncio.Event()
        for number in STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        echo = await Echo.connect(self.ircd.port, ECHO)
        await echo.join(CHANNEL)
        echo.send(f"TOPIC {CHANNEL} :IRC, seen from XMPP")
        self.place.write(self._folder)
        print(self.guide(), flush=True)
        while not stop.is_set():
            for daemon in self.daemons:
                if not daemon.running:
                    print(f"{daemon.name} has ended:\n{daemon.tail()}", file=sys.stderr)
                    return 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)
        await echo.quit()
        return 0


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _when_stopped(action: signal.Handlers | object) -> None:
    for number in STOPPING:
        signal.signal(number, action)  # type: ignore[arg-type]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold an empty `folder`, which is removed in the end; BlockingIOError when another one holds it."""
    folder.mkdir(mode=0o755, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def _run(folder: Path) -> int:
    demo = Demo(folder)
    try:
        for daemon in demo.daemons:
            print(f"starting {daemon.name} …", flush=True)
            daemon.start()
        return asyncio.run(demo.play())
    except KeyboardInterrupt:
        return 0
    except (ChildProcessError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        _when_stopped(signal.SIG_IGN)
        for daemon in reversed(demo.daemons):
            daemon.close()


def serve(folder: Path) -> int:
    """Run the demonstration in the foreground until SIGINT, SIGTERM or SIGHUP; return the exit code."""
    missing = missing_programs()
    if missing:
        print(
            f"missing: {' '.join(missing)}; as root: apt-get install --no-install-recommends "
            f"{' '.join(missing)}",
            file=sys.stderr,
        )
        return 1
    _when_stopped(signal.default_int_handler)
    try:
        with _alone(folder):
            code = _run(folder)
    except BlockingIOError:
        print(f"The demonstration runs already, in {folder}.", file=sys.stderr)
        return 1
    print("Everything has ended." if code == 0 else "Everything else has ended too.", flush=True)
    return code
