"""Two bridges federate while the network between them resets every connection again and again (XEP-0198 §5).

Each hosts a component; the two say numbers to each other, which pass a proxy in front of either bridge.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.live.cast.proxy import Proxy
from tests.live.federation.component import Component
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import Federation, FederationStage
from tests.live.federation.test_faults import (
    PING,
    arrive_or_return,
    count,
    eventually,
    received,
    returned,
)

SPARE = 0.3
"""Seconds for which numbers are said before the first cut and after the last."""
BRISK = 0.005
"""Seconds between two numbers."""


@asynccontextmanager
async def proxied(federation: Federation, *stages: FederationStage) -> AsyncIterator[list[Proxy]]:
    """Publish a proxy as the address of each bridge."""
    proxies = [Proxy(stage.bridge.server_port) for stage in stages]
    for proxy, stage in zip(proxies, stages, strict=True):
        await proxy.start()
        for name in (stage.bridge.domain, *stage.bridge.components):
            federation.nameserver.serves(name, proxy.port)
    try:
        yield proxies
    finally:
        for proxy in proxies:
            await proxy.close()


@pytest.mark.parametrize("strangers", [False, True], ids=["acquainted", "strangers"])
@pytest.mark.parametrize(("cuts", "gap"), [(4, 0.15), (3, 1.0)])
async def test_links_reset_again_and_again_lose_and_double_nothing(
    build: BuildStage, federation: Federation, cuts: int, gap: float, strangers: bool
):
    """Each message arrives once, in order, and its sender is told nothing else; strangers dial at once."""
    stages = [build(), build()]
    numbers = range(int(((cuts - 1) * gap + 2 * SPARE) / BRISK))
    async with proxied(federation, *stages) as proxies:
        juliet, romeo = [await stage.component() for stage in stages]
        if not strangers:
            await juliet.result(romeo.jid, PING)
        counting = asyncio.gather(
            count(juliet, romeo.jid, numbers, pause=BRISK), count(romeo, juliet.jid, numbers, pause=BRISK)
        )
        assert await cut(proxies, cuts, gap) > 1
        await counting
        await eventually(
            lambda: all(len(received(one)) >= len(numbers) for one in (juliet, romeo)),
            lambda: [account(juliet, romeo, numbers), account(romeo, juliet, numbers)],
        )
        await romeo.result(juliet.jid, PING)  # whatever was sent twice is there by now
        await juliet.result(romeo.jid, PING)
    for sender, receiver in ((juliet, romeo), (romeo, juliet)):
        assert received(receiver) == list(numbers), account(sender, receiver, numbers)
        assert not returned(sender)


async def cut(proxies: list[Proxy], cuts: int, gap: float) -> int:
    """Reset the links, with seconds between; returns how many connections that hit."""
    await asyncio.sleep(SPARE)
    hit = sum(proxy.cut() for proxy in proxies)
    for _ in range(cuts - 1):
        await asyncio.sleep(gap)
        hit += sum(proxy.cut() for proxy in proxies)
    return hit


def account(sender: Component, receiver: Component, sent: range) -> str:
    """Tell what became of numbers, for failure messages."""
    arrived, errors = received(receiver), returned(sender)
    lost = sorted(set(sent) - set(arrived) - errors)
    doubled = sorted(number for number, times in Counter(arrived).items() if times > 1)
    return f"from {sender.jid}: lost {lost}, doubled {doubled}, returned {sorted(errors)}: {arrived}"


async def test_bridge_killed_in_mid_flow_loses_nothing_of_the_other(build: BuildStage):
    """kill -9 and a new start: each message of the bridge that lives on arrives, or comes back as an error."""
    alive, killed = build(), build()
    juliet, romeo = await alive.component(), await killed.component()
    await juliet.result(romeo.jid, PING)
    counting = asyncio.ensure_future(count(juliet, romeo.jid, range(150)))
    await eventually(lambda: len(received(romeo)) > 20, lambda: received(romeo))
    await asyncio.to_thread(killed.bridge.daemon.kill)
    await asyncio.to_thread(killed.bridge.daemon.start)
    again = await killed.component()
    await counting
    await juliet.result(again.jid, PING)
    again.mailbox.waiting.extendleft(reversed(romeo.mailbox.waiting))
    await arrive_or_return(juliet, again, range(150))
    assert max(received(again)) == 149
