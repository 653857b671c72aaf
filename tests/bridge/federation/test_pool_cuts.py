"""Two servers whose links break at any byte, again and again, also while they are being resumed.

Nobody is away for longer than sessions are waited for: each stanza arrives once, in order, or comes back
and has not arrived (XEP-0198 §5).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from twisted.internet.error import ConnectionLost
from twisted.logger import globalLogPublisher

from bridge.config import FederationLimits
from bridge.federation.suspensions import RETURN
from bridge.xmpp.outgoing import OutgoingStream
from tests.bridge.federation.fabric import Network, Server, Transport, played

PAIRS = [
    ("capulet.example", "montague.example"),
    ("montague.example", "capulet.example"),
    ("rooms.capulet.example", "montague.example"),
    ("montague.example", "rooms.capulet.example"),
]
LIMITS = FederationLimits(idle_seconds=20)
TROUBLE = RETURN * 0.4
"""Seconds that the links may be bad for: the pause before the last attempt is no longer than that."""
REST = 150
"""Seconds after which everything is decided, and nobody needs a link any more."""
LINKS = st.integers(0, 7)
SIZES = st.one_of(st.just(0), st.integers(1, 400), st.just(100_000))


class Cuts(RuleBasedStateMachine):
    """Each stanza of a pair has a number."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.network: Network = played(self.patch)
        self.network.server("capulet.example", "rooms.capulet.example", limits=LIMITS)
        self.network.server("montague.example", limits=LIMITS)
        self.sent: dict[tuple[str, str], int] = defaultdict(int)
        self.failures: list[Any] = []
        self.elapsed = 0.0
        globalLogPublisher.addObserver(self.observe)

    def observe(self, event: Any) -> None:
        if "log_failure" in event:
            self.failures.append(event["log_failure"])

    @initialize(
        problem=st.sampled_from(["", "self-signed"]),
        are_strangers=st.booleans(),
        turns=st.sampled_from([0, 15, 25, 60]),
    )
    def meet(self, problem: str, are_strangers: bool, turns: int) -> None:
        """They trust certificates, or need dialback; one has dialled the other, or both did at once."""
        for server in self.network.servers.values():
            server.problem = problem
        for pair in PAIRS[: 2 if are_strangers else 1]:
            self.say(pair)
        self.turn(turns)

    def say(self, pair: tuple[str, str]) -> None:
        sender, to = pair
        number = self.sent[pair] = self.sent[pair] + 1
        stanza = f"<message from='a@{sender}' to='b@{to}' id='{number}'><body>{number}</body></message>"
        self.network.servers[sender].pool.send(sender, to, stanza.encode())

    # ---- what may happen

    @rule(pair=st.sampled_from(PAIRS), count=st.integers(1, 3), turns=st.integers(0, 5))
    def send(self, pair: tuple[str, str], count: int, turns: int) -> None:
        for _ in range(count):
            self.say(pair)
        self.turn(turns)

    @rule(turns=st.integers(1, 30))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.network.clock.advance(0)
            for transport in list(self.network.transports):
                transport.turn()

    @rule(index=LINKS, most=SIZES)
    def move(self, index: int, most: int) -> None:
        """One end reads some bytes, and nobody else does anything."""
        chosen = self.pick(index)
        self.network.clock.advance(0)
        if chosen is not None and most:
            chosen.turn(most)

    def pick(self, index: int) -> Transport | None:
        live = [transport for transport in self.network.live() if transport.ended is None]
        return live[index % len(live)] if live else None

    @rule(index=LINKS, here=SIZES, there=SIZES, both_know=st.booleans())
    def cut(self, index: int, here: int, there: int, both_know: bool) -> None:
        """Some bytes may still get through; the other end may not notice."""
        chosen = self.pick(index)
        if chosen is not None:
            chosen.cut(here)
            chosen.end(ConnectionLost())
            chosen.other.cut(there)
            if both_know:
                chosen.other.end(ConnectionLost())

    @rule(index=LINKS)
    def close(self, index: int) -> None:
        """Who dialled needs the link no more; or who was called, once all of his has arrived."""
        chosen = self.pick(index)
        if chosen is not None:
            stream = chosen.protocol.stream
            if isinstance(stream, OutgoingStream) or not (stream.session and len(stream.session.outbox)):
                chosen.protocol.close()

    @rule()
    def cut_all(self) -> None:
        self.network.cut()

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.6, 1.0]))
    def wait(self, seconds: float) -> None:
        if self.elapsed + seconds <= TROUBLE:
            self.elapsed += seconds
            self.network.pass_time(seconds)

    # ---- what must hold

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            for (sender, to), count in self.sent.items():
                arrived, returned = (
                    self.between(f"a@{sender}", f"b@{to}"),
                    self.between(f"b@{to}", f"a@{sender}"),
                )
                told = f"{sender} → {to}: {arrived} arrived, {returned} came back"
                assert arrived == sorted(arrived), told
                assert sorted(arrived + returned) == list(range(1, count + 1)), told
            for server in self.network.servers.values():
                self.check_rest(server)
            assert not self.failures, self.failures[0].getTraceback()
        finally:
            globalLogPublisher.removeObserver(self.observe)
            self.patch.undo()

    def come_to_rest(self) -> None:
        """Who had not noticed that a link is gone does."""
        for transport in self.network.live():
            if transport.other.ended is not None:
                transport.end(ConnectionLost())
        self.network.settle()
        self.network.pass_time(REST)

    def between(self, sender: str, to: str) -> list[int]:
        """Return the numbers of what has arrived from one address at another, errors included."""
        stanzas = self.network.servers[to.partition("@")[2]].received
        ways = [(each.get("from"), each.get("to")) for each in stanzas]
        return [
            int(each.get("id") or "") for each, way in zip(stanzas, ways, strict=True) if way == (sender, to)
        ]

    def check_rest(self, server: Server) -> None:
        pool: Any = server.pool
        assert not pool._lanes and not pool._suspensions.sessions()
        assert not pool._dialler.dials and not pool._dialler.connections
        assert not server.acceptor._connections


TestCuts = Cuts.TestCase
TestCuts.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
