"""Events on their way in: durable, once, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogPublisher

from bridge.errors import BridgeError, Trouble
from tests.transports.matrix.web import outcome, watch
from transports.matrix.inbox import NOBODY, TRANSACTIONS, Inbox


class Disk:
    """What survives: the part of an `Uplink` that an inbox uses. Writes are committed by `commit`."""

    def __init__(self) -> None:
        self.kept_rows: dict[int, bytes] = {}
        self.values: dict[str, bytes] = {}
        self.numbers = 0
        self.waiting: list[Deferred] = []
        self.at_once = True
        self.full = False

    def memory(self, user: str) -> Mapping[str, bytes]:
        assert user == NOBODY
        return self.values

    def remember(self, user: str, key: str, value: bytes | None) -> None:
        assert (user, value is None) == (NOBODY, False)
        self.values[key] = value or b""

    def keep(self, data: bytes) -> int:
        if self.full:
            raise BridgeError(Trouble.STORE_FULL)
        if len(data) > 1000:
            raise BridgeError(Trouble.TOO_LONG)
        self.numbers += 1
        self.kept_rows[self.numbers] = data
        return self.numbers

    def durable(self) -> Deferred:
        if self.at_once:
            return succeed(None)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def done(self, number: int) -> None:
        self.kept_rows.pop(number, None)

    def kept(self) -> list[tuple[int, bytes]]:
        return sorted(self.kept_rows.items())


class Scene:
    """An inbox over a disk that outlives it."""

    def __init__(self, limit: int = 100) -> None:
        self.disk = Disk()
        self.limit = limit
        self.now = 1_000.0
        self.handled: list[str] = []
        self.passed: list[dict] = []
        self.busy: dict[str, Deferred] = {}
        self.start()

    def start(self) -> None:
        """Start, or start again after a crash."""
        self.inbox = Inbox(self.disk, self._handle, self._pass, self.limit, lambda: self.now)  # type: ignore[arg-type]
        self.inbox.start()

    def _handle(self, event) -> Deferred | None:
        self.handled.append(event.get("event_id"))
        if event.get("type") == "poison":
            raise ValueError("poison")
        return self.busy.get(event.get("event_id"))

    def _pass(self, event) -> None:
        if event.get("type") == "poison":
            raise ValueError("poison")
        self.passed.append(event)

    def receive(self, transaction: str, *ids: str, room: str = "!r", ephemeral: tuple = ()) -> Deferred:
        """A transaction of simple events comes."""
        return self.inbox.receive(transaction, [event(id, room) for id in ids], ephemeral)


def event(id: str, room: str = "!r", type: str = "m.room.message") -> bytes:
    """An event as JSON."""
    return json.dumps({"event_id": id, "room_id": room, "type": type}).encode()


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def errors():
    """What is logged as an error, in words."""
    words: list[str] = []

    def keep(entry: dict) -> None:
        if entry["log_level"].name in ("error", "critical"):
            words.append(entry["log_format"].format(**{k: v for k, v in entry.items() if k == "id"}))

    globalLogPublisher.addObserver(keep)
    yield words
    globalLogPublisher.removeObserver(keep)


def test_transaction_is_answered_and_handled_when_it_is_durable(scene):
    """Nothing is shown that a crash could make us forget and show again."""
    scene.disk.at_once = False
    answered = watch(scene.receive("1", "$a", "$b"))
    assert (answered, scene.handled) == ([], [])
    scene.disk.waiting[0].callback(None)
    assert (answered, scene.handled, scene.disk.kept_rows) == ([None], ["$a", "$b"], {})


def test_transaction_that_comes_again_is_answered_and_not_handled_again(scene):
    """The homeserver did not get our answer; also after a restart of ours."""
    scene.receive("1", "$a")
    assert outcome(scene.receive("1", "$a")) is None
    scene.start()
    assert outcome(scene.receive("1", "$a")) is None
    assert scene.handled == ["$a"]


def test_transaction_with_a_number_of_old_is_a_new_one(scene):
    """A homeserver that was restarted may count from 1 again: its events are not what came before."""
    scene.receive("1", "$a")
    scene.receive("1", "$b")
    scene.start()
    scene.receive("1", "$c")
    assert scene.handled == ["$a", "$b", "$c"]


def test_transaction_that_comes_again_early_is_answered_when_the_first_is_durable(scene):
    """A repetition is no promise either until the disk has it."""
    scene.disk.at_once = False
    scene.receive("1", "$a")
    again = watch(scene.receive("1", "$a"))
    assert again == []
    for durable in scene.disk.waiting:
        durable.callback(None)
    assert (again, scene.handled) == ([None], ["$a"])


def test_event_in_two_transactions_is_handled_once(scene):
    """An event is known by its id."""
    scene.receive("1", "$a", "$b", "$a")
    scene.receive("2", "$b", "$c")
    assert scene.handled == ["$a", "$b", "$c"]


def test_event_that_was_not_handled_before_a_crash_is_handled_after_it(scene):
    """What was promised is kept, in order, and once."""
    scene.busy["$a"] = Deferred()
    scene.receive("1", "$a", "$b")
    scene.receive("2", "$other", room="!other")
    assert scene.handled == ["$a", "$other"]
    scene.handled.clear()
    scene.busy.clear()
    scene.start()
    assert scene.handled == ["$a", "$b"]
    assert scene.disk.kept_rows == {}
    scene.receive("3", "$a")
    assert scene.handled == ["$a", "$b"]


def test_room_is_handled_in_order_and_others_meanwhile(scene):
    """A slow room does not keep the others waiting."""
    scene.busy["$a"] = Deferred()
    scene.inbox.receive("1", [event("$a"), event("$b"), event("$x", "!x")], [])
    assert scene.handled == ["$a", "$x"]
    scene.busy["$a"].callback(None)
    assert scene.handled == ["$a", "$x", "$b"]


def test_poisoned_event_is_logged_with_its_id_and_the_room_goes_on(scene, errors):
    """What we cannot deal with is left out, alone."""
    scene.busy["$failing"] = Deferred()
    outcome(scene.inbox.receive("1", [event("$p", type="poison"), event("$failing"), event("$b")], []))
    scene.busy["$failing"].errback(BridgeError(Trouble.BUSY))
    assert scene.handled == ["$p", "$failing", "$b"]
    assert [words for words in errors if "$p" in words or "$failing" in words] == [
        "the event $p is skipped",
        "the event $failing is skipped",
    ]
    assert scene.disk.kept_rows == {}


@pytest.mark.parametrize(
    "data",
    [
        b'{"event_id":"$x","a":"\\ud800"}',
        b'{"event_id":"$x","a":NaN}',
        b'"$x"',
        b"[" * 5000,
        b'{"event_id":7}',
        b'{"event_id":"$x","a":"\xff"}',
        b'{"event_id":"$x","type":{}}',
        b'{"event_id":"$x","type":"m.room.topic","state_key":[]}',
    ],
)
def test_event_that_cannot_be_read_does_not_stop_its_transaction(scene, data):
    """Whatever stands between two events, both are handled."""
    assert outcome(scene.inbox.receive("1", [event("$a"), data, event("$b")], [])) is None
    assert scene.handled == ["$a", "$b"]


def test_event_that_is_too_long_to_be_kept_is_skipped(scene, errors):
    """One event cannot stop the queue because it is long."""
    outcome(scene.receive("1", "$" + "l" * 2000, "$b"))
    assert scene.handled == ["$b"]
    assert "too long" in errors[0]


def test_transaction_that_cannot_be_kept_is_taken_when_it_comes_again(scene):
    """While the store is full nothing is lost: the homeserver has it still."""
    scene.disk.full = True
    assert outcome(scene.receive("1", "$a", "$b")).trouble is Trouble.STORE_FULL
    assert (scene.handled, scene.disk.kept_rows) == ([], {})
    scene.disk.full = False
    assert outcome(scene.receive("1", "$a", "$b")) is None
    assert scene.handled == ["$a", "$b"]


def test_transaction_that_was_not_committed_is_taken_when_it_comes_again(scene):
    """A commit that fails is as if the transaction had not come."""
    scene.disk.at_once = False
    answered = watch(scene.receive("1", "$a"))
    scene.disk.waiting[0].errback(BridgeError(Trouble.STORE_FULL))
    assert (answered[0].trouble, scene.handled, scene.disk.kept_rows) == (Trouble.STORE_FULL, [], {})
    scene.disk.at_once = True
    scene.receive("1", "$a")
    assert scene.handled == ["$a"]


def test_homeserver_waits_while_too_much_waits_here():
    """So many events wait, then the homeserver keeps the rest; a single transaction is always taken."""
    scene = Scene(limit=3)
    scene.busy["$a"] = Deferred()
    assert outcome(scene.receive("1", "$a", "$b", "$c", "$d")) is None
    assert outcome(scene.receive("2", "$e")).trouble is Trouble.OVERLOADED
    scene.busy["$a"].callback(None)
    assert outcome(scene.receive("2", "$e")) is None
    assert scene.handled == ["$a", "$b", "$c", "$d", "$e"]


def test_homeserver_waits_while_we_are_held(scene):
    """When the bridge cannot pass on more, the answer comes when it can again."""
    scene.inbox.hold(scene)
    answered = watch(scene.receive("1", "$a"))
    assert (answered, scene.handled, scene.disk.kept_rows) == ([], [], {})
    scene.inbox.go_on(scene)
    assert (answered, scene.handled) == ([None], ["$a"])


def test_ephemeral_events_pass_by(scene, errors):
    """Typing and receipts are not kept; one that we cannot deal with is left out."""
    typing = {"type": "m.typing", "room_id": "!r"}
    scene.receive("1", ephemeral=(b'{"type":"poison"}', b"nonsense", json.dumps(typing).encode()))
    assert (scene.passed, scene.disk.numbers, len(errors)) == ([typing], 0, 2)
    assert TRANSACTIONS not in scene.disk.values


def test_memory_of_an_older_or_broken_kind_is_none(scene):
    """A value that cannot be read is as none, and is written anew."""
    scene.disk.values[TRANSACTIONS] = b"{"
    scene.start()
    scene.receive("1", "$a")
    assert [name[:2] for name in json.loads(scene.disk.values[TRANSACTIONS])] == ["1 "]


@given(st.lists(st.sampled_from(["again", "new", "crash", "finish"]), max_size=25), st.randoms())
def test_every_event_is_handled_in_order_whatever_happens(steps, random):
    """New transactions, repeated ones, crashes and slow rooms: each event is seen, first in order."""
    scene, sent, number = Scene(), [], 0
    scene.receive("0", "$0")
    sent.append(("0", "$0"))
    for step in steps:
        if step == "new":
            number += 1
            id = f"${number}"
            if random.random() < 0.4:
                scene.busy[id] = Deferred()
            sent.append((str(number), id))
            outcome(scene.receive(*sent[-1]))
        elif step == "again":
            outcome(scene.receive(*sent[-1]))
        elif step == "crash":
            scene.busy = {}
            scene.start()
        else:
            slow, scene.busy = scene.busy, {}
            for deferred in slow.values():
                deferred.callback(None)
    scene.busy = {}
    scene.start()
    assert list(dict.fromkeys(scene.handled)) == [id for _, id in sent]
    assert scene.disk.kept_rows == {}
