"""A homeserver in memory at the level of `client.Homeserver`, and a network between it and a bridge."""

from __future__ import annotations

import json
from itertools import count
from urllib.parse import unquote

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, Enter, Entered, MessageId, Ref, RoomId, UserId
from bridge.network import Photo, RoomInfo
from tests.transports.matrix.raw import ALICE, IDS, create, levels, member, said, state
from tests.transports.matrix.test_registration import config
from tests.transports.matrix.web import Reactor
from transports.matrix.network import MatrixNetwork
from transports.matrix.refusal import Refusal
from transports.matrix.settings import GatewaySettings, RoomSettings
from transports.matrix.state import State, read_state

BOT = "@xmppbridge:hs.example"
ROOM_ID = "!garden:hs.example"
GARDEN = RoomId("#garden:hs.example")
ROMEO, JULIET = UserId("romeo@montague.example"), UserId("juliet@capulet.example")
NOW = 1_800_000_000_000
"""Milliseconds, later than all that the homeserver did before."""
PUBLIC = (
    create(),
    levels(users={ALICE: 100}),
    state("m.room.join_rules", ALICE, {"join_rule": "public"}),
    state("m.room.canonical_alias", ALICE, {"alias": GARDEN}),
    state("m.room.topic", ALICE, {"topic": "roses"}),
    member(ALICE, "Alice"),
)

MOVES = {"ban": "ban", "unban": "leave", "invite": "invite"}
"""What makes which membership of somebody."""


