"""Where federation is tested: Prosody, ejabberd and a bridge that find each other through one DNS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from tests.live.cast.irc import IrcPerson
from tests.live.cast.xmpp import Person
from tests.live.federation.component import Component
from tests.live.peers.certificates import (
    EXPIRED,
    FOR_MAIL,
    FOR_SERVERS,
    NOT_YET_VALID,
    Certificate,
)
from tests.live.peers.dns import Nameserver
from tests.live.peers.federated import FederatedEjabberd, FederatedProsody, FederatedServer, Host, Trust
from tests.live.peers.gateway import FederatedBridge, IrcServer
from tests.live.peers.xmpp import PASSWORD
from tests.live.stage import House, Stage

A, B = "a.test", "b.test"
"""The domains of Prosody and of ejabberd."""
BAD = ("self-signed", "expired", "early", "misnamed", "mail")
"""Domains below `A` whose certificates prove nothing."""
GOOD = ("srv-name", "address", "chain", "server-only", "wildcard")
"""Domains below `A` whose certificates are good in less usual ways."""
ELSEWHERE = ("direct", "dead-first", "refusing", "clear-only", "alias", "two-addresses", "static", "dane")
"""Domains below `A` that DNS leads to in other ways."""
Tables = Mapping[str, Mapping[str, object]]


class Federation:
    """The servers of a session, with one DNS; bridges come and go."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.nameserver = Nameserver()
        house.own(self.nameserver)
        self.certificates: dict[str, Certificate] = {}
        """Those of Prosody's and ejabberd's domains."""
        self._servers: dict[str, FederatedServer] = {}
        unusual = [Host(f"{kind}.{A}", self._unusual(kind, f"{kind}.{A}")) for kind in (*BAD, *GOOD)]
        elsewhere = [self._host(f"{name}.{A}", self_signed=name == "dane") for name in ELSEWHERE]
        self.prosody = self.start_prosody(self._host(A), *unusual, *elsewhere)
        self.ejabberd = self.start_ejabberd(
            self._host(B), self._host(f"self-signed.{B}", self_signed=True), self._host(f"direct.{B}")
        )
        for start, domain in ((self.start_prosody, A), (self.start_ejabberd, B)):
            start(self._host(f"strict.{domain}"), trust="certificate")
            start(self._host(f"clear.{domain}", self_signed=True), trust="clear")
        for server in (self.prosody, self.ejabberd):
            self._publish_direct(f"direct.{server.domain}", server.direct_port)

    def _host(self, name: str, *, self_signed: bool = False) -> Host:
        return Host(name, self.house.authority.issue(name, name, self_signed=self_signed))

    def _unusual(self, kind: str, name: str) -> Certificate:
        issue = self.house.authority.issue
        match kind:
            case "self-signed":
                return issue(name, name, self_signed=True)
            case "expired":
                return issue(name, name, period=EXPIRED)
            case "early":
                return issue(name, name, period=NOT_YET_VALID)
            case "misnamed":
                return issue(name, f"other.{A}")
            case "mail":
                return issue(name, name, purposes=[FOR_MAIL])
            case "srv-name":
                return issue(name, services=[f"_xmpp-server.{name}"])
            case "address":
                return issue(name, addresses=[name])
            case "chain":
                return self.house.authority.below("intermediate").issue(name, name)
            case "wildcard":
                return issue(name, f"*.{A}")
        return issue(name, name, purposes=[FOR_SERVERS])

    def _folder(self, name: str) -> Path:
        return self.house.make_folder(f"{name}-{self.house.number()}")

    def start_prosody(self, *hosts: Host, trust: Trust = "dialback") -> FederatedProsody:
        """Start Prosody for some domains, and publish where it is."""
        folder = self._folder("prosody")
        server = FederatedProsody(folder, hosts, self.house.authority.root, self.nameserver, trust)
        self._start(server, hosts)
        return server

    def start_ejabberd(self, *hosts: Host, trust: Trust = "dialback") -> FederatedEjabberd:
        """Start ejabberd for some domains, and publish where it is."""
        folder = self._folder("ejabberd")
        server = FederatedEjabberd(folder, hosts, self.house.authority.root, self.nameserver, trust)
        self._start(server, hosts)
        return server

    def _start(self, server: FederatedServer, hosts: tuple[Host, ...]) -> None:
        server.daemon.start()
        self.house.own(server.daemon)
        for host in hosts:
            self._servers[host.name] = server
            self.certificates[host.name] = host.certificate
            self.nameserver.serves(host.name, server.server_port)

    def _publish_direct(self, domain: str, port: int) -> None:
        self.nameserver.publish(f"_xmpps-server._tcp.{domain}", "SRV", f"0 5 {port} localhost")
        self.nameserver.withdraw(f"_xmpp-server._tcp.{domain}", "SRV")

    def own_host(self, *, self_signed: bool = False) -> Host:
        """Return a domain that nobody used."""
        return self._host(f"own{self.house.number()}.test", self_signed=self_signed)

    def start_bridge(
        self,
        certificate: Certificate | None = None,
        tables: Tables | None = None,
        domain: str | None = None,
    ) -> FederatedBridge:
        """Start a bridge, by default on a domain of its own, and publish where it is."""
        domain = domain or f"gw{self.house.number()}.test"
        ircd = self.house.ircd("inspircd")
        bridge = FederatedBridge(
            self._folder("bridge"),
            domain,
            [IrcServer(ircd.name, ircd.port)],
            certificate or self.house.authority.issue(domain, domain, f"*.{domain}"),
            self.house.authority.root,
            self.nameserver.port,
            tables,
        )
        bridge.daemon.start()
        self.house.own(bridge.daemon)
        self.publish(bridge)
        return bridge

    def publish(self, bridge: FederatedBridge, *, direct: int | None = None) -> None:
        """Publish where a bridge is; `direct` is a port for direct TLS, then the only one."""
        for name in (bridge.domain, *bridge.components):
            self.nameserver.serves(name, bridge.server_port)
            if direct is not None:
                self._publish_direct(name, direct)

    async def person(self, name: str, domain: str, others: tuple[str, ...]) -> Person:
        """Log somebody in, who sees what comes from below the `others`."""
        server = self._servers[domain]
        await asyncio.to_thread(server.make_account, name, domain)
        person = Person(f"{name}@{domain}/a", PASSWORD, server.client_port, others)
        await person.log_in()
        return person


