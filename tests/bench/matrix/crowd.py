"""A room with very many members."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from tests.bench.matrix.gateways import MatrixGateway
from tests.bench.matrix.people import Listener
from tests.bench.usage import resident_bytes
from tests.live.peers.synapse import Synapse

AT_ONCE = 10
"""Members who join at a time; more do not make a homeserver faster."""
PING = "<ping xmlns='urn:xmpp:ping'/>"
PING_INTERVAL = 0.02


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


async def _slowest_ping(person: Listener, domain: str) -> float:
    """Ping the gateway until cancelled; the slowest answer is the value, in seconds."""
    clock = asyncio.get_running_loop().time
    slowest = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            began = clock()
            await person.result(domain, PING)
            slowest = max(slowest, clock() - began)
            await asyncio.sleep(PING_INTERVAL)
    return slowest


async def join_crowd(
    gateway: MatrixGateway, first: Listener, bystander: Listener, room: str, members: int
) -> dict[str, float]:
    """Join a room of `members` while a bystander watches how fast the gateway answers."""
    clock = asyncio.get_running_loop().time
    before = resident_bytes(gateway.daemon.pid)
    watching = asyncio.ensure_future(_slowest_ping(bystander, gateway.domain))
    await asyncio.sleep(0.5)
    began = clock()
    await gateway.enter(first, room, room)
    took = clock() - began
    await asyncio.sleep(1.0)
    watching.cancel()
    return {
        "crowd_join": took,
        "crowd_stall": 1000 * await watching,
        "crowd_rss": (resident_bytes(gateway.daemon.pid) - before) / members,
    }
