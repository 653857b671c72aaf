"""What homeservers may leave out is left out, one key after the other and all at once: all goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from twisted.logger import LogLevel, globalLogPublisher

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    Configuration,
    Configure,
    DirectMessage,
    Entered,
    Invite,
    Join,
    Kick,
    Knock,
    Leave,
    Message,
    MessageId,
    NickChange,
    OccupantChange,
    Reaction,
    Receipt,
    Ref,
    Retraction,
    Role,
    RoomConfig,
    RoomId,
    RoomNotice,
    Sent,
    SetAffiliation,
    SetRole,
    Text,
    Topic,
    Typing,
)
from bridge.network import (
    AffiliationList,
    AvatarQuery,
    ConfigurationQuery,
    ContactInfo,
    ContactQuery,
    HistoryPage,
    HistoryQuery,
    Photo,
    Query,
    RoomConfiguration,
    RoomInfo,
    RoomList,
    RoomPage,
    RoomQuery,
)
from bridge.vocabulary import ServerId
from tests.transports.matrix.documents import ANSWERS, DONE, EPHEMERAL, MEMBERS, OWNER, RULES, SAID, full
from tests.transports.matrix.homeserver import ROMEO, Scene
from tests.transports.matrix.raw import ALICE, IDS
from tests.transports.matrix.sparse import ALL, GARDEN, cases, sparse
from tests.transports.matrix.web import watch
from transports.matrix.echoes import PATIENCE

CONTACT = IDS.contact(ALICE)
OTHER = RoomId("#other:hs.example")
CAROL = "@carol:hs.example"
"""In a wish, by whatever nick she is known."""
SHOWN: dict[str, Any] = {
    **dict.fromkeys(SAID, Message),
    "reaction": Reaction,
    "redaction": Retraction,
    "join": Join,
    "knock": Knock,
    "leave": Leave,
    "kick": Kick,
    "ban": Kick,
    "rename": NickChange,
    "name": RoomConfig,
    "topic": Topic,
    "picture": RoomConfig,
    "alias": RoomConfig,
    "join rules": RoomConfig,
    "encryption": RoomNotice,
}
"""What Romeo is told of an event, whatever is left out; of the others nothing need be said."""


CAPTIONED = ("image", "video", "audio", "file")
"""Files with words about them, as long as they have a name too."""


@pytest.fixture(autouse=True)
def sound() -> Iterator[None]:
    """Nothing is logged that went wrong, nor that anything was skipped."""
    found: list[str] = []

    def keep(entry: dict[str, Any]) -> None:
        if entry["log_level"] >= LogLevel.warn:
            found.append(f"{entry.get('log_format')} {entry.get('reason')} {entry.get('log_failure')}")

    globalLogPublisher.addObserver(keep)
    yield
    globalLogPublisher.removeObserver(keep)
    assert found == []


def entered() -> Scene:
    """Romeo is in the garden, has heard Alice, and was told of nothing yet."""
    scene, _ = sparse()
    scene.has_links = True
    assert any(isinstance(one, Entered) for one in scene.told[ROMEO])
    scene.happens(full(SAID["text"]) | {"event_id": OWNER})
    return scene


EVENTS = cases({**SAID, **DONE, **MEMBERS, **RULES})


@pytest.mark.parametrize(("name", "omitted", "event"), EVENTS, ids=[f"{one[0]}-{one[1]}" for one in EVENTS])
def test_event_is_shown_whatever_is_left_out(name: str, omitted: str, event: dict[str, Any]):
    """By its kind, with the words that it has, and what is said next is heard."""
    scene = entered()
    told = scene.happens(event | {"event_id": "$now"})
    expected = SHOWN.get(name)
    assert expected is None or any(isinstance(one, expected) for one in told)
    if "body" in event["content"]:
        [message] = told
        assert ("hello" in message.body.plain) is not bool(message.attachments) or name in CAPTIONED
        assert message.nick == "Alice"
    [heard] = scene.happens(full(SAID["text"]) | {"event_id": "$next"})
    assert heard.body.plain == "hello"


PASSING = cases(EPHEMERAL)


@pytest.mark.parametrize(("name", "omitted", "event"), PASSING, ids=[f"{one[0]}-{one[1]}" for one in PASSING])
def test_what_passes_by_is_shown_whatever_is_left_out(name: str, omitted: str, event: dict[str, Any]):
    """Who is writing, who has read, who is away."""
    scene = entered()
    scene.told[ROMEO].clear()
    scene.network.inbox.receive("t", [], [json.dumps(event).encode()])
    scene.turn()
    kinds = {"typing": Typing, "receipt": Receipt, "presence": OccupantChange}
    is_empty = name == "receipt" and omitted in (ALL, f"content.{OWNER}.m.read")
    assert any(isinstance(one, kinds[name]) for one in scene.told[ROMEO]) is not is_empty


ANSWERED = cases({pattern: document for _, pattern, document in ANSWERS})
QUESTIONS: list[tuple[Query, Any]] = [
    (HistoryQuery(room=GARDEN), HistoryPage),
    (HistoryQuery(room=GARDEN, settled=True), HistoryPage),
    (HistoryQuery(room=GARDEN, start=1.0, end=2.0), HistoryPage),
    (HistoryQuery(room=GARDEN, ids=(MessageId("$e1"),)), HistoryPage),
    (HistoryQuery(room=OTHER), HistoryPage),
    (RoomQuery(room=GARDEN), RoomInfo),
    (RoomQuery(room=OTHER), RoomInfo),
    (RoomList(server=ServerId("")), RoomPage),
    (ConfigurationQuery(room=GARDEN), RoomConfiguration),
    *((AffiliationList(room=GARDEN, affiliation=one), list) for one in Affiliation),
    (ContactQuery(contact=CONTACT), ContactInfo),
    (AvatarQuery(contact=CONTACT), Photo),
    (AvatarQuery(room=GARDEN), Photo),
    (AvatarQuery(room=OTHER), Photo),
]
WISHES = [
    Message(room=GARDEN, body=Text(plain="hi"), ref=Ref(1)),
    Reaction(room=GARDEN, id=MessageId(OWNER), emojis=("-",), ref=Ref(1)),
    Retraction(room=GARDEN, id=MessageId(OWNER), ref=Ref(1)),
    Topic(room=GARDEN, text="x", ref=Ref(1)),
    Kick(room=GARDEN, nick=CAROL, ref=Ref(1)),
    SetRole(room=GARDEN, nick=CAROL, role=Role.VISITOR, ref=Ref(1)),
    SetAffiliation(
        room=GARDEN, contact=IDS.contact("@bob:hs.example"), affiliation=Affiliation.OUTCAST, ref=Ref(1)
    ),
    Configure(room=GARDEN, changes=Configuration(name="x", closed=True), ref=Ref(1)),
    Invite(room=GARDEN, contact=IDS.contact("@bob:hs.example"), ref=Ref(1)),
    Knock(room=OTHER, ref=Ref(1)),
    DirectMessage(contact=CONTACT, body=Text(plain="hi"), ref=Ref(1)),
]


@pytest.mark.parametrize(
    ("pattern", "omitted", "document"), ANSWERED, ids=[f"{one[0]}-{one[1]}" for one in ANSWERED]
)
def test_all_goes_on_whatever_an_answer_leaves_out(pattern: str, omitted: str, document: Any):
    """Every question is answered, every wish done, by each answer that is still complete."""
    scene, _ = sparse(pattern, document)
    assert any(isinstance(one, Entered) for one in scene.told[ROMEO])
    scene.happens(full(SAID["text"]) | {"event_id": OWNER})
    for query, kind in QUESTIONS:
        asked = watch(scene.network.ask(ROMEO, query))
        scene.turn(1)
        [found] = asked
        assert isinstance(found, kind) or _is_missing(query, found, omitted), (query, found)
    seen = scene.network.snapshot(ROMEO, GARDEN)
    assert seen is not None
    nicks = {one.identity: one.nick for one in seen.occupants.values()}
    for wish in WISHES:
        if getattr(wish, "nick", "") == CAROL:
            wish = structs.replace(wish, nick=nicks[CAROL])
        scene.told[ROMEO].clear()
        scene.network.submit(ROMEO, wish)
        scene.turn(1)
        # nothing is pushed here
        scene.turn(PATIENCE)
        answers = [one for one in scene.told[ROMEO] if getattr(one, "ref", 0) == 1]
        assert [type(one) for one in answers] == [Sent] or _is_powerless(answers, omitted), (wish, answers)


def _is_powerless(answers: list[Any], omitted: str) -> bool:
    """Without the list of who has power nobody has."""
    [answer] = answers
    return omitted in ("users", ALL) and answer.error.trouble is Trouble.NO_PRIVILEGE


def _is_missing(query: Query, found: object, omitted: str) -> bool:
    """A picture that nobody has is not there; a place in the past that is not told is not found."""
    if not isinstance(found, BridgeError):
        return False
    if isinstance(query, AvatarQuery):
        return omitted == ALL or "url" in omitted
    return isinstance(query, HistoryQuery) and query.start is not None and omitted in ("end", ALL)
