"""A gateway of the fantasy network on a real server's component line, whose people are guests in its rooms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from bridge.capabilities import Capabilities, Level
from bridge.config import ComponentConfig
from bridge.events import (
    ContactId,
    Depart,
    Enter,
    Entered,
    Incoming,
    Message,
    Outgoing,
    Ref,
    RoomId,
    Text,
    UserId,
)
from bridge.federation.component import ComponentLink
from bridge.network import RoomInfo
from bridge.router import Route, Router, Target
from bridge.secret import Secret
from bridge.services.commands import Commands
from bridge.services.disco import Disco
from bridge.services.guests.service import Guests
from bridge.services.ping import Ping
from bridge.xmpp.jid import Jid
from tests.live.cast.xmpp import Person
from tests.live.peers.daemon import HOST
from tests.live.peers.xmpp import PASSWORD, SECRET, XmppServer
from transports.loopback.config import LoopbackConfig
from transports.loopback.network import LoopbackNetwork

TIMEOUT = 20.0
NUMBERS = count(1)
"""Of rooms, people and what they want: nothing is used twice in a session."""
Told = TypeVar("Told")


class Everyone:
    """Admits everybody."""

    def admits(self, sender: Jid) -> bool:
        return True


class Nobody:
    """Takes messages to contacts that are not about rooms."""

    def routes(self) -> list[Route]:
        return [Route("message", "*", frozenset({Target.CONTACT}), lambda _: None)]


class Hotel(LoopbackNetwork):
    """The network of the guests: it keeps what each is told."""

    def __init__(self) -> None:
        super().__init__(LoopbackConfig(server="memory.example"))
        self.told: dict[ContactId, list[Incoming]] = {}
        self.arrived = asyncio.Event()

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        return Capabilities(guests=Level.NATIVE)

    def heard(self, guest: ContactId, events: Any) -> None:
        self.told.setdefault(guest, []).extend(events)
        self.arrived.set()


class Guest:
    """Somebody of the network."""

    def __init__(self, gateway: GuestGateway, name: str) -> None:
        self._gateway = gateway
        self.name = name
        self.id = ContactId(f"{name}%memory.example")

    @property
    def told(self) -> list[Incoming]:
        """All that he was told, in order."""
        return self._gateway.network.told.setdefault(self.id, [])

    @property
    def jid(self) -> str:
        """His address."""
        return f"{self.id}@{self._gateway.domain}"

    def act(self, event: Outgoing) -> None:
        """Want something."""
        self._gateway.guests.act(self.id, event)

    async def hears(self, kind: type[Told], holds: Callable[[Told], bool] = lambda _: True) -> Told:
        """Wait until he is told something like this; return it."""
        network = self._gateway.network
        try:
            async with asyncio.timeout(TIMEOUT):
                while True:
                    for event in self.told:
                        if isinstance(event, kind) and holds(event):
                            return event
                    network.arrived.clear()
                    await network.arrived.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.name} waits in vain for {kind.__name__}; told: {self.told}"
            ) from None

    async def enters(self, room: str, nick: str | None = None, **more: Any) -> Entered:
        """Go into a room; forget what was told before."""
        self.told.clear()
        self.act(Enter(room=RoomId(room), nick=nick or self.name, **more))
        return await self.hears(Entered)

    def says(self, room: str, body: str, **more: Any) -> Ref:
        """Say something; return its number."""
        ref = Ref(next(NUMBERS))
        self.act(Message(room=RoomId(room), body=Text(plain=body), ref=ref, **more))
        return ref

    def leaves(self, room: str, reason: str = "") -> None:
        """Go out of a room."""
        self.act(Depart(room=RoomId(room), reason=reason))


class GuestGateway:
    """See the module's docstring."""

    def __init__(self, server: XmppServer, reactor: Any) -> None:
        self.domain = f"guests.{server.domain}"
        self.network = Hotel()
        self.up = asyncio.Event()
        config = ComponentConfig(host=HOST, port=server.component_port, secret=Secret(SECRET))
        self.link = ComponentLink(
            self.domain,
            config,
            reactor,
            lambda stanza: self.router.receive(stanza),
            self._link_up,
            self.up.clear,
            self.network.burst,
        )
        self.router = Router(self.domain, self.network, self.link, Everyone(), reactor)
        commands = Commands((), lambda _: False, reactor.seconds, lambda: "x")
        disco = Disco(self.domain, self.network, commands, {}, reactor)
        self.guests = Guests(self.router, self.network, reactor, time.time, disco.person_caps, lambda _: None)
        for service in (disco, self.guests, Ping(self.network), Nobody()):
            self.router.add(service)
        self.link.startService()

    def _link_up(self) -> None:
        self.up.set()
        self.guests.link_up()

    async def cut(self) -> None:
        """Break the link to the server."""
        await self._wait(self.link.stopService())

    async def mend(self) -> None:
        """Connect again."""
        self.link.startService()
        await asyncio.wait_for(self.up.wait(), TIMEOUT)

    async def stop(self, *, politely: bool = True) -> None:
        """End it, as a crash would unless `politely`."""
        if politely:
            self.guests.stop("Gateway shutdown")
        await self._wait(self.link.stopService())

    async def _wait(self, deferred: Deferred[Any]) -> None:
        await asyncio.wait_for(deferred.asFuture(asyncio.get_running_loop()), TIMEOUT)


