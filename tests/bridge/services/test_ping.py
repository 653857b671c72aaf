"""XMPP Ping."""

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactPing
from bridge.services.ping import Ping
from bridge.xmpp.payloads.ping import build_ping
from tests.bridge.services.scene import DOMAIN, NURSE, ROOM, SERVER, Scene, condition


@pytest.fixture
def scene():
    scene = Scene()
    return scene.add(Ping(scene.network))


@pytest.mark.parametrize("to", [DOMAIN, SERVER, ROOM])
def test_gateway_answers_for_itself(scene, to):
    """XEP-0199 §4: gateway, servers and rooms are there as long as the bridge is."""
    answer = scene.iq("get", to, build_ping())
    assert answer.get("type") == "result"
    assert answer.children == []


def test_contact_is_really_asked(scene):
    """A ping to a person goes to the network."""
    scene.network.answers[ContactPing] = None
    assert scene.iq("get", NURSE, build_ping()).get("type") == "result"
    assert scene.network.asked == [("romeo@montague.example", ContactPing("nurse%irc.example"))]


def test_unreachable_contact_is_an_error(scene):
    """What the network says about a person who is not there reaches the asker."""
    scene.network.answers[ContactPing] = BridgeError(Trouble.NO_SUCH_NICK)
    assert condition(scene.iq("get", NURSE, build_ping())) == ("cancel", "item-not-found")


def test_occupant_is_left_to_the_room(scene):
    """XEP-0410 is the MUC's."""
    assert condition(scene.iq("get", f"{ROOM}/a", build_ping())) == ("cancel", "feature-not-implemented")
