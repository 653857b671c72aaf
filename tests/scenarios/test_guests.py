"""Two gateways of one bridge: somebody of one network is a guest in a room of the other."""

from __future__ import annotations

import pytest

from bridge.capabilities import Capabilities, Level
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Join,
    Message,
    NickChange,
    NickRefused,
    Ref,
    RoomId,
    Sent,
    Text,
)
from bridge.network import ContactAddress, ServerId
from bridge.router import Router
from bridge.services.guests.service import Guests
from bridge.services.ping import Ping
from bridge.xmpp.element import Element
from tests.bridge.services.scene import Scene, read_stanzas
from tests.scenarios.stage import ROMEO, ROOM, Everyone, Stage

ALICE = ContactId("@alice:hs.example")
JID = "\\40alice\\3ahs.example@mx.example/guest"
VERONA = RoomId(ROOM)


class Guesthouse(Scene):
    """The gateway whose people are guests."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list = []
        self.router = Router("mx.example", self.network, self, Everyone(), self.clock)
        self.network.address = lambda local: ContactAddress(ContactId(local), ServerId(""))
        self.network.levels = Capabilities(guests=Level.NATIVE)
        self.network.heard = lambda guest, events: self.told.extend(events)
        caps = Element("c", "http://jabber.org/protocol/caps")
        self.guests = Guests(
            self.router, self.network, self.clock, lambda: 1.7e9, lambda: caps, lambda _: None
        )
        self.add(self.guests, Ping(self.network))


class Both:
    """Both gateways; what one sends to the other comes there."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.house = stage, Guesthouse()
        self.seen: list[Element] = []

    def act(self, event) -> list:
        """Have Alice want something; return what she is told until nothing more happens."""
        self.house.guests.act(ALICE, event)
        return self.settle()

    def settle(self) -> list:
        """Carry stanzas to and fro; return what Alice was told, and keep what others were shown."""
        while self.house.sent or self.stage.written:
            for stanza in self.house.taken():
                self.stage.router.receive(stanza)
            self.stage.wait(self.stage.store.flush())
            written, self.stage.written[:] = b"".join(self.stage.written), []
            for stanza in read_stanzas(written):
                if stanza.get("to") == JID:
                    self.house.router.receive(stanza)
                else:
                    self.seen.append(stanza)
        told, self.house.told[:] = list(self.house.told), []
        return told

    def shown(self, jid: str) -> list[Element]:
        seen, self.seen = self.seen, []
        return [stanza for stanza in seen if stanza.get("to") == jid]


@pytest.fixture
def both(stage) -> Both:
    return Both(stage)


def test_guest_is_an_occupant_of_the_other_networks_room(both):
    """He is in, speaks and is heard, and goes."""
    both.stage.join(ROMEO, "Romeo")
    both.settle()
    [entered] = [event for event in both.act(Enter(room=VERONA, nick="Alice")) if isinstance(event, Entered)]
    assert (set(entered.occupants), entered.me.nick) == ({"Romeo"}, "Alice")
    both.shown(ROMEO)
    [sent] = both.act(Message(room=VERONA, body=Text(plain="hello"), origin="$e", ref=Ref(1)))
    assert isinstance(sent, Sent)
    assert (sent.ref, sent.message.body.plain, bool(sent.message.id)) == (Ref(1), "hello", True)
    [shown] = both.shown(ROMEO)
    assert (shown.get("from"), shown.child_text("body")) == (f"{ROOM}/Alice", "hello")
    both.stage.speak(ROMEO, "the same to you")
    [heard] = both.settle()
    assert (heard.nick, heard.body.plain) == ("Romeo", "the same to you")
    [exited] = both.act(Depart(room=VERONA))
    assert exited == Exited(room=VERONA, nick="Alice", exit=Exit.LEFT)
    assert [one.get("type") for one in both.shown(ROMEO)][-1] == "unavailable"


def test_others_come_and_nicks_change(both):
    """As on any MUC service."""
    both.act(Enter(room=VERONA, nick="Alice"))
    both.stage.join(ROMEO, "Romeo")
    joined = [event for event in both.settle() if isinstance(event, Join)]
    assert [event.occupant.nick for event in joined] == ["Romeo"]
    assert [type(event) for event in both.act(ChangeNick(room=VERONA, nick="Romeo"))] == [NickRefused]
    [changed] = both.act(ChangeNick(room=VERONA, nick="Al"))
    assert isinstance(changed, NickChange)
    assert (changed.old, changed.occupant.nick) == ("Alice", "Al")


def test_guest_of_a_crashed_bridge_is_the_same_occupant(both):
    """The other gateway still has him, and gives him the room again."""
    both.act(Enter(room=VERONA, nick="Alice"))
    both.house = Guesthouse()
    [entered] = [event for event in both.act(Enter(room=VERONA, nick="Alice")) if isinstance(event, Entered)]
    assert (entered.me.nick, dict(entered.occupants)) == ("Alice", {})
