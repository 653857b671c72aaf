"""Guests, from what they want to what comes of it."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import ContactId, Enter, NotEntered, RoomId
from bridge.services.guests.service import Guests
from tests.bridge.services.scene import Scene

ALICE = ContactId("@alice:hs.example")
ROOM = RoomId("verona@muc.example")


def test_wish_that_cannot_be_fulfilled_is_answered():
    """Nobody waits in vain."""
    scene = Scene()
    heard: list = []
    scene.network.heard = lambda guest, events: heard.append((guest, *events))
    Guests(scene.router, scene.network).act(ALICE, Enter(room=ROOM, nick="alice"))
    [(guest, event)] = heard
    assert (guest, event.room, event.error.trouble) == (ALICE, ROOM, Trouble.UNSUPPORTED)
    assert isinstance(event, NotEntered)
