"""Where a test plays: people at Prosody, phones at Kamailio, and the gateway between them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.live.cast.focus import Focus
from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.cast.sip import Phone
from tests.live.cast.xmpp import Person
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import SipBridge, table
from tests.live.peers.kamailio import PASSWORD as EXTENSION_PASSWORD
from tests.live.peers.kamailio import Kamailio
from tests.live.peers.xmpp import PASSWORD
from tests.live.stage import House

OWNER = "owner"
"""Local part of the XMPP user to whom extension 4711 belongs."""
CHAT_DOMAIN = "chat.test"
"""A domain of Kamailio's whose people are written to by MSRP, if they take it."""
STRANGER = "127.0.0.2"
"""An address that is no trunk's."""
SCANNER = "127.0.0.3"
"""An address from which too much comes."""
BRANCH, BRANCH_PASSWORD = "127.0.0.4", "branch-password"
"""Where a trunk logs in from that has no address of its own, and what with."""
GUESSER = "127.0.0.5"
"""An address from which passwords are guessed."""
THIEF, WRITER = "127.0.0.6", "127.0.0.7"
"""Addresses of who knows the tags of others' calls, and of who sends what is hard to read."""


class SipStage:
    """See the module's docstring. `domain` is the SIP domain of XMPP users, `port` that of the gateway."""

    def __init__(
        self,
        house: House,
        kamailio: Kamailio,
        bridge: SipBridge,
        domain: str,
        port: int,
        xmpp: str = "prosody",
    ) -> None:
        self.house, self.kamailio, self.bridge = house, kamailio, bridge
        self.domain, self.port = domain, port
        self.xmpp = house.xmpp(xmpp)
        self.number = house.number()
        self._people: list[Person] = []
        self._phones: list[Phone] = []

    def jid(self, user: str, domain: str = "") -> str:
        """How XMPP users write to somebody."""
        local = f"{user}\\40{domain or self.kamailio.domain}".replace(":", "\\3a")
        return f"{local}@{self.bridge.domain}"

    def uri(self, person: Person) -> str:
        """How people on SIP write to an XMPP user."""
        return f"sip:{person.bare.replace('@', '%40')}@{self.domain}"

    async def on_xmpp(self, name: str, *, is_owner: bool = False, sees_rooms: bool = False) -> Person:
        """Log somebody in at the XMPP server, who sees the gateway, and the server's own rooms if he is to."""
        local = OWNER if is_owner else f"{name}{self.number}"
        await asyncio.to_thread(self.xmpp.register, local)
        seen = (self.bridge.domain, *((f"muc.{self.xmpp.domain}",) if sees_rooms else ()))
        person = Person(f"{local}@{self.xmpp.domain}/a", PASSWORD, self.xmpp.client_port, seen)
        self._people.append(person)
        await person.log_in()
        return person

    async def administrator(self) -> Person:
        """Log the operator in."""
        await asyncio.to_thread(self.xmpp.register, "admin")
        person = Person(f"admin@{self.xmpp.domain}/a", PASSWORD, self.xmpp.client_port, self.bridge.domain)
        self._people.append(person)
        await person.log_in()
        return person

    async def caller(
        self, name: str, resource: str = "a", *, is_owner: bool = False, **habits: object
    ) -> JinglePerson:
        """Log somebody in who calls and is called."""
        local = OWNER if is_owner else f"{name}{self.number}"
        await asyncio.to_thread(self.xmpp.register, local)
        jid = f"{local}@{self.xmpp.domain}/{resource}"
        person = JinglePerson(jid, PASSWORD, self.xmpp.client_port, self.bridge.domain, Habits(**habits))  # type: ignore[arg-type]
        self._people.append(person)
        await person.log_in()
        return person

    async def listed(self, name: str) -> tuple[str, int]:
        """Register a phone that is to be played by sipp; return its user part and the port that it has."""
        made = Phone(f"{name}{self.number}", self.kamailio.domain, (HOST, self.kamailio.port))
        self._phones.append(made)
        await made.start()
        made.port = free_port()
        await made.register(EXTENSION_PASSWORD)
        return made.user, made.port

    async def phone(self, name: str = "bob") -> Phone:
        """Register a phone at the server."""
        made = Phone(f"{name}{self.number}", self.kamailio.domain, (HOST, self.kamailio.port))
        self._phones.append(made)
        await made.start()
        await made.register(EXTENSION_PASSWORD)
        return made

    async def phone_at(self, user: str, domain: str, port: int) -> Phone:
        """Start a phone of another server's, which it is not registered at yet."""
        made = Phone(user, domain, (HOST, port))
        self._phones.append(made)
        await made.start()
        return made

    async def focus(self) -> Focus:
        """Register a conference at the server."""
        made = Focus(f"conf{self.number}", self.kamailio.domain, (HOST, self.kamailio.port))
        self._phones.append(made)
        await made.start()
        await made.open(HOST)
        await made.register(EXTENSION_PASSWORD)
        return made

    async def stranger(self, name: str = "eve") -> Phone:
        """Start a phone that knows the gateway itself."""
        made = Phone(name, STRANGER, (HOST, self.port))
        self._phones.append(made)
        await made.start(STRANGER)
        made.domain = f"{STRANGER}:{made.port}"
        return made

    async def close(self) -> None:
        """Send everybody home."""
        for phone in self._phones:
            phone.close()
        await asyncio.gather(*(one.log_out() for one in self._people), return_exceptions=True)


@asynccontextmanager
async def with_trunk(stage: SipStage, name: str, **options: object) -> AsyncIterator[None]:
    """Have the gateway read another trunk while it runs, and forget it afterwards."""
    before = stage.bridge.config.read_text()
    trunk = {"server": f"sip:{HOST}:{stage.kamailio.port}", "domain": stage.kamailio.domain, **options}
    daemon, answers = stage.bridge.daemon, f"the trunk {name} answers"
    stage.bridge.config.write_text(
        before + table(f'gateways."{stage.bridge.domain}".sip.trunks.{name}', trunk)
    )
    daemon.send_signal(signal.SIGHUP)
    try:
        while answers not in daemon.output():
            await asyncio.sleep(0.02)
        yield
    finally:
        stage.bridge.config.write_text(before)
        daemon.send_signal(signal.SIGHUP)
        while f"the trunk {name} ends" not in daemon.output():
            await asyncio.sleep(0.02)
