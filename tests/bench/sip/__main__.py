"""Prints how fast SIP is read and written, and calls are made, on one core: ``python -m tests.bench.sip``."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.transports.sip.calls.test_call import Network
from tests.transports.sip.samples import INVITE, read_request
from transports.sip.wire.message import parse, write

ROUNDS = 5


def rate(work: Callable[[], object], count: int) -> int:
    """Return how often a second of this process' time `work` can be done; the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            work()
        best = min(best, time.process_time() - start)
    return round(count / best)


def call() -> None:
    """One call with early media, PRACK, answer and BYE, both ends of it, as bytes in between."""
    network = Network(0, 0.0)
    ann, bob = network.agents["ann"], network.agents["bob"]
    ann.call()
    network.run(2)
    bob.callee.accept(None)
    bob.pump()
    network.run(2)
    ann.session.hang_up()
    ann.pump()
    network.run(40)


if __name__ == "__main__":
    invite = read_request(INVITE)
    print(f"read {rate(lambda: parse(INVITE), 20_000):,} INVITE/s")
    print(f"write {rate(lambda: write(invite), 20_000):,} INVITE/s")
    print(f"make and end {rate(call, 200):,} calls/s (both ends)")
