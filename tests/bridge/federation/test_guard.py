from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from bridge.config import FederationLimits
from bridge.federation import guard as guards
from bridge.federation.guard import BURST, Guard, network_of

LIMITS = FederationLimits(
    connections_per_address=3,
    unauthenticated_connections=5,
    bytes_per_second=1_000.0,
    stanzas_per_second=10.0,
)
ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1"]


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def guard(time: Time) -> Guard:
    return Guard(LIMITS, time)


# connections


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("/run/socket", "/run/socket", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_addresses_of_one_host_are_counted_as_one(one: str, other: str, are_one: bool) -> None:
    """Whoever has IPv6 has 2^64 addresses, and each IPv4 address has a second spelling."""
    assert (network_of(one) == network_of(other)) is are_one


def test_address_with_too_many_connections_is_refused(guard: Guard) -> None:
    """Others are not, and neither is it once a connection is gone."""
    for _ in range(3):
        assert guard.admit("2001:db8::1") == ""
        guard.opened("2001:db8::1")
        guard.authenticated()
    assert "address" in guard.admit("2001:db8::2")
    assert guard.admit("192.0.2.1") == ""
    guard.closed("2001:db8::1", authenticated=True)
    assert guard.admit("2001:db8::2") == ""


def test_strangers_crowd_until_one_has_gone_or_is_none(guard: Guard) -> None:
    """However many addresses they come from."""
    for number in range(5):
        assert not guard.is_crowded
        guard.opened(f"192.0.2.{number}")
    assert guard.is_crowded
    guard.authenticated()
    assert not guard.is_crowded
    guard.opened("192.0.2.9")
    assert guard.is_crowded
    guard.closed("192.0.2.9", authenticated=False)
    assert not guard.is_crowded


def test_other_limits_hold_for_those_who_come(guard: Guard) -> None:
    """SIGHUP cuts nobody off."""
    guard.opened("192.0.2.1")
    guard.apply(replace(LIMITS, connections_per_address=1, unauthenticated_connections=1))
    assert guard.admit("192.0.2.1")
    assert guard.is_crowded
    guard.apply(LIMITS)
    assert not guard.admit("192.0.2.1")


class Connections(RuleBasedStateMachine):
    """Connections come, prove themselves and go, in any order."""

    strangers = Bundle("strangers")
    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.guard = Guard(LIMITS, Time())
        self.there: list[str] = []
        self.unproven = 0

    @rule(target=strangers, address=st.sampled_from(ADDRESSES))
    def come(self, address: str) -> Any:
        same = sum(network_of(other) == network_of(address) for other in self.there)
        reason = self.guard.admit(address)
        assert bool(reason) is (same >= LIMITS.connections_per_address)
        if reason:
            return None
        self.guard.opened(address)
        self.there.append(address)
        self.unproven += 1
        return address

    @rule(target=known, address=consumes(strangers))
    def prove(self, address: str | None) -> Any:
        if address is not None:
            self.guard.authenticated()
            self.unproven -= 1
        return address

    @rule(address=consumes(strangers))
    def go_unproven(self, address: str | None) -> None:
        if address is not None:
            self.guard.closed(address, authenticated=False)
            self.there.remove(address)
            self.unproven -= 1

    @rule(address=consumes(known))
    def go(self, address: str | None) -> None:
        if address is not None:
            self.guard.closed(address, authenticated=True)
            self.there.remove(address)

    @invariant()
    def counts_are_true(self) -> None:
        counted = self.guard._connections
        assert sum(counted.values()) == len(self.there)
        assert all(0 < count <= LIMITS.connections_per_address for count in counted.values())
        assert self.guard._strangers == self.unproven
        assert self.guard.is_crowded is (self.unproven >= LIMITS.unauthenticated_connections)


def test_counts_are_those_of_the_connections_that_are_there() -> None:
    """Nothing is counted twice, or below nothing, or kept when all have gone."""
    run_state_machine_as_test(Connections)


# rates


def test_domain_within_its_rate_never_waits(guard: Guard, time: Time) -> None:
    """Nor does one that says a lot, but seldom."""
    for _ in range(100):
        assert guard.take("a.example", 99, 1) == 0.0
        time.now += 0.1
    time.now += 10
    assert guard.take("a.example", 2_000, 1) == 0.0


def test_domain_above_its_rate_waits_for_what_is_too_much(guard: Guard) -> None:
    """Five seconds' worth, of which the burst is free."""
    assert guard.take("a.example", 5_000, 0) == pytest.approx(5 - BURST)


def test_stanzas_count_as_bytes_do(guard: Guard) -> None:
    """Small ones cost more than their size."""
    assert guard.take("a.example", 1, 50) == pytest.approx(5 - BURST)


def test_streams_of_one_domain_share_its_rate(guard: Guard) -> None:
    """Another domain is not slowed down by it."""
    assert guard.take("a.example", 2_000, 0) == 0.0
    assert guard.take("a.example", 2_000, 0) == pytest.approx(4 - BURST)
    assert guard.take("b.example", 2_000, 0) == 0.0


def test_other_rate_holds_at_once(guard: Guard, time: Time) -> None:
    """What was sent before is worked off as it was counted."""
    guard.take("a.example", 2_000, 0)
    guard.apply(replace(LIMITS, bytes_per_second=100.0))
    assert guard.take("a.example", 100, 0) == pytest.approx(3 - BURST)


CHUNKS = st.tuples(st.integers(0, 3), st.integers(1, 100_000), st.integers(0, 100), st.floats(0, 5))


@given(st.lists(CHUNKS, min_size=1, max_size=60))
def test_what_is_read_in_the_long_run_keeps_to_the_rate(chunks: list[tuple[int, int, int, float]]) -> None:
    """Whatever the sizes and however many streams; each of them only waits as it is told, and goes on."""
    time = Time()
    guard = Guard(LIMITS, time)
    began, read, stanzas, free_at = time.now, 0, 0, [time.now] * 4
    for stream, size, count, pause in chunks:
        time.now = max(time.now + pause, free_at[stream])
        waits = guard.take("a.example", size, count)
        read, stanzas = read + size, stanzas + count
        assert 0.0 <= waits < 4 * 100 * 60, "waiting ends"
        free_at[stream] = time.now + waits
    allowed = max(free_at) - began + BURST + 0.001
    assert read <= allowed * LIMITS.bytes_per_second
    assert stanzas <= allowed * LIMITS.stanzas_per_second


def test_domains_at_rest_are_forgotten(guard: Guard, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not stay as long as there is room."""
    monkeypatch.setattr(guards, "DOMAINS", 10)
    guard.take("busy.example", 100_000, 0)
    for number in range(50):
        time.now += 0.1
        guard.take(f"{number}.example", 10, 0)
        assert len(guard._rested_at) <= 10
    assert guard.take("busy.example", 0, 0) > 90


def test_memory_is_bounded_even_if_all_are_busy(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then everybody begins anew, which is a burst more for each."""
    monkeypatch.setattr(guards, "DOMAINS", 10)
    for number in range(100):
        guard.take(f"{number}.example", 100_000, 0)
        assert len(guard._rested_at) <= 10
