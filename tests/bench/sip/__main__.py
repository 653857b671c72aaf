"""Prints how many typical messages a second one core reads and writes: ``python -m tests.bench.sip``."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.transports.sip.samples import INVITE, read_request
from transports.sip.message import parse, write

COUNT = 20_000
ROUNDS = 5


def rate(work: Callable[[], object]) -> int:
    """Return how often a second of this process' time `work` can be done; the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(COUNT):
            work()
        best = min(best, time.process_time() - start)
    return round(COUNT / best)


if __name__ == "__main__":
    invite = read_request(INVITE)
    print(f"read {rate(lambda: parse(INVITE)):,} INVITE/s")
    print(f"write {rate(lambda: write(invite)):,} INVITE/s")
