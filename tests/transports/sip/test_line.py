"""Registration and questions to one trunk, over a network in memory."""

from __future__ import annotations

import pytest

from bridge.secret import Secret
from tests.transports.sip.calling import Gateway
from tests.transports.sip.phone import Phone
from tests.transports.sip.test_network import DESK, Scene
from tests.transports.sip.wires import PEER
from transports.sip.line import FIRST_PAUSE, LONGEST_PAUSE, MIN_REFRESH
from transports.sip.message import Request


def registering() -> tuple[Scene, Request]:
    scene = Scene({"desk": DESK})
    [register] = scene.asked()
    return scene, register


def next_after(scene: Scene, most: float) -> float:
    """Return after how many seconds the next request is sent."""
    waited = 0.0
    while waited <= most:
        scene.reactor.advance(0.5)
        waited += 0.5
        if scene.asked():
            return waited
    raise AssertionError("nothing was sent")


@pytest.mark.parametrize(
    ("granted", "least", "most"), [("100", 50, 70), ("1", 5, MIN_REFRESH), ("junk", 2500, 3600)]
)
def test_registration_is_renewed_before_it_ends(granted: str, least: float, most: float) -> None:
    """As long as the server grants it, if that makes sense."""
    scene, register = registering()
    scene.reply(register, 200, (("Expires", granted),))
    assert least <= next_after(scene, most) <= most


def test_registrar_hears_that_calls_are_taken() -> None:
    """Some send an account no method that its Allow lacks."""
    assert "INVITE" not in (registering()[1].get("Allow") or "")
    trunk = {"username": "4711", "password": Secret("hush"), "register": True}
    gateway = Gateway("a", "b", trunk, {})
    assert "INVITE" in (Phone(gateway.reactor, PEER).asked("REGISTER").get("Allow") or "")


def test_longer_registration_is_agreed_to() -> None:
    """RFC 3261 §10.3: 423 says what is the least; one that is absurd is not taken."""
    scene, register = registering()
    scene.reply(register, 423, (("Min-Expires", "7200"),))
    [again] = scene.asked()
    assert again.get("Expires") == "7200" and again.cseq.number > register.cseq.number
    scene.reply(again, 423, (("Min-Expires", "999999999"),))
    assert scene.asked() == [] and "desk" in scene.bridge.troubles[-1]


def test_what_fails_is_tried_again_ever_later() -> None:
    """A server that is down is not flooded when it comes back."""
    scene, register = registering()
    pauses = []
    for _ in range(9):
        scene.reply(register, 500)
        scene.reactor.advance(0.1)
        for waited in range(1, int(LONGEST_PAUSE) + 2):
            scene.reactor.advance(1)
            if found := scene.asked():
                [register] = found
                pauses.append(waited)
                break
    assert pauses[0] <= FIRST_PAUSE + 1 and pauses[-1] > LONGEST_PAUSE / 2
    assert pauses[1] < pauses[3] < pauses[5]
