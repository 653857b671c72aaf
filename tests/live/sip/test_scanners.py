"""Who only wants to know whether somebody is there, or to do harm, by real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from uuid import uuid4

from tests.live.peers.daemon import HOST
from tests.live.sip.stage import SCANNER, SipStage

SOCKETS = 50
REQUESTS = 2000


@contextlib.contextmanager
def sockets(count: int) -> Iterator[list[socket.socket]]:
    """Open UDP ports of the scanner's."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for one in made:
            one.bind((SCANNER, 0))
            one.setblocking(False)
        yield made


def scan(method: str, domain: str) -> bytes:
    """A request as scanners send it."""
    word = uuid4().hex
    return (
        f"{method} sip:100@{domain} SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.8.7:5060;branch=z9hG4bK{word};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:100@{SCANNER}>;tag={word}\r\nTo: <sip:100@{domain}>\r\n"
        f"Call-ID: {word}\r\nCSeq: 1 {method}\r\nContact: <sip:100@10.9.8.7:5060>\r\n"
        "User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def received(made: list[socket.socket]) -> int:
    """Return how many bytes have come back."""
    count = 0
    for one in made:
        with contextlib.suppress(BlockingIOError):
            while True:
                count += len(one.recv(65536))
    return count


async def test_flood_of_scans_harms_nobody_and_is_logged_once(sip_stage: SipStage):
    """Thousands of requests from many ports: others are served meanwhile, and little comes back."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    daemon = sip_stage.bridge.daemon
    words = f"{SCANNER} sends too many requests"
    with sockets(SOCKETS) as made:
        got = 0
        for number in range(REQUESTS):
            data = scan(("REGISTER", "INVITE", "OPTIONS", "SIP/2.0 200 OK")[number % 4], sip_stage.domain)
            got += len(data)
            made[number % SOCKETS].sendto(data, (HOST, sip_stage.port))
            if number % 500 == 0:
                romeo.say(sip_stage.jid(bob.user), f"scene {number}", type="chat")
                await asyncio.wait_for(bob.hears(f"scene {number}"), 2)
        assert await bob.say(sip_stage.uri(romeo), "Ay me") == 202
        sent = received(made)
        assert 0 < sent <= got / 10
    assert daemon.output().count(words) == 1


async def test_invite_that_is_refused_is_not_amplified(sip_stage: SipStage):
    """The refusal has no more bytes than the INVITE."""
    with sockets(1) as [one]:
        data = scan("INVITE", sip_stage.domain)
        for _ in range(40):  # until it is heard again after the flood
            one.sendto(data, (HOST, sip_stage.port))
            await asyncio.sleep(0.1)
            if (got := received([one])) > 0:
                break
        assert 0 < got <= len(data)
