"""The network in front of homeservers that say no more than they must, or less."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogPublisher

from bridge.errors import BridgeError
from bridge.events import (
    Affiliation,
    ChangeNick,
    Configuration,
    Configure,
    DirectMessage,
    Enter,
    Entered,
    Failed,
    Invite,
    Kick,
    Knock,
    Message,
    MessageId,
    NickChange,
    NickRefused,
    NotEntered,
    Presence,
    Profile,
    Reaction,
    Ref,
    Retraction,
    Role,
    RoomId,
    Sent,
    SetAffiliation,
    SetRole,
    Show,
    Subscribe,
    Text,
    Topic,
)
from bridge.network import (
    AffiliationList,
    AvatarQuery,
    ConfigurationQuery,
    ContactQuery,
    HistoryQuery,
    RoomList,
    RoomQuery,
)
from tests.transports.matrix.homeserver import GARDEN, ROMEO, ROOM_ID, Rooms, Scene
from tests.transports.matrix.raw import ALICE, IDS, create, member, said
from tests.transports.matrix.web import watch
from transports.matrix.state import State, read_state

PERSON = IDS.contact(ALICE)
OTHER = RoomId("#other:hs.example")
QUERIES = [
    HistoryQuery(room=GARDEN),
    HistoryQuery(room=GARDEN, before=MessageId("$event")),
    HistoryQuery(room=GARDEN, start=1.0, end=2.0),
    HistoryQuery(room=GARDEN, ids=(MessageId("$event"),)),
    HistoryQuery(room=OTHER),
    RoomQuery(room=GARDEN),
    RoomQuery(room=OTHER),
    RoomList(server=""),
    ConfigurationQuery(room=GARDEN),
    *(AffiliationList(room=GARDEN, affiliation=one) for one in Affiliation),
    ContactQuery(contact=PERSON),
    AvatarQuery(contact=PERSON),
    AvatarQuery(room=GARDEN),
    AvatarQuery(room=OTHER),
]
WISHES = [
    Enter(room=OTHER, nick="romeo"),
    Message(room=GARDEN, body=Text(plain="hi"), ref=Ref(1)),
    Reaction(room=GARDEN, id=MessageId("$event"), emojis=("+",), ref=Ref(1)),
    Retraction(room=GARDEN, id=MessageId("$event"), ref=Ref(1)),
    Topic(room=GARDEN, text="x", ref=Ref(1)),
    Kick(room=GARDEN, nick="Alice", ref=Ref(1)),
    SetRole(room=GARDEN, nick="Alice", role=Role.VISITOR, ref=Ref(1)),
    SetAffiliation(room=GARDEN, target="Alice", affiliation=Affiliation.MEMBER, ref=Ref(1)),
    SetAffiliation(room=GARDEN, contact=PERSON, affiliation=Affiliation.OUTCAST, ref=Ref(1)),
    Configure(room=GARDEN, changes=Configuration(name="x"), ref=Ref(1)),
    Invite(room=GARDEN, contact=PERSON, ref=Ref(1)),
    Knock(room=OTHER, ref=Ref(1)),
    DirectMessage(contact=PERSON, body=Text(plain="hi"), ref=Ref(1)),
    ChangeNick(room=GARDEN, nick="Alice"),
    Presence(show=Show.CHAT),
    Subscribe(contact=PERSON),
    Profile(avatar=""),
]
SENSELESS = [{}, [], None, 7, "x", {"chunk": [None, {}, {"type": {}}], "room_id": 7, "membership": []}]


class Senseless(Rooms):
    """Answers everything with `answer`, once that is set."""

    answer: object = ...

    def join(self, user: str, room: str, *more) -> Deferred:
        return super().join(user, room, *more) if self.answer is ... else succeed("!other:hs.example")

    async def room_state(self, room: str, user: str | None = None) -> State:
        if self.answer is ...:
            return await super().room_state(room, user)
        return read_state(json.dumps(self.answer).encode())

    def call(self, method: str, path: str, **options) -> Deferred:
        return super().call(method, path, **options) if self.answer is ... else succeed(self.answer)


@pytest.fixture
def failures():
    """What was logged with a traceback."""
    found: list = []

    def keep(entry: dict) -> None:
        if "log_failure" in entry:
            found.append(entry["log_failure"])

    globalLogPublisher.addObserver(keep)
    yield found
    globalLogPublisher.removeObserver(keep)


@pytest.fixture
def senseless() -> Scene:
    """Romeo is in the garden, and then the homeserver loses its mind."""
    scene = Scene()
    scene.server = Senseless(scene.push)
    scene.start()
    scene.inside()
    return scene


@pytest.mark.parametrize("answer", SENSELESS, ids=str)
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_question_is_answered_whatever_the_homeserver_says(senseless, query, answer, failures):
    """With what can be known, or with an error of ours."""
    senseless.server.answer = answer
    asked = watch(senseless.network.ask(ROMEO, query))
    senseless.turn(61)
    [found] = asked
    assert isinstance(found, BridgeError) or not isinstance(found, Exception)
    assert failures == []


@pytest.mark.parametrize("answer", SENSELESS, ids=str)
@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: type(wish).__name__)
def test_wish_is_answered_once_whatever_the_homeserver_says(senseless, wish, answer, failures):
    """Done or not done, the user is told; what has no answer does not raise."""
    senseless.server.answer = answer
    senseless.network.submit(ROMEO, wish)
    senseless.turn(61)
    kinds = Sent | Failed | Entered | NotEntered | NickRefused | NickChange
    answers = [one for one in senseless.told[ROMEO] if isinstance(one, kinds)]
    assert len(answers) == (0 if isinstance(wish, Presence | Subscribe | Profile) else 1)
    assert failures == []


def test_room_of_which_little_is_known_is_a_room(failures):
    """No name, no rules, no levels, nobody with a name: defaults stand in for what is not there."""
    scene = Scene()
    made = create()
    made["content"] = {}
    scene.server.state[ROOM_ID] = [made, member(ALICE)]
    [entered] = scene.enter()
    assert isinstance(entered, Entered)
    assert set(entered.occupants) == {"alice", "romeo"}
    [heard] = scene.happens(said(ALICE, "hello"))
    assert heard.body.plain == "hello"
    assert failures == []
