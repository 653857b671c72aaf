"""Whose pictures are shown."""

from __future__ import annotations

from bridge.events import OccupantChange
from transports.matrix.faces import SMALL_ROOM, Faces
from transports.matrix.room import Room
from transports.matrix.session import RoomSession, Stay

from .raw import BOB, IDS, ROMEO, ROOM, member, said


class Known:
    """Pictures that are known as soon as somebody looks."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def look(self, mxc: str, looked) -> None:
        self.known[mxc] = "5" * 40
        looked()


class Scene:
    """A room with people and their pictures, and Romeo in it."""

    def __init__(self, people: int = 0) -> None:
        pictures = Known()
        self.told: list = []
        self.faces = Faces(pictures, lambda user, events: self.told.extend(events))  # type: ignore[arg-type]
        self.session = RoomSession("!a", Room(ROOM, IDS, pictures=pictures.known))
        crowd = [member(f"@p{number}:hs.example", f"p{number}") for number in range(people)]
        for one in (member(ROMEO, "romeo"), member(BOB, "Bob", avatar_url="mxc://a/b"), *crowd):
            self.session.room.apply(one)
        self.session.seat(Stay("romeo@montague.example", ROOM, ROMEO, "romeo", "!a", inside=True))

    @property
    def seen(self) -> list[str]:
        assert all(isinstance(event, OccupantChange) and event.occupant.avatar for event in self.told)
        return [event.occupant.nick for event in self.told]


def test_everybody_has_his_picture_in_a_small_room():
    """Once each; who has none is not looked at."""
    scene = Scene()
    scene.faces.loaded(scene.session)
    assert scene.seen == ["Bob"]
    scene.faces.heard(scene.session, said(BOB, "hi"))
    assert scene.seen == ["Bob"]


def test_in_a_large_room_those_who_speak_have_theirs():
    """Thousands of pictures would be of no use to anybody."""
    scene = Scene(SMALL_ROOM)
    scene.faces.loaded(scene.session)
    scene.faces.heard(scene.session, member(BOB, "Bob"))
    assert scene.seen == []
    scene.faces.heard(scene.session, said(BOB, "hi"))
    assert scene.seen == ["Bob"]


def test_who_comes_into_a_small_room_is_looked_at():
    """And who changes his picture; events without a sender are nobody's."""
    scene = Scene()
    scene.faces.heard(scene.session, member(BOB, "Bob"))
    assert scene.seen == ["Bob"]
    scene.faces.heard(scene.session, {"type": "m.room.message"})
