"""The fuzzer of the XML front itself, for a moment."""

import pytest

from tests.fuzz.fuzz_xml import run_round


@pytest.mark.parametrize("start", range(0, 150, 50))
def test_fifty_rounds_find_nothing(start):
    """Longer runs are made by hand: ``python -m tests.fuzz.fuzz_xml``."""
    for seed in range(start, start + 50):
        run_round(seed)
