"""Everybody in a room sees one order of what is said, himself included."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import Failed, Message, Ref, Sent, Text, UserId
from tests.transports.matrix.homeserver import GARDEN, JULIET, NOW, ROMEO, ROOM_ID, Scene
from tests.transports.matrix.raw import ALICE, said
from transports.matrix.echoes import PATIENCE, Echo, Echoes

GHOST = "@_xmpp_romeo:hs.example"
HEARD = {"event_id": "$1", "sender": GHOST, "content": {"xmppbridge.origin": {"txn": "t1"}}}


class Listening:
    """Echoes, and what became of one message that is expected."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.echoes = Echoes(self.clock)
        self.answer: Deferred[str] = Deferred()
        self.became: list[object] = []
        self.echoes.expect(GHOST, "t1", self.answer).addCallbacks(
            self.became.append, lambda failure: self.became.append(failure.value.trouble)
        )


def test_message_is_said_when_it_is_heard():
    """Whether the homeserver has answered or not; and once."""
    for is_answered in (True, False):
        scene = Listening()
        if is_answered:
            scene.answer.callback("$1")
        assert scene.became == []
        scene.echoes.hear(HEARD, None)
        assert scene.became == [Echo("$1", HEARD)]
        scene.echoes.hear(HEARD, None)
        if not is_answered:
            scene.answer.callback("$1")
        scene.clock.advance(PATIENCE)
        assert len(scene.became) == 1 and len(scene.echoes) == 0 and not scene.clock.getDelayedCalls()


def test_what_is_not_heard_is_said_by_the_answer_after_a_while():
    """Its author does not wait for ever."""
    scene = Listening()
    scene.clock.advance(2 * PATIENCE)
    scene.answer.callback("$1")
    scene.clock.advance(PATIENCE - 0.1)
    assert scene.became == []
    scene.clock.advance(0.2)
    assert scene.became == [Echo("$1")]


def test_where_nothing_is_pushed_the_answer_is_enough():
    """It is known that it would be waited for in vain."""
    scene = Listening()
    scene.echoes.is_pushing = False
    scene.answer.callback("$1")
    assert scene.became == [Echo("$1")]


def test_who_has_a_patience_of_his_own_waits_that_long():
    """After a restart it is heard late, and perhaps not known yet that anything is."""
    scene = Listening()
    scene.echoes.is_pushing = False
    became: list[object] = []
    answer: Deferred[str] = Deferred()
    scene.echoes.expect(GHOST, "t2", answer, 60.0).addCallback(became.append)
    answer.callback("$2")
    scene.clock.advance(59.0)
    assert became == []
    scene.clock.advance(2.0)
    assert became == [Echo("$2")]


def test_refusal_is_told_at_once_unless_it_was_heard():
    """An answer that got lost is no failure then."""
    scene = Listening()
    scene.answer.errback(BridgeError(Trouble.CANNOT_SPEAK))
    assert scene.became == [Trouble.CANNOT_SPEAK] and len(scene.echoes) == 0
    scene = Listening()
    scene.echoes.hear(HEARD, None)
    scene.answer.errback(BridgeError(Trouble.TIMED_OUT))
    assert scene.became == [Echo("$1", HEARD)]


def test_somebody_else_cannot_say_it():
    """Anybody can copy what marks an event."""
    scene = Listening()
    scene.echoes.hear({**HEARD, "sender": "@mallory:hs.example"}, None)
    scene.echoes.hear({**HEARD, "content": {}}, None)
    assert scene.became == []
    scene.answer.callback("$1")
    scene.echoes.stop()
    assert not scene.clock.getDelayedCalls()


# ---- a whole room


class Slow(Scene):
    """A homeserver that answers, and pushes what was said in its order, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.server.send = self.send  # type: ignore[method-assign]
        self.inside((ROMEO, "romeo"), (JULIET, "juliet"))
        self.timeline: list[dict] = []
        self.pushed = 0
        self.answers: list[tuple[Deferred, str]] = []
        self.refs = 0

    def send(self, user: str, room: str, kind: str, content: dict, txn: str, patience: float) -> Deferred:
        return self.takes({**said(user, ""), "content": content})

    def takes(self, event: dict) -> Deferred:
        id = f"$said{len(self.timeline)}"
        self.timeline.append({**event, "event_id": id, "room_id": ROOM_ID, "origin_server_ts": NOW})
        answer: Deferred[str] = Deferred()
        self.answers.append((answer, id))
        return answer

    def say(self, user: UserId) -> None:
        self.refs += 1
        message = Message(room=GARDEN, body=Text(plain="x"), origin=f"o{self.refs}", ref=Ref(self.refs))
        self.network.submit(user, message)

    def hears_alice(self) -> None:
        self.takes(said(ALICE, "hark"))

    def answer(self) -> None:
        if self.answers:
            waiting, id = self.answers.pop(0)
            waiting.callback(id)

    def pushes(self) -> None:
        if self.pushed < len(self.timeline):
            self.push(self.timeline[self.pushed])
            self.pushed += 1
            self.turn()

    def order(self, user: UserId) -> list[str]:
        """Return the ids of what a user saw."""
        seen = [one.message if isinstance(one, Sent) else one for one in self.told[user]]
        return [one.id for one in seen if isinstance(one, Message)]


STEPS = {
    "romeo": lambda scene: scene.say(ROMEO),
    "juliet": lambda scene: scene.say(JULIET),
    "alice": Slow.hears_alice,
    "answer": Slow.answer,
    "push": Slow.pushes,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=40))
def test_everybody_sees_one_order(steps: list[str]):
    """However answers and what is pushed come in between; and nobody misses anything."""
    scene = Slow()
    for step in steps:
        STEPS[step](scene)
        whole = [event["event_id"] for event in scene.timeline]
        for user in (ROMEO, JULIET):
            assert scene.order(user) == whole[: scene.pushed]
    while scene.answers or scene.pushed < len(scene.timeline):
        scene.answer()
        scene.pushes()
    scene.turn(PATIENCE)
    whole = [event["event_id"] for event in scene.timeline]
    assert scene.order(ROMEO) == scene.order(JULIET) == whole
    assert {one.ref for user in (ROMEO, JULIET) for one in scene.told[user] if isinstance(one, Sent)} == set(
        range(1, scene.refs + 1)
    )


def test_who_speaks_where_nothing_is_pushed_is_answered():
    """Late, or at once when it is known; what comes after all is not shown again."""
    scene = Slow()
    scene.say(ROMEO)
    scene.answer()
    scene.turn(PATIENCE - 0.1)
    assert scene.order(ROMEO) == []
    scene.turn(0.2)
    assert scene.order(ROMEO) == ["$said0"]
    scene.pushes()
    assert scene.order(ROMEO) == scene.order(JULIET) == ["$said0"]


def test_refusal_is_answered_at_once():
    """There is nothing to wait for."""
    scene = Slow()
    scene.say(ROMEO)
    waiting, _ = scene.answers.pop()
    waiting.errback(BridgeError(Trouble.CANNOT_SPEAK))
    assert [one.error.trouble for one in scene.told[ROMEO] if isinstance(one, Failed)] == [
        Trouble.CANNOT_SPEAK
    ]
