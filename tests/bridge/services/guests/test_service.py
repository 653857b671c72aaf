"""Guests, from what they want to what comes of it, through the router."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.capabilities import Capabilities, Level
from bridge.errors import Trouble
from bridge.events import (
    ContactId,
    Decline,
    Depart,
    Enter,
    Entered,
    Exited,
    Failed,
    Invite,
    Message,
    NotEntered,
    Presence,
    Ref,
    RoomId,
    Sent,
    Show,
    Text,
    UserId,
)
from bridge.network import ContactAddress, ServerId
from bridge.router import Route, Target
from bridge.services.guests import service
from bridge.services.guests.service import TICK, Guests
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import MucInvite, parse_invites
from tests.bridge.services.scene import DOMAIN, Scene, condition, read_stanzas

ALICE, BOB = ContactId("@alice:hs.example"), ContactId("@bob:hs.example")
JID = f"\\40alice\\3ahs.example@{DOMAIN}"
ROOM = RoomId("verona@banned.example")
"""In a domain whose people are not served: who is a guest there has begun that himself."""
USER = "http://jabber.org/protocol/muc#user"


class Otherwise:
    """Whoever else takes messages to contacts."""

    def __init__(self, passed: list) -> None:
        self.passed = passed

    def routes(self) -> list[Route]:
        return [Route("message", "*", frozenset({Target.CONTACT}), self.passed.append)]


class GuestScene(Scene):
    """A domain whose network's people are guests."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list = []
        self.passed: list = []
        self.network.heard = lambda guest, events: self.told.extend((guest, event) for event in events)
        self.network.address = lambda local: ContactAddress(ContactId(local), ServerId(""))
        self.network.levels = Capabilities(guests=Level.NATIVE)
        self.guests = Guests(
            self.router,
            self.network,
            self.clock,
            lambda: 1_700_000_000.0,
            lambda: Element("c", "http://jabber.org/protocol/caps"),
            self.passed.append,
        )
        self.add(self.guests, Otherwise(self.passed))

    def come(self, xml: str) -> list[Element]:
        """Have a stanza come in; return what goes out."""
        return self.give(read_stanzas(xml.encode())[0])

    def enter(self, guest: ContactId = ALICE, room: RoomId = ROOM, nick: str = "alice") -> None:
        self.guests.act(guest, Enter(room=room, nick=nick))

    def let_in(self, to: str = f"{JID}/guest", nick: str = "alice") -> list[Element]:
        return self.come(
            f"<presence from='{ROOM}/{nick}' to='{to}'><x xmlns='{USER}'><item role='participant'/>"
            "<status code='110'/></x></presence>"
        )

    def heard(self) -> list:
        told, self.told[:] = [event for _, event in self.told], []
        return told


@pytest.fixture
def scene() -> GuestScene:
    return GuestScene()


def test_guest_acts_under_his_own_address(scene):
    """And hears what comes of it, though nobody of that domain is served otherwise."""
    scene.enter()
    [join] = scene.taken()
    assert (join.get("from"), join.get("to")) == (f"{JID}/guest", f"{ROOM}/alice")
    scene.let_in()
    [(guest, entered)] = scene.told
    assert (guest, type(entered), entered.room) == (ALICE, Entered, ROOM)


def test_occupants_may_ask_about_a_guest(scene):
    """By the room, which is not served otherwise either."""
    scene.enter()
    scene.taken()
    iq = f"<iq type='get' id='1' from='{ROOM}/romeo' to='{JID}/guest'><ping xmlns='urn:xmpp:ping'/></iq>"
    [answer] = scene.come(iq)
    assert condition(answer)[1] == "service-unavailable"  # what nobody here offers, not forbidden
    [answer] = scene.come(iq.replace("verona", "mantua"))
    assert condition(answer)[1] == "forbidden"


