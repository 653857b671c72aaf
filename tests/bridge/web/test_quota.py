"""How much each user may do in a day."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.web import quota
from bridge.web.quota import DAY, Quota

ROMEO, JULIET = UserId("romeo@example"), UserId("juliet@example")


class Time:
    now = 20_000 * DAY + 5.0

    def __call__(self) -> float:
        return self.now


def test_user_has_so_much_in_a_day():
    """What is too much is refused and not counted; the next day it is all there again."""
    time = Time()
    made = Quota(10, time)
    made.take(ROMEO, 7)
    with pytest.raises(BridgeError) as refused:
        made.take(ROMEO, 4)
    assert refused.value.trouble is Trouble.TOO_MANY
    made.take(ROMEO, 3)
    made.take(JULIET, 10)
    assert made.renewed == 20_001 * DAY
    time.now += DAY
    made.take(ROMEO, 10)


def test_what_came_to_nothing_is_given_back():
    """A slot that could not be given costs nothing."""
    made = Quota(10, Time())
    made.take(ROMEO, 10)
    made.give_back(ROMEO, 10)
    made.give_back(JULIET, 10)
    made.take(ROMEO, 10)


def test_more_users_than_are_counted_are_refused(monkeypatch):
    """The list that strangers can fill is bounded."""
    monkeypatch.setattr(quota, "USERS", 1)
    made = Quota(10, Time())
    made.take(ROMEO, 1)
    made.take(ROMEO, 1)
    with pytest.raises(BridgeError):
        made.take(JULIET, 1)
