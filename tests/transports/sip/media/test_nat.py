"""Where media of a SIP peer are taken from."""

from __future__ import annotations

import pytest

from transports.sip.media.nat import is_behind_nat, media_source


@pytest.mark.parametrize(
    ("named", "signalled", "expected"),
    [
        ("10.0.0.9", "8.8.8.8", "8.8.8.8"),
        ("100.64.0.9", "8.8.8.8", "8.8.8.8"),
        ("169.254.0.9", "10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("fd00::9", "2600::1", "2600::1"),
        ("8.8.4.4", "8.8.8.8", "8.8.4.4"),
        ("8.8.4.4", "10.0.0.1", "8.8.4.4"),
        ("10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("0.0.0.0", "8.8.8.8", "0.0.0.0"),
        ("10.0.0.9", "", "10.0.0.9"),
    ],
)
def test_named_address_counts_unless_nat_is_in_between(named, signalled, expected):
    """A peer that says its own site's address and is heard from the world is behind NAT."""
    assert media_source(named, signalled) == expected
    assert is_behind_nat(named, signalled) is (expected != named)