class GuestStage:
    """An unused room on a real server, people of the server and of the network."""

    def __init__(self, server: XmppServer, reactor: Any) -> None:
        self.server, self._reactor = server, reactor
        self.number = next(NUMBERS)
        self.muc = f"muc.{server.domain}"
        self._rooms = (self.muc, f"rooms.{server.domain}")
        self.room = f"room{self.number}@{self.muc}"
        self.gateway = GuestGateway(server, reactor)
        self._people: list[Person] = []

    async def on_xmpp(self, name: str) -> Person:
        """Log somebody in at the server."""
        local = f"{name}{self.number}"
        await asyncio.to_thread(self.server.register, local)
        person = Person(f"{local}@{self.server.domain}/a", PASSWORD, self.server.client_port, self._rooms)
        self._people.append(person)
        await person.log_in()
        return person

    async def guest(self, name: str) -> Guest:
        """Return somebody of the network, once the gateway is connected."""
        await asyncio.wait_for(self.gateway.up.wait(), TIMEOUT)
        return Guest(self.gateway, f"{name}{self.number}")

    async def together(self) -> tuple[Person, Guest]:
        """Put Romeo of the server and Alice of the network into the room."""
        romeo = await self.on_xmpp("romeo")
        await romeo.join(self.room, "romeo")
        await self.configure(romeo)
        alice = await self.guest("alice")
        await alice.enters(self.room, "alice")
        return romeo, alice

    async def configure(self, owner: Person, **fields: str) -> None:
        """Set options of the room, named without their prefix; it opens by that."""
        form = [("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig")]
        form += [(f"muc#roomconfig_{name}", value) for name, value in fields.items()] if fields else []
        inside = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in form)
        data = f"<x xmlns='jabber:x:data' type='submit'>{inside if fields else ''}</x>"
        query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{data}</query>"
        await owner.result(self.room, query, "set")
        owner.mailbox.clear()

    async def set_affiliation(self, owner: Person, nick: str, affiliation: str, reason: str = "") -> None:
        """Have the owner set an affiliation of the guest who has this nick."""
        await self._admin(owner, f"jid='{self.jid(nick)}' affiliation='{affiliation}'", reason)

    async def set_role(self, moderator: Person, nick: str, role: str) -> None:
        """Have a moderator set a role."""
        await self._admin(moderator, f"nick='{nick}' role='{role}'", "")

    async def _admin(self, person: Person, item: str, reason: str) -> None:
        inside = f"<item {item}><reason>{reason}</reason></item>"
        query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{inside}</query>"
        await person.result(self.room, query, "set")

    def jid(self, name: str) -> str:
        """The address of somebody of the network."""
        return f"{name}{self.number}%memory.example@{self.gateway.domain}"

    async def look(self, room: str) -> RoomInfo:
        """Ask what a room is."""
        asked = self.gateway.guests.look(RoomId(room))
        return await asyncio.wait_for(asked.asFuture(asyncio.get_running_loop()), TIMEOUT)

    async def crash(self) -> None:
        """End the gateway without a word, and start another one in its place."""
        await self.gateway.stop(politely=False)
        self.gateway = GuestGateway(self.server, self._reactor)

    async def close(self) -> None:
        """Send everybody home."""
        await asyncio.gather(*(one.log_out() for one in self._people), return_exceptions=True)
        await self.gateway.stop()
