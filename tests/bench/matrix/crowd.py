"""A room with very many members."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp

from tests.bench.matrix.gateways import MatrixGateway
from tests.bench.matrix.people import Listener
from tests.bench.usage import cpu_seconds, resident_bytes
from tests.live.peers.synapse import Synapse

AT_ONCE = 10
"""Members who join at a time; more do not make a homeserver faster."""
IDLE = 10.0
"""Seconds that an idle gateway is watched."""


async def gather_crowd(synapse: Synapse, token: str, prefix: str, room: str, members: int) -> None:
    """Have an application service's users join a room, by its token."""
    numbers = iter(range(members))
    api = f"{synapse.url}/_matrix/client/v3"
    headers = {"Authorization": f"Bearer {token}"}

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            name = f"{prefix}{number}"
            account = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
            async with session.post(f"{api}/register", json=account) as made:
                made.raise_for_status()
            who = {"user_id": f"@{name}:{synapse.server_name}"}
            async with session.post(f"{api}/join/{room}", params=who, json={}) as joined:
                joined.raise_for_status()

    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))


async def join_crowd(gateway: MatrixGateway, first: Listener, room: str, members: int) -> dict[str, float]:
    """Join a room of `members`, while it is watched how fast the gateway answers others; then do nothing."""
    clock, pid = asyncio.get_running_loop().time, gateway.daemon.pid
    before, watching = resident_bytes(pid), await _watch(gateway)
    began = clock()
    await gateway.enter(first, room, room)
    took = clock() - began
    await asyncio.sleep(1.0)
    figures = {"crowd_join": took, "crowd_rss": (resident_bytes(pid) - before) / members}
    if watching is not None:
        slowest, _ = await watching.communicate(b"\n")
        figures["crowd_stall"] = float(slowest)
    used = cpu_seconds(pid)
    await asyncio.sleep(IDLE)
    return {**figures, "crowd_idle": 1000 * (cpu_seconds(pid) - used) / IDLE}


async def _watch(gateway: MatrixGateway) -> Process | None:
    if not gateway.web:
        return None
    program = (sys.executable, "-m", "tests.bench.matrix.watch", *gateway.web)
    return await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)
