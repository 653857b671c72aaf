"""Pictures of occupants as ghosts wear them, on a homeserver in memory."""

from __future__ import annotations

from msgspec import structs

from bridge.events import ContactId, Entered, Occupant, OccupantChange, Profile
from bridge.pictures import photo_of
from tests.transports.matrix.homeserver import ROOM_ID, Scene
from tests.transports.matrix.raw import ALICE, member
from tests.transports.matrix.test_portals import GHOST, GUEST, MUC, ROMEO, happens, heard, inside
from transports.matrix import wardrobe as module

PHOTO = photo_of(b"GIF89a romeo")
assert PHOTO is not None
DRESSED = structs.replace(ROMEO, avatar=PHOTO.id)


def worn(scene: Scene, ghost: str = GHOST) -> str:
    """What a ghost wears, as the state of the room says."""
    state = [one for one in scene.server.state[ROOM_ID] if one.get("state_key") == ghost]
    return str(state[-1]["content"].get("avatar_url", ""))


def change(scene: Scene, occupant: Occupant) -> None:
    heard(scene, OccupantChange(room=MUC, occupant=occupant))


def dressed() -> Scene:
    """A portal where Romeo shows a picture."""
    scene = inside(ROMEO)
    scene.photos[PHOTO.id] = PHOTO
    change(scene, DRESSED)
    return scene


def test_ghost_wears_the_picture_of_the_occupant():
    """Asked for as a guest, once; taken off when he has none, kept where nothing is said of it."""
    scene = dressed()
    assert scene.photographed == [(GUEST, ContactId(f"{MUC}/Romeo"), PHOTO.id)]
    place = worn(scene)
    assert place.startswith("mxc://")
    change(scene, ROMEO)
    assert worn(scene) == place
    change(scene, structs.replace(ROMEO, avatar=""))
    assert worn(scene) == ""
    change(scene, DRESSED)
    assert (worn(scene), len(scene.photographed)) == (place, 1)


def test_picture_is_known_after_a_restart_by_what_is_worn():
    """It is not brought again."""
    scene = dressed()
    place = worn(scene)
    scene.start()
    scene.turn()
    me = Occupant(nick="Alice")
    heard(scene, Entered(room=MUC, me=me, occupants={"Romeo": DRESSED}))
    assert (worn(scene), len(scene.photographed)) == (place, 1)


def test_picture_that_cannot_be_had_is_done_without(monkeypatch):
    """The ghost is in all the same; so it is where too many wait."""
    scene = inside(ROMEO)
    change(scene, DRESSED)
    assert (worn(scene), len(scene.photographed)) == ("", 1)
    monkeypatch.setattr(module, "WAITING", 0)
    change(scene, ROMEO)
    change(scene, DRESSED)
    assert len(scene.photographed) == 1


def test_guest_wears_the_picture_that_matrix_has(monkeypatch):
    """As soon as it was looked at; no other is shown meanwhile."""
    scene = inside()

    def look(place, looked):
        scene.network._pictures.known[place] = f"hash of {place}"
        looked()

    monkeypatch.setattr(scene.network._pictures, "look", look)
    happens(scene, member(ALICE, "Alice", avatar_url="mxc://hs.example/a"))
    happens(scene, member(ALICE, "Alice"))
    assert [event for _, event in scene.acted if isinstance(event, Profile)] == [
        Profile(room=MUC, avatar="hash of mxc://hs.example/a"),
        Profile(room=MUC, avatar=""),
    ]
