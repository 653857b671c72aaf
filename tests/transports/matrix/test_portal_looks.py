"""What a room of XMPP is called and looks like, in front of a homeserver in memory."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomConfig
from bridge.pictures import photo_of
from tests.transports.matrix.homeserver import ROOM_ID, Scene
from tests.transports.matrix.test_portals import MUC, heard, inside
from transports.matrix.portals import LOOK_AFTER

PHOTO = photo_of(b"\x89PNG\r\n\x1a\n...")
assert PHOTO is not None


def content(scene: Scene, kind: str) -> dict | None:
    """What the room on Matrix is now."""
    return next((one["content"] for one in scene.server.state[ROOM_ID] if one["type"] == kind), None)


def becomes(scene: Scene, **facts: str) -> None:
    """Have the room on XMPP be configured anew."""
    scene.looked[MUC] = structs.replace(scene.looked[MUC], **facts)
    heard(scene, RoomConfig(room=MUC))
    scene.turn(LOOK_AFTER)
    scene.turn()


def changed(scene: Scene) -> list[str]:
    """Return which pieces of state were set, and forget them."""
    kinds = [one[5] for one in scene.server.asked if one[0] == "PUT" and "state" in one]
    scene.server.asked.clear()
    return kinds


def test_room_is_renamed_and_dressed_as_on_xmpp():
    """Once for each change, and undressed again."""
    scene = inside()
    scene.photos[PHOTO.id] = PHOTO
    becomes(scene, name="Garden", avatar=PHOTO.id)
    assert content(scene, "m.room.name") == {"name": "Garden"}
    dressed = content(scene, "m.room.avatar")
    assert scene.server.files[dressed["url"].rpartition("/")[2]] == PHOTO.data
    assert dressed["info"] == {"mimetype": "image/png", "size": len(PHOTO.data)}
    assert changed(scene) == ["m.room.name", "m.room.avatar"]
    becomes(scene)
    assert changed(scene) == []
    becomes(scene, avatar="")
    assert content(scene, "m.room.avatar") == {}


def test_picture_that_is_shown_is_known_after_a_restart():
    """It is not brought once more."""
    scene = inside()
    scene.photos[PHOTO.id] = PHOTO
    becomes(scene, avatar=PHOTO.id)
    scene.start()
    scene.turn()
    changed(scene)
    becomes(scene)
    assert "m.room.avatar" not in changed(scene)


@pytest.mark.parametrize("how", ["unknown", "gone", "refused", "nothing"])
def test_room_of_which_nothing_can_be_learnt_stays_as_it_is(how: str):
    """It does not say, has not what it says, the homeserver does not want it, or there is no room."""
    scene = inside()
    if how == "refused":
        scene.photos[PHOTO.id] = PHOTO
        scene.server.refused["upload"] = BridgeError(Trouble.TOO_LONG)
    becomes(scene, avatar=PHOTO.id)
    if how == "unknown":
        becomes(scene, avatar=None)
    if how == "nothing":
        del scene.looked[MUC]
        heard(scene, RoomConfig(room=MUC))
        scene.turn(LOOK_AFTER)
    assert content(scene, "m.room.avatar") is None
