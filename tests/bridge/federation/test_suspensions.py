"""Lost sessions, of which somebody dials for some and waits for others."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.federation.lane import Lane
from bridge.federation.patience import PATIENCE
from bridge.federation.suspensions import LOST, RETURN, Suspensions
from bridge.xmpp.dialback import Pair
from bridge.xmpp.stream_management import Session

PAIR = Pair("capulet.example", "montague.example")
ROOMS = Pair("rooms.capulet.example", "montague.example")


class Scene:
    """A pool that can do nothing but dial."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lanes: dict[Pair, Lane] = {}
        self.dialled: list[float] = []
        """When."""
        self.has_room = True
        self.over: list[tuple[Session, Pair | None, BridgeError]] = []
        self.suspensions = Suspensions(self.lane, self.dial, self.give_up, self.clock)

    def lane(self, pair: Pair) -> Lane:
        return self.lanes.setdefault(pair, Lane(pair, 1_000, lambda stanza, error: None))

    def dial(self, pair: Pair, session: Session) -> bool:
        self.dialled.append(self.clock.seconds())
        return self.has_room

    def give_up(self, session: Session, pair: Pair | None, error: BridgeError) -> None:
        self.over.append((session, pair, error))
        self.suspensions.put_back(session)

    def session(self, *held: Pair) -> Session:
        made = Session()
        for number, pair in enumerate(held):
            made.outbox.add(self.lane(pair), b"%d" % number)
        return made

    def go_on(self, seconds: float, session: Session | None = None, error: BridgeError = LOST) -> None:
        """Let time pass; attempts for the session fail at once."""
        self.clock.advance(0)
        for _ in range(int(seconds * 10)):
            if session is not None:
                self.suspensions.retry(session, error)
            self.clock.advance(0.1)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def waiting(lane: Any) -> list[bytes]:
    return list(lane._waiting)


def test_session_of_ours_is_dialled_for_at_once_and_again_until_patience_ends(scene: Scene) -> None:
    """Then its stanzas are free, in order."""
    session = scene.session(PAIR, ROOMS, PAIR)
    assert scene.suspensions.begin(session, PAIR, 0.0) == {scene.lane(PAIR), scene.lane(ROOMS)}
    assert scene.suspensions.are_dialled_for(PAIR) and not scene.suspensions.are_dialled_for(ROOMS)
    scene.go_on(PATIENCE + 10, session)
    assert scene.dialled[0] == 0.0 and 4 < len(scene.dialled) < 10
    assert scene.over == [(session, PAIR, LOST)]
    assert (waiting(scene.lane(PAIR)), waiting(scene.lane(ROOMS))) == ([b"0", b"2"], [b"1"])
    assert not scene.suspensions.are_dialled_for(PAIR) and not scene.suspensions.sessions()
    assert not scene.clock.getDelayedCalls()


def test_session_of_ours_without_stanzas_is_dialled_for_too(scene: Scene) -> None:
    """The peer may have some in it; the lane of its pair goes on with it."""
    session = scene.session()
    assert scene.suspensions.begin(session, PAIR, 0.0) == set()
    scene.clock.advance(0)
    assert scene.dialled == [0.0]
    assert scene.suspensions.end(session) == {scene.lane(PAIR)}


def test_session_of_the_peer_is_waited_for(scene: Scene) -> None:
    """Nobody dials; one in which we have nothing does not matter."""
    assert scene.suspensions.begin(scene.session(), None, 0.0) == set()
    assert not scene.suspensions.sessions()
    session = scene.session(PAIR)
    scene.suspensions.begin(session, None, 0.0)
    scene.go_on(RETURN - 1)
    assert not scene.over and not scene.dialled
    scene.go_on(2)
    assert scene.over == [(session, None, LOST)]


def test_lane_waits_for_every_session_that_holds_stanzas_of_it(scene: Scene) -> None:
    """And for none that is over."""
    ours, theirs, lane = scene.session(PAIR), scene.session(PAIR), scene.lane(PAIR)
    scene.suspensions.begin(ours, PAIR, 0.0)
    scene.suspensions.begin(theirs, None, 0.0)
    scene.suspensions.end(ours)
    assert lane.awaited == 1
    scene.suspensions.end(theirs)
    scene.suspensions.end(theirs)
    assert lane.awaited == 0
    assert not scene.clock.getDelayedCalls()


def lose_again(scene: Scene, session: Session, seconds: float) -> float:
    """Resume a session and lose it after some time; returns how soon it is dialled for."""
    scene.clock.advance(0)
    scene.suspensions.end(session)
    since = scene.clock.seconds()
    scene.clock.advance(seconds)
    scene.suspensions.begin(session, PAIR, since)
    (call,) = scene.clock.getDelayedCalls()
    return call.getTime() - scene.clock.seconds()


def test_session_that_is_lost_as_soon_as_resumed_is_given_up(scene: Scene) -> None:
    """One stanza may end the stream every time."""
    session, pauses = scene.session(PAIR), []
    scene.suspensions.begin(session, PAIR, 0.0)
    while not scene.over:
        pauses.append(lose_again(scene, session, 0.1))
        scene.clock.advance(pauses[-1])
        assert scene.clock.seconds() < 2 * PATIENCE
    assert pauses == sorted(pauses) and 0 < pauses[0] < 1 < pauses[-1]


@pytest.mark.parametrize("is_progress", [True, False], ids=["acknowledged", "lasted"])
def test_session_that_was_of_use_is_dialled_for_at_once(scene: Scene, is_progress: bool) -> None:
    """The peer has taken something, or the link had lasted."""
    session = scene.session(PAIR, PAIR)
    scene.suspensions.begin(session, PAIR, 0.0)
    assert lose_again(scene, session, 1.0) > 0
    assert session.outbox.acknowledge(1 if is_progress else 0)
    assert lose_again(scene, session, 1.0 if is_progress else PATIENCE + 1) == 0


def test_attempt_without_room_is_made_later(scene: Scene) -> None:
    """As one that failed."""
    session = scene.session(PAIR)
    scene.has_room = False
    scene.suspensions.begin(session, PAIR, 0.0)
    scene.go_on(2)
    assert len(scene.dialled) > 1
    assert scene.suspensions.sessions() == [session]


def test_forbidden_server_is_not_dialled_again(scene: Scene) -> None:
    """That does not pass."""
    session = scene.session(PAIR)
    scene.suspensions.begin(session, PAIR, 0.0)
    scene.clock.advance(0)
    forbidden = BridgeError(Trouble.NOT_ALLOWED)
    scene.suspensions.retry(session, forbidden)
    assert scene.over == [(session, PAIR, forbidden)]
    scene.suspensions.retry(session, LOST)
    assert not scene.clock.getDelayedCalls()
