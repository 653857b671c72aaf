"""What one server may take from the others that the bridge serves: the fast are read later, the slow wait."""

from __future__ import annotations

import asyncio
import time

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, Federation
from tests.live.federation.wire import Wire
from tests.live.peers.certificates import Certificate

FAST, SLOW = "fast.test", "slow.test"
RATE, SENT = 1_000, 5_000
PING = "<ping xmlns='urn:xmpp:ping'/>"
PAUSE = 1.0
"""Seconds that somebody else may wait for an answer meanwhile; who is held up with the other waits for longer."""
WINDOW = 65_536
"""Bytes that the kernel keeps for a server that does not read, about."""


def certificate(federation: Federation, domain: str) -> Certificate:
    return federation.house.authority.issue(domain, domain)


async def ask_on(person: Person, domain: str) -> float:
    """Have somebody of another server ask until told to stop; returns the longest wait in seconds."""
    longest = 0.0
    try:
        while True:
            began = time.monotonic()
            await person.result(domain, PING)
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return longest


async def test_server_that_sends_too_fast_is_read_later(build: BuildStage, federation: Federation):
    """limits.stanzas_per_second: all arrives, in order, as fast as it may; others do not notice."""
    stage = build(tables={"federation.limits": {"stanzas_per_second": RATE}})
    component, alice = await stage.component(), await stage.at(A)
    asking = asyncio.ensure_future(ask_on(alice, stage.domain))
    peer = await Wire.connect(stage.bridge.server_port)
    await peer.authenticate(FAST, stage.bridge.components[0], certificate(federation, FAST))
    began = time.monotonic()
    head = f"<message from='x@{FAST}' to='{component.jid}' type='chat'><body>"
    peer.write("".join(f"{head}{number}</body></message>" for number in range(SENT)))
    await component.mailbox.find_where(lambda one: one.findtext("body") == str(SENT - 1), "the last")
    took = time.monotonic() - began
    asking.cancel()
    assert took > (SENT - 2 * RATE) / RATE / 2, "two seconds' worth is free, the rest takes its time"
    assert await asking < PAUSE
    peer.close()


async def test_server_that_does_not_read_keeps_nobody_waiting(build: BuildStage, federation: Federation):
    """What waits for it is bounded, the rest comes back to its sender; others do not notice."""
    limits = {"queue_bytes": 100_000, "backlog_bytes": 100_000}
    stage = build(tables={"federation.limits": limits})
    component, alice = await stage.component(), await stage.at(A)
    peer = await Wire.connect(stage.bridge.server_port, WINDOW)
    await peer.secure(SLOW, stage.bridge.components[0], certificate(federation, SLOW))
    peer.write("<bidi xmlns='urn:xmpp:bidi'/>")
    await peer.prove(SLOW, stage.bridge.components[0])
    peer.write(f"<message from='x@{SLOW}' to='{component.jid}' type='chat'><body>ready</body></message>")
    await component.mailbox.find(Pattern("message", body="ready"))
    asking = asyncio.ensure_future(ask_on(alice, stage.domain))
    for number in range(1_500):
        component.say(f"x@{SLOW}", "x" * 10_000, type="chat", ident=str(number))
    refused = await component.mailbox.find(
        Pattern("message", type="error", has="error/stanza:resource-constraint")
    )
    assert int(refused.get("id", "")) > 10
    asking.cancel()
    assert await asking < PAUSE
    await component.result(stage.domain, PING)
    peer.close()
