"""Talk between two, in front of a homeserver in memory."""

from __future__ import annotations

import json
from itertools import count
from urllib.parse import unquote

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    DirectMessage,
    DirectReaction,
    Failed,
    Invite,
    Receipt,
    Ref,
    Sent,
    ServerNotice,
    Text,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from tests.transports.matrix.raw import ALICE, BOB, IDS, JULIET, ROMEO, create, event, member, said, state
from tests.transports.matrix.test_registration import config
from transports.matrix.chats import KEY, UNACCEPTED
from transports.matrix.common import Common
from transports.matrix.direct import Direct, is_person
from transports.matrix.outbox import Outbox
from transports.matrix.pictures import Pictures
from transports.matrix.refusal import Refusal
from transports.matrix.rules import Rules
from transports.matrix.submission import Submissions

USER = UserId("romeo@montague.example")
CONTACT = IDS.contact(ALICE)
BOT = "@bot:hs.example"


class Server:
    """Rooms by their state; what is asked is done at once, unless `refused` names it."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[dict]] = {}
        self.refused: dict[str, BridgeError] = {}
        self.held: dict[str, Deferred] = {}
        self.said: list[tuple] = []
        self.asked: list[tuple] = []
        self.names: dict[str, str] = {}
        self.default: list[dict] = []
        self._numbers = count(1)

    def room(self, *events: dict) -> str:
        room = f"!room{next(self._numbers)}:hs.example"
        self.rooms[room] = [create(), *events]
        return room

    def _answer(self, what: str, result) -> Deferred:
        if what in self.refused:
            return fail(self.refused[what])
        return self.held[what].addCallback(lambda _: result) if what in self.held else succeed(result)

    async def room_state(self, room: str, user: str) -> list[dict]:
        return await self._answer("state", [one for one in self.rooms[room] if "state_key" in one])

    async def set_profile(self, user: str, name: str) -> None:
        self.names[user] = name

    def join(self, user: str, room: str, via) -> Deferred:
        self.rooms[room].append(member(user))
        return self._answer("join", room)

    def send(self, user: str, room: str, kind: str, content: dict, txn: str, patience: float) -> Deferred:
        self.said.append((room, kind, content))
        return self._answer("send", f"$said{len(self.said)}")

    def api(self, request: tuple, **options) -> Deferred:
        method, path, *data = request
        body = json.loads(data[0]) if data else None
        return self.call(method, path.partition("?")[0], body=body, **options)

    def call(self, method: str, path: str, *, body=None, user: str = "", **options) -> Deferred:
        parts = [unquote(part) for part in path.split("/")][4:]
        self.asked.append((method, *parts, body))
        if parts[0] == "createRoom":
            invited = [
                member(one, membership="invite", sender=user, is_direct=True) for one in body["invite"]
            ]
            return self._answer("createRoom", {"room_id": self.room(member(user), *invited, *self.default)})
        if parts[-1] == "messages":
            return self._answer("messages", {"chunk": self.rooms[parts[1]][::-1]})
        what = next(
            (one for one in ("profile", "redact", "leave", "receipt", "typing") if one in parts), parts[-2]
        )
        return self._answer(what, {})


class Scene:
    """Direct talk, its homeserver, and what Romeo is told."""

    def __init__(self, server: Server | None = None, remembered: dict | None = None, **options) -> None:
        self.server = server or Server()
        self.told: list = []
        self.remembered: dict[UserId, dict[str, bytes]] = {} if remembered is None else remembered
        self.known: list[str] = []
        numbers = count(1)
        submissions = Submissions(
            self.server,  # type: ignore[arg-type]
            Outbox(self.server, 1.0, lambda: 0.0),  # type: ignore[arg-type]
            lambda user, event: self.deliver(user, (event,)),
            lambda: f"{next(numbers)}",
            lambda ghost, attachment: succeed(None),
        )
        self.rules = Rules(config(**options))
        pictures = Pictures(self.server)  # type: ignore[arg-type]
        common = Common(self.server, IDS, Clock(), self, self.rules, pictures, BOT, 1.0)  # type: ignore[arg-type]
        self.direct = Direct(common, submissions, self, self.known.append)

    def deliver(self, user: UserId, events) -> None:
        assert user == USER
        self.told += events

    def reaches(self, person: str, user: UserId) -> bool:
        return is_person(user) and self.rules.may_reach(person, user)

    def name(self, user: UserId) -> str:
        return user.partition("@")[0]

    def link(self, name: str, filename: str) -> str:
        return f"https://gw.example/{name}/{filename}"

    def memory(self, user: UserId):
        return self.remembered.get(user, {})

    def owners(self):
        return iter(list(self.remembered))

    def remember(self, user: UserId, key: str, value: bytes | None) -> None:
        mine = self.remembered.setdefault(user, {})
        mine.pop(key, None)
        if value is not None:
            mine[key] = value

    def taken(self) -> list:
        told, self.told = self.told, []
        return told

    def say(self, body: str = "hello", ref: int = 1, **more) -> list:
        self.direct.submit(USER, DirectMessage(contact=CONTACT, body=Text(plain=body), ref=Ref(ref), **more))
        return self.taken()

    def hear(self, room: str, one: dict) -> list:
        one = {**one, "room_id": room}
        assert self.direct.concerns(one)
        self.direct.hear(one)
        return self.taken()

    def invited(self, *more: dict, ghost=ROMEO) -> str:
        """Alice opens a room for the two."""
        room = self.server.room(member(ALICE, "Alice"), *more)
        self.hear(room, member(ghost, membership="invite", sender=ALICE, is_direct=True))
        return room

    def opened(self) -> str:
        """Romeo wrote to Alice, who has accepted."""
        assert [type(one) for one in self.say()] == [Sent]
        room = self.server.said[0][0]
        self.hear(room, member(ALICE, "Alice"))
        return room


def trouble(events: list) -> Trouble:
    [failed] = events
    assert isinstance(failed, Failed)
    return failed.error.trouble


# ---- rooms are opened, and found again


def test_first_message_opens_a_room_and_the_next_goes_there():
    """A private room with an invitation to talk; both list it."""
    scene = Scene()
    [sent] = scene.say(ref=5)
    assert (sent.ref, sent.last) == (5, True)
    assert scene.server.names == {ROMEO: "romeo"}
    [made] = [one for one in scene.server.asked if "createRoom" in one]
    assert made[-1]["is_direct"] is True and made[-1]["invite"] == [ALICE]
    scene.say("again")
    assert [(room, content["body"]) for room, _, content in scene.server.said] == [
        ("!room1:hs.example", "hello"),
        ("!room1:hs.example", "again"),
    ]
    [marked] = [one for one in scene.server.asked if "m.direct" in one]
    assert marked[-1] == {ALICE: ["!room1:hs.example"]}
    assert scene.known == ["!room1:hs.example"]


def test_room_is_found_again_after_a_restart():
    """By its state, which tells who is there."""
    scene = Scene()
    room = scene.opened()
    scene.server.rooms[room] = [create(), member(ROMEO), member(ALICE, "Alice")]
    again = Scene(scene.server, scene.remembered)
    [heard] = again.hear(room, said(ALICE, "still here"))
    assert (heard.contact, heard.nick, heard.body.plain) == (CONTACT, "Alice", "still here")
    again.say("so am I")
    assert scene.server.said[-1][0] == room


def test_newest_room_with_both_inside_is_used_and_all_are_heard():
    """Also of rooms that the other side opened."""
    scene = Scene()
    first, second = scene.invited(), scene.invited()
    for number, room in enumerate((first, second)):
        scene.direct._chats.get(room).number = number
    scene.say()
    assert scene.server.said[-1][0] == second
    scene.hear(second, member(ALICE, membership="leave"))
    scene.say()
    assert scene.server.said[-1][0] == first
    assert [one.body.plain for room in (first, second) for one in scene.hear(room, said(ALICE, room))] == [
        first,
        second,
    ]


def test_who_left_is_asked_back_and_otherwise_another_room_is_opened():
    """Never is anything said to nobody."""
    scene = Scene()
    room = scene.opened()
    scene.hear(room, member(ALICE, membership="leave"))
    scene.say("back")
    asked = next(one for one in scene.server.asked if one[-1] == {"membership": "invite", "is_direct": True})
    assert asked[2:6] == (room, "state", "m.room.member", ALICE)
    assert scene.server.said[-1][0] == room
    scene.hear(room, member(ALICE, membership="leave"))
    scene.server.refused["m.room.member"] = Refusal(403, {"errcode": "M_FORBIDDEN"})
    scene.say("anew")
    assert scene.server.said[-1][0] != room


def test_message_said_while_she_was_leaving_asks_her_back():
    """It came after she left, in the order of the room."""
    scene = Scene()
    room = scene.opened()
    scene.say("wait")
    scene.hear(room, member(ALICE, membership="leave"))
    scene.server.asked.clear()
    assert scene.hear(room, said(ROMEO, "wait")) == []
    assert scene.server.asked[-1][-1] == {"membership": "invite", "is_direct": True}
    scene.hear(room, member(ALICE, membership="leave"))
    scene.server.refused["m.room.member"] = Refusal(403, {"errcode": "M_FORBIDDEN"})
    [notice] = scene.hear(room, said(ROMEO, "wait"))
    assert isinstance(notice, ServerNotice) and ALICE in notice.text


def test_ghost_that_was_put_out_forgets_the_room():
    """What was not read is reported; the next message opens another."""
    scene = Scene()
    scene.say(ref=3)
    room = scene.server.said[0][0]
    [failed] = scene.hear(room, member(ROMEO, membership="leave", sender=ALICE))
    assert failed.ref == 3
    assert KEY + room not in scene.remembered[USER]
    scene.say()
    assert scene.server.said[-1][0] != room


def test_room_that_the_homeserver_keeps_from_us_is_forgotten():
    """After a restart: the ghost is not in it any more."""
    scene = Scene()
    room = scene.opened()
    again = Scene(scene.server, scene.remembered)
    scene.server.refused["state"] = Refusal(403, {"errcode": "M_FORBIDDEN"})
    assert [one.body.plain for one in again.hear(room, said(ALICE, "the last word"))] == ["the last word"]
    assert KEY + room not in scene.remembered[USER]


def test_words_are_passed_on_though_the_state_cannot_be_had():
    """A homeserver that is busy loses nothing."""
    scene = Scene()
    room = scene.opened()
    again = Scene(scene.server, scene.remembered)
    scene.server.refused["state"] = BridgeError(Trouble.TIMED_OUT)
    [heard] = again.hear(room, said(ALICE, "hello"))
    assert heard.body.plain == "hello"


def test_room_is_learned_from_its_own_invitation():
    """Should the bridge have ended between making a room and remembering it."""
    scene = Scene()
    room = scene.server.room(member(ROMEO), member(ALICE, membership="invite", sender=ROMEO, is_direct=True))
    scene.hear(room, member(ALICE, membership="invite", sender=ROMEO, is_direct=True))
    scene.say()
    assert scene.server.said[-1][0] == room


# ---- what cannot be


def test_message_to_nobody_is_refused():
    """The homeserver knows its own users; of others' it may not want to tell."""
    scene = Scene()
    scene.server.refused["profile"] = Refusal(404, {"errcode": "M_NOT_FOUND"})
    assert trouble(scene.say()) is Trouble.NO_SUCH_NICK
    scene.server.refused["profile"] = Refusal(403, {"errcode": "M_FORBIDDEN"})
    assert isinstance(scene.say()[0], Sent)