class Rooms:
    """What the network asks of the homeserver is done at once, unless `refused` names it; `echo` takes what it
    pushes."""

    def __init__(self, echo) -> None:
        self.state = {ROOM_ID: list(PUBLIC)}
        self.aliases = {GARDEN: ROOM_ID}
        self.names: dict[str, str] = {}
        self.avatars: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.profiles: dict[str, dict] = {}
        self.refused: dict[str, BridgeError] = {}
        self.held: dict[str, Deferred] = {}
        self.asked: list[tuple] = []
        self.closed = False
        self.rule = ""
        self.closed_rooms: set[str] = set()
        self._echo = echo
        self._numbers = count(1)

    def _answer(self, what: str, result) -> Deferred:
        if what in self.refused:
            return fail(self.refused[what])
        held = self.held.get(what)
        return succeed(result) if held is None else held.addCallback(lambda _: result)

    def _happens(self, event: dict, room: str = ROOM_ID) -> str:
        number = next(self._numbers)
        event = {**event, "event_id": f"$sent{number}", "room_id": room}
        event["origin_server_ts"] += number
        if "state_key" in event:
            key = (event["type"], event["state_key"])
            old = [one for one in self.state[room] if (one["type"], one["state_key"]) != key]
            self.state[room] = [*old, event]
        self._echo(event)
        return event["event_id"]

    async def set_profile(self, user: str, name: str | None = None, avatar: str | None = None) -> None:
        if name is not None:
            self.names[user] = name
        if avatar is not None:
            await self._answer("avatar", None)
            self.avatars[user] = avatar

    def join(self, user: str, room: str, via=(), name="") -> Deferred:
        # as homeservers do that know a name by the profile only
        self.asked.append(("join", user, room))
        if "join" in self.refused or room not in (*self.aliases, *self.state):
            return fail(self.refused.get("join", BridgeError(Trouble.NO_SUCH_ROOM)))
        id = self.aliases.get(room, room)
        if id in self.closed_rooms:
            return fail(BridgeError(Trouble.INVITE_ONLY))
        if not any(one["state_key"] == user and self._is(one, "join") for one in self.state[id]):
            self._happens(member(user, self.names.get(user)), id)
        return self._answer("join", id)

    def send(self, user: str, room: str, kind: str, content: dict, txn: str, patience: float) -> Deferred:
        self.asked.append(("send", user, kind, content))
        if "send" in self.refused:
            return self._answer("send", "")
        return self._answer("send", self._happens({**said(user, ""), "type": kind, "content": content}))

    async def latest(self, user: str, room: str, patience: float = 0) -> list[dict]:
        return await self._answer("messages", [])

    def fetch(self, path: str, *, query, patience: float = 0) -> Deferred:
        self.asked.append(("fetch", path.rpartition("/")[2], query["width"]))
        found = self.files.get(path.rpartition("/")[2])
        return fail(BridgeError(Trouble.NO_SUCH_ROOM)) if found is None else succeed(found)

    async def room_state(self, room: str, user: str | None = None) -> State:
        self.asked.append(("GET", user or BOT, "rooms", room, "state", None))
        return read_state(json.dumps(await self._answer("state", self.state[room])).encode())

    def upload(self, user: str, data: bytes, type: str) -> Deferred:
        self.files[f"up{len(self.files)}"] = data
        return self._answer("upload", f"mxc://hs.example/up{len(self.files) - 1}")

    def api(self, request: tuple, **options) -> Deferred:
        method, path, *data = request
        return self.call(
            method, path.partition("?")[0], body=json.loads(data[0]) if data else None, **options
        )

    def _piece(self, room: str, kind: str, key: str) -> Deferred:
        """Return the content of one piece of state."""
        for one in self.state[room]:
            if (one["type"], one["state_key"]) == (kind, key):
                return succeed(one["content"])
        return fail(Refusal(404, {"errcode": "M_NOT_FOUND"}))

    def _is(self, event: dict, membership: str) -> bool:
        return event["type"] == "m.room.member" and event["content"]["membership"] == membership

    def register(self, user: str) -> Deferred:
        self.asked.append(("register", user))
        return succeed(None)

    def _create(self, user: str, body: dict) -> Deferred:
        if "create" not in self.refused and "room_alias_name" not in body:
            room = f"!direct{next(self._numbers)}:hs.example"
            invited = [
                member(one, membership="invite", sender=user, is_direct=True) for one in body["invite"]
            ]
            self.state[room] = [create(user), member(user), *invited]
            return self._answer("create", {"room_id": room})
        alias = f"#{body.get('room_alias_name')}:hs.example"
        if "create" in self.refused or alias in self.aliases:
            return fail(self.refused.get("create", BridgeError(Trouble.NOT_ACCEPTABLE)))
        power = levels(BOT, users={BOT: 100}, **body["power_level_content_override"])
        self.state = {ROOM_ID: [create(BOT), power, member(BOT)]}
        self.aliases[alias] = ROOM_ID
        return self._answer("create", {"room_id": ROOM_ID})

    def _closed(self, is_knock: bool, user: str, body: dict) -> Deferred:
        """Take a request to be let in, or tell what is said of the room to those who are not in."""
        if not is_knock:
            return self._answer("summary", {"join_rule": self.rule} if self.rule else {})
        knocked = member(user, membership="knock")
        knocked["content"] |= body
        return self._answer("knock", {} if "knock" in self.refused else self._happens(knocked))

    def call(self, method: str, path: str, *, body=None, user: str = "", query=None, **options) -> Deferred:
        parts = [unquote(part) for part in path.split("/")]
        user = user or BOT
        self.asked.append((method, user, *parts[4:], body))
        if parts[-1] == "createRoom":
            return self._create(user, body)
        if method == "GET" and parts[4:6] == ["directory", "room"]:
            found = self.aliases.get(parts[-1])
            return succeed({"room_id": found}) if found else fail(BridgeError(Trouble.NO_SUCH_ROOM))
        if {"knock", "room_summary"}.intersection(parts):
            return self._closed("knock" in parts, user, body)
        known = self._read(parts, query) if method == "GET" else None
        if known is not None:
            return known
        if "leave" in parts and "leave" in self.held:
            return self.held["leave"]
        if "leave" in parts:
            self._happens(member(user, membership="leave"), parts[5])
        elif "kick" in parts and "kick" not in self.refused:
            self._happens(
                member(body["user_id"], membership="leave", sender=user, reason=body.get("reason", ""))
            )
        elif parts[-1] in MOVES and parts[-1] not in self.refused:
            moved = member(body["user_id"], membership=MOVES[parts[-1]], sender=user)
            moved["content"] |= {"reason": body["reason"]} if "reason" in body else {}
            self._happens(moved)
        elif method == "PUT" and "send" in parts:
            return self._answer("send", {"event_id": self._happens({**said(user, ""), "content": body})})
        elif method == "PUT" and "state" in parts and "put" not in self.refused:
            kind = parts[parts.index("state") + 1]
            key = parts[-1] if kind == "m.room.member" else ""
            return self._answer("put", {"event_id": self._happens(state(kind, user, body, key))})
        elif "redact" in parts and "redact" not in self.refused:
            redaction = {**said(user, ""), "type": "m.room.redaction", "redacts": parts[-2], "content": body}
            return self._answer("redact", {"event_id": self._happens(redaction)})
        words = {"kick": "kick", "state": "put", "redact": "redact"}
        return self._answer(next((words[part] for part in parts if part in words), parts[-1]), {})

    def _read(self, parts: list[str], query) -> Deferred | None:
        if parts[-1].startswith("#_xmpp_"):
            found = self.aliases.get(parts[-1])
            return succeed({"room_id": found}) if found else fail(BridgeError(Trouble.NO_SUCH_ROOM))
        if "profile" in parts:
            return self._answer("profile", self.profiles.get(parts[-1], {}))
        if "state" in parts:
            return self._piece(parts[5], parts[7], parts[8])
        if parts[-1] == "members":
            return succeed(
                {"chunk": [one for one in self.state[parts[5]] if self._is(one, query["membership"])]}
            )
        return None

    def close(self) -> Deferred:
        self.closed = True
        return succeed(None)