@pytest.mark.parametrize(
    ("room", "nick", "trouble"),
    [
        (f"verona@{DOMAIN}", "alice", Trouble.NOT_ACCEPTABLE),
        ("Verona@muc.example", "alice", Trouble.JID_MALFORMED),
        ("muc.example", "alice", Trouble.JID_MALFORMED),
        ("verona@muc.example/x", "alice", Trouble.JID_MALFORMED),
        ("verona@muc.example", "\u0000", Trouble.BAD_NICK),
        ("verona@muc.example", "", Trouble.BAD_NICK),
    ],
)
def test_room_that_nobody_can_enter_is_refused(scene, room, nick, trouble):
    """A room of the network itself would be a loop; an address has one spelling."""
    scene.enter(room=RoomId(room), nick=nick)
    [refused] = scene.heard()
    assert (type(refused), refused.room, refused.error.trouble) == (NotEntered, room, trouble)
    assert scene.taken() == []


def test_who_is_not_in_the_room_is_told_so(scene):
    """Each wish is answered; what is no guest's to want is not done."""
    scene.guests.act(ALICE, Message(room=ROOM, body=Text(plain="x"), ref=Ref(1)))
    scene.guests.act(ALICE, Depart(room=ROOM))
    scene.guests.act(ALICE, Presence(show=Show.AWAY))
    failed, exited = scene.heard()
    assert (type(failed), failed.error.trouble) == (Failed, Trouble.NOT_IN_ROOM)
    assert type(exited) is Exited


@pytest.mark.parametrize(
    ("limit", "trouble"),
    [
        ("GUESTS_PER_ROOM", Trouble.ROOM_FULL),
        ("ROOMS_PER_GUEST", Trouble.TOO_MANY_ROOMS),
        ("ROOMS", Trouble.TOO_MANY_ROOMS),
    ],
)
def test_numbers_are_bounded(scene, monkeypatch, limit, trouble):
    """Guests of a room, rooms of a guest, rooms in all; and a place that was given up is free."""
    monkeypatch.setattr(service, limit, 1)
    guest, room = (BOB, ROOM) if limit == "GUESTS_PER_ROOM" else (ALICE, RoomId("mantua@muc.example"))
    scene.enter()
    scene.enter(guest, room)
    [refused] = scene.heard()
    assert refused.error.trouble is trouble
    scene.guests.act(ALICE, Depart(room=ROOM))
    scene.clock.pump([TICK] * 6)
    scene.heard()
    scene.enter(guest, room)
    assert scene.heard() == []


def test_time_is_looked_at_only_while_somebody_is_a_guest(scene):
    """Else nothing turns."""
    assert scene.clock.getDelayedCalls() == []
    scene.enter()
    assert len(scene.clock.getDelayedCalls()) == 1
    scene.clock.pump([TICK] * 31)
    [refused] = scene.heard()
    assert refused.error.trouble is Trouble.TIMED_OUT
    assert scene.clock.getDelayedCalls() == []


def test_room_that_takes_a_stranger_for_an_occupant_is_told(scene):
    """After a crash, say: the error has it put him out, so that nobody stays there twice."""
    for inside in ("", f"<x xmlns='{USER}'/>"):
        message = f"<message type='groupchat' from='r@muc.example/romeo' to='{JID}'><body>x</body>{inside}</message>"
        [answer] = scene.come(message)
        assert condition(answer) == ("cancel", "item-not-found")
    assert scene.passed == []


def test_rooms_invitation_reaches_the_network(scene):
    """XEP-0045 §7.8.2."""
    scene.come(
        f"<message from='garden@muc.example' to='{JID}'><x xmlns='{USER}'>"
        "<invite from='romeo@montague.example/garden'><reason>come</reason></invite>"
        "<password>rose</password></x></message>"
    )
    assert scene.heard() == [
        Invite(
            room=RoomId("garden@muc.example"), nick="romeo@montague.example", reason="come", password="rose"
        )
    ]


def test_invitation_of_both_kinds_is_one(scene):
    """COMPAT: as Prosody sends it, from an occupant whose address is not shown."""
    scene.come(
        f"<message from='garden@muc.example' to='{JID}'><x xmlns='{USER}'>"
        "<invite from='garden@muc.example/romeo'><reason>come</reason></invite></x>"
        "<x xmlns='jabber:x:conference' jid='garden@muc.example'/></message>"
    )
    room = RoomId("garden@muc.example")
    assert scene.heard() == [Invite(room=room, nick="garden@muc.example/romeo", reason="come")]


