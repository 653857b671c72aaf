"""A NAT: nobody reaches what is behind it before that has sent something, and then only who was sent to."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from bridge.calls import SessionDescription
from tests.live.peers.rtpengine import own_address


class _Side(asyncio.DatagramProtocol):
    """One of its ports; what comes to it goes out by the other one."""

    def __init__(self) -> None:
        self.other: _Side
        self.peer: tuple[str, int] | None = None
        self.transport: Any = None
        self.packets = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Pass it on, once somebody is known there."""
        self.packets += 1
        if self.peer is None:
            self.peer = addr[:2]
        if self.peer == addr[:2] and self.other.peer is not None:
            self.other.transport.sendto(data, self.other.peer)


class Nat:
    """Between a browser and what is outside; it is told to whom packets go, as `outside` is."""

    def __init__(self) -> None:
        self.inner, self.outer = _Side(), _Side()
        self.inner.other, self.outer.other = self.outer, self.inner

    async def seen_from_inside(self, description: SessionDescription) -> SessionDescription:
        """Open for the place in a description; return it with the port behind which that is."""
        loop = asyncio.get_running_loop()
        [content] = description.contents
        outside = max(content.endpoint.candidates, key=lambda one: one.priority)
        self.outer.peer = (outside.address, outside.port)
        for side in (self.inner, self.outer):
            side.transport, _ = await loop.create_datagram_endpoint(
                lambda side=side: side, (own_address(), 0)
            )
        port = self.inner.transport.get_extra_info("sockname")[1]
        shown = replace(outside, address=own_address(), port=port)
        endpoint = replace(content.endpoint, candidates=(shown,))
        return replace(description, contents=(replace(content, endpoint=endpoint),))

    def close(self) -> None:
        """Close its ports."""
        for side in (self.inner, self.outer):
            if side.transport is not None:
                side.transport.close()
