"""Who stands for whom, and who is seen at once."""

from __future__ import annotations

from bridge.events import Join, Leave, Occupant
from transports.matrix import portal_cast as module
from transports.matrix.portal_steps import Seat, Unseat

from .raw import ALICE, member
from .test_portal import GHOST, MUC, NURSE, NURSES, ROMEO, empty, entered, inside, spoken


def test_who_is_in_by_two_nicks_leaves_with_the_last():
    """One person is one ghost."""
    portal = inside(ROMEO)
    second = Occupant(nick="Romeo2", address="romeo@montague.example/b")
    assert portal.heard(ALICE, Join(room=MUC, occupant=second)) == [Seat(GHOST, "Romeo2")]
    assert portal.heard(ALICE, Leave(room=MUC, nick="Romeo2")) == [Seat(GHOST, "Romeo")]
    assert portal.heard(ALICE, Leave(room=MUC, nick="Romeo")) == [Unseat(GHOST)]


def test_large_room_shows_most_when_they_speak(monkeypatch):
    """Up to a number everybody is seen at once; the others say something first."""
    monkeypatch.setattr(module, "MAX_SHOWN", 1)
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    assert portal.heard(ALICE, entered("Alice", ROMEO, NURSE)) == [Seat(GHOST, "Romeo")]
    [say] = portal.heard(ALICE, spoken("hi", "s1", "Nurse"))
    assert (say.stay.ghost, say.stay.nick) == (NURSES, "Nurse")
