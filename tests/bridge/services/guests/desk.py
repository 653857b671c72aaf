"""A room between guests and a service that a test plays: what is told, sent and asked is kept."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, Enter, Incoming, Message, Outgoing, Ref, RoomId, Text
from bridge.services.guests.room import Room
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.mam import NS_MAM
from tests.bridge.services.scene import read_stanzas

ROOM = RoomId("verona@muc.example")
DOMAIN = "mx.example"
ALICE, BOB, CAROL = (ContactId(f"@{name}:hs.example") for name in ("alice", "bob", "carol"))
USER = "http://jabber.org/protocol/muc#user"
WALL = 1_700_000_000.0


def name_of(guest: ContactId) -> str:
    return guest[1:].partition(":")[0]


def jid_of(guest: ContactId) -> str:
    return f"\\40{name_of(guest)}\\3ahs.example@{DOMAIN}/guest"


def parsed(xml: str) -> Element:
    return read_stanzas(xml.encode())[0]


class Desk:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.told: list[tuple[ContactId, Incoming]] = []
        self.sent: list[Element] = []
        self.asked: list[tuple[Element, Deferred[Element]]] = []
        self.seconds = 1_000.0
        self.ids = 0
        self.over_: list[ContactId] = []
        self.room = Room(ROOM, DOMAIN, self)

    # ---- ports

    def send(self, stanza: Element) -> None:
        self.sent.append(stanza)

    def ask(self, iq: Element) -> Deferred[Element]:
        self.asked.append((iq, Deferred()))
        return self.asked[-1][1]

    def tell(self, guest: ContactId, event: Incoming) -> None:
        self.told.append((guest, event))

    def wall(self) -> float:
        return WALL + self.seconds

    def now(self) -> float:
        return self.seconds

    def fresh_id(self) -> str:
        self.ids += 1
        return f"g{self.ids}"

    def caps(self) -> Element:
        return Element("c", "http://jabber.org/protocol/caps")

    def again(self, guest: ContactId, event: Enter) -> None:
        self.room.enter(guest, jid_of(guest), event)

    def over(self, room: RoomId, visit: Any) -> None:
        self.over_.append(visit.guest)

    # ---- guests

    def enter(self, guest: ContactId, nick: str = "", **more: Any) -> None:
        """Have somebody begin to enter."""
        self.room.enter(guest, jid_of(guest), Enter(room=ROOM, nick=nick or name_of(guest), **more))

    def act(self, guest: ContactId, event: Outgoing) -> None:
        visit = self.room.visit(guest)
        assert visit is not None
        self.room.act(visit, event)

    def inside(self, *guests: ContactId) -> Desk:
        """Have guests be in, who were told of nothing yet, and Romeo with them."""
        for guest in guests:
            self.enter(guest)
            self.presence(guest, "romeo")
            self.let_in(guest)
            self.receive(guest, f"<message type='groupchat' from='{ROOM}'><subject/></message>")
        self.forget()
        return self

    def say(self, guest: ContactId, body: str = "hello", origin: str = "m1", ref: int = 7) -> None:
        self.act(guest, Message(room=ROOM, body=Text(plain=body), origin=origin, ref=Ref(ref)))

    def forget(self) -> None:
        for kept in (self.told, self.sent, self.asked):
            kept.clear()

    # ---- the service

    def receive(self, guest: ContactId, xml: str) -> None:
        """Have a stanza come to a guest."""
        stanza = parsed(xml)
        self.room.receive(guest, stanza, stanza.attributes["from"].partition("/")[2])

    def presence(
        self,
        guest: ContactId,
        nick: str,
        *codes: int,
        type: str = "",
        item: str = "affiliation='none' role='participant'",
        inside: str = "",
        extra: str = "",
    ) -> None:
        """Have a guest be shown how an occupant is."""
        kind = f" type='{type}'" if type else ""
        status = "".join(f"<status code='{code}'/>" for code in codes)
        self.receive(
            guest,
            f"<presence from='{ROOM}/{nick}' to='{jid_of(guest)}'{kind}>{extra}"
            f"<x xmlns='{USER}'><item {item}>{inside}</item>{status}</x></presence>",
        )

    def let_in(self, guest: ContactId, nick: str = "", *codes: int) -> None:
        self.presence(guest, nick or name_of(guest), 110, *codes)

    def put_out(self, guest: ContactId, *codes: int, inside: str = "", nick: str = "") -> None:
        item = "affiliation='none' role='none'"
        self.presence(
            guest, nick or name_of(guest), 110, *codes, type="unavailable", item=item, inside=inside
        )

    def refuse(self, guest: ContactId, condition: str, kind: str = "cancel", nick: str = "") -> None:
        sender = f"{ROOM}/{nick or name_of(guest)}"
        error = f"<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.receive(guest, f"<presence from='{sender}' type='error'>{error}</presence>")

    def groupchat(
        self, guest: ContactId, nick: str, body: str = "", id: str = "", sid: str = "", extra: str = ""
    ) -> None:
        """Have a guest hear what is said in the room; `sid` is the room's id of it."""
        words = f"<body>{body}</body>" if body else ""
        mark = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{sid}'/>" if sid else ""
        sender = f"{ROOM}/{nick}" if nick else ROOM
        self.receive(
            guest, f"<message type='groupchat' from='{sender}' id='{id}'>{words}{mark}{extra}</message>"
        )

    def bounce(self, guest: ContactId, id: str, condition: str, kind: str = "cancel") -> None:
        error = f"<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.receive(guest, f"<message type='error' from='{ROOM}' id='{id}'>{error}</message>")

    def answer(self, error: BridgeError | None = None) -> Element:
        """Answer the oldest question; return it."""
        iq, asked = self.asked.pop(0)
        if error is None:
            asked.callback(iq)
        else:
            asked.errback(error)
        return iq

    def asked_archive(self) -> tuple[Element, Deferred[Element]]:
        """Return the oldest question to the archive, which is no longer open."""
        found = next(one for one in self.asked if one[0].child("query", NS_MAM) is not None)
        self.asked.remove(found)
        return found

    def end_past(self, guest: ContactId) -> None:
        """Have the room, which has no archive, have told what it tells on entering."""
        self.groupchat(guest, "", extra="<subject/>")
        self.asked_archive()[1].errback(BridgeError(Trouble.UNSUPPORTED))

    def wait(self, seconds: float) -> None:
        """Let time pass, and look at what is due."""
        self.seconds += seconds
        self.room.tick()

    # ---- what came of it

    def heard(self, guest: ContactId | None = None) -> list[Incoming]:
        """Return what a guest was told since the last time; all must be for him if nobody is named."""
        told, self.told = self.told, []
        if guest is not None:
            return [event for who, event in told if who == guest]
        assert len({who for who, _ in told}) <= 1, told
        return [event for _, event in told]

    def taken(self) -> list[Element]:
        sent, self.sent = self.sent, []
        return sent