class FederationStage(Stage):
    """A bridge between servers and IRC, an unused channel, and whoever a test calls up."""

    gateway: FederatedBridge

    def __init__(self, federation: Federation, bridge: FederatedBridge) -> None:
        house = federation.house
        super().__init__(house, federation.prosody, house.ircd("inspircd"), bridge, bridge.domain)
        self.federation, self.bridge = federation, bridge
        self._components: list[Component] = []

    async def at(self, domain: str, name: str = "alice") -> Person:
        """Log somebody in at a domain; the account is this test's own."""
        others = (self.domain, *self.bridge.components, B if domain.endswith(A) else A)
        person = await self.federation.person(self.nick(name), domain, others)
        self._people.append(person)
        return person

    async def alice(self, domain: str = A) -> Person:
        """Log Alice in, by default at Prosody."""
        return await self.at(domain)

    async def bob(self, domain: str = B) -> Person:
        """Log Bob in, by default at ejabberd."""
        return await self.at(domain, "bob")

    async def component(self, number: int = 0) -> Component:
        """Connect one of the bridge's components."""
        component = Component(self.bridge.components[number], self.bridge.component_port)
        await component.connect()
        self._components.append(component)
        return component

    async def enter(self, person: Person, juliet: IrcPerson) -> None:
        """Have somebody join the test's channel, and Juliet see it."""
        nick = person.jid.partition("@")[0]
        await person.join(self.room, nick)
        await juliet.find("JOIN", self.channel, nick=nick)

    async def close(self) -> None:
        """Send everybody home."""
        await super().close()
        await asyncio.gather(*(component.log_out() for component in self._components), return_exceptions=True)
