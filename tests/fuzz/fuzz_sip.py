"""Fuzzer of what SIP peers send: ``python -m tests.fuzz.fuzz_sip --seconds 60 --seed 1``.

Typical and tortuous messages are mutated and go through the parser, the transactions, and all
that reads an INVITE, a description or credentials. A failure prints the seed of its round.
"""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path

from tests.fuzz.rounds import main
from tests.transports.sip.samples import INVITE, SDP, request
from transports.sip.agent.acceptance import Abilities, inspect
from transports.sip.agent.routing import Hop
from transports.sip.agent.transaction import Timings
from transports.sip.agent.transactions import Send, Transactions
from transports.sip.dialogs.callee import Callee, Tags
from transports.sip.wire.digest import Authenticated, DigestServer
from transports.sip.wire.framing import MessageBuffer
from transports.sip.wire.message import Refused, Request, Response, parse, write
from transports.sip.wire.sdp import parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed
from transports.sip.wire.websocket import Client, Server, WebSocket

TORTURE = Path(__file__).parents[1] / "transports" / "sip" / "torture"
CORPUS = [INVITE, *(path.read_bytes() for path in sorted(TORTURE.glob("*.dat")))]
CREDENTIALS = write(
    request(
        fields=(
            (
                "Authorization",
                'Digest username="ann", realm="gw", nonce="n", uri="sip:bob@bob.example", response="0", '
                'qop=auth, cnonce="c", nc=00000001, algorithm=SHA-256',
            ),
        )
    )
)
SPECIAL = [
    *(b'"', b"<", b">", b";", b",", b"\\", b"\r\n", b"\r\n ", b"\0", b"%", b"%zz", b"[", b"]", b"::", b"="),
    *(b"@", b"sip:", b"  ", b":", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"9" * 30, b"Content-Length: 5\r\n"),
]
HOP = Hop(transport="UDP", host="192.0.2.7", port=5060)
ABILITIES = Abilities(methods=("INVITE", "OPTIONS"))


def mutated(rng: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.randrange(1, 7)):
        position = rng.randrange(len(mutant) + 1)
        size = rng.choice((0, 0, 1, 4, 20))
        mutant[position : position + size] = rng.choice((b"", rng.choice(SPECIAL), rng.randbytes(1)))
    return bytes(mutant)


def read(data: bytes) -> Request | Response | None:
    try:
        return parse(data)
    except Refused as refused:
        answer = refused.answer("t", is_limited=True)
        assert answer is None or len(answer) <= len(data)
        return None


def check_messages(rng: random.Random) -> None:
    """What is read is written, and read the same again."""
    message = read(mutated(rng, rng.choice(CORPUS)))
    if message is not None:
        written = write(message)
        assert write(parse(written)) == written


def check_streams(rng: random.Random) -> None:
    """A stream gives messages or breaks."""
    buffer = MessageBuffer(is_acceptor=rng.random() < 0.5)
    try:
        for _ in range(4):
            buffer.receive_data(mutated(rng, rng.choice(CORPUS)))
            while (event := buffer.next_event()) is not None:
                assert event
    except Refused as refused:
        assert refused.status in (400, 513)


def check_websockets(rng: random.Random) -> None:
    """A WebSocket gives messages, or is over; a server answers no handshake but with a status."""
    server, client = Server(()), Client("h", "/ws")
    asked = client.data_to_send()
    if rng.random() < 0.7:
        server.receive_data(asked)
        client.receive_data(server.data_to_send())
    ends: list[WebSocket] = [server, client]
    for _ in range(4):
        client.send(rng.choice(CORPUS))
        data = client.data_to_send() or asked
        for end in ends:
            end.receive_data(mutated(rng, data) if rng.random() < 0.7 else data)
            while (event := end.next_event()) is not None:
                assert event and end.is_open
            sent = end.data_to_send()
            assert end.is_open or not sent or sent.startswith(b"HTTP/1.1 4"), sent


def check_transactions(rng: random.Random) -> None:
    """Everything that comes of messages can be sent, and time ends it all."""
    now, numbers = [0.0], count()
    layer = Transactions(lambda: now[0], lambda: str(next(numbers)), b"s", lambda hop: ("h", 0), Timings())
    for _ in range(5):
        message = read(mutated(rng, rng.choice(CORPUS)))
        if message is not None:
            layer.receive(message, HOP)
        now[0] += rng.random()
        layer.expire()
        for event in layer.events():
            if isinstance(event, Send):
                write(event.message)


def check_invites(rng: random.Random) -> None:
    """An INVITE is inspected, and makes a call or is malformed."""
    message = read(mutated(rng, INVITE))
    if isinstance(message, Request):
        inspect(message, ABILITIES)
        try:
            callee = Callee(message, Tags("b", 1, 1), (), lambda: 0.0, 60.0, Timings())
        except Malformed:
            return
        callee.ring(180)
        callee.refuse(486)
        assert [write(event.response) for event in callee.events()]


def check_descriptions(rng: random.Random) -> None:
    """A description is read, and written the same from then on."""
    try:
        description = parse_sdp(mutated(rng, SDP))
    except Malformed:
        return
    written = write_sdp(description)
    assert write_sdp(parse_sdp(written)) == written
    for media in description.media:
        assert media.codecs is not None
        assert description.direction(media)


def check_credentials(rng: random.Random) -> None:
    """Nobody gets in by chance."""
    numbers = count()
    server = DigestServer("gw", {"ann": "x"}.get, b"s", lambda: 1e9, lambda: str(next(numbers)))
    message = read(mutated(rng, CREDENTIALS))
    if isinstance(message, Request):
        assert not isinstance(server.verify(message, "192.0.2.1"), Authenticated)


CHECKS = [
    check_messages,
    check_streams,
    check_websockets,
    check_transactions,
    check_invites,
    check_descriptions,
    check_credentials,
]


if __name__ == "__main__":
    main(__doc__, CHECKS)
