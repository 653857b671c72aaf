"""Ghosts that a crash left in rooms."""

from __future__ import annotations

from bridge.events import Depart, Exited
from tests.transports.matrix.homeserver import GARDEN, ROMEO, ROOM_ID, Scene, ghost
from transports.matrix.remains import Remains


def crashed() -> Scene:
    """Romeo was in the garden when the bridge died; it runs again, and he is not back."""
    scene = Scene()
    scene.inside()
    scene.start()
    return scene


def asked(scene: Scene) -> list[str]:
    return [str(one[-2]) for one in scene.server.asked if one[1] == ghost(ROMEO)]


def test_ghost_of_who_did_not_come_back_leaves_the_room():
    """Else he would be shown in it for ever."""
    scene = crashed()
    scene.network.submit(ROMEO, Depart(room=GARDEN, reason="gone"))
    scene.turn()
    (left,) = [one for one in scene.server.state[ROOM_ID] if one.get("state_key") == ghost(ROMEO)]
    assert left["content"]["membership"] == "leave"
    assert ROOM_ID not in scene.remembered[ROMEO]
    assert isinstance(scene.told[ROMEO][-1], Exited)


def test_ghost_of_who_is_on_his_way_back_stays():
    """He was quicker than the question which room it was."""
    scene = crashed()
    remains = Remains(scene.server, scene.network._addresses, scene, lambda *_: True)  # type: ignore[arg-type]
    remains.clear(ROMEO, GARDEN, "gone")
    assert "leave" not in asked(scene) and ROOM_ID in scene.remembered[ROMEO]


def test_who_was_in_no_room_costs_no_question():
    """To leave a room that one is not in is answered at once."""
    scene = Scene()
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    assert not any("directory" in one for one in scene.server.asked)


def test_homeserver_that_refuses_is_no_fault():
    """It may be away; the ghost stays until its user comes and goes again."""
    scene = crashed()
    scene.server.aliases.clear()
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    scene.turn()
    assert "leave" not in asked(scene) and ROOM_ID in scene.remembered[ROMEO]
