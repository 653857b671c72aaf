"""The gateways that are measured, each at a component port of the same Prosody and on the same homeserver."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Protocol

from tests.bench.matrix.people import Listener
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern
from tests.live.peers.daemon import HOST, Daemon
from tests.live.peers.gateway import MatrixBridge
from tests.live.peers.synapse import PASSWORD as MATRIX_PASSWORD
from tests.live.peers.synapse import Synapse
from tests.live.peers.xmpp import SECRET, Prosody
from transports.matrix.config import MatrixConfig

SETTLING = 3.0
"""Seconds in which a gateway that has just joined may still have to do."""


class MatrixGateway(Protocol):
    """One that lets XMPP users into rooms of Matrix."""

    name: str
    domain: str
    daemon: Daemon
    web: tuple[str, ...]
    """Where its web server answers a ping, and by which token; empty if it does not."""

    async def enter(self, person: Listener, alias: str, room: str) -> str:
        """Take somebody into a public room, by alias or id; returns the room's JID."""


class Bridge:
    """xmppbridge: everybody is a ghost of the application service."""

    name = "xmppbridge"

    def __init__(self, folder: Path, prosody: Prosody, config: MatrixConfig) -> None:
        self.domain = f"mx.{prosody.domain}"
        self.daemon = MatrixBridge(folder, self.domain, prosody.component_port, config).daemon
        self.web = (config.listen, config.hs_token.reveal())

    async def enter(self, person: Listener, alias: str, room: str) -> str:
        """Join as any MUC is joined."""
        jid = f"{alias.replace(':', chr(92) + '3a')}@{self.domain}"
        await person.join(jid, person.bare.partition("@")[0], timeout=120.0)
        return jid


class Matridge:
    """matridge of PyPI, if it is installed: everybody logs in with a Matrix account of his own.

    It must be 0.3.3. COMPAT slidge 0.4.2 (below matridge 0.4.1): it stores a room's local part as the id is written and
    looks for it as the XMPP server prepares it, in lower case; so nobody joins a room with a capital letter in its id,
    unless the room was stored by 0.3.
    """

    name = "matridge"
    web = ()

    def __init__(self, folder: Path, prosody: Prosody, synapse: Synapse) -> None:
        self.domain = f"spare.{prosody.domain}"
        self._synapse = synapse
        program = shutil.which("matridge", path=str(Path(sys.executable).parent)) or shutil.which("matridge")
        if program is None:
            raise FileNotFoundError("matridge is not in the PATH; pip installs matridge==0.3.3")
        options = {
            "jid": self.domain,
            "secret": SECRET,
            "server": HOST,
            "port": str(prosody.component_port),
            "home-dir": str(folder),
            "user-jid-validator": ".*",
            "no-upload-path": str(folder),
            "no-upload-url-prefix": "http://localhost",
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        self.daemon = Daemon("matridge", folder, [program, *arguments], ready=self._is_ready)

    def _is_ready(self) -> bool:
        return "successfully" in self.daemon.output() or "Slidge" in self.daemon.output()

    async def enter(self, person: Listener, alias: str, room: str) -> str:
        """Register with an account of the homeserver that is in the room, and join the room's MUC."""
        name = person.bare.partition("@")[0]
        account = await MatrixPerson.register(self._synapse, f"own.{name}")
        await account.join(alias)
        await account.close()
        fields = {"homeserver": self._synapse.url, "username": account.id, "password": MATRIX_PASSWORD}
        values = "".join(
            f"<field var='{key}'><value>{value}</value></field>"
            for key, value in {**fields, "device": "bench"}.items()
        )
        form = f"<x xmlns='jabber:x:data' type='submit'>{values}</x>"
        await person.result(self.domain, f"<query xmlns='jabber:iq:register'>{form}</query>", "set")
        await asyncio.sleep(SETTLING)
        items = await person.result(
            self.domain, "<query xmlns='http://jabber.org/protocol/disco#items'/>", "get"
        )
        jid = next(item.get("jid", "") for item in items[0] if "@" in item.get("jid", ""))
        person.enter(jid, name)
        await person.mailbox.find(Pattern("message", has="subject"), timeout=60.0)
        return jid
