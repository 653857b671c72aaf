"""What is asked of the homeserver once only, and what is found of it after a crash."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
from twisted.internet.defer import Deferred, succeed

from bridge.errors import BridgeError, Trouble
from transports.matrix.actions import Redact, Remove, Send, SetState
from transports.matrix.client import transaction_id
from transports.matrix.outbox import FRESH, Outbox, Wish, transaction_of

GHOST, ROOM = "@_xmpp_romeo:hs.example", "!garden:hs.example"
WORDS = Send("m.room.message", {"body": "hello", "xmppbridge.origin": {"id": "m1"}})
ALL = (WORDS, SetState("m.room.topic", "", {"topic": "roses"}), Redact("$old"), Remove("@tybalt:hs.example"))


class Homeserver:
    """Notes what it is asked for; `said` are the events of the ghost, the latest first."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []
        self.said: list[dict] = []
        self.trouble: BridgeError | None = None

    def send(self, user: str, room: str, kind: str, content: dict, txn: str, patience: float) -> Deferred:
        self.asked.append((user, room, kind, content, txn, patience))
        return succeed("$sent")

    def call(self, method: str, path: str, *, query=None, body=None, **options) -> Deferred:
        self.asked.append((method, unquote(path), query or body, options))
        return succeed({"event_id": "$redaction"})

    async def latest(self, user: str, room: str, patience: float) -> list[dict]:
        self.asked.append((user, room, patience))
        if self.trouble is not None:
            raise self.trouble
        return self.said

    def api(self, request: tuple, **options) -> Deferred:
        self.asked.append((request[0], unquote(request[1].partition("?")[0]), options))
        return succeed({})


class Scene:
    """An outbox at a time that the test sets."""

    def __init__(self) -> None:
        self.homeserver, self.now = Homeserver(), 1_000.0
        self.outbox = Outbox(self.homeserver, 7.0, lambda: self.now)  # type: ignore[arg-type]

    def ask(self, *actions) -> list:
        return results(self.outbox.ask(self.outbox.wish(GHOST, ROOM, "m1 5", actions)))

    def sent(self) -> dict[str, str]:
        [found] = results([Deferred.fromCoroutine(self.outbox.sent(GHOST, ROOM))])
        return found


def results(asked: list[Deferred]) -> list:
    found: list = []
    for done in asked:
        done.addCallbacks(found.append, lambda failure: found.append(failure.value.trouble))
    return found


def test_same_wish_is_asked_for_under_the_same_transaction_id():
    """However often it is tried; its parts are told apart, and by the event itself."""
    scene = Scene()
    assert scene.ask(WORDS, WORDS) == ["$sent", "$sent"]
    scene.ask(WORDS, WORDS)
    first, second, *again = scene.homeserver.asked
    assert again == [first, second] and first != second
    assert first[4] == transaction_id(GHOST, ROOM, "m1 5 0")
    assert first[3]["xmppbridge.origin"] == {"id": "m1", "txn": first[4]}
    assert transaction_of({"content": first[3]}) == first[4]


def test_every_kind_of_action_is_asked_for_in_order():
    """Each by the request that it takes."""
    scene = Scene()
    assert scene.ask(*ALL) == ["$sent", "", "$redaction", ""]
    assert [asked[1].rpartition("/v3")[2] for asked in scene.homeserver.asked[1:]] == [
        f"/rooms/{ROOM}/state/m.room.topic",
        f"/rooms/{ROOM}/redact/$old/{transaction_id(GHOST, ROOM, 'm1 5 2')}",
        f"/rooms/{ROOM}/kick",
    ]


def test_wish_is_read_as_it_was_written():
    """It outlives the process."""
    wish = Wish(GHOST, ROOM, "m1 5", ALL, 1_000.5)
    assert msgspec.json.decode(msgspec.json.encode(wish), type=Wish) == wish


def test_what_was_sent_is_found_in_the_room():
    """Events by the transaction that they name; those of others, and what else is there, are passed over."""
    scene = Scene()
    marked = {"event_id": "$it", "content": {"xmppbridge.origin": {"txn": "abc"}}}
    scene.homeserver.said = [marked, {"event_id": "$x", "content": {}}, {"event_id": "$y"}]
    assert scene.sent() == {"abc": "$it"}
    assert scene.homeserver.asked == [(GHOST, ROOM, 7.0)]


def test_room_that_cannot_be_searched_holds_nothing():
    """The transaction ids are what is left then."""
    scene = Scene()
    scene.homeserver.trouble = BridgeError(Trouble.REFUSED)
    assert scene.sent() == {}


def test_after_a_crash_only_what_is_not_there_is_asked_for():
    """Under the same id as before."""
    scene = Scene()
    wish = scene.outbox.wish(GHOST, ROOM, "m1 5", (WORDS, WORDS))
    there = {transaction_id(GHOST, ROOM, "m1 5 0"): "$there"}
    assert results(scene.outbox.ask_again(wish, there)) == ["$there", "$sent"]
    assert [asked[4] for asked in scene.homeserver.asked] == [transaction_id(GHOST, ROOM, "m1 5 1")]


def test_what_is_old_is_not_sent_but_known_if_it_is_there():
    """Nobody expects it any more."""
    scene = Scene()
    wish = scene.outbox.wish(GHOST, ROOM, "m1 5", (WORDS, WORDS))
    scene.now += FRESH + 1
    there = {transaction_id(GHOST, ROOM, "m1 5 0"): "$there"}
    assert results(scene.outbox.ask_again(wish, there)) == ["$there", Trouble.LOST]
    assert scene.homeserver.asked == []
