"""Which servers are fetched from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.guard import Guard, is_public

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "::8.8.8.8",
    "nonsense",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "193.0.6.139",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_of_a_private_net_is_not_public(address: str):
    """However it is written, and whatever carries it."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address: str):
    """Also through NAT64."""
    assert is_public(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_address_inside_another_is_judged_like_itself(inside: IPv4Address):
    """An IPv4 address is as private as it is, whichever IPv6 address holds it."""
    wanted = is_public(str(inside))
    number = int(inside)
    assert is_public(str(IPv6Address(0xFFFF00000000 | number))) is wanted
    assert is_public(str(IPv6Address((0x0064FF9B << 96) | number))) is wanted
    if not wanted:
        assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80))))


def test_exception_of_the_operator_is_for_host_and_port():
    """He named exactly one; letters' case does not matter."""
    guard = Guard((80, 443), ("upload.example:5443", "[::1]:80"))
    assert guard.admits_port("Upload.example", 5443)
    assert guard.admits_address("upload.example", 5443, "10.0.0.1")
    assert guard.admits_address("::1", 80, "::1")
    assert not guard.admits_port("other.example", 5443)
    assert not guard.admits_address("upload.example", 443, "10.0.0.1")
    assert guard.admits_address("upload.example", 443, "8.8.8.8")
    assert not guard.admits_port("upload.example", 22)
