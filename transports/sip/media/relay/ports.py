"""The ports of the relay's process: of a range, so that a firewall can know them, or any."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol

ATTEMPTS = 50
"""Ports that are tried where any will do."""
RECEIVE_BUFFER = 256 * 1024
"""Bytes that may wait at a port."""


class Ports:
    """Opens them; 0 and 0 are any."""

    def __init__(self, first: int = 0, last: int = 0) -> None:
        self._first, self._last = first, last

    def _numbers(self, step: int) -> Iterator[int]:
        """Iterate over what is to be tried, from anywhere in the range, so that nobody can guess the next."""
        if not self._last:
            yield from [0] * ATTEMPTS
            return
        found = range(self._first + self._first % step, self._last + 2 - step, step)
        start = random.SystemRandom().randrange(len(found))
        yield from (*found[start:], *found[:start])

    async def one(self, address: str, make: Callable[[], asyncio.DatagramProtocol]) -> Any:
        """Open one port; return its protocol. Raises OSError."""
        for number in self._numbers(1):
            try:
                _, protocol = await _open(address, number, make)
            except OSError:
                continue
            return protocol
        raise OSError(f"no port is free at {address}")

    async def pair(
        self, address: str, first: asyncio.DatagramProtocol, second: asyncio.DatagramProtocol
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramTransport]:
        """Open two ports beside each other. Raises OSError."""
        for number in self._numbers(2):
            try:
                lower, _ = await _open(address, number, lambda: first)
            except OSError:
                continue
            try:
                port = lower.get_extra_info("sockname")[1]
                upper, _ = await _open(address, port + 1, lambda: second)
            except (OSError, OverflowError):
                lower.close()
                continue
            return lower, upper
        raise OSError("no two ports beside each other are free")


async def _open(
    address: str, number: int, make: Callable[[], asyncio.DatagramProtocol]
) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
    return await asyncio.get_running_loop().create_datagram_endpoint(make, (address, number))


class Ice(Connection):
    """ICE at those ports, of one component, without servers."""

    def __init__(self, ports: Ports) -> None:
        super().__init__(ice_controlling=False)
        self._ports = ports

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Gather candidates of the host, as aioice does at ports of its own choice."""
        found = []
        for address in addresses:
            try:
                protocol = await self._ports.one(address, lambda: StunProtocol(self))
            except OSError:
                continue
            opened = protocol.transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            host, port, *_ = opened.getsockname()
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host"),
                host=host,
                port=port,
                type="host",
            )
            self._protocols.append(protocol)
            found.append(protocol.local_candidate)
        return found