@pytest.mark.parametrize("contact", [IDS.contact(JULIET), "@"])
def test_message_to_who_is_not_of_matrix_is_refused_at_once(contact):
    """People on XMPP are written to on XMPP."""
    with pytest.raises(BridgeError):
        Scene().direct.submit(USER, DirectMessage(contact=contact, body=Text(plain="x"), ref=Ref(1)))


def test_room_that_cannot_be_opened_is_an_error():
    """Whatever the reason; one that is encrypted from the start is of no use."""
    scene = Scene()
    scene.server.refused["createRoom"] = Refusal(403, {"errcode": "M_FORBIDDEN"})
    assert trouble(scene.say()) is Trouble.NO_PRIVILEGE
    scene.server.refused.clear()
    scene.server.default.append(state("m.room.encryption", ROMEO, {"algorithm": "megolm"}))
    assert trouble([one for one in scene.say() if isinstance(one, Failed)]) is Trouble.REFUSED


def test_declined_invitation_fails_what_was_said():
    """Each message once; if none is known, words must do."""
    scene = Scene()
    scene.say(ref=1)
    scene.say(ref=2)
    room = scene.server.said[0][0]
    declined = member(ALICE, membership="leave")
    assert [one.ref for one in scene.hear(room, declined)] == [1, 2]
    before = {"prev_content": {"membership": "invite"}}
    [notice] = scene.hear(room, {**member(ALICE, membership="leave"), "unsigned": before})
    assert isinstance(notice, ServerNotice) and "declined" in notice.text