class Scene:
    """A network, what it delivered to whom, and the homeserver behind it; events arrive at `push`."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.told: dict[UserId, list] = {ROMEO: [], JULIET: []}
        self.tuples: dict[UserId, list] = {ROMEO: [], JULIET: []}
        self.archived: list = []
        self.remembered: dict[UserId, dict[str, bytes]] = {}
        self.photos: dict[str, Photo] = {}
        self.photographed: list[tuple[str, ...]] = []
        self.persistent = False
        self.numbers = count(1)
        self.acted: list[tuple] = []
        self.looked: dict[RoomId, RoomInfo] = {}
        self.lost = False
        self.troubles: list[str] = []
        self.has_links = False
        self.linking: dict[str, str] = {}
        self.repeatables: dict[Ref, bytes] = {}
        self.keeping: dict[Ref, Deferred] = {}
        self.left: list[tuple[UserId, Ref, bytes]] = []
        self.server = Rooms(self.push)
        self.start()

    def start(self) -> None:
        """Start, or start again."""
        self.config = replace(config(), server_name="hs.example")
        self.network = MatrixNetwork(self.config, self.reactor, self.server, lambda: 0.5)  # type: ignore[arg-type]
        self.network.start(self)  # type: ignore[arg-type]

    def turn(self, seconds: float = 0) -> None:
        """Let time pass, and what waits for the next turn of the reactor happen."""
        self.reactor.pump([seconds, *[0] * 20])

    def push(self, event: dict) -> None:
        """Have the homeserver push an event, in a turn of its own; `lost`: it does not."""
        if self.lost:
            return
        event = {"room_id": ROOM_ID, **event}
        txn = f"t{next(self.numbers)}"
        self.reactor.callLater(0, lambda: self.network.inbox.receive(txn, [json.dumps(event).encode()], []))

    def happens(self, event: dict) -> list:
        """Push what happens now and return what Romeo is told of it."""
        self.told[ROMEO].clear()
        self.push({**event, "origin_server_ts": NOW})
        self.turn()
        return self.told[ROMEO]

    def enter(self, user: UserId = ROMEO, nick: str = "romeo", room: RoomId = GARDEN) -> list:
        """Have a user enter and return all that he is told."""
        self.network.submit(user, Enter(room=room, nick=nick))
        self.turn()
        return self.told[user]

    def inside(self, *users: tuple[UserId, str]) -> None:
        """Have users in the garden, who were told of nothing yet."""
        for user, nick in users or ((ROMEO, "romeo"),):
            assert any(isinstance(event, Entered) for event in self.enter(user, nick))
        for told in (*self.told.values(), *self.tuples.values()):
            told.clear()
        self.server.asked.clear()

    # ---- the bridge

    def photo(self, user: UserId, id: str) -> Deferred:
        self.photographed.append((user, id))
        return succeed(self.photos.get(id))

    def face(self, guest: ContactId, occupant: ContactId, id: str) -> Deferred:
        self.photographed.append((guest, occupant, id))
        return succeed(self.photos.get(id))

    def deliver(self, user: UserId, events) -> None:
        self.told[user] += events
        self.tuples[user].append(events)

    def act(self, guest: ContactId, event) -> None:
        self.acted.append((guest, event))

    def look(self, room: RoomId) -> Deferred:
        found = self.looked.get(room)
        return fail(BridgeError(Trouble.NO_SUCH_ROOM)) if found is None else succeed(found)

    def message_id(self) -> MessageId:
        return MessageId(f"{next(self.numbers):x}")

    def archive(self, message) -> None:
        self.archived.append(message)

    def link(self, name: str, filename: str) -> str:
        return f"https://files.example/{name}/{filename}" if self.has_links else ""

    def linked(self, url: str) -> str | None:
        return self.linking.get(url)

    def fetch(self, url: str) -> Deferred:
        return fail(BridgeError(Trouble.NOT_ALLOWED))

    def settings(self, user: UserId, scope, key: str):
        return RoomSettings(persistent=self.persistent) if key else GatewaySettings()

    def repeatable(self, ref: Ref, data: bytes) -> Deferred | None:
        self.repeatables[ref] = data
        return self.keeping.get(ref)

    def unanswered(self) -> list:
        return self.left

    def memory(self, user: UserId):
        return self.remembered.get(user, {})

    def remember(self, user: UserId, key: str, value: bytes | None) -> None:
        mine = self.remembered.setdefault(user, {})
        mine.pop(key, None)
        if value is not None:
            mine[key] = value

    def trouble(self, words: str) -> None:
        self.troubles.append(words)

    def owners(self):
        return iter(list(self.remembered))

    def keep(self, data: bytes) -> int:
        return next(self.numbers)

    def durable(self) -> Deferred:
        return succeed(None)

    def done(self, number: int) -> None:
        pass

    def kept(self) -> list:
        return []


def ghost(user: UserId) -> str:
    return IDS.ghost(user)
