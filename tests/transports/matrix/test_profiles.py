"""What people are called and look like, and how ghosts look."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Profile
from bridge.network import AvatarQuery, ContactInfo, ContactQuery
from bridge.pictures import photo_of

from .homeserver import GARDEN, ROMEO, Scene, ghost
from .raw import ALICE, BOB, member, state
from .web import outcome

PHOTO = photo_of(b"\x89PNG\r\n\x1a\nromeo")
assert PHOTO is not None


def wear(scene: Scene, id: str) -> None:
    scene.network.submit(ROMEO, Profile(avatar=id))
    scene.turn()


def test_particulars_and_picture_are_those_of_the_profile():
    """Who is nobody has neither, who has no picture has none."""
    scene = Scene()
    scene.server.profiles[ALICE] = {"displayname": "Alice", "avatar_url": "mxc://hs.example/alice"}
    scene.server.files["alice"] = PHOTO.data
    alice, bob = scene.network._addresses.contact(ALICE), scene.network._addresses.contact(BOB)
    assert outcome(scene.network.ask(ROMEO, ContactQuery(alice))) == ContactInfo(
        nick="Alice", name="Alice", account=ALICE
    )
    assert outcome(scene.network.ask(ROMEO, AvatarQuery(contact=alice))) == PHOTO
    assert outcome(scene.network.ask(ROMEO, ContactQuery(bob))).nick == "bob"
    assert outcome(scene.network.ask(ROMEO, AvatarQuery(contact=bob))).trouble is Trouble.NOT_FOUND
    for said, told in ((Trouble.NO_SUCH_ROOM, Trouble.NO_SUCH_NICK), (Trouble.BUSY, Trouble.BUSY)):
        scene.server.refused["profile"] = BridgeError(said)
        assert outcome(scene.network.ask(ROMEO, AvatarQuery(contact=bob))).trouble is told


def test_picture_of_a_room_is_seen_from_inside_and_outside():
    """From its state, or from what the homeserver tells of it."""
    scene = Scene()
    scene.server.files["garden"] = PHOTO.data
    assert outcome(scene.network.ask(ROMEO, AvatarQuery(room=GARDEN))).trouble is Trouble.NOT_FOUND
    scene.inside()
    scene.happens(state("m.room.avatar", ALICE, {"url": "mxc://hs.example/garden"}))
    assert outcome(scene.network.ask(ROMEO, AvatarQuery(room=GARDEN))) == PHOTO


def test_ghost_wears_the_users_picture():
    """It is uploaded once, also after a restart, and taken away when he takes it away."""
    scene = Scene()
    scene.photos[PHOTO.id] = PHOTO
    wear(scene, PHOTO.id)
    assert scene.server.avatars == {ghost(ROMEO): "mxc://hs.example/up0"}
    assert scene.server.files == {"up0": PHOTO.data}
    scene.start()
    wear(scene, PHOTO.id)
    assert scene.photographed == [(ROMEO, PHOTO.id)]
    wear(scene, "")
    wear(scene, "")
    assert scene.server.avatars == {ghost(ROMEO): ""}


def test_picture_that_cannot_be_had_or_set_is_tried_again():
    """The next time that the user tells of it."""
    scene = Scene()
    wear(scene, PHOTO.id)
    assert scene.server.avatars == {}
    scene.photos[PHOTO.id] = PHOTO
    scene.server.refused["avatar"] = BridgeError(Trouble.BUSY)
    wear(scene, PHOTO.id)
    assert scene.server.avatars == {}
    scene.server.refused.clear()
    wear(scene, PHOTO.id)
    assert scene.server.avatars == {ghost(ROMEO): "mxc://hs.example/up1"}


def test_ghost_keeps_its_name_in_the_room_when_its_profile_changes():
    """Synapse writes the whole profile into every room."""
    scene = Scene()
    scene.inside()
    scene.happens(member(ghost(ROMEO), "montague", avatar_url="mxc://hs.example/a"))
    puts = [asked for asked in scene.server.asked if asked[0] == "PUT"]
    assert puts[-1][-1] == {
        "membership": "join",
        "displayname": "romeo",
        "avatar_url": "mxc://hs.example/a",
    }