def test_messages_before_the_invitation_is_accepted_are_bounded():
    """Nobody is flooded before he wants to talk."""
    scene = Scene()
    for _ in range(UNACCEPTED):
        scene.say()
    assert trouble(scene.say()) is Trouble.TOO_MANY


def test_reaction_where_nothing_was_said_opens_no_room():
    """There is nothing that it could be about."""
    scene = Scene()
    scene.direct.submit(USER, DirectReaction(contact=CONTACT, id="m1", emojis=("+",), ref=Ref(1)))
    assert trouble(scene.taken()) is Trouble.NOT_FOUND
    assert not any("createRoom" in one for one in scene.server.asked)


# ---- who is asked


def test_first_words_are_heard_that_came_with_the_invitation():
    """The homeserver pushes nothing of a room before somebody of ours is in it."""
    scene = Scene()
    invited = member(ROMEO, membership="invite", sender=ALICE, is_direct=True)
    first, second = said(ALICE, "Romeo?"), said(ALICE, "wherefore art thou")
    room = scene.server.room(member(ALICE, "Alice"), said(ALICE, "to myself"), invited, first, second)
    assert [one.body.plain for one in scene.hear(room, invited)] == ["Romeo?", "wherefore art thou"]
    assert scene.hear(room, second) == []
    assert [one.body.plain for one in scene.hear(room, said(ALICE, "Romeo!"))] == ["Romeo!"]


