"""What is shown of the past on joining."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import Message, MessageId, RoomId, Text, UserId
from bridge.services.muc.history import PATIENCE, History
from bridge.services.muc.occupancy import HistoryRequest, Occupancy, Resource
from bridge.services.muc.render import Renderer

ROOM, ROMEO = RoomId("#verona"), UserId("romeo@montague.example")


def message(id: str) -> Message:
    return Message(room=ROOM, nick="Juliet", body=Text(plain=f"line {id}"), id=MessageId(id), time=1.0)


class Past:
    """A past of five messages; `answer` is given instead, if set."""

    def __init__(self) -> None:
        self.answer: Deferred[Sequence[Message]] | None = None
        self.asked: list[tuple[int, float | None]] = []

    def recent(
        self, user: UserId, room: RoomId, limit: int, since: float | None
    ) -> Deferred[Sequence[Message]]:
        self.asked.append((limit, since))
        return self.answer or succeed([message(str(number)) for number in range(5)][-limit:])


class Scene:
    """The history of a room, and what a client that joins is shown of it."""

    def __init__(self) -> None:
        self.past, self.clock = Past(), Clock()
        context = SimpleNamespace(
            archive=self.past,
            render=Renderer("gw.example", b"secret"),
            clock=self.clock,
            settings=SimpleNamespace(settings=lambda *which: SimpleNamespace(max_history_length=3)),
        )
        self.history = History(context)  # type: ignore[arg-type]

    def join(self, pending: list[bytes] | None = None, **wish: float) -> list[list[bytes]]:
        """Return what is shown, in a list that is empty as long as nothing is."""
        resource = Resource("romeo@montague.example/a", "romeo", HistoryRequest(**wish))  # type: ignore[arg-type]
        resource.pending = pending
        shown: list[list[bytes]] = []
        self.history.recent(Occupancy(ROMEO, ROOM, "", "romeo", ""), resource).addCallback(shown.append)
        return shown


@pytest.mark.parametrize(
    ("wish", "asked"),
    [
        ({}, [(3, None)]),
        ({"max_stanzas": 2}, [(2, None)]),
        ({"max_stanzas": 9}, [(3, None)]),
        ({"max_stanzas": 0}, []),
        ({"max_chars": 0}, []),
        ({"since": 7.0}, [(1000, 7.0)]),
        ({"since": 7.0, "max_stanzas": 9}, [(9, 7.0)]),
    ],
)
def test_client_and_user_bound_what_is_asked_for(wish, asked):
    """XEP-0045 §7.2.14; who wants nothing costs nothing."""
    scene = Scene()
    assert len(scene.join(**wish)) == 1
    assert scene.past.asked == asked


def test_characters_are_counted_from_the_end():
    """maxchars is the whole of the stanzas."""
    scene = Scene()
    [shown] = scene.join()
    assert scene.join(max_chars=len(shown[2]) + len(shown[1])) == [shown[1:]]


def test_message_that_came_meanwhile_is_not_shown_twice():
    """It is seen live; one that only answers a message of the past hides nothing."""
    scene = Scene()
    [shown] = scene.join()
    live = shown[2].replace(b"line", b"live")
    answer = b"<message><reply xmlns='urn:xmpp:reply:0' id='3'/></message>"
    assert scene.join([live, answer]) == [shown[:2]]


@pytest.mark.parametrize("error", [BridgeError(Trouble.FORBIDDEN), None])
def test_join_goes_on_without_a_history_that_cannot_be_read(error):
    """Because it is refused, or takes too long."""
    scene = Scene()
    scene.past.answer = Deferred()
    shown = scene.join()
    assert shown == []
    if error is None:
        scene.clock.advance(PATIENCE)
    else:
        scene.past.answer.errback(error)
    assert shown == [[]]
