"""Fuzzer of what a homeserver pushes: ``python -m tests.fuzz.fuzz_matrix --seconds 60 --seed 1``.

Transactions of mutated events go through the application service's reader and the inbox into a whole network
with a room of Matrix, a room of XMPP and a conversation of two. Nothing may raise, nothing may get stuck, and
what is said properly afterwards arrives. ``--events`` makes each round that long, to watch the memory.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
from twisted.logger import globalLogPublisher

from bridge.events import ContactId, DirectMessage, Enter, Entered, Message, Occupant, RoomId, UserId
from tests.transports.matrix.homeserver import BOT, NOW, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, CAROL, IDS, create, event, levels, member, said, state
from transports.matrix.appservice import read_transaction
from transports.matrix.inbox import NOBODY
from transports.matrix.portal_register import KEY, Kept
from transports.matrix.rooms import RESTORING

BALCONY, TWO = "!balcony:hs.example", "!two:hs.example"
MUC = RoomId("balcony@conf.example")
ROOMS = (ROOM_ID, BALCONY, TWO)
STRANGERS = (
    "@_xmpp_:hs.example",
    "@_xmpp_=zz:hs.example",
    "@_xmpp_romeo=40montague.example=2fa:hs.example",
    "@_xmpp_==abc:hs.example",
    "@_xmpp_=ff=fe:hs.example",
    "@_xmpp_a=40b=40c=2f=00:hs.example",
    "@_xmpp_mallory=40evil.example:hs.example",
    "@_xmpp_mallory=40evil.example:other.example",
    "@Ünïcode\u202e😀:hs.example",
    "@" + "A" * 200 + ":hs.example",
    "@a:[::1]:99999",
    BOT,
    "",
)
PEOPLE = (ALICE, BOB, CAROL, ghost(ROMEO), ghost(UserId("juliet@capulet.example")), *STRANGERS)
WORDS = (
    "",
    "join",
    "leave",
    "ban",
    "invite",
    "knock",
    "m.replace",
    "m.annotation",
    "m.thread",
    "m.text",
    "m.image",
    "mxc://hs.example/abc",
    "mxc://../..",
    "public",
    "12",
    "\0\r\n",
    "\ud800",
    "<b><a href='https://matrix.to/#/@alice:hs.example'>x</a></i><pre><br>&#0;&#xd800;",
    "<blockquote>" * 300,
    "é😀\u0301\u200d\u202e\ufffe\U0010ffff",
    "x" * 70_000,
    *PEOPLE,
    *ROOMS,
)
JUNK: tuple[Any, ...] = (None, True, False, 0, -1, 100, 2**53, 2**64, 1.5, 1e308, [], {}, [None], {"": {}})
DEEP = "deep"
"""Stands for something within something within something, deeper than can be written by recursion."""
NUMBERS = count(1)


def sayings() -> list[dict[str, Any]]:
    """What people say, one event of each kind."""
    file = {
        "msgtype": "m.image",
        "url": "mxc://hs.example/abc",
        "filename": "a.png",
        "info": {"w": 1, "h": 2},
    }
    secret = {
        "url": "mxc://hs.example/abc",
        "key": {"k": "a" * 43},
        "iv": "b" * 22,
        "hashes": {"sha256": "c"},
    }
    reply = {"m.in_reply_to": {"event_id": "$event1"}}
    thread = {"rel_type": "m.thread", "event_id": "$event1", "is_falling_back": True, **reply}
    html = {"format": "org.matrix.custom.html", "formatted_body": "<p><strong>hi</strong> <code>x</code></p>"}
    edit = {"rel_type": "m.replace", "event_id": "$event1"}
    poll = {"question": {"m.text": "why"}, "answers": [{"m.id": "a", "m.text": "A"}]}
    return [
        said(ALICE, "hi", **html),
        said(ALICE, "romeo: hi", **{"m.mentions": {"user_ids": [ghost(ROMEO)], "room": True}}),
        said(ALICE, "* hi", **{"m.relates_to": edit, "m.new_content": {"msgtype": "m.text", "body": "hi"}}),
        said(BOB, "> <@alice:hs.example> hi\n\nyes", **{"m.relates_to": reply}),
        said(ALICE, "in a thread", **{"m.relates_to": thread}),
        said(ghost(ROMEO), "hi", **{"xmppbridge.origin": {"id": "abc"}}),
        event("m.room.message", ALICE, {"body": "a.png", **file}),
        event(
            "m.room.message", ALICE, {"msgtype": "m.file", "body": "a", "file": secret, "info": {"size": 9}}
        ),
        event("m.room.message", ALICE, {"msgtype": "m.location", "body": "here", "geo_uri": "geo:1,2"}),
        event("m.room.message", ALICE, {"msgtype": "m.key.verification.request", "body": "x", "to": BOB}),
        event("m.sticker", ALICE, {"body": "cat", "url": "mxc://hs.example/cat", "info": {}}),
        event("m.reaction", ALICE, {"m.relates_to": {**edit, "rel_type": "m.annotation", "key": "+"}}),
        event("m.room.redaction", ALICE, {"reason": "no", "redacts": "$event1"}, redacts="$event1"),
        event("m.room.encrypted", ALICE, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}),
        event("m.poll.start", ALICE, {"m.poll": poll, "m.poll.start": poll, "m.text": "why"}),
        event("m.poll.response", ALICE, {"m.relates_to": {"event_id": "$event1"}, "m.selections": ["a"]}),
        event("m.poll.end", ALICE, {"m.relates_to": {"event_id": "$event1"}, "m.text": "over"}),
        event("org.example.unknown", ALICE, {"any": "thing"}),
    ]


def memberships() -> list[dict[str, Any]]:
    """Who comes and goes, and how."""
    return [
        member(BOB, "Bob"),
        member(CAROL, "Alice", avatar_url="mxc://hs.example/abc"),
        member(CAROL, membership="knock", reason="please"),
        member(BOB, membership="leave", sender=ALICE, reason="go"),
        member(BOB, membership="ban", sender=ALICE),
        member(ghost(ROMEO), membership="leave"),
        member(ghost(ROMEO), membership="leave", sender=ALICE),
        member(ghost(ROMEO), membership="invite", sender=BOB, is_direct=True),
        member(ghost(ROMEO), membership="invite", sender=BOB),
        member(ALICE, membership="leave"),
    ]


def rules() -> list[dict[str, Any]]:
    """How a room is."""
    return [
        levels(users={ALICE: 100, BOB: 50}, events={"m.room.message": 0}, users_default=0, ban=50),
        create(version="12", additional_creators=[BOB], predecessor={"room_id": TWO}),
        state("m.room.join_rules", ALICE, {"join_rule": "public", "allow": [{"room_id": TWO}]}),
        state("m.room.name", ALICE, {"name": "Garden"}),
        state("m.room.topic", ALICE, {"topic": "roses", "m.topic": {"m.text": [{"body": "roses"}]}}),
        state("m.room.avatar", ALICE, {"url": "mxc://hs.example/abc"}),
        state("m.room.canonical_alias", ALICE, {"alias": "#garden:hs.example", "alt_aliases": []}),
        state("m.room.tombstone", ALICE, {"body": "gone", "replacement_room": "!new:hs.example"}),
        state("m.room.encryption", ALICE, {"algorithm": "m.megolm.v1.aes-sha2"}),
        state("m.room.server_acl", ALICE, {"allow": ["*"], "deny": []}),
        state("m.room.pinned_events", ALICE, {"pinned": ["$event1"]}),
    ]


EPHEMERAL: tuple[dict[str, Any], ...] = (
    {"type": "m.typing", "content": {"user_ids": [ALICE, BOB]}},
    {"type": "m.receipt", "content": {"$event1": {"m.read": {ALICE: {"ts": 1, "thread_id": "main"}}}}},
    {"type": "m.presence", "sender": ALICE, "content": {"presence": "online", "last_active_ago": 5}},
)
CORPUS = [*sayings(), *memberships(), *rules()]


def places(value: Any, depth: int = 8) -> Iterator[tuple[Any, Any]]:
    """Every container in a value, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys if depth else ():
        yield value, key
        yield from places(value[key], depth - 1)


