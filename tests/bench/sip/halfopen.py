"""Calls that nobody goes on with, in memory: ``python -m tests.bench.sip.halfopen [CALLS]``.

Prints how much memory is left of them when their timers have run out.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from itertools import cycle, islice

from bridge.calls import CallAnswer, CallId, CallOffer, CallRinging
from bridge.events import UserId
from tests.transports.sip.calling import AUDIO, TO_JULIET, Gateway, described
from tests.transports.sip.phone import Phone
from tests.transports.sip.wires import PEER

AT_ONCE = 200
"""Calls that are begun before time passes."""
PATIENCE = 200
"""Seconds after which nothing may be left of them."""
RELIABLE = ("Require", "100rel")


class Scene:
    """A gateway, and a trunk that begins things."""

    def __init__(self) -> None:
        self.gateway = Gateway("a", "b", {}, {})
        self.phone = Phone(self.gateway.reactor, PEER)
        self.count = 0
        self.phone.answer_all(200)

    def invite(self, *fields: tuple[str, str]) -> CallOffer:
        """Call somebody."""
        self.count += 1
        word = str(self.count)
        self.phone.invite(f"sip:u{word}%40a.example@a.gw", *fields, tag=word, call_id=word)
        [offer] = [event for event in self.gateway.told() if isinstance(event, CallOffer)]
        return offer

    def answered(self, *fields: tuple[str, str]) -> None:
        """Have a call rung and answered; no ACK comes, and no PRACK where one is due."""
        offer = self.invite(*fields)
        user = UserId(f"u{self.count}@a.example")
        self.gateway.do(CallRinging(call=offer.call), user)
        self.gateway.do(CallAnswer(call=offer.call, description=described("audio0")), user)

    def cancelled(self) -> None:
        """Have a call given up; the refusal gets no ACK."""
        self.invite()
        self.phone.cancel()

    def placed(self) -> None:
        """Have a user call, whom nobody answers."""
        self.count += 1
        offer = CallOffer(call=CallId(str(self.count)), contact=TO_JULIET, description=AUDIO)
        self.gateway.do(offer, UserId(f"u{self.count}@a.example"))

    def run(self, count: int) -> None:
        """Begin that many calls of all kinds, some at a time, and see that each comes to its end."""
        kinds: tuple[Callable[[], object], ...] = (
            self.invite,
            self.answered,
            lambda: self.answered(RELIABLE),
            lambda: self.invite(RELIABLE),
            self.cancelled,
            self.placed,
        )
        left = count
        while left > 0:
            for kind in islice(cycle(kinds), AT_ONCE):
                kind()
            left -= AT_ONCE
            for _ in range(PATIENCE):
                self.gateway.reactor.advance(1)
                self.gateway.reactor.ports[0].sent.clear()
                self.gateway.bridge.taken()
            self.gateway.backend.anchors.clear()
            assert self.gateway.is_forgotten, "a call outlives its timers"


def memory() -> float:
    """Return MB in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(count: int) -> None:
    """Measure and print."""
    scene = Scene()
    scene.run(count // 5)
    before = memory()
    scene.run(count - count // 5)
    agent = scene.gateway.network._agent
    print(f"{scene.count:,} calls, {memory() - before:+.1f} MB since the first fifth of them")
    print(f"left: {len(agent._transactions)} transactions, {len(agent._askings)} requests of ours")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
