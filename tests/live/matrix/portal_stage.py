"""Where a test of portals plays: an unused room on a real XMPP server, and people of both sides."""

from __future__ import annotations

import asyncio

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.matrix.stage import MatrixStage
from tests.live.peers.gateway import MatrixBridge
from tests.live.peers.synapse import Synapse
from tests.live.peers.xmpp import PASSWORD, XmppServer
from tests.live.stage import House

MUC_OWNER = "http://jabber.org/protocol/muc#owner"


class PortalStage(MatrixStage):
    """See the module's docstring; `prefix` begins the bridge's ghosts and aliases."""

    def __init__(
        self, house: House, synapse: Synapse, bridge: MatrixBridge, server: XmppServer, prefix: str
    ) -> None:
        super().__init__(house, synapse, bridge)
        self.xmpp = server
        self.prefix = prefix
        self.service = f"muc.{server.domain}"

    @property
    def muc(self) -> str:
        """The room's JID."""
        return f"room{self.number}@{self.service}"

    @property
    def portal(self) -> str:
        """Its alias."""
        return f"#{self.prefix}room{self.number}=40{self.service}:{self.synapse.server_name}"

    def ghost(self, name: str) -> str:
        """The id on Matrix of somebody on XMPP."""
        return f"@{self.prefix}{name}{self.number}=40{self.xmpp.domain}:{self.synapse.server_name}"

    def guest(self, person: MatrixPerson) -> str:
        """The JID of somebody of Matrix."""
        local = person.id.replace("@", "\\40").replace(":", "\\3a")
        return f"{local}@{self.bridge.domain}"

    async def on_xmpp(self, name: str) -> Person:
        """Log somebody in at the XMPP server, who sees the gateway and the server's rooms."""
        local = f"{name}{self.number}"
        await asyncio.to_thread(self.xmpp.register, local)
        jid, gateways = f"{local}@{self.xmpp.domain}/a", (self.bridge.domain, self.service)
        person = Person(jid, PASSWORD, self.xmpp.client_port, gateways)
        self._people.append(person)
        await person.log_in()
        return person

    async def open_muc(self, owner: Person, nick: str, **options: str) -> None:
        """Make the room; everybody sees who the others are, unless `options` say otherwise."""
        owner.enter(self.muc, nick)
        await owner.joined(self.muc)
        await self.configure(owner, **{"whois": "anyone", **options})
        owner.mailbox.clear()

    async def configure(self, owner: Person, **options: str) -> None:
        """Change how the room is."""
        fields = {"FORM_TYPE": "http://jabber.org/protocol/muc#roomconfig"}
        fields |= {f"muc#roomconfig_{name}": value for name, value in options.items()}
        form = "".join(
            f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items()
        )
        data = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
        await owner.result(self.muc, f"<query xmlns='{MUC_OWNER}'>{data}</query>", "set")

    async def together_in_muc(self, **options: str) -> tuple[Person, MatrixPerson, str]:
        """Put Romeo of XMPP into a room there, and Juliet of Matrix by its alias; return its id there too."""
        romeo = await self.on_xmpp("romeo")
        await self.open_muc(romeo, "romeo", **options)
        juliet = await self.on_matrix("Juliet")
        room = await juliet.join(self.portal)
        await romeo.mailbox.find(Pattern("presence", frm=f"{self.muc}/Juliet"))
        await juliet.find("m.room.member", lambda event: event["content"].get("displayname") == "romeo")
        return romeo, juliet, room
