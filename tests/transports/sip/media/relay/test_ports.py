"""Where the relay opens its ports."""

from __future__ import annotations

import asyncio
import os

import pytest

from transports.sip.media.relay.ports import Ice, Ports

HERE = f"127.1.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""An address that no other run of these tests has."""
FIRST, LAST = 21_500, 21_507


class Silent(asyncio.DatagramProtocol):
    """Hears nothing."""


async def open_pairs(ports: Ports, count: int) -> list[int]:
    """Open pairs of ports and close them; return the lower ones."""
    opened = []
    try:
        for _ in range(count):
            opened.append(await ports.pair(HERE, Silent(), Silent()))
        numbers = [[one.get_extra_info("sockname")[1] for one in pair] for pair in opened]
        assert all(upper == lower + 1 for lower, upper in numbers)
        return [lower for lower, _ in numbers]
    finally:
        for pair in opened:
            for one in pair:
                one.close()


def test_pairs_are_of_the_range_until_it_is_full():
    """RTP has the even ports."""
    found = asyncio.run(open_pairs(Ports(FIRST, LAST), 4))
    assert sorted(found) == [21_500, 21_502, 21_504, 21_506]
    with pytest.raises(OSError, match="two ports"):
        asyncio.run(open_pairs(Ports(FIRST, LAST), 5))
    assert sorted(asyncio.run(open_pairs(Ports(FIRST + 1, LAST - 1), 2))) == [21_502, 21_504]


def test_without_a_range_any_ports_do():
    """As the system gives them."""
    assert len(set(asyncio.run(open_pairs(Ports(), 3)))) == 3


def test_candidates_are_of_the_range():
    """At each address of the host; one that cannot be had is left out."""

    async def gather() -> list[int]:
        ice = Ice(Ports(FIRST, LAST))
        found = await ice.get_component_candidates(1, [HERE, "192.0.2.250", HERE])
        ports = [one.port for one in found]
        await ice.close()
        return ports

    first, second = asyncio.run(gather())
    assert first != second and {first, second} <= set(range(FIRST, LAST + 1))


def test_full_range_leaves_no_candidate():
    """Nobody waits for what cannot come."""

    async def gather() -> int:
        ports = Ports(FIRST, FIRST + 1)
        pair = await ports.pair(HERE, Silent(), Silent())
        found = await Ice(ports).get_component_candidates(1, [HERE])
        for one in pair:
            one.close()
        return len(found)

    assert asyncio.run(gather()) == 0
