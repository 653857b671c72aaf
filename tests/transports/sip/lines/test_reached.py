"""What is told of the addresses at which we say that we are reached."""

from __future__ import annotations

import pytest

from transports.sip.lines.reached import doubt, mistake


@pytest.mark.parametrize(
    ("told", "addresses", "peer", "words"),
    [
        ("sip.example.org", [], "8.8.8.8", "sip.example.org, which has no address"),
        ("10.0.0.5", ["10.0.0.5"], "8.8.8.8", "come back to 10.0.0.5, a private address"),
        ("gw.lan", ["10.0.0.5", "fd00::5"], "2001:4860::1", "gw.lan (10.0.0.5, fd00::5), a private address"),
        ("10.0.0.5", ["10.0.0.5"], "10.0.0.9", ""),
        ("gw.example", ["10.0.0.5", "9.9.9.9"], "8.8.8.8", ""),
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1", ""),
    ],
)
def test_address_that_leads_nowhere_is_a_mistake(told: str, addresses: list[str], peer: str, words: str):
    """A name without addresses, or a private address for somebody elsewhere."""
    found = mistake(told, addresses, peer)
    assert words in found and bool(found) is bool(words)


def test_peer_that_sees_us_elsewhere_makes_doubtful():
    """As behind NAT; who sees us where we are, or does not say, does not."""
    assert "sees us at 9.9.9.9" in doubt("gw.example", ["10.0.0.5"], "9.9.9.9")
    assert doubt("gw.example", ["9.9.9.9"], "9.9.9.9") == doubt("gw.example", ["10.0.0.5"], "") == ""
