"""Software version."""

from __future__ import annotations

import pytest

from bridge.events import Entered, Occupant, RoomId
from bridge.network import ClientVersion, ContactVersion
from bridge.services.version import Version
from bridge.xmpp.payloads.version import NS_VERSION, SoftwareVersion, build_version_request
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, SERVER, Scene, condition


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    room = RoomId("#verona%irc.example")
    scene.network.inside["romeo@montague.example", room] = Entered(
        room=room, me=Occupant(nick="Romeo"), occupants={"Nurse": Occupant(nick="Nurse")}
    )
    return scene.add(Version(scene.network, SoftwareVersion(name="xmppbridge", version="1")))


@pytest.mark.parametrize("to", [DOMAIN, SERVER, ROOM])
def test_gateway_tells_its_version_and_not_its_system(scene, to):
    """XEP-0092 §6: the operating system is nobody's business by default."""
    query = scene.get(to, build_version_request())
    assert [(child.name, child.text()) for child in query.elements()] == [
        ("name", "xmppbridge"),
        ("version", "1"),
    ]


@pytest.mark.parametrize("to", [NURSE, f"{ROOM}/Nurse"])
def test_version_of_a_person_is_asked_of_the_network(scene, to):
    """A contact and an occupant are asked alike."""
    scene.network.answers[ContactVersion] = ClientVersion(name="irssi", version="1.4", os="Linux")
    query = scene.get(to, build_version_request())
    assert query.namespace == NS_VERSION
    assert [child.text() for child in query.elements()] == ["irssi", "1.4", "Linux"]
    assert scene.network.asked == [("romeo@montague.example", ContactVersion("nurse%irc.example"))]


@pytest.mark.parametrize(
    ("to", "sender", "expected"),
    [
        (f"{ROOM}/Nobody", "romeo@montague.example/garden", "item-not-found"),
        (f"{ROOM}/Nurse", "juliet@capulet.example/balcony", "not-acceptable"),
    ],
)
def test_occupant_is_asked_only_from_inside(scene, to, sender, expected):
    """Who is not in the room, or asks for nobody, gets an error, and the network is not troubled."""
    assert condition(scene.iq("get", to, build_version_request(), sender))[1] == expected
    assert scene.network.asked == []
