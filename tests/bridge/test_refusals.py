"""Each wish that has an answer has one when it fails."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    Depart,
    Enter,
    Exit,
    Exited,
    Failed,
    NickRefused,
    NotEntered,
    Ref,
    RoomId,
    Topic,
    Typing,
    TypingState,
)
from bridge.refusals import refusal

ROOM = RoomId("verona@muc.example")
ERROR = BridgeError(Trouble.NOT_IN_ROOM)


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        (Enter(room=ROOM, nick="romeo"), NotEntered(room=ROOM, nick="romeo", error=ERROR)),
        (Depart(room=ROOM, reason="bye"), Exited(room=ROOM, nick="", exit=Exit.LEFT, reason="bye")),
        (ChangeNick(room=ROOM, nick="R"), NickRefused(room=ROOM, nick="R", error=ERROR)),
        (Topic(room=ROOM, text="roses", ref=Ref(7)), Failed(ref=Ref(7), error=ERROR)),
        (Typing(room=ROOM, state=TypingState.DONE), None),
    ],
)
def test_wish_that_fails_has_the_answer_of_its_kind(wish, answer):
    """Who waits is told; who does not is left in peace."""
    assert refusal(wish, ERROR) == answer
