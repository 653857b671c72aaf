"""Where a test plays: the session's servers, and per test the people and an unused channel."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from tests.live.cast.irc import IrcPerson
from tests.live.cast.scripted import Link, ScriptedIrcd
from tests.live.cast.xmpp import Person
from tests.live.peers.certificates import Authority
from tests.live.peers.gateway import Biboumi, Domain, Gateway, IrcServer, XmppBridge
from tests.live.peers.irc import Hybrid, InspIrcd, Ircd, NgIrcd
from tests.live.peers.xmpp import PASSWORD, Ejabberd, Prosody, XmppServer

T = TypeVar("T")
SPARE = 2
"""Strangers kept connected to each IRC server."""
UNREACHABLE = IrcServer("nowhere.test", 1)


class _Closable(Protocol):
    def close(self) -> None: ...


class House:
    """The servers of a session, started when first asked for, all ended by `close`."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder
        self.kind = gateway
        self.authority = Authority(self.make_folder("ca"))
        self._built: dict[str, object] = {}
        self._running: list[_Closable] = []
        self._numbers = itertools.count(1)
        self._spare: dict[int, list[asyncio.Task[IrcPerson]]] = {}
        self.certificate = self.authority.issue("server", "localhost")

    def make_folder(self, name: str) -> Path:
        """Return a new folder; a name that is taken gets a number."""
        names = itertools.chain((name,), (f"{name}-{number}" for number in itertools.count(2)))
        made = next(self.folder / one for one in names if not (self.folder / one).exists())
        made.mkdir()
        return made

    def number(self) -> int:
        """Return a number not used before in this session."""
        return next(self._numbers)

    def _once(self, name: str, build: Callable[[], T]) -> T:
        if name not in self._built:
            self._built[name] = build()
        return self._built[name]  # type: ignore[return-value]

    def own(self, closable: _Closable) -> None:
        """Have something ended with the session."""
        self._running.append(closable)

    def xmpp(self, name: str) -> XmppServer:
        """Return the shared Prosody or ejabberd."""

        def build() -> XmppServer:
            folder = self.make_folder(name)
            server: XmppServer = Prosody(folder) if name == "prosody" else Ejabberd(folder)
            server.daemon.start()
            self.own(server.daemon)
            return server

        return self._once(name, build)

    def ircd(self, name: str) -> Ircd:
        """Return the shared InspIRCd (its services too), ngIRCd or ircd-hybrid."""
        return self._once(name, lambda: self.start_ircd(name, self.make_folder(name[:2])))

    def start_ircd(self, name: str, folder: Path) -> Ircd:
        """Start a server of that kind in `folder`."""
        server: Ircd
        if name == "inspircd":
            server = InspIrcd(folder, self.certificate)
        else:
            server = NgIrcd(folder) if name == "ngircd" else Hybrid(folder)
        server.daemon.start()
        self.own(server.daemon)
        if isinstance(server, InspIrcd):
            server.services.start()
            self.own(server.services)
        return server

    async def irc_person(self, port: int, nick: str) -> IrcPerson:
        """Return somebody connected to the IRC server at `port`.

        InspIRCd takes a second to let anybody in, so strangers are connected ahead and renamed.
        """
        spare = self._spare.setdefault(port, [])
        while len(spare) <= SPARE:
            spare.append(asyncio.ensure_future(IrcPerson.connect(port, f"spare{self.number()}")))
        person = await spare.pop(0)
        if person.closed:
            spare.clear()
            return await IrcPerson.connect(port, nick)
        await person.rename(nick)
        return person

    def servers(self) -> list[IrcServer]:
        """Return how to reach every shared IRC server."""
        insp, ng, hybrid = (self.ircd(name) for name in ("inspircd", "ngircd", "hybrid"))
        assert isinstance(insp, InspIrcd)
        return [
            *(IrcServer(server.name, server.port) for server in (insp, ng, hybrid)),
            IrcServer("tls.test", insp.tls_port, tls=True, host="localhost"),
            IrcServer("badname.test", insp.tls_port, tls=True, host="127.0.0.1"),
            IrcServer("plain-refused.test", insp.port, tls=True, host="localhost"),
            UNREACHABLE,
        ]

    def gateway(self, xmpp: str) -> Gateway:
        """Return the shared gateway behind that XMPP server."""
        return self._once(f"gateway-{xmpp}", lambda: self.start_gateway(xmpp, "irc"))

    def start_gateway(
        self,
        xmpp: str,
        *components: str,
        servers: list[IrcServer] | None = None,
        fixed: str = "",
        options: Mapping[str, object] | None = None,
        head: Mapping[str, object] | None = None,
    ) -> Gateway:
        """Start a gateway for some of a server's component lines; `fixed` is its only IRC server."""
        server = self.xmpp(xmpp)
        domains = [Domain(f"{name}.{server.domain}", server.component_port, fixed) for name in components]
        known = self.servers() if servers is None else servers
        folder = self.make_folder(f"gateway-{self.number()}")
        gateway: Gateway
        if self.kind == "biboumi":
            gateway = Biboumi(folder, domains, known, self.authority.root)
        else:
            admins = {"admins": [f"admin@{server.domain}"], **(head or {})}
            gateway = XmppBridge(folder, domains, known, self.authority.root, options=options, head=admins)
        gateway.daemon.start()
        self.own(gateway.daemon)
        return gateway

    def own_stage(
        self, xmpp: str, ircd: str, *, options: Mapping[str, object] | None = None, port: int | None = None
    ) -> Stage:
        """Return a stage whose gateway knows just that IRC server, at `port` if it is behind a proxy."""
        server, irc = self.xmpp(xmpp), self.ircd(ircd)
        known = [IrcServer(irc.name, port or irc.port)]
        gateway = self.start_gateway(xmpp, "irc", servers=known, options=options)
        return Stage(self, server, irc, gateway, f"irc.{server.domain}")

    def stage(self, xmpp: str, ircd: str) -> Stage:
        """Return a stage with the shared servers."""
        server = self.xmpp(xmpp)
        return Stage(self, server, self.ircd(ircd), self.gateway(xmpp), f"irc.{server.domain}")

    def close(self) -> None:
        """End everything, the last first."""
        for running in reversed(self._running):
            running.close()


