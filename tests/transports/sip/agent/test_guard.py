"""Whom we speak with."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from transports.sip.agent.guard import LOGGED, MAX_SOURCES, Guard
from transports.sip.config import SipConfig

CONFIG = SipConfig(domain="gw.example", requests_per_second=2.0, request_burst=3)


@pytest.mark.parametrize(
    ("host", "is_reached"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("::1", False),
        ("224.0.1.75", False),
        ("0.0.0.0", False),
    ],
)
def test_private_addresses_are_not_spoken_with(host: str, is_reached: bool) -> None:
    """Unless the operator allows them, or they are a trunk's."""
    guard = Guard(CONFIG, Clock().seconds)
    assert guard.may_reach(host) is is_reached
    guard.apply(replace(CONFIG, allowed_peers=("0.0.0.0/0", "::/0")))
    assert guard.may_reach(host)
    guard.apply(CONFIG)
    guard.trust("pbx", frozenset({host}))
    assert guard.may_reach(host) and guard.trunks(host) == ["pbx"]


def test_http_proxies_are_those_of_the_configuration() -> None:
    """And whose pages may connect."""
    config = replace(CONFIG, websocket_proxies=("127.0.0.1", "::1"), websocket_origins=("https://a.example",))
    guard = Guard(CONFIG, Clock().seconds)
    assert not guard.is_proxy("127.0.0.1") and not guard.origins
    guard.apply(config)
    assert [guard.is_proxy(one) for one in ("127.0.0.1", "127.0.0.2", "::1")] == [True, False, True]
    assert guard.origins == ("https://a.example",)


def test_flood_is_cut_to_the_rate_and_trunks_are_not_counted() -> None:
    """Each address has a bucket, a site of IPv6 one for all."""
    clock = Clock()
    guard = Guard(CONFIG, clock.seconds)
    assert [guard.admits("192.0.2.1") for _ in range(5)] == [True] * 3 + [False] * 2
    assert guard.admits("192.0.2.2")
    clock.advance(0.5)
    assert [guard.admits("192.0.2.1") for _ in range(2)] == [True, False]
    assert [guard.admits(f"2001:db8::{n}") for n in range(4)] == [True] * 3 + [False]
    guard.trust("pbx", frozenset({"192.0.2.1"}))
    assert all(guard.admits("192.0.2.1") for _ in range(100))


def test_only_so_many_addresses_are_remembered() -> None:
    """Those seen last."""
    guard = Guard(CONFIG, Clock().seconds)
    for number in range(MAX_SOURCES + 10):
        guard.admits(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guard._sources) == MAX_SOURCES


def test_flood_from_many_addresses_is_cut_too_and_the_log_is_spared() -> None:
    """Whoever makes up an address for each request; trunks do not feel it."""
    clock = Clock()
    guard = Guard(replace(CONFIG, strangers_per_second=50.0), clock.seconds)
    guard.trust("mine", frozenset({"192.0.2.77"}), is_limited=True)
    with capturedLogs() as logged:
        admitted = sum(guard.admits(f"10.0.{number >> 8}.{number & 255}") for number in range(1000))
        assert admitted == 50 and guard.admits("192.0.2.77")
        clock.advance(0.1)
        assert sum(guard.admits(f"10.1.0.{number}") for number in range(100)) == 5
        for number in range(1000):
            for _ in range(5):
                guard.admits(f"10.2.{number >> 8}.{number & 255}")
    assert len(logged) <= 1 + LOGGED
