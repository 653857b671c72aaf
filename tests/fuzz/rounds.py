"""What fuzzers share: rounds of checks, each reproducible by its seed, for as long as one likes."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence

Check = Callable[[random.Random], None]
"""Makes something up by the given choices, and raises if it is not dealt with."""


def run_checks(checks: Sequence[Check], seed: int) -> None:
    """Run every check once, all its choices made by `seed`; what it raises names the check and the seed."""
    for check in checks:
        try:
            check(random.Random(f"{seed}{check.__name__}"))
        except Exception as error:
            error.add_note(f"{check.__name__} with seed {seed}")
            raise


def main(description: str | None, checks: Sequence[Check]) -> None:
    """Run rounds for the time that the command line gives."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    seed = arguments.seed
    while time.monotonic() < deadline:
        run_checks(checks, seed)
        seed += 1
    print(f"{seed - arguments.seed} rounds of {len(checks)} checks, seeds {arguments.seed} to {seed - 1}")