def test_direct_invitation_reaches_the_network(scene):
    """XEP-0249: from a person; to rooms of the gateway itself it is somebody else's."""
    invitation = (
        f"<message from='romeo@montague.example/garden' to='{JID}'>"
        "<x xmlns='jabber:x:conference' jid='{}' reason='come'/></message>"
    )
    scene.come(invitation.format("Garden@muc.example"))
    assert scene.heard() == [
        Invite(
            room=RoomId("garden@muc.example"),
            nick="romeo@montague.example",
            user=UserId("romeo@montague.example"),
            reason="come",
        )
    ]
    scene.come(invitation.format(f"garden@{DOMAIN}"))
    assert (len(scene.passed), scene.heard()) == (1, [])
    [answer] = scene.come(invitation.format("a@b@c"))
    assert condition(answer)[1] == "jid-malformed"


def test_network_without_guests_has_nobody_to_invite(scene):
    """Whoever else takes such messages answers."""
    scene.network.levels = structs.replace(scene.network.levels, guests=Level.REJECTED)
    scene.come(
        f"<message from='romeo@montague.example' to='{JID}'>"
        "<x xmlns='jabber:x:conference' jid='garden@muc.example'/></message>"
    )
    assert (len(scene.passed), scene.heard()) == (1, [])


def test_other_messages_are_passed_on(scene):
    """A private message from a room of somebody who is no guest there, or a refusal."""
    scene.come(f"<message from='r@muc.example/romeo' to='{JID}'><body>x</body><x xmlns='{USER}'/></message>")
    assert len(scene.passed) == 1


def test_network_that_fails_does_not_disturb_the_room(scene):
    """The next event is told."""

    def fail(guest: ContactId, events: object) -> None:
        raise ValueError("broken")

    working, scene.network.heard = scene.network.heard, fail
    scene.enter()
    scene.let_in()
    scene.network.heard = working
    scene.guests.act(ALICE, Enter(room=ROOM, nick="alice"))
    assert [type(event) for event in scene.heard()] == [Entered]


def test_everybody_leaves_at_the_end(scene):
    """And what comes afterwards is nobody's."""
    scene.enter()
    scene.let_in()
    scene.taken()
    scene.heard()
    scene.guests.stop("Gateway shutdown")
    assert [one.get("type") for one in scene.taken()] == ["unavailable"]
    scene.let_in()
    assert (scene.heard(), scene.clock.getDelayedCalls()) == ([], [])


def test_everybody_asks_when_xmpp_takes_stanzas_again(scene):
    """Rooms may have put out whom they could not reach."""
    scene.enter()
    scene.let_in()
    scene.taken()
    scene.guests.link_up()
    again, ping = scene.taken()
    assert (again.name, again.get("to")) == ("presence", f"{ROOM}/alice")
    assert (ping.name, ping.get("to")) == ("iq", f"{ROOM}/alice")


# ---- invitations that are not followed


def test_guest_who_does_not_come_has_the_room_tell_it(scene):
    """§7.8.2, though he is not in."""
    scene.guests.act(ALICE, Decline(room=ROOM, nick=f"{ROOM}/romeo", reason="no", ref=Ref(1)))
    [wish] = scene.taken()
    assert (wish.get("to"), wish.get("from")) == (ROOM, JID)
    assert parse_invites(wish) == [MucInvite(jid=f"{ROOM}/romeo", reason="no", declined=True)]
    assert scene.told == [(ALICE, Sent(ref=Ref(1)))]


@pytest.mark.parametrize(("room", "is_inside"), [(ROOM, True), (RoomId("garden@muc.example"), False)])
def test_guest_is_told_who_does_not_come(scene, room, is_inside):
    """§7.8.2: as long as he is in, and afterwards."""
    if is_inside:
        scene.enter()
        scene.let_in()
        scene.told.clear()
    decline = "<decline from='romeo@montague.example/garden'><reason>no</reason></decline>"
    scene.come(f"<message from='{room}' to='{JID}'><x xmlns='{USER}'>{decline}</x><body>no</body></message>")
    assert scene.told == [(ALICE, Decline(room=room, user="romeo@montague.example", reason="no"))]
    assert scene.passed == []
