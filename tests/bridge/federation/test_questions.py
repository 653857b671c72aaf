from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bridge.federation.questions import QUESTION_TIMEOUT, Question, Questions
from bridge.xmpp.dialback import INVALID, VALID, Pair, Verdict
from bridge.xmpp.stream_events import Verified

PAIR = Pair("capulet.example", "montague.example")
OTHER = Pair("capulet.example", "chat.montague.example")
LATE = Verdict(False, "remote-server-timeout")


class Line:
    """A connection to an authority, and what was asked on it."""

    def __init__(self, *, is_usable: bool = True) -> None:
        self.stream = self
        self.is_usable = is_usable
        self.active = 0.0
        self.questions: list[tuple[Pair, str, str]] = []

    def verify(self, pair: Pair, stream_id: str, key: str) -> bool:
        if self.is_usable:
            self.questions.append((pair, stream_id, key))
        return self.is_usable


class Desk:
    """The questions of one server, and their answers by stream id."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.questions: Any = Questions(self.clock)
        self.answers: dict[str, list[Verdict]] = {}

    def add(self, stream_id: str = "1", pair: Pair = PAIR) -> Question:
        question = Question(pair, stream_id, f"key {stream_id}")
        answer: Deferred[Verdict] = self.questions.add(question)
        answer.addCallback(self.answers.setdefault(stream_id, []).append)
        return question


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_answer_reaches_who_asked(desk: Desk) -> None:
    """It is asked with its key, and the connection counts as used."""
    desk.clock.advance(7)
    line, question = Line(), desk.add()
    assert desk.questions.ask(line, question)
    assert line.questions == [(PAIR, "1", "key 1")]
    assert line.active == 7
    assert desk.questions.asked(line)
    desk.questions.answered(line, Verified(PAIR, "1", VALID))
    assert desk.answers == {"1": [VALID]}
    assert not desk.questions.asked(line)


def test_answer_counts_once(desk: Desk) -> None:
    """The first word holds."""
    line = Line()
    desk.questions.ask(line, desk.add())
    desk.questions.answered(line, Verified(PAIR, "1", INVALID))
    desk.questions.answered(line, Verified(PAIR, "1", VALID))
    assert desk.answers == {"1": [INVALID]}


@pytest.mark.parametrize(
    ("pair", "stream_id"), [(PAIR, "2"), (OTHER, "1"), (PAIR.inverse, "1")], ids=["id", "target", "inverse"]
)
def test_answer_to_another_question_says_nothing(desk: Desk, pair: Pair, stream_id: str) -> None:
    """XEP-0220 §3.1."""
    line = Line()
    desk.questions.ask(line, desk.add())
    desk.questions.answered(line, Verified(pair, stream_id, VALID))
    assert desk.answers == {"1": []}


def test_answer_on_another_connection_says_nothing(desk: Desk) -> None:
    """Only who was asked may answer, whatever else he was asked."""
    line, mallory = Line(), Line()
    desk.questions.ask(line, desk.add())
    desk.questions.ask(mallory, desk.add("2", Pair("mallory.example", "montague.example")))
    desk.questions.answered(mallory, Verified(PAIR, "1", VALID))
    desk.questions.answered(Line(), Verified(PAIR, "1", VALID))
    assert desk.answers == {"1": [], "2": []}
    desk.questions.answered(line, Verified(PAIR, "1", INVALID))
    assert desk.answers["1"] == [INVALID]


def test_connection_that_cannot_be_asked_leaves_the_question_open(desk: Desk) -> None:
    """Another one may be."""
    question = desk.add()
    assert not desk.questions.ask(Line(is_usable=False), question)
    assert desk.questions.ask(Line(), question)
    assert desk.answers == {"1": []}


def test_question_waits_for_its_connection(desk: Desk) -> None:
    """All that are for the same server go out together, others do not."""
    for stream_id in ("1", "2"):
        desk.questions.wait(desk.add(stream_id))
    desk.questions.wait(desk.add("3", OTHER))
    line = Line()
    desk.questions.ask_waiting(PAIR.inverse, line)
    assert [stream_id for _, stream_id, _ in line.questions] == ["1", "2"]
    desk.questions.ask_waiting(PAIR.inverse, line)
    assert len(line.questions) == 2


def test_question_that_cannot_be_asked_when_its_turn_comes_is_answered(desk: Desk) -> None:
    """Whoever waits for it learns so."""
    desk.questions.wait(desk.add())
    desk.questions.ask_waiting(PAIR.inverse, Line(is_usable=False))
    assert desk.answers == {"1": [Verdict(False, "resource-constraint")]}


def test_refusal_answers_all_that_wait(desk: Desk) -> None:
    """There is no server for that domain, say."""
    for stream_id in ("1", "2"):
        desk.questions.wait(desk.add(stream_id))
    desk.questions.refuse(PAIR.inverse, "remote-server-not-found")
    refused = [Verdict(False, "remote-server-not-found")]
    assert desk.answers == {"1": refused, "2": refused}
    line = Line()
    desk.questions.ask_waiting(PAIR.inverse, line)
    assert line.questions == []


def test_lost_connection_answers_what_was_asked_on_it(desk: Desk) -> None:
    """XEP-0220 §2.1.2: as an error; the other connections' questions stay open."""
    line, other = Line(), Line()
    desk.questions.ask(line, desk.add("1"))
    desk.questions.ask(other, desk.add("2"))
    desk.questions.lost(line)
    desk.questions.lost(line)
    assert desk.answers == {"1": [LATE], "2": []}


def test_question_without_answer_in_time_is_given_up(desk: Desk) -> None:
    """Each after its own time; an answer that comes later says nothing."""
    line = Line()
    desk.questions.ask(line, desk.add("1"))
    desk.clock.advance(QUESTION_TIMEOUT)
    desk.questions.ask(line, desk.add("2"))
    desk.questions.expire(line)
    assert desk.answers == {"1": [], "2": []}
    desk.clock.advance(1)
    desk.questions.expire(line)
    desk.questions.answered(line, Verified(PAIR, "1", VALID))
    assert desk.answers == {"1": [LATE], "2": []}
    assert desk.questions.asked(line)


def test_nothing_is_kept_of_what_is_answered(desk: Desk) -> None:
    """A peer that asks day and night leaves no trace."""
    line = Line()
    for number in range(50):
        desk.questions.ask(line, desk.add(str(number)))
        desk.questions.answered(line, Verified(PAIR, str(number), VALID))
        desk.questions.wait(desk.add(f"w{number}"))
        desk.questions.refuse(PAIR.inverse, "remote-server-timeout")
    desk.questions.lost(line)
    assert not desk.questions._answers
    assert not desk.questions._waiting
    assert not desk.questions._asked
