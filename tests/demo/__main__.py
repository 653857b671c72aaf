"""`python -m tests.demo serve` runs the demonstration, `chat` opens a terminal client to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.cast.irc import IrcPerson
from tests.live.peers.certificates import Authority
from tests.live.peers.gateway import Domain, IrcServer, XmppBridge
from tests.live.peers.irc import NgIrcd
from tests.live.peers.xmpp import PASSWORD, Prosody

FOLDER = Path(".demo").absolute()
STATE = FOLDER / "demo.json"
CHANNEL = "#welcome"
ACCOUNT = "romeo@localhost"
ROOM = f"{CHANNEL}%irc.demo@irc.localhost"

TEXT = """
The gateway runs.

 * With any XMPP client on this machine: log in as {account}, password {password},
   server 127.0.0.1, port {client_port} (trust the certificate, or no TLS). Then join the room

     {room}

   and say something: juliet, who is on IRC, answers. A private message goes to
     juliet%irc.demo@irc.localhost
   Settings are the commands of  irc.localhost  and  irc.demo@irc.localhost .

 * In a terminal: {terminal}

 * From IRC's side: any IRC client to 127.0.0.1 port {irc_port}, then  /join {channel}

Logs and configurations are in {folder}. Ctrl-C ends everything.
"""


class Demo:
    """The three servers, and Juliet on IRC who answers."""

    def __init__(self) -> None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(mode=0o755)
        self.ircd = NgIrcd(self._folder("ngircd"))
        authority = Authority(self._folder("ca"))
        self.xmpp = Prosody(
            self._folder("prosody"), "localhost", authority.issue("localhost", "localhost", "*.localhost")
        )
        self.gateway = XmppBridge(
            self._folder("gateway"),
            [Domain("irc.localhost", self.xmpp.component_port)],
            [IrcServer("irc.demo", self.ircd.port)],
            authority.root,
        )

    @staticmethod
    def _folder(name: str) -> Path:
        made = FOLDER / name
        made.mkdir()
        return made

    def start(self) -> None:
        """Start everything and say how to use it."""
        self.ircd.daemon.start()
        self.xmpp.daemon.start()
        self.xmpp.register(ACCOUNT.partition("@")[0])
        self.gateway.daemon.start()
        STATE.write_text(json.dumps({"client_port": self.xmpp.client_port}))
        terminal = (
            "make demo-chat"
            if shutil.which("profanity")
            else "apt-get install profanity, then make demo-chat"
        )
        print(
            TEXT.format(
                account=ACCOUNT,
                password=PASSWORD,
                client_port=self.xmpp.client_port,
                room=ROOM,
                terminal=f"{terminal}   and there  /join {ROOM}",
                irc_port=self.ircd.port,
                channel=CHANNEL,
                folder=FOLDER,
            ),
            flush=True,
        )

    def close(self) -> None:
        """End everything and remove the folder."""
        for daemon in (self.gateway.daemon, self.xmpp.daemon, self.ircd.daemon):
            daemon.close()
        shutil.rmtree(FOLDER, ignore_errors=True)

    async def play(self) -> None:
        """Be Juliet until the end: greet who comes, answer who speaks."""
        juliet = await IrcPerson.connect(self.ircd.port, "juliet")
        await juliet.join(CHANNEL)
        juliet.send(f"TOPIC {CHANNEL} :IRC seen from XMPP")
        while not juliet.closed:
            for line in juliet.take_all():
                if line.command == "JOIN" and line.nick != juliet.nick:
                    juliet.say(CHANNEL, f"Welcome, {line.nick}! Say something and I answer.")
                elif line.command == "PRIVMSG":
                    back = CHANNEL if line.params[0] == CHANNEL else line.nick
                    juliet.say(back, f"{line.nick}: I heard “{line.params[1]}” on IRC.")
            await juliet.more()


def serve() -> int:
    """Run the demonstration in the foreground until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        demo = Demo()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        demo.start()
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(demo.play())
    except KeyboardInterrupt:
        return 0
    finally:
        demo.close()
    return 0


def chat() -> int:
    """Open profanity, configured for the running demonstration."""
    if shutil.which("profanity") is None:
        print(
            "missing: profanity; as root: apt-get install --no-install-recommends profanity", file=sys.stderr
        )
        return 1
    if not STATE.exists():
        print(
            "The demonstration does not run: start it with  make demo  in another terminal.", file=sys.stderr
        )
        return 1
    port = json.loads(STATE.read_text())["client_port"]
    home = FOLDER / "profanity"
    (home / "data/profanity").mkdir(parents=True, exist_ok=True)
    (home / "data/profanity/accounts").write_text(
        f"[{ACCOUNT}]\nenabled=true\njid={ACCOUNT}\nserver=127.0.0.1\nport={port}\nresource=demo\n"
        f"password={PASSWORD}\nmuc.nick=romeo\ntls.policy=trust\nauth.policy=default\n"
    )
    environment = {**os.environ, "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config")}
    print(f"Type:  /join {ROOM}")
    return subprocess.run(["profanity", "-a", ACCOUNT], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(chat() if sys.argv[1:] == ["chat"] else serve())
