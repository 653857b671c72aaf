"""What reaches a guest's visit, whatever takes it in there."""

from __future__ import annotations

from bridge.events import ChangeNick, Profile
from tests.bridge.services.guests.desk import ALICE, ROOM, Desk


def test_guest_wears_his_picture_wherever_he_is_seen():
    """XEP-0153 §4.1: told when it changes, and again with a new nick and whenever he comes in."""
    desk = Desk().inside(ALICE)
    desk.taken()

    def photos() -> list[str | None]:
        found = [one.child("x", "vcard-temp:x:update") for one in desk.taken()]
        return [None if one is None else one.child_text("photo") for one in found]

    desk.act(ALICE, Profile(room=ROOM, avatar="a" * 40))
    assert photos() == ["a" * 40]
    desk.act(ALICE, ChangeNick(room=ROOM, nick="alicia"))
    assert photos() == ["a" * 40]
    desk.act(ALICE, Profile(room=ROOM, avatar=""))
    assert photos() == [""]
