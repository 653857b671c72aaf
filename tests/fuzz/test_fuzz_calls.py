"""The fuzzer of calls itself, for a moment."""

import pytest

from tests.fuzz.fuzz_calls import CHECKS
from tests.fuzz.rounds import run_checks


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_a_hundred_rounds_of_calls_find_nothing(start):
    """Longer runs are made by hand: ``python -m tests.fuzz.fuzz_calls``."""
    for seed in range(start, start + 100):
        run_checks(CHECKS, seed)