def test_first_words_that_cannot_be_had_do_not_keep_the_ghost_out():
    """What is said from then on is heard."""
    scene = Scene()
    scene.server.refused["messages"] = BridgeError(Trouble.NOT_ALLOWED)
    room = scene.invited()
    assert [one.body.plain for one in scene.hear(room, said(ALICE, "Romeo!"))] == ["Romeo!"]


def test_invitation_to_talk_is_accepted_at_once():
    """And what is said comes from the contact."""
    scene = Scene()
    room = scene.invited()
    assert scene.server.names == {ROMEO: "romeo"}
    [heard] = scene.hear(room, said(ALICE, "Romeo?"))
    assert isinstance(heard, DirectMessage)
    assert (heard.contact, heard.id.startswith("$")) == (CONTACT, True)


def test_rules_keep_people_away():
    """Whom the operator does not let reach a user is not answered by the ghost's coming."""
    scene = Scene(contact_rules=("deny hs.example montague.example",))
    room = scene.invited()
    assert scene.server.asked[-1][:4] == ("POST", "rooms", room, "leave")
    assert room not in scene.direct._chats


def test_encrypted_room_is_answered_once_and_another_is_offered():
    """Nothing that was written there can be read."""
    scene = Scene()
    encryption = state("m.room.encryption", ALICE, {"algorithm": "megolm"})
    room = scene.invited(encryption)
    scene.hear(room, event("m.room.encrypted", ALICE, {"ciphertext": "x"}))
    [(where, _, content)] = scene.server.said
    assert where == room and content["msgtype"] == "m.notice"
    assert len([one for one in scene.server.asked if "createRoom" in one]) == 1
    again = Scene(scene.server, scene.remembered)
    again.hear(room, event("m.room.encrypted", ALICE, {"ciphertext": "y"}))
    assert len(scene.server.said) == 1


def test_room_that_becomes_encrypted_is_answered_too():
    """From then on."""
    scene = Scene()
    room = scene.opened()
    scene.hear(room, state("m.room.encryption", ALICE, {"algorithm": "megolm"}))
    assert "encrypted" in scene.server.said[-1][2]["body"]


