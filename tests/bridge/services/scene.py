"""A gateway domain with a scripted network: stanzas go in, stanzas come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, Entered, RoomId, ServerId, UserId
from bridge.forms import Command
from bridge.network import (
    Address,
    ContactAddress,
    GatewayAddress,
    Identity,
    RoomAddress,
    Scope,
    ServerAddress,
)
from bridge.router import Router, Service
from bridge.settings import UserSettings
from bridge.store import Subscription
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.stanza import NS_COMPONENT

DOMAIN = "gw.example"
ROMEO = "romeo@montague.example/garden"
JULIET = "juliet@capulet.example/balcony"
SERVER = f"irc.example@{DOMAIN}"
ROOM = f"#verona%irc.example@{DOMAIN}"
NURSE = f"nurse%irc.example@{DOMAIN}"


class ScriptedNetwork:
    """Answers each kind of question with what the test put into `answers`; a list is used up in order."""

    identity = Identity(type="irc", name="IRC gateway")

    def __init__(self) -> None:
        self.settings: dict[Scope, Any] = {}
        self.single_server = False
        self.keeps_history = False
        self.media = None
        self.answers: dict[type, Any] = {}
        self.asked: list[tuple[UserId, Any]] = []
        self.inside: dict[tuple[str, str], Entered] = {}
        self.offered: list[Command] = []
        self.levels = Capabilities()
        self.submitted: list[tuple[UserId, Any]] = []

    def address(self, local: str) -> Address:
        if " " in local:
            raise BridgeError(Trouble.JID_MALFORMED)
        name, _, server = local.rpartition("%")
        if local.startswith("#"):
            return RoomAddress(RoomId(local.lower()), ServerId(server))
        return ContactAddress(ContactId(local), ServerId(server)) if name else ServerAddress(ServerId(local))

    def meant(self, text: str) -> str:
        return text.removeprefix("link:")

    def contact(self, room: RoomId, nick: str) -> ContactId:
        return ContactId(f"{nick.lower()}%{room.rpartition('%')[2]}")

    def nick(self, contact: ContactId) -> str:
        return contact.partition("%")[0]

    def name(self, address: Address) -> str:
        if isinstance(address, RoomAddress):
            return address.room.replace("%", " on ")
        return self.identity.name if isinstance(address, GatewayAddress) else address.server or "irc.example"

    def ask(self, user: UserId, query: Any) -> Deferred[Any]:
        self.asked.append((user, query))
        answer = self.answers.get(type(query), BridgeError(Trouble.NOT_CONNECTED))
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, BridgeError) else succeed(answer)

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        return self.inside.get((user, room))

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        return self.levels

    def submit(self, user: UserId, event: Any) -> None:
        self.submitted.append((user, event))

    def commands(self, address: Address) -> Sequence[Command]:
        return self.offered


class MemoryStore:
    """Settings and subscriptions, kept in dictionaries."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], bytes] = {}
        self.known: dict[tuple[str, str, str], Subscription] = {}

    def get_setting(self, domain: str, owner: str, scope: str, key: str) -> bytes | None:
        return self.kept.get((domain, owner, scope, key))

    def put_setting(self, domain: str, owner: str, scope: str, key: str, value: bytes | None) -> None:
        self.kept.pop((domain, owner, scope, key), None)
        if value is not None:
            self.kept[domain, owner, scope, key] = value

    def next_id(self) -> int:
        return 1_000

    def put_subscription(self, one: Subscription) -> None:
        self.known[one.domain, one.local, one.contact] = one

    def drop_subscription(self, domain: str, local: str, contact: str) -> None:
        self.known.pop((domain, local, contact), None)

    def subscription(self, domain: str, local: str, contact: str) -> Subscription | None:
        return self.known.get((domain, local, contact))

    def flush(self) -> Deferred[None]:
        return succeed(None)

    def subscriptions(self, domain: str, contact: str | None = None) -> list[Subscription]:
        return [one for one in self.known.values() if contact in (None, one.contact)]


class Gate:
    """Lets everybody in but those of one domain."""

    def admits(self, sender: Jid) -> bool:
        return sender.domain != "banned.example"


class Scene:
    """The router of one domain between a scripted network and the list `sent`."""

    def __init__(self) -> None:
        self.network = ScriptedNetwork()
        self.store = MemoryStore()
        self.clock = Clock()
        self.sent: list[Element] = []
        self.router = Router(DOMAIN, self.network, self, Gate(), self.clock)  # type: ignore[arg-type]
        self.settings = UserSettings(self.store, DOMAIN, self.network)  # type: ignore[arg-type]

    def add(self, *services: Service) -> Scene:
        for service in services:
            self.router.add(service)
        return self

    def write(self, stanzas: bytes, domain: str) -> None:
        assert b"jabber:component:accept" not in stanzas, "any kind of stream may carry it"
        sent = read_stanzas(stanzas)
        assert {Jid.parse(one.attributes["to"]).domain for one in sent} == {Jid.parse(domain).domain}
        self.sent += sent

    def taken(self) -> list[Element]:
        """Return what was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def give(self, stanza: Element) -> list[Element]:
        """Let a stanza come in; return what goes out."""
        self.router.receive(stanza)
        return self.taken()

    def iq(self, type: str, to: str, payload: Element, sender: str = ROMEO) -> Element:
        """Ask, and return the one answer."""
        stanza = Element("iq", NS_COMPONENT, {"type": type, "from": sender, "to": to, "id": "i1"}, payload)
        (answer,) = self.give(stanza)
        assert answer.attributes["id"] == "i1"
        assert (answer.attributes["from"], answer.attributes["to"]) == (to, sender)
        return answer

    def get(self, to: str, payload: Element, sender: str = ROMEO) -> Element:
        """Ask, and return the payload of the result."""
        answer = self.iq("get", to, payload, sender)
        assert answer.get("type") == "result", answer
        return next(answer.elements())

    def presence(
        self, type: str | None, to: str, sender: str = "romeo@montague.example", **more: str
    ) -> list[Element]:
        return self.give(Element("presence", NS_COMPONENT, {"type": type, "from": sender, "to": to, **more}))


def condition(answer: Element) -> tuple[str | None, str]:
    """Return type and condition of an error."""
    error = answer.child("error")
    assert error is not None, answer
    return error.get("type"), next(error.elements()).name


def error_text(answer: Element) -> str:
    """Return the words of an error."""
    error = answer.child("error")
    assert error is not None, answer
    return error.child_text("text", "urn:ietf:params:xml:ns:xmpp-stanzas") or ""


def read_stanzas(stanzas: bytes) -> list[Element]:
    """Read what goes out, as the XMPP server would."""
    root = ElementTree.fromstring(b"<s xmlns='%s'>%s</s>" % (NS_COMPONENT.encode(), stanzas))
    return [_element(child) for child in root]


def _element(node: ElementTree.Element) -> Element:
    namespace, _, name = node.tag[1:].rpartition("}")
    attributes = {key.replace("{http://www.w3.org/XML/1998/namespace}", "xml:"): v for key, v in node.items()}
    element = Element(name, namespace, attributes, *([node.text] if node.text else []))
    for child in node:
        element.add(_element(child))
        if child.tail:
            element.add(child.tail)
    return element
