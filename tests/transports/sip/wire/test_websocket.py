"""Messages out of WebSockets, and into them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import INVITE, request
from transports.sip.wire.framing import PING, PONG, Keepalive
from transports.sip.wire.message import MAX_BODY, MAX_HEAD, write
from transports.sip.wire.websocket import MAX_FRAMES, MAX_HANDSHAKE, MAX_KEEPALIVES, Client, Server, WebSocket

SMALL = write(request())
BINARY = SMALL + b"\xff\xfe"
TEXT_FRAME, BINARY_FRAME, CONTINUED, CLOSE, PING_FRAME = 1, 2, 0, 8, 9
FIN = 0x80


def handshake(*more: str, method: str = "GET", without: str = "-") -> bytes:
    """What a browser sends."""
    lines = [
        "Host: sip.example.org",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: sip",
    ]
    kept = [line for line in lines if not line.startswith(without)]
    return "\r\n".join([f"{method} /ws HTTP/1.1", *kept, *more, "", ""]).encode("latin-1")


def frame(kind: int, payload: bytes, is_masked: bool = True) -> bytes:
    """What is sent in one frame; masked by zeros, which change nothing."""
    size, bit = len(payload), 0x80 if is_masked else 0
    length = bytes((bit | size,)) if size < 126 else bytes((bit | 126,)) + struct.pack("!H", size)
    return bytes((kind,)) + length + (b"\0\0\0\0" if is_masked else b"") + payload


def drain(end: WebSocket) -> list[bytes | Keepalive]:
    found = []
    while (event := end.next_event()) is not None:
        found.append(event)
    return found


def opened(origins: tuple[str, ...] = ()) -> Server:
    """A server whose handshake is done."""
    server = Server(origins)
    server.receive_data(handshake())
    assert server.is_open and server.data_to_send().startswith(b"HTTP/1.1 101")
    return server


def both() -> tuple[Client, Server]:
    """Two ends of one."""
    client, server = Client("sip.example.org", "/ws"), Server(())
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    assert client.is_open and server.is_open
    return client, server


def closed_with(server: WebSocket) -> int:
    """Return the code of the close frame that is sent last."""
    [code] = struct.unpack("!H", server.data_to_send()[-2:])
    assert server.is_over
    return int(code)


@pytest.mark.spec("RFC 7118 §4.1")
def test_both_ends_agree_on_sip() -> None:
    """Host, path and subprotocol are as they were asked for."""
    client = Client("pbx.example:8443", "/ws?a=1")
    asked = client.data_to_send()
    assert asked.startswith(b"GET /ws?a=1 HTTP/1.1\r\nHost: pbx.example:8443\r\n")
    assert b"Sec-WebSocket-Protocol: sip\r\n" in asked
    server = Server(())
    server.receive_data(asked)
    answer = server.data_to_send()
    assert b"Sec-WebSocket-Protocol: sip\r\n" in answer
    client.receive_data(answer)
    assert client.is_open and server.is_open and not client.refused


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([SMALL, INVITE, BINARY]), max_size=4),
    st.lists(st.integers(0, 4000), max_size=12),
    st.booleans(),
)
def test_messages_are_the_same_however_the_bytes_arrive(
    messages: list[bytes], cuts: list[int], is_client: bool
) -> None:
    """From either side, text or not, one byte at a time or all at once."""
    sender, receiver = both() if is_client else both()[::-1]
    for message in messages:
        sender.send(message)
    stream = sender.data_to_send()
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    for start, end in pairwise(edges):
        receiver.receive_data(stream[start:end])
    assert drain(receiver) == messages and receiver.is_empty


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([SMALL, INVITE, BINARY]), st.lists(st.integers(1, 900), max_size=20))
def test_message_may_be_cut_into_frames(message: bytes, cuts: list[int]) -> None:
    """Pings may come between; characters may be cut through."""
    server = opened()
    edges = sorted({0, len(message), *(min(cut, len(message)) for cut in cuts)})
    parts = [message[start:end] for start, end in pairwise(edges)]
    kind = BINARY_FRAME if message == BINARY else TEXT_FRAME
    for index, part in enumerate(parts):
        last = FIN if index == len(parts) - 1 else 0
        server.receive_data(frame((kind if not index else CONTINUED) | last, part))
        server.receive_data(frame(FIN | PING_FRAME, b"?"))
    assert drain(server)[: len(parts)] == [*[Keepalive.PING] * (len(parts) - 1), message]


@pytest.mark.spec("RFC 7118 §4.2")
def test_only_text_goes_as_text() -> None:
    """One byte that is none makes the whole message binary; what is read is what was written."""
    server = opened()
    for message, kind in ((SMALL, TEXT_FRAME), ("é".encode(), TEXT_FRAME), (BINARY, BINARY_FRAME)):
        server.send(message)
        assert server.data_to_send()[0] == FIN | kind
    server.receive_data(frame(FIN | TEXT_FRAME, "é".encode()) + frame(FIN | BINARY_FRAME, b"\xff"))
    assert drain(server) == ["é".encode(), b"\xff"]


@pytest.mark.spec("RFC 7118 §6")
def test_keepalives_are_those_of_websockets_and_of_sip() -> None:
    """Pings of both kinds are answered; a flood of them once."""
    client, server = both()
    client.ping()
    client.send(PING)
    server.receive_data(client.data_to_send())
    assert drain(server) == [Keepalive.PING] * 2
    client.receive_data(server.data_to_send())
    assert drain(client) == [Keepalive.PONG] * 2
    server.receive_data(b"".join(frame(FIN | PING_FRAME, bytes((65 + n,))) for n in range(20)))
    assert server.data_to_send() == frame(FIN | 10, b"T", is_masked=False)
    server.receive_data(frame(FIN | TEXT_FRAME, PONG))
    assert drain(server)[-1] is Keepalive.PONG and not server.is_over


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        (handshake(without="Sec-WebSocket-Protocol"), 400, "subprotocol"),
        (handshake("Sec-WebSocket-Protocol: xmpp, msrp", without="Sec-WebSocket-Protocol"), 400, "sip"),
        (handshake(without="Upgrade"), 400, "Upgrade"),
        (handshake(without="Sec-WebSocket-Key"), 400, "Key"),
        (handshake(without="Host"), 400, "HTTP"),
        (handshake("Sec-WebSocket-Version: 8", without="Sec-WebSocket-Version"), 426, "Version"),
        (handshake(method="POST"), 400, "GET"),
        (handshake("Origin: https://evil.example"), 403, "origin"),
        (handshake("Host: xn--\xff", without="Host"), 400, "malformed"),
        (handshake("Sec-WebSocket-Extensions: \xff"), 400, "malformed"),
        (b"INVITE sip:a@b SIP/2.0\r\n\r\n", 400, "HTTP"),
        (handshake("X: " + "y" * MAX_HANDSHAKE), 431, "long"),
    ],
)
def test_handshake_that_does_not_do_is_refused(sent: bytes, status: int, why: str) -> None:
    """By its HTTP status, and that was all."""
    server = Server(("https://www.example.org",))
    server.receive_data(sent)
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert server.is_over and not server.is_open and why in server.refused
    server.receive_data(handshake())
    server.send(SMALL)
    assert (server.data_to_send(), drain(server)) == (b"", [])


@pytest.mark.parametrize("more", [(), ("Origin: HTTPS://www.example.org",)])
def test_pages_that_may_and_who_comes_from_none_are_let_in(more: tuple[str, ...]) -> None:
    """Only a browser tells, and only of a browser it is believed."""
    server = Server(("https://www.example.org",))
    server.receive_data(handshake(*more))
    assert server.is_open


def test_proxy_says_for_whom_it_connects() -> None:
    """The last address is that of its own."""
    for more, told in (((), ""), (("X-Forwarded-For: 10.1.1.1, 192.0.2.7",), "192.0.2.7")):
        server = Server(())
        server.receive_data(handshake(*more))
        assert server.forwarded_for == told


def twice(kind: int) -> bytes:
    return frame(kind, b"x") + frame(FIN | TEXT_FRAME, b"y")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(FIN | TEXT_FRAME, SMALL, is_masked=False), 1002),
        (frame(FIN | 3, b"x"), 1002),
        (frame(FIN | 0x40 | TEXT_FRAME, b"x"), 1002),
        (frame(FIN | CONTINUED, b"x"), 1002),
        (twice(TEXT_FRAME), 1002),
        (frame(PING_FRAME, b"x"), 1002),
        (frame(FIN | TEXT_FRAME, b"\xff"), 1007),
        (frame(FIN | PING_FRAME, b"") * (MAX_KEEPALIVES + 1), 1008),
        (frame(FIN | TEXT_FRAME, b"") * (MAX_KEEPALIVES + 1), 1008),
        (frame(BINARY_FRAME, b"") + frame(CONTINUED, b"") * MAX_FRAMES, 1008),
        (bytes((FIN | BINARY_FRAME, 255)) + struct.pack("!Q", 1 << 62) + b"\0" * 4, 1009),
        (frame(FIN | CLOSE, struct.pack("!H", 1001)), 1001),
        (frame(FIN | CLOSE, struct.pack("!H", 4711)), 4711),
    ],
)
@pytest.mark.spec("RFC 6455 §7.4.1")
def test_what_breaks_a_rule_ends_with_its_code(sent: bytes, code: int) -> None:
    """And nothing of it is a message."""
    server = opened()
    server.receive_data(sent)
    if code == 1009:
        for _ in range(MAX_HEAD + MAX_BODY + 1, 0, -65536):
            server.receive_data(b"x" * 65536)
    assert closed_with(server) == code
    server.receive_data(frame(FIN | TEXT_FRAME, SMALL))
    assert [one for one in drain(server) if isinstance(one, bytes)] == []


def test_message_is_empty_only_between_messages() -> None:
    """So that one that never ends is noticed."""
    server = opened()
    assert server.is_empty
    server.receive_data(frame(TEXT_FRAME, b"OPTIONS "))
    assert not server.is_empty
    server.receive_data(frame(FIN | CONTINUED, b"sip:a"))
    assert server.is_empty


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda answer: answer.replace(b"Sec-WebSocket-Protocol: sip\r\n", b""), "not for SIP"),
        (lambda answer: answer.replace(b"Protocol: sip", b"Protocol: msrp"), "subprotocol"),
        (lambda answer: answer.replace(b"Accept: ", b"Accept: x"), "token"),
        (lambda answer: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (lambda answer: b"HTTP/1.1 301 Moved\r\nLocation: ws://x/\r\nContent-Length: 3\r\n\r\nyou", "301"),
        (lambda answer: b"SIP/2.0 200 OK\r\n\r\n", "HTTP"),
    ],
)
def test_client_says_why_a_server_does_not_do(change: Callable[[bytes], bytes], why: str) -> None:
    """It sends nothing more."""
    client, server = Client("h", "/"), Server(())
    server.receive_data(client.data_to_send())
    client.receive_data(change(server.data_to_send()))
    assert client.is_over and not client.is_open and why in client.refused
    assert client.data_to_send() == b""


def test_leave_is_taken_once() -> None:
    """Who closes is answered; what is sent after that is not."""
    client, server = both()
    client.close()
    client.close()
    server.receive_data(client.data_to_send())
    server.send(SMALL)
    assert closed_with(server) == 1000
    for _ in range(2):
        assert client.data_to_send() == b""


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([frame(FIN | TEXT_FRAME, SMALL)])), max_size=9)
)
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    """Before the handshake and after it, on either side."""
    client = Client("h", "/")
    for end in (opened(), Server(()), both()[0], client):
        for piece in pieces:
            end.receive_data(piece)
            drain(end)
            end.data_to_send()
