"""What a Matrix room carries."""

from __future__ import annotations

from bridge.capabilities import Level
from bridge.degrade import message
from bridge.events import Message, Reply, RoomId, Text
from transports.matrix.capabilities import ROOM


def test_nothing_that_matrix_has_is_put_into_words():
    """Replies and corrections reach the room as what they are."""
    event = Message(
        room=RoomId("#r:hs.example"), body=Text(plain="a"), reply=Reply(id="$1", nick="Bob"), replaces="s"
    )
    assert message(event, ROOM) == event
    assert ROOM.reactions is ROOM.retractions is ROOM.formatting is Level.NATIVE
