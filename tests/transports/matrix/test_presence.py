"""Presence, towards a homeserver in memory and from it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactPresence, Presence, Show, UserId
from tests.transports.matrix.raw import ALICE, BOB, IDS, JULIET, ROMEO
from tests.transports.matrix.raw import json as anything
from transports.matrix.presence import KEPT_ALIVE, PACE, Presences

USER, OTHER = UserId("romeo@montague.example"), UserId("juliet@capulet.example")
CONTACT = IDS.contact(ALICE)
HERE, GONE = Presence(show=Show.AVAILABLE), Presence(show=Show.AVAILABLE, available=False)


class Scene:
    """Presences, what is put to the homeserver, and what is told."""

    def __init__(self, most: int = 10) -> None:
        self.clock = Clock()
        self.put: list[tuple[str, str, str | None]] = []
        self.asked: list[str] = []
        self.answer: object = {}
        self.profile: object = {"displayname": "Alice C"}
        self.told: list = []
        self.rooms: list = []
        self.presences = Presences(
            self,
            IDS,
            self.clock,
            self,
            most,
            lambda *of: self.rooms.append(of),  # type: ignore[arg-type]
        )

    def api(self, request: tuple, *, user: str, patience: float) -> Deferred:
        method, path, *data = request
        if "profile" in path:
            return fail(self.profile) if isinstance(self.profile, BridgeError) else succeed(self.profile)
        if method == "GET":
            self.asked.append(user)
            return fail(self.answer) if isinstance(self.answer, BridgeError) else succeed(self.answer)
        body = json.loads(data[0])
        self.put.append((user, body["presence"], body.get("status_msg")))
        return succeed({})

    def deliver(self, user: UserId, events) -> None:
        self.told += [(user, event) for event in events]

    def taken(self) -> list:
        told, self.told = self.told, []
        return told

    def turn(self, seconds: float) -> list:
        """Let time pass and return what was put meanwhile."""
        self.put.clear()
        self.clock.pump([PACE / 2] * round(seconds * 2 / PACE))
        return list(self.put)

    def hear(self, presence: object, user: object = ALICE, **more) -> list:
        event = {"type": "m.presence", "sender": user, "content": {"presence": presence, **more}}
        self.presences.hear(event)
        return self.taken()


@pytest.mark.parametrize(
    ("presence", "state"),
    [
        (HERE, ("online", None)),
        (Presence(show=Show.CHAT, status="talk"), ("online", "talk")),
        (Presence(show=Show.AWAY), ("unavailable", None)),
        (Presence(show=Show.DND, status="busy"), ("unavailable", "busy")),
        (GONE, ("offline", None)),
    ],
)
def test_user_is_shown_as_he_is(presence, state):
    """As far as Matrix has words for it."""
    scene = Scene()
    scene.presences.show(USER, presence)
    assert scene.turn(1) == [(ROMEO, *state)]


def test_who_is_there_is_kept_alive_until_he_goes():
    """Every twenty seconds; then nothing happens any more."""
    scene = Scene()
    scene.presences.show(USER, HERE)
    assert len(scene.turn(3 * KEPT_ALIVE + 1)) == 4
    scene.presences.show(USER, GONE)
    assert scene.turn(1) == [(ROMEO, "offline", None)]
    assert scene.turn(100) == []
    assert scene.clock.getDelayedCalls() == []


def test_changes_are_told_one_by_one_and_the_last_of_each_only():
    """However many come at once."""
    scene = Scene()
    for show in (Show.AWAY, Show.XA, Show.AVAILABLE):
        scene.presences.show(USER, Presence(show=show))
    scene.presences.show(OTHER, HERE)
    assert scene.turn(PACE) == [(ROMEO, "online", None)]
    assert scene.turn(PACE) == [(JULIET, "online", None)]


def test_users_beyond_the_limit_are_not_kept_alive():
    """They are shown once, and the homeserver takes them to be gone after a while."""
    scene = Scene(1)
    scene.presences.show(USER, HERE)
    scene.presences.show(OTHER, HERE)
    scene.turn(1)
    assert scene.turn(KEPT_ALIVE) == [(ROMEO, "online", None)]


def test_presence_that_is_switched_off_is_not_told():
    """No request is made for it."""
    scene = Scene(0)
    scene.presences.show(USER, HERE)
    assert scene.turn(100) == []


def test_nothing_is_told_after_the_end():
    """Nor does anything wait."""
    scene = Scene()
    scene.presences.show(USER, HERE)
    scene.presences.stop()
    assert scene.turn(100) == [] and scene.clock.getDelayedCalls() == []


def test_subscriber_is_told_at_once_and_of_changes():
    """The first time by asking, as his own ghost."""
    scene = Scene()
    scene.answer = {"presence": "online", "status_msg": "awake"}
    scene.presences.subscribe(USER, CONTACT)
    first = ContactPresence(contact=CONTACT, available=True, status="awake", nick="Alice C")
    assert (scene.asked, scene.taken()) == ([ROMEO], [(USER, first)])
    assert scene.hear("online", status_msg="awake") == []
    [(_, away)] = scene.hear("unavailable")
    assert (away.available, away.show) == (True, Show.AWAY)
    [(_, busy)] = scene.hear("org.matrix.msc3026.busy")
    assert busy.show is Show.DND
    [(_, gone)] = scene.hear("offline")
    assert not gone.available
    scene.presences.subscribe(OTHER, CONTACT)
    assert (len(scene.asked), [user for user, _ in scene.taken()]) == (1, [OTHER])
    scene.presences.unsubscribe(USER, CONTACT)
    assert [user for user, _ in scene.hear("online")] == [OTHER]
    scene.presences.unsubscribe(OTHER, CONTACT)
    assert scene.hear("offline") == []


@pytest.mark.parametrize("profile", [{}, {"displayname": None}, BridgeError(Trouble.NOT_FOUND)])
def test_who_has_no_name_is_called_by_his_id(profile):
    """Clients show it where the user gave no name of his own."""
    scene = Scene()
    scene.answer, scene.profile = {"presence": "online"}, profile
    scene.presences.subscribe(USER, CONTACT)
    [(_, told)] = scene.taken()
    assert told.nick == "alice"


def test_who_may_not_be_seen_is_not_there():
    """The homeserver tells only who has a room in common."""
    scene = Scene()
    scene.answer = BridgeError(Trouble.NO_PRIVILEGE)
    scene.presences.subscribe(USER, CONTACT)
    [(_, told)] = scene.taken()
    assert not told.available


def test_rooms_are_told_who_is_away():
    """Only when that changes; what is known is there for rooms that come later."""
    scene = Scene()
    scene.hear("online")
    scene.hear("unavailable", status_msg="asleep")
    scene.hear("online", BOB, status_msg="awake")
    scene.hear("online", ROMEO)
    assert scene.rooms == [(ALICE, "asleep")]
    assert (scene.presences.away(ALICE), scene.presences.away(BOB)) == ("asleep", None)


@given(anything, anything)
def test_presence_of_whatever_kind_is_read_without_harm(sender, content):
    """Whatever some server sent."""
    scene = Scene()
    scene.presences.hear({"type": "m.presence", "sender": sender, "content": content})
    assert scene.told == []
