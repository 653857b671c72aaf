from __future__ import annotations

from typing import Any

import pytest

from bridge.federation.carriers import Carriers, Index
from bridge.xmpp.dialback import Pair

PAIR = Pair("capulet.example", "montague.example")
OTHER = Pair("capulet.example", "chat.montague.example")
FIRST: Any = "the first connection"
SECOND: Any = "the second connection"


@pytest.fixture
def carriers() -> Carriers:
    return Carriers()


def test_first_connection_is_used_while_it_lasts(carriers: Carriers) -> None:
    """Then the next one that takes the pair is."""
    carriers.take(PAIR, FIRST)
    carriers.take(PAIR, SECOND)
    assert carriers.of(PAIR) is FIRST
    assert carriers.carries(FIRST) and not carriers.carries(SECOND)
    assert carriers.lose(FIRST) == ({PAIR}, ())
    assert carriers.of(PAIR) is SECOND
    assert carriers.pairs(SECOND) == {PAIR}


def test_connection_that_takes_a_pair_can_be_preferred(carriers: Carriers) -> None:
    """One that does not take it cannot."""
    carriers.take(PAIR, FIRST)
    carriers.prefer(PAIR, SECOND)
    assert carriers.of(PAIR) is FIRST
    carriers.take(PAIR, SECOND)
    carriers.prefer(PAIR, SECOND)
    assert carriers.of(PAIR) is SECOND
    carriers.lose(SECOND)
    assert carriers.of(PAIR) is FIRST


def test_pair_may_be_asked_for_on_two_connections(carriers: Carriers) -> None:
    """Each answers for itself."""
    carriers.ask(PAIR, FIRST, 1.0)
    carriers.ask(PAIR, SECOND, 1.0)
    assert carriers.refuse(PAIR, FIRST)
    assert carriers.is_asked(PAIR)
    assert carriers.lose(SECOND) == (frozenset(), (PAIR,))
    assert not carriers.is_asked(PAIR)


def test_loss_of_a_spare_connection_concerns_nobody(carriers: Carriers) -> None:
    """What it took goes on by the other."""
    carriers.take(PAIR, FIRST)
    carriers.take(PAIR, SECOND)
    assert carriers.lose(SECOND) == (frozenset(), ())
    assert carriers.of(PAIR) is FIRST


def test_pair_is_asked_for_until_it_is_decided(carriers: Carriers) -> None:
    """Taken, refused, or lost with its connection."""
    for decide in (carriers.take, carriers.refuse, lambda _, connection: carriers.lose(connection)):
        carriers.ask(PAIR, FIRST, 1.0)
        assert carriers.is_asked(PAIR)
        decide(PAIR, FIRST)
        assert not carriers.is_asked(PAIR)
        assert carriers.late(FIRST, 2.0) == []


def test_lost_connection_tells_what_was_asked_on_it(carriers: Carriers) -> None:
    """Beside what it carried."""
    carriers.take(PAIR, FIRST)
    carriers.ask(OTHER, FIRST, 1.0)
    assert carriers.lose(FIRST) == ({PAIR}, (OTHER,))
    assert carriers.lose(FIRST) == (frozenset(), ())


def test_refusal_by_whom_nobody_asked_is_none(carriers: Carriers) -> None:
    """Another connection may still take the pair."""
    carriers.ask(PAIR, FIRST, 1.0)
    assert not carriers.refuse(PAIR, SECOND)
    assert carriers.is_asked(PAIR)
    assert carriers.refuse(PAIR, FIRST)


def test_late_answers_are_those_asked_for_before(carriers: Carriers) -> None:
    """Each by its own time."""
    carriers.ask(PAIR, FIRST, 1.0)
    carriers.ask(OTHER, FIRST, 2.0)
    assert carriers.late(FIRST, 2.0) == [PAIR]
    assert carriers.late(SECOND, 2.0) == []


def test_index_keeps_nothing_that_is_gone() -> None:
    """Nor anything twice."""
    index: Index[str] = Index()
    for _ in range(2):
        index.add("a", FIRST)
    index.add("a", SECOND)
    assert list(index["a"]) == index.all() == [FIRST, SECOND]
    for connection in (FIRST, SECOND, SECOND):
        index.discard("a", connection)
    assert list(index["a"]) == index.all() == []
    assert not index._by
