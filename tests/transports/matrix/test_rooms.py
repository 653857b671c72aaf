"""The ways into rooms, in front of a homeserver in memory."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.events import Enter, Entered, RoomId
from tests.transports.matrix.homeserver import GARDEN, PUBLIC, ROMEO, Scene


def test_room_of_a_server_that_does_not_answer_holds_up_no_other():
    """A client that enters all its rooms at once is in those that can be had."""
    scene = Scene()
    far, garden = RoomId("#far:away.example"), GARDEN
    scene.server.state["!far:away.example"] = list(PUBLIC)
    scene.server.aliases[far] = "!far:away.example"
    held = scene.server.held["join"] = Deferred()
    scene.network.submit(ROMEO, Enter(room=far, nick="romeo"))
    del scene.server.held["join"]
    scene.network.submit(ROMEO, Enter(room=garden, nick="romeo"))
    scene.turn(1)
    assert [type(one) for one in scene.told[ROMEO]] == [Entered]
    held.callback(None)
    scene.turn(1)
    assert [one.room for one in scene.told[ROMEO] if isinstance(one, Entered)] == [garden, far]