def mutated(rng: random.Random, original: dict[str, Any]) -> dict[str, Any]:
    """An event of which a few things are not as they should be."""
    made = copy.deepcopy(original)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        if not made:
            break
        container, key = rng.choice(list(places(made)))
        choice = rng.random()
        if choice < 0.25:
            del container[key]
        elif choice < 0.5:
            container[key] = rng.choice(JUNK)
        elif choice < 0.9:
            container[key] = rng.choice(WORDS)
        elif choice < 0.95 and isinstance(container, dict):
            container[rng.choice(WORDS)] = container[key]
        else:
            container[key] = DEEP
    return made


def random_event(rng: random.Random) -> dict[str, Any]:
    """An event as it might be pushed, in one of the rooms."""
    made = dict(rng.choice(CORPUS))
    made |= {"room_id": rng.choice(ROOMS), "origin_server_ts": NOW + next(NUMBERS)}
    made["event_id"] = f"$event{next(NUMBERS) if rng.random() < 0.9 else 1}"
    if rng.random() < 0.2:
        made["sender"] = rng.choice(PEOPLE)
    if "state_key" in made and rng.random() < 0.1:
        made["state_key"] = rng.choice(PEOPLE)
    return mutated(rng, made)


def transaction(rng: random.Random, size: int) -> bytes:
    """The bytes of a transaction; now and then they are no JSON at all."""
    events = [random_event(rng) for _ in range(size)]
    ephemeral = [mutated(rng, {"room_id": rng.choice(ROOMS), **rng.choice(EPHEMERAL)}) for _ in range(2)]
    made = {"events": events, "ephemeral": ephemeral}
    text = json.dumps(mutated(rng, made) if rng.random() < 0.05 else made)
    levels_down = rng.choice((5, 90, 5_000))
    body = bytearray(text.replace(f'"{DEEP}"', '[{"a":' * levels_down + "0" + "}]" * levels_down), "utf-8")
    while rng.random() < 0.05:
        place = rng.randrange(len(body) + 1)
        body[place : place + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(body)


class Play(Scene):
    """A network with three rooms of three kinds, in which everybody on XMPP does as he is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []
        kept = msgspec.json.encode(Kept(BALCONY, active=True))
        self.remember(NOBODY, KEY + MUC, kept)
        self.server.state[BALCONY] = [create(BOT), levels(BOT, users={BOT: 100}), member(BOT), member(ALICE)]
        self.server.state[TWO] = [create(ALICE), member(ALICE, "Alice"), member(ghost(ROMEO))]
        self.start()
        self.turn()
        self.enter()
        self.push({**member(ghost(ROMEO), membership="invite", sender=ALICE, is_direct=True), "room_id": TWO})
        self.turn()

    def deliver(self, user: UserId, events: Any) -> None:
        """Hear it, if it is for Romeo."""
        if user == ROMEO:
            self.heard += events

    def act(self, guest: ContactId, event: Any) -> None:
        """Let every guest in, and take what he says."""
        self.heard.append(event)
        if isinstance(event, Enter):
            me = Occupant(nick=event.nick)
            entered = Entered(room=event.room, me=me, occupants={"Tybalt": Occupant(nick="Tybalt")})
            self.reactor.callLater(0, self.network.heard, guest, (entered,))

    def receive(self, body: bytes) -> None:
        """Take in a transaction as the web server would."""
        try:
            events, ephemeral = read_transaction(body)
        except ValueError:
            return
        self.network.inbox.receive(f"t{next(NUMBERS)}", events, ephemeral)
        self.turn(1)
        del self.heard[:-100]
        self.server.asked.clear()

    def arrives(self, room: str) -> bool:
        """Tell whether what Alice says in a room is told on."""
        words = f"sane {next(NUMBERS)}"
        sane = {**said(ALICE, words), "event_id": f"$sane{next(NUMBERS)}", "room_id": room}
        self.receive(json.dumps({"events": [{**sane, "origin_server_ts": NOW}]}).encode())
        return any(isinstance(one, Message | DirectMessage) and one.body.plain == words for one in self.heard)


def expected(play: Play) -> list[str]:
    """The rooms that are still in order, whatever happened: there a word of Alice's must arrive."""
    network, found = play.network, []
    session = network._stays.sessions.get(ROOM_ID)
    if session is not None and session.ready and session.listeners:
        found.append(ROOM_ID)
    portal = network._portals._portals.get(BALCONY)
    if portal is not None and ALICE in portal.guests and not portal.is_entering(ALICE):
        found.append(BALCONY)
    if TWO in network._direct._chats:
        found.append(TWO)
    return found


def check_network(rng: random.Random, events: int) -> None:
    """Whatever is pushed, nothing raises or gets stuck, and the rooms go on."""
    failures: list[Any] = []

    def watch(logged: Any) -> None:
        if "log_failure" in logged:
            failures.append(logged["log_failure"])

    globalLogPublisher.addObserver(watch)
    try:
        play = Play()
        assert expected(play) == list(ROOMS), expected(play)
        done = 0
        while done < events:
            size = rng.randrange(1, 6)
            play.receive(transaction(rng, size))
            done += size
        play.turn(RESTORING + 1)
        assert not failures, failures[0].getTraceback()
        assert len(play.network.inbox._rooms) == 0, "an event is stuck"
        for room in expected(play):
            assert play.arrives(room), f"{room} does not go on"
        assert not failures, failures[0].getTraceback()
    finally:
        globalLogPublisher.removeObserver(watch)


def check_ids(rng: random.Random) -> None:
    """Whoever a user id claims to be, he is one of ours or not, and our own ids lead back to whom they name."""
    text = rng.choice(WORDS) + rng.choice(WORDS)[: rng.randrange(1, 300)]
    user = IDS.ghost_of(text.encode("utf-8", "replace").decode())
    assert user is None or IDS.ghost(user) == text
    address = text.encode("utf-8", "replace").decode()
    if address and not IDS.ghost(UserId(address)).startswith("@_xmpp_=="):
        assert IDS.ghost_of(IDS.ghost(UserId(address))) == address


def run_round(seed: int, events: int = 30) -> None:
    """Run every check once, all its choices made by `seed`."""
    try:
        check_ids(random.Random(f"{seed}ids"))
        check_network(random.Random(f"{seed}network"), events)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", type=int, default=30)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    seed = arguments.seed
    while time.monotonic() < deadline:
        run_round(seed, arguments.events)
        seed += 1
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{seed - arguments.seed} rounds, seeds {arguments.seed} to {seed - 1}, at most {most} MiB")


if __name__ == "__main__":
    main()
