"""The fuzzer of what a homeserver pushes itself, for a moment."""

import random

import pytest

from tests.fuzz.fuzz_matrix import ROOMS, Play, expected, run_round, transaction


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_forty_rounds_find_nothing(start):
    """Longer runs are made by hand: ``python -m tests.fuzz.fuzz_matrix``."""
    for seed in range(start, start + 40):
        run_round(seed)


def test_rooms_survive_long_enough_to_be_asked():
    """What is pushed after a few bad events still has listeners in every kind of room."""
    found = set()
    for seed in range(10):
        play = Play()
        play.receive(transaction(random.Random(seed), 5))
        found.update(expected(play))
    assert found == set(ROOMS)
