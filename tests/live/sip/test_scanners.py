"""Who only wants to know whether somebody is there, or to do harm, by real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from uuid import uuid4

from tests.live.peers.daemon import HOST
from tests.live.sip.stage import SCANNER, SipStage
from tests.transports.sip.wire.test_websocket import frame, handshake

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


BAD_HANDSHAKES = (
    (handshake(without="Sec-WebSocket-Protocol"), 400),
    (handshake("Origin: https://evil.example"), 403),
    (handshake("Sec-WebSocket-Version: 7", without="Sec-WebSocket-Version"), 426),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"OPTIONS sip:x SIP/2.0\r\n\r\n", 400),
)
"""What is sent in place of a handshake, and the status that it gets."""
BAD_FRAMES = (
    (frame(0x81, b"OPTIONS", is_masked=False), 1002),
    (frame(0x81, b"\xff"), 1007),
    (frame(0x89, b"") * 200, 1008),
    (frame(0x01, b"") + frame(0x00, b"") * 1000, 1008),
    (b"\x82\xff" + bytes.fromhex("0000000010000000") + bytes(400_000), 1009),
)
"""What is sent after it, and the code that it gets."""


async def connect(port: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Come to a WebSocket."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(sent)
    return reader, writer


async def test_who_breaks_the_rules_of_websockets_is_shown_out(sip_stage: SipStage, sip_ws_port: int):
    """By a status or a code; who keeps them is served after that, in however many frames he asks."""
    reader, writer = await connect(sip_ws_port, handshake())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    for sent, status in BAD_HANDSHAKES:
        strange, _ = await connect(sip_ws_port, sent)
        assert (await asyncio.wait_for(strange.read(), 5)).startswith(b"HTTP/1.1 %d " % status)
    for sent, code in BAD_FRAMES:
        strange, end = await connect(sip_ws_port, handshake())
        await strange.readuntil(b"\r\n\r\n")
        end.write(sent)
        assert await asyncio.wait_for(strange.readexactly(4), 5) == b"\x88\x02" + code.to_bytes(2, "big")
        end.close()
    asked = scan("OPTIONS", sip_stage.domain)
    writer.write(frame(0x01, asked[:50]) + frame(0x89, b"?") + frame(0x80, asked[50:]))
    assert await asyncio.wait_for(reader.readexactly(3), 5) == b"\x8a\x01?"
    head = await asyncio.wait_for(reader.readexactly(4), 5)
    answer = await reader.readexactly(int.from_bytes(head[2:], "big"))
    assert head[:2] == b"\x81\x7e" and answer.startswith(b"SIP/2.0 200 ")
    writer.close()
