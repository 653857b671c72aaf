"""A stage for scenarios: one gateway on the loopback network, stanzas in and out as text, no sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lxml import etree
from twisted.internet.task import Clock

from bridge.events import ContactPresence, NetworkState, UserId
from bridge.router import Router
from bridge.services.calls.service import Calls
from bridge.services.guests.service import Guests
from bridge.services.muc.context import Context
from bridge.services.muc.render import Renderer
from bridge.services.muc.service import Muc
from bridge.services.photos import Photos
from bridge.services.uplink import BridgeUplink
from bridge.settings import UserSettings
from bridge.store import Store
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.caps import NS_CAPS
from bridge.xmpp.xml import Limits, StreamParser
from transports.loopback.config import LoopbackConfig
from transports.loopback.network import LoopbackNetwork

GATEWAY = "gw.example"
SERVER = "memory.example"
ROOM = f"#verona%{SERVER}@{GATEWAY}"
ROMEO = "romeo@montague.example/garden"
ROMEO_TOO = "romeo@montague.example/phone"
JULIET = "juliet@capulet.example/balcony"
NAMESPACES = {
    "c": "jabber:component:accept",
    "user": "http://jabber.org/protocol/muc#user",
    "muc": "http://jabber.org/protocol/muc",
    "admin": "http://jabber.org/protocol/muc#admin",
    "sid": "urn:xmpp:sid:0",
    "delay": "urn:xmpp:delay",
    "mam": "urn:xmpp:mam:2",
    "rsm": "http://jabber.org/protocol/rsm",
    "forward": "urn:xmpp:forward:0",
    "client": "jabber:client",
    "data": "jabber:x:data",
    "err": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "html": "http://jabber.org/protocol/xhtml-im",
    "hints": "urn:xmpp:hints",
    "carbons": "urn:xmpp:carbons:2",
    "occupant": "urn:xmpp:occupant-id:0",
    "reply": "urn:xmpp:reply:0",
}


class Everyone:
    """Admits everybody."""

    def admits(self, sender: Jid) -> bool:
        return True


class Seen:
    """A stanza that came out, to be asked by XPath (prefix c: for the stream's own namespace)."""

    def __init__(self, xml: bytes) -> None:
        self.element = etree.fromstring(xml)
        self.text = xml.decode()

    def __repr__(self) -> str:
        return self.text

    def has(self, xpath: str) -> bool:
        return bool(self.element.xpath(xpath, namespaces=NAMESPACES))

    def get(self, xpath: str) -> Any:
        found = self.element.xpath(xpath, namespaces=NAMESPACES)
        return found[0] if isinstance(found, list) and found else (found or None)


class Stage:
    """One gateway; `say` puts a stanza in, `take` takes out what it led to."""

    def __init__(self, url: str, network: Any = None) -> None:
        self.clock = Clock()
        self.wall = 1_700_000_000.0
        self.written: list[bytes] = []
        self.network = network or LoopbackNetwork(LoopbackConfig(server=SERVER))
        self.thread_calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.store = Store(url, self._from_thread, self._now)
        self.links: list[tuple[UserId, NetworkState]] = []
        self.troubles: list[str] = []
        self.tokens = 0
        self._wire()

    def _wire(self) -> None:
        self.router = Router(GATEWAY, self.network, self, Everyone(), self.clock)
        self.settings = UserSettings(self.store, GATEWAY, self.network)
        context = Context(
            router=self.router,
            network=self.network,
            store=self.store,
            renderer=Renderer(GATEWAY, b"secret"),
            clock=self.clock,
            wall=self._now,
            settings=self.settings,
        )
        self.calls = Calls(
            self.router, self.network, self.clock, self._token, lambda user, contact, is_there: None
        )
        self.router.add(self.calls)
        self.contacts: list[tuple[UserId, ContactPresence]] = []
        self.muc = Muc(
            context,
            lambda user, event: self.links.append((user, event)),
            {ContactPresence: lambda user, event: self.contacts.append((user, event))},
            self.calls,
        )
        self.router.add(self.muc)
        self.guests = Guests(
            self.router,
            self.network,
            self.clock,
            self._now,
            lambda: Element("c", NS_CAPS),
            self.muc.to_contact,
        )
        self.router.add(self.guests)
        self.network.start(
            BridgeUplink(
                domain=GATEWAY,
                muc=self.muc,
                calls=self.calls,
                guests=self.guests,
                photos=Photos(self.router),
                settings=self.settings,
                store=self.store,
                troubled=self.troubles.append,
            )
        )

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def _now(self) -> float:
        self.wall += 0.001
        return self.wall

    def _from_thread(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.thread_calls.append((function, arguments))

    def write(self, stanzas: bytes, domain: str) -> None:
        """The outlet."""
        assert b"\0" not in stanzas
        assert b"jabber:component:accept" not in stanzas, "any kind of stream may carry it"
        receivers = etree.fromstring(b"<s>" + stanzas + b"</s>").xpath("/s/*/@to")
        assert {Jid.parse(to).domain for to in receivers} == {Jid.parse(domain).domain}
        self.written.append(stanzas)

    def wait(self, deferred: Any) -> Any:
        """Let the store's thread finish what a Deferred waits for."""
        import time

        found: list[Any] = []
        deferred.addBoth(found.append)
        give_up = time.monotonic() + 10
        while not found and time.monotonic() < give_up:
            self.settle()
        assert found, "the store did not answer"
        return found[0]

    def settle(self) -> None:
        """Run what the store's thread handed over."""
        while self.thread_calls:
            function, arguments = self.thread_calls.pop(0)
            function(*arguments)

    def open(self) -> Stage:
        self.wait(self.store.start())
        return self

    def close(self) -> None:
        self.wait(self.store.stop())

    def say(self, xml: str) -> None:
        """Let a client (by `from`) send stanzas."""
        parser = StreamParser(Limits())
        parser.feed(
            b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        for event in parser.feed(xml.encode()):
            self.router.receive(event)

    def take(self) -> list[Seen]:
        """Take everything that came out since the last time, in order."""
        self.wait(self.store.flush())
        self.settle()
        text = b"".join(self.written)
        self.written.clear()
        root = etree.fromstring(b"<s xmlns='jabber:component:accept'>" + text + b"</s>")
        return [Seen(etree.tostring(child)) for child in root]

    def take_for(self, jid: str) -> list[Seen]:
        """Take everything, return what one client gets."""
        return [one for one in self.take() if one.element.get("to") == jid]

    def join(self, who: str, nick: str, room: str = ROOM, inside: str = "") -> None:
        self.say(
            f"<presence from='{who}' to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>"
        )

    def speak(self, who: str, body: str, ident: str = "m1", room: str = ROOM, inside: str = "") -> None:
        self.say(
            f"<message from='{who}' to='{room}' type='groupchat' id='{ident}'><body>{body}</body>{inside}</message>"
        )


def bodies(stanzas: list[Seen]) -> list[str]:
    """The bodies of all messages among them."""
    return [one.get("string(c:body)") for one in stanzas if one.has("self::c:message[c:body]")]


def squeeze(text: str) -> str:
    """Without white space between elements."""
    return re.sub(r">\s+<", "><", text.strip())