def test_third_one_makes_it_a_room():
    """The user is invited to it, and it is no conversation any more; the gateway's own user does not count."""
    scene = Scene()
    room = scene.invited()
    assert scene.hear(room, member(BOT)) == []
    [invite] = scene.hear(room, member(BOB, membership="invite", sender=ALICE))
    assert isinstance(invite, Invite)
    assert IDS.target(invite.room).id == room
    assert not scene.direct.concerns({**said(ALICE, "all"), "room_id": room})


@pytest.mark.parametrize(
    ("user_id", "exists"),
    [
        (ROMEO, True),
        (IDS.ghost("montague.example"), False),
        (IDS.ghost("romeo@montague.example/x"), False),
        (IDS.ghost("Romeo@montague.example"), False),
        (ALICE, False),
    ],
)
def test_everybody_on_xmpp_exists(user_id, exists):
    """Who has an address of a person; the ghost is made for it."""
    scene = Scene()
    found: list[bool] = []
    scene.direct.exists(user_id).addCallback(found.append)
    assert found == [exists]
    assert (user_id in scene.server.names) is exists


def test_nobody_exists_whom_nobody_may_reach():
    """The rules hold before anybody is made."""
    found: list[bool] = []
    Scene(contact_rules=("deny * *",)).direct.exists(ROMEO).addCallback(found.append)
    assert found == [False]
    assert is_person(USER) and not is_person("@")


# ---- what goes with messages


def test_writing_and_reading_are_told():
    """Of the other one only, and only what changes."""
    scene = Scene()
    room = scene.opened()
    scene.say("read me", origin="m1")
    typing = {"type": "m.typing", "room_id": room, "content": {"user_ids": [ALICE, ROMEO]}}
    scene.direct.overhear(typing)
    scene.direct.overhear(typing)
    scene.direct.overhear({**typing, "content": {"user_ids": None}})
    states = [TypingState.COMPOSING, TypingState.DONE]
    assert scene.taken() == [Typing(contact=CONTACT, state=each) for each in states]
    readers = {ALICE: {"ts": 1}, ROMEO: {"ts": 1}}
    content = {"$said2": {"m.read": readers}, "$strange": {"m.read": readers}}
    scene.direct.overhear({"type": "m.receipt", "room_id": room, "content": content})
    assert scene.taken() == [Receipt(contact=CONTACT, id="m1")]
    scene.direct.type(USER, Typing(contact=CONTACT, state=TypingState.COMPOSING))
    assert scene.server.asked[-1][3:5] == ("typing", ROMEO)
    scene.direct.read(USER, Receipt(contact=CONTACT, id="$event"))
    assert scene.server.asked[-1][3:6] == ("receipt", "m.read", "$event")
    before = len(scene.server.asked)
    scene.direct.read(USER, Receipt(contact=CONTACT, id="m1"))
    assert len(scene.server.asked) == before


def test_nobody_is_shown_writing_in_a_room_that_is_not_there():
    """Nothing is opened for that."""
    scene = Scene()
    scene.direct.type(USER, Typing(contact=CONTACT, state=TypingState.COMPOSING))
    scene.direct.read(USER, Receipt(contact=CONTACT, id="$event"))
    assert scene.server.asked == []


def test_message_that_did_not_get_there_is_answered_in_the_room():
    """With the reason, and about which it is."""
    scene = Scene()
    room = scene.invited()
    [heard] = scene.hear(room, said(ALICE, "anybody?"))
    error = BridgeError(Trouble.NOT_FOUND, "No such person.")
    scene.direct.undelivered(USER, Undelivered(contact=CONTACT, id=heard.id, error=error))
    where, _, content = scene.server.said[-1]
    assert (where, content["msgtype"]) == (room, "m.notice")
    assert "No such person." in content["body"]
    assert content["m.relates_to"]["m.in_reply_to"]["event_id"] == heard.id


def test_garbage_in_a_conversation_is_skipped():
    """And it goes on."""
    scene = Scene()
    room = scene.invited()
    assert scene.hear(room, event("m.room.message", 7, None)) == []
    assert len(scene.hear(room, said(ALICE, "well"))) == 1
