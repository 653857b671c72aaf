"""What a room is, asked of its service."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from bridge.network import RoomInfo
from bridge.services.guests.lookup import look
from bridge.xmpp.element import Element
from tests.bridge.services.scene import Scene, read_stanzas

ROOM = RoomId("verona@muc.example")
PROSODY = (
    "<query xmlns='http://jabber.org/protocol/disco#info'>"
    "<identity category='conference' type='text' name='Verona'/>"
    "<feature var='http://jabber.org/protocol/muc'/><feature var='muc_open'/>"
    "<x xmlns='jabber:x:data' type='result'>"
    "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roominfo</value></field>"
    "<field var='muc#roominfo_description'><value>A plague on both</value></field>"
    "<field var='muc#roominfo_occupants'><value>3</value></field></x></query>"
)


def replied(iq: Element, kind: str, payload: str) -> Element:
    """What the service answers."""
    given = iq.attributes
    answer = f"<iq type='{kind}' id='{given['id']}' from='{given['to']}' to='{given['from']}'>{payload}</iq>"
    return read_stanzas(answer.encode())[0]


def asked(answer: str, kind: str = "result", room: RoomId = ROOM):
    """Look at a room whose service answers so; return what comes of it."""
    scene = Scene()
    found: list = []
    look(scene.router, room).addCallbacks(found.append, lambda failure: found.append(failure.value))
    for iq in scene.taken():
        scene.give(replied(iq, kind, answer))
    return found[0]


def test_room_is_described_as_its_service_tells():
    """Name, description and how many are in."""
    words = "A plague on both"
    assert asked(PROSODY) == RoomInfo(room=ROOM, name="Verona", description=words, occupants=3, closed=False)


def test_room_without_form_has_a_name_only():
    """The form is optional (XEP-0045 §6.4)."""
    bare = PROSODY[: PROSODY.index("<x ")] + "</query>"
    assert asked(bare) == RoomInfo(room=ROOM, name="Verona", closed=False)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("muc_membersonly", (True, None)),
        ("muc_passwordprotected", (True, None)),
        ("muc_hidden", (None, False)),
        ("muc_public", (None, True)),
    ],
)
def test_room_says_who_may_enter_and_who_finds_it(said, told):
    """XEP-0045 §15.3; what it does not say is not known."""
    found = asked(PROSODY.replace("muc_open", said))
    assert (found.closed, found.public) == told


@pytest.mark.parametrize(
    "answer",
    [
        "",
        PROSODY.replace("conference", "account"),
        PROSODY.replace("http://jabber.org/protocol/muc'", "urn:example:other'"),
    ],
)
def test_what_is_no_room_is_said_to_be_none(answer):
    """A person or a server is no room."""
    assert asked(answer).trouble is Trouble.NO_SUCH_ROOM


@pytest.mark.parametrize(
    ("condition", "trouble"),
    [
        ("item-not-found", Trouble.NO_SUCH_ROOM),
        ("remote-server-not-found", Trouble.UNREACHABLE),
        ("forbidden", Trouble.FORBIDDEN),
    ],
)
def test_room_that_cannot_be_looked_at_says_why(condition, trouble):
    """A room that is not there is told from a server that is not."""
    error = f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    assert asked(error, "error").trouble is trouble


@pytest.mark.parametrize("room", ["muc.example", "verona@muc.example/romeo", "a b@muc.example", ""])
def test_address_of_no_room_is_refused(room):
    """Nothing is asked of it."""
    found: list[BridgeError] = []
    look(Scene().router, RoomId(room)).addErrback(lambda failure: found.append(failure.value))
    assert [error.trouble for error in found] == [Trouble.JID_MALFORMED]


@pytest.mark.parametrize(
    ("said", "avatar"), [("A" * 40, "a" * 40), ("", ""), ("g" * 40, None), ("a" * 39, None)]
)
def test_picture_of_a_room_is_told_by_its_hash(said: str, avatar: str | None):
    """XEP-0486 §4.3; what is none is as if nothing was said."""
    field = f"<field var='muc#roominfo_avatarhash'><value>{said}</value></field>"
    assert asked(PROSODY.replace("</x>", f"{field}</x>")).avatar == avatar