class Stage:
    """A gateway between two servers, an unused channel, and whoever a test calls up."""

    def __init__(
        self, house: House, xmpp: XmppServer, ircd: Ircd | ScriptedIrcd, gateway: Gateway, domain: str
    ) -> None:
        self.house, self.xmpp, self.ircd, self.gateway, self.domain = house, xmpp, ircd, gateway, domain
        self.number = house.number()
        self.channel = self.new_channel()
        self._people: list[Person] = []
        self._irc: list[IrcPerson] = []

    def new_channel(self) -> str:
        """Return the name of a channel that nobody used."""
        return f"#c{self.house.number()}"

    def nick(self, name: str) -> str:
        """Return a nick that is this test's own."""
        return f"{name}{self.number}"

    @property
    def room(self) -> str:
        """The room of the test's channel."""
        return self.room_of(self.channel)

    @property
    def server(self) -> str:
        """The IRC server's JID."""
        return f"{self.ircd.name}@{self.domain}"

    def room_of(self, channel: str, server: str | None = None) -> str:
        """Return the room of a channel."""
        return f"{channel}%{server or self.ircd.name}@{self.domain}"

    def contact(self, nick: str) -> str:
        """Return the JID of somebody on IRC."""
        return f"{nick.lower()}%{self.ircd.name}@{self.domain}"

    async def on_xmpp(self, name: str, resource: str = "a", *, account: str | None = None) -> Person:
        """Log somebody in at the XMPP server; the account is this test's own unless it is named."""
        local = account or f"{name}{self.number}"
        jid = f"{local}@{self.xmpp.domain}"
        await asyncio.to_thread(self.xmpp.register, local)
        if not any(person.bare == jid for person in self._people):
            self.gateway.know(jid)
        person = Person(f"{jid}/{resource}", PASSWORD, self.xmpp.client_port, self.domain)
        self._people.append(person)
        await person.log_in()
        return person

    async def on_irc(self, name: str, *channels: str, caps: str = "") -> IrcPerson:
        """Connect somebody to the IRC server, who joins `channels`."""
        nick = self.nick(name)
        if caps:
            person = await IrcPerson.connect(self.ircd.port, nick, caps=caps)
        else:
            person = await self.house.irc_person(self.ircd.port, nick)
        self._irc.append(person)
        for channel in channels:
            await person.join(channel)
        return person

    async def together(self) -> tuple[Person, IrcPerson]:
        """Put Juliet on IRC and Romeo on XMPP into the test's channel, Juliet first."""
        juliet = await self.on_irc("juliet", self.channel)
        romeo = await self.on_xmpp("romeo")
        await romeo.join(self.room, self.nick("romeo"))
        await juliet.find("JOIN", self.channel, nick=self.nick("romeo"))
        return romeo, juliet

    async def close(self) -> None:
        """Send everybody home."""
        await asyncio.gather(
            *(person.log_out() for person in self._people),
            *(person.quit() for person in self._irc),
            return_exceptions=True,
        )


class Script(Stage):
    """A stage whose IRC server is scripted."""

    ircd: ScriptedIrcd

    async def enter(self) -> tuple[Person, Link]:
        """Let Romeo join the test's channel; Juliet is its operator."""
        romeo = await self.on_xmpp("romeo")
        romeo.enter(self.room, "romeo")
        link = await self.ircd.link()
        await romeo.joined(self.room)
        return romeo, link
