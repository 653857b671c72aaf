"""One at a time."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from bridge.errors import BridgeError, Trouble
from transports.sip.messages.turns import WAITING, Turns


def test_next_begins_when_the_one_before_is_answered() -> None:
    """Of each address by itself, whatever the answer is."""
    turns, begun, answers = Turns(), [], [Deferred() for _ in range(2)]
    results: list[object] = []

    def do(number: int) -> Deferred[object]:
        begun.append(number)
        return answers[number]

    for number in range(2):
        turns.take("bob", lambda number=number: do(number)).addBoth(results.append)
    turns.take("eve", lambda: fail(BridgeError(Trouble.BUSY))).addErrback(
        lambda failure: results.append("no")
    )
    assert begun == [0] and results == ["no"] and not turns.is_free("bob") and turns.is_free("eve")
    answers[0].errback(BridgeError(Trouble.BUSY))
    assert begun == [0, 1]
    answers[1].callback("yes")
    assert results[2] == "yes" and turns.is_free("bob")


def test_too_many_are_refused() -> None:
    """A peer that does not answer fills no memory."""
    turns = Turns()
    for _ in range(WAITING + 1):
        turns.take("bob", Deferred)
    with pytest.raises(BridgeError):
        turns.take("bob", Deferred)
    turns.take("eve", Deferred)
