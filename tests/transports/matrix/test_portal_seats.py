"""Ghosts of a room of XMPP, and doors that are shut."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Join
from tests.transports.matrix.homeserver import BOT
from tests.transports.matrix.test_portals import GHOST, MUC, ROMEO, heard, inside, sends, spoken


def test_ghost_that_is_shut_out_is_let_in_by_us():
    """A ban or a closed door on Matrix is no matter of the room on XMPP."""
    scene = inside()
    real = scene.server.api
    tries = []

    def api(request, **options):
        if options.get("user") == GHOST and not tries:
            tries.append(request)
            scene.server.refused["put"] = BridgeError(Trouble.NO_PRIVILEGE)
            answer = real(request, **options)
            del scene.server.refused["put"]
            return answer
        return real(request, **options)

    scene.server.api = api
    heard(scene, Join(room=MUC, occupant=ROMEO), spoken("hi", "s1"))
    doors = [one[4] for one in scene.server.asked if one[1] == BOT]
    assert doors[:2] == ["unban", "invite"]
    assert (GHOST, "hi") in sends(scene)
