"""What the homeserver never pushed is found and taken in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from bridge.errors import Trouble
from tests.transports.matrix.test_inbox import Disk
from tests.transports.matrix.web import Scene as Web
from tests.transports.matrix.web import outcome, watch
from transports.matrix.gaps import HOLD, PAGE, PAGES, Gaps
from transports.matrix.http_connection import LinkError
from transports.matrix.inbox import Inbox

GHOST = "@_xmpp_romeo:hs.example"
START = 1_000.0


class Scene:
    """A homeserver that is asked, an inbox over a disk, and what came to be handled."""

    def __init__(self) -> None:
        self.web = Web()
        self.web.register(GHOST)
        self.disk = Disk()
        self.handled: list[str] = []
        self.announced: list[str] = []
        self.places = {"!r": GHOST}
        self.start()

    def start(self) -> None:
        """Start, or start again after a crash."""
        self.inbox = Inbox(
            self.disk,  # type: ignore[arg-type]
            self._handle,
            lambda event: None,
            100,
            lambda: START + self.web.clock.seconds(),
        )
        self.inbox.start()
        self.gaps = Gaps(
            self.web.server,
            self.web.clock,
            self.inbox,
            lambda: self.places,
            lambda room, words: self.announced.append(room),
        )

    def _handle(self, event) -> None:
        self.handled.append(event["event_id"])

    def push(self, transaction: str, *ids: str) -> Deferred:
        """The homeserver pushes events."""
        return self.inbox.receive(transaction, [json.dumps(said(id)).encode() for id in ids], [])

    def answer(self, *events: dict, end: str = "") -> None:
        """The homeserver tells its timeline, the newest first."""
        self.web.http.take().reply({"chunk": events, **({"end": end} if end else {})})


def said(id: str, time: float = START + 1) -> dict:
    content = {"msgtype": "m.text", "body": id}
    event = {"event_id": id, "room_id": "!r", "type": "m.room.message", "sender": "@juliet:hs.example"}
    return {**event, "content": content, "origin_server_ts": int(time * 1000)}


def member(id: str, membership: str, before: str = "") -> dict:
    unsigned = {"prev_content": {"membership": before}} if before else {}
    content, kind = {"membership": membership}, "m.room.member"
    return {**said(id), "type": kind, "state_key": GHOST, "content": content, "unsigned": unsigned}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_was_not_pushed_comes_before_what_is_pushed_afterwards(scene):
    """Each event once, and in order."""
    scene.push("1", "$a")
    scene.gaps.expect()
    answered = watch(scene.push("2", "$d", "$c"))
    scene.gaps.look()
    scene.answer(said("$d"), said("$c"), said("$b"), said("$a"), end="more")
    assert (scene.handled, answered) == (["$a", "$b", "$c", "$d"], [None])
    assert (scene.announced, scene.gaps.is_expecting) == ([], False)


def test_after_both_were_killed_it_is_known_what_came(scene):
    """What was pushed before is on disk; what is older than that is not looked at."""
    scene.push("1", "$a")
    scene.push("2", "$b")
    scene.web.clock.advance(5)
    scene.start()
    scene.gaps.look()
    scene.answer(said("$c", START + 3), said("$b"), said("$a"), said("$old", START - 1))
    assert scene.handled == ["$a", "$b", "$c"]
    scene.start()
    assert scene.inbox.knows(said("$c", START + 3))


def test_what_was_said_before_we_came_was_never_for_us(scene):
    """Another name is no coming."""
    scene.gaps.look()
    renamed, came = member("$name", "join", "join"), member("$came", "join", "leave")
    scene.answer(said("$b"), renamed, said("$a"), came, said("$before"), end="more")
    assert scene.handled == ["$came", "$a", "$name", "$b"]


def test_gap_that_is_too_large_is_told(scene):
    """To those in the room; the newest of it comes."""
    scene.gaps.look()
    for page in range(PAGES):
        scene.answer(*(said(f"${page}-{number}") for number in range(PAGE)), end=f"p{page}")
    assert (len(scene.handled), scene.announced) == (PAGE * PAGES, ["!r"])
    assert scene.handled[-1] == "$0-0"


@pytest.mark.parametrize("reply", [(403, {"errcode": "M_FORBIDDEN"}), (200, []), (200, {"chunk": [1, {}]})])
def test_room_that_tells_nothing_does_not_keep_the_others(scene, reply):
    """One we are not in any more, or an answer without sense."""
    scene.places = {"!x": GHOST, "!r": GHOST}
    scene.gaps.expect()
    scene.gaps.look()
    scene.web.http.take().reply(reply[1], reply[0])
    scene.answer(said("$a"))
    answered = watch(scene.push("1", "$b"))
    assert (scene.handled[-2:], answered) == (["$a", "$b"], [None])


def test_homeserver_that_goes_away_again_is_looked_at_again(scene):
    """Nothing waits for ever meanwhile."""
    scene.gaps.expect()
    scene.gaps.look()
    scene.web.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    answered = watch(scene.push("1", "$b"))
    scene.web.clock.advance(HOLD)
    assert answered == [None]
    scene.web.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    scene.gaps.look()
    scene.answer(said("$b"), said("$a"))
    assert scene.handled == ["$b", "$a"]


def test_what_is_pushed_waits_only_so_long(scene):
    """A homeserver that reaches us, and that we cannot reach."""
    scene.gaps.expect()
    answered = watch(scene.push("1", "$a"))
    scene.gaps.hurry()
    scene.web.clock.advance(HOLD - 1)
    assert answered == []
    scene.web.clock.advance(1)
    assert (answered, scene.handled) == ([None], ["$a"])


def test_who_stops_lets_nothing_in(scene):
    """It is not answered, so it comes again to the next run."""
    scene.gaps.expect()
    answered = watch(scene.push("1", "$a"))
    scene.gaps.look()
    scene.gaps.stop()
    scene.web.clock.advance(HOLD)
    scene.gaps.look()
    assert (answered, scene.handled, scene.disk.kept_rows) == ([], [], {})


def test_disk_that_is_full_is_no_gap_that_was_filled(scene):
    """It is found again the next time."""
    scene.disk.full = True
    scene.gaps.look()
    scene.answer(said("$a"))
    assert scene.handled == []
    scene.disk.full = False
    scene.gaps.look()
    scene.answer(said("$a"))
    assert scene.handled == ["$a"]


@given(st.lists(st.sampled_from(["push", "lose", "crash", "look"]), max_size=30))
def test_whatever_fails_nothing_is_lost_or_doubled(steps):
    """Events are pushed or not, we crash, and look after each outage: all come, each once, in order."""
    scene, timeline = Scene(), []
    for step in (*steps, "look"):
        if step in ("push", "lose"):
            scene.web.clock.advance(0.001)
            timeline.append(said(f"${len(timeline)}", START + scene.web.clock.seconds()))
        if step == "push":
            # it is away no more when it pushes
            look(scene, timeline[:-1])
            id = timeline[-1]["event_id"]
            assert outcome(scene.push(id, id)) is None
        elif step == "crash":
            scene.start()
        elif step == "look":
            look(scene, timeline)
    assert scene.handled == [event["event_id"] for event in timeline]


def look(scene: Scene, timeline: list[dict]) -> None:
    scene.gaps.look()
    scene.answer(*reversed(timeline))
