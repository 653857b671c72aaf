"""Whole servers against whatever can happen to their connections."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from twisted.logger import globalLogPublisher

from bridge.config import FederationLimits
from bridge.federation.patience import PATIENCE
from bridge.federation.suspensions import RETURN
from bridge.xmpp.incoming import IncomingStream
from tests.bridge.federation.fabric import Network, Server, Transport, played

DOMAINS = {
    "capulet.example": ("capulet.example", "rooms.capulet.example"),
    "montague.example": ("montague.example", "chat.montague.example"),
    "verona.example": ("verona.example",),
}
HOSTED = [domain for domains in DOMAINS.values() for domain in domains]
LIMITS = FederationLimits(idle_seconds=20)
REST = 2 * PATIENCE + 2 * RETURN + 30
"""Seconds after which everything is decided."""


class Federation(RuleBasedStateMachine):
    """Three servers; each stanza of a pair has a number."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.network: Network = played(self.patch)
        for domains in DOMAINS.values():
            self.network.server(*domains, limits=LIMITS)
        self.sent: dict[tuple[str, str], int] = defaultdict(int)
        self.failures: list[Any] = []
        globalLogPublisher.addObserver(self.observe)
        self.away = 0.0
        """Seconds for which a server could not be reached."""
        self.forgotten: dict[tuple[str, str], int] = defaultdict(int)
        """How many stanzas a server was given before it was restarted: it may have forgotten the latest."""
        self.is_exact = True
        """Whether nothing has happened after which a stanza may come twice."""

    def observe(self, event: Any) -> None:
        if "log_failure" in event:
            self.failures.append(event["log_failure"])

    def server(self, domain: str) -> Server:
        return self.network.servers[domain]

    # ---- what may happen

    @rule(
        sender=st.sampled_from(HOSTED),
        to=st.sampled_from(HOSTED),
        count=st.integers(1, 3),
        turns=st.integers(0, 12),
    )
    def send(self, sender: str, to: str, count: int, turns: int) -> None:
        """`turns` may be too few for anything to arrive before the next thing happens."""
        if self.server(sender) is self.server(to):
            return
        for _ in range(count):
            number = self.sent[sender, to] = self.sent[sender, to] + 1
            stanza = f"<message from='a@{sender}' to='b@{to}' id='{number}'><body>{number}</body></message>"
            self.server(sender).pool.send(sender, to, stanza.encode())
        self.turn(turns)

    @rule(turns=st.integers(1, 12))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.network.clock.advance(0)
            for transport in list(self.network.transports):
                transport.turn()

    def pick(self, index: int) -> Transport | None:
        live = self.network.live()
        return live[index % len(live)] if live else None

    @rule(index=st.integers(0, 20))
    def cut(self, index: int) -> None:
        """What was under way is lost."""
        chosen = self.pick(index)
        if chosen is not None:
            streams = [end.protocol.stream for end in (chosen, chosen.other)]
            self.is_exact &= not any(map(self.is_open_ended, streams))
            for end in (chosen, chosen.other):
                end.inbox.clear()
                end._end(ConnectionError())

    def is_open_ended(self, stream: Any) -> bool:
        """Whether a stream cannot be resumed: the session is over already."""
        return isinstance(stream, IncomingStream) and stream.state in ("closing", "closed")

    @rule(index=st.integers(0, 20))
    def close(self, index: int) -> None:
        """RFC 6120 §4.4."""
        chosen = self.pick(index)
        if chosen is not None and chosen.ended is None:
            chosen.protocol.close()

    @rule(index=st.integers(0, 20), is_blocked=st.booleans())
    def block(self, index: int, is_blocked: bool) -> None:
        """The other side does not read."""
        chosen = self.pick(index)
        if chosen is not None and not chosen.protocol.is_gone:
            (chosen.protocol.pauseProducing if is_blocked else chosen.protocol.resumeProducing)()

    @rule(name=st.sampled_from(sorted(DOMAINS)), problem=st.sampled_from(["", "self-signed"]))
    def judge(self, name: str, problem: str) -> None:
        """A certificate is good enough, or dialback has to do."""
        self.server(name).problem = problem

    @rule(name=st.sampled_from(sorted(DOMAINS)), is_up=st.booleans())
    def reach(self, name: str, is_up: bool) -> None:
        """A server refuses new connections, or takes them."""
        self.server(name).is_up = is_up

    @rule(name=st.sampled_from(sorted(DOMAINS)))
    def restart(self, name: str) -> None:
        """A process is killed, and another takes its place."""
        former = self.server(name)
        for transport in self.network.live():
            if transport.address == name or transport.other.address == name:
                transport.abortConnection()
        self.network.settle()
        former.pool.stop()
        self.network.server(*DOMAINS[name], limits=LIMITS).received = former.received
        self.is_exact = False
        for pair, count in self.sent.items():
            if pair[0] in DOMAINS[name]:
                self.forgotten[pair] = count

    @rule(seconds=st.sampled_from([1, 2, 9, 25]))
    def wait(self, seconds: int) -> None:
        if not all(self.server(name).is_up for name in DOMAINS):
            self.away += seconds
            self.is_exact &= self.away < RETURN / 2
        self.network.pass_time(seconds)

    # ---- what must hold

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            for pair, count in self.sent.items():
                self.check(pair, count)
            for name in DOMAINS:
                self.check_rest(self.server(name))
            assert not self.failures, self.failures[0].getTraceback()
        finally:
            globalLogPublisher.removeObserver(self.observe)
            self.patch.undo()

    def come_to_rest(self) -> None:
        for name in DOMAINS:
            self.server(name).is_up = True
        for transport in self.network.live():
            if transport.protocol.is_blocked:
                transport.protocol.resumeProducing()
        self.network.settle()
        self.network.pass_time(REST)

    def check(self, pair: tuple[str, str], count: int) -> None:
        sender, to = pair
        arrived = [
            int(each.get("id") or "")
            for each in self.server(to).received
            if each.get("type") != "error"
            and each.get("from") == f"a@{sender}"
            and each.get("to") == f"b@{to}"
        ]
        answered = [
            int(each.get("id") or "")
            for each in self.server(sender).received
            if each.get("type") == "error"
            and each.get("from") == f"b@{to}"
            and each.get("to") == f"a@{sender}"
        ]
        every = set(range(1 + self.forgotten[pair], count + 1))
        lost = every - set(arrived) - set(answered)
        assert not lost, f"{pair}: {lost} lost"
        if self.is_exact:
            assert len(arrived) + len(answered) == count, f"{pair}: {arrived} arrived, {answered} answered"
            assert arrived == sorted(arrived), f"{pair}: {arrived}"

    def check_rest(self, server: Server) -> None:
        pool: Any = server.pool
        assert (
            not pool._lanes
            and not pool._dialler.dials
            and not pool._suspensions.sessions()
            and not pool._dialler._dialled
        )
        assert not pool._questions._answers and not pool._questions._asked and not pool._questions._waiting
        assert not pool._dialler.ready_for._by and not pool._dialler.ready_at._by
        carriers = pool._carriers
        assert not any((carriers._takers._by, carriers._taken, carriers._asked._by, carriers._asked_on))
        assert not server.acceptor._connections and not server.acceptor._strangers
        assert not server.guard._connections


TestFederation = Federation.TestCase
TestFederation.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
