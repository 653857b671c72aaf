"""Messages out of streams."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transports.sip.samples import INVITE, request
from transports.sip.wire.framing import PING, PONG, Keepalive, MessageBuffer
from transports.sip.wire.message import MAX_HEAD, Refused, parse, write

SMALL = write(request())


def drain(buffer: MessageBuffer, data: bytes) -> list[bytes | Keepalive]:
    buffer.receive_data(data)
    found = []
    while (event := buffer.next_event()) is not None:
        found.append(event)
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=12), st.booleans())
def test_events_are_the_same_however_the_bytes_arrive(cuts, is_acceptor):
    """One byte at a time or all at once."""
    stream = SMALL + PING + INVITE + PONG + INVITE + SMALL + PING
    whole = drain(MessageBuffer(is_acceptor), stream)
    buffer = MessageBuffer(is_acceptor)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert [event for piece in pieces for event in drain(buffer, piece)] == whole
    assert [event for event in whole if isinstance(event, bytes)] == [SMALL, INVITE, INVITE, SMALL]


@pytest.mark.spec("RFC 5626 §3.5.1")
def test_keepalives_depend_on_who_opened_the_connection():
    """A server gets pings, a client gets pongs."""
    assert drain(MessageBuffer(is_acceptor=True), PING) == [Keepalive.PING]
    assert drain(MessageBuffer(is_acceptor=True), PONG + SMALL) == [SMALL]
    assert drain(MessageBuffer(is_acceptor=False), PONG + SMALL + PONG) == [
        Keepalive.PONG,
        SMALL,
        Keepalive.PONG,
    ]
    assert drain(MessageBuffer(is_acceptor=False), b"\n\r" + SMALL) == [SMALL]


@pytest.mark.parametrize(
    ("new", "status"),
    [
        (b"", 400),
        (b"Content-Length: -5", 400),
        (b"Content-Length: 1\r\nl: 2", 400),
        (b"Content-Length: 9999999", 513),
    ],
)
@pytest.mark.spec("RFC 3261 §18.3")
def test_a_message_without_its_length_breaks_the_stream(new, status):
    """What came before is still delivered, and the sender is told."""
    buffer = MessageBuffer(is_acceptor=True)
    buffer.receive_data(
        SMALL + SMALL.replace(b"Content-Length: 0", b"Subject: " + b"long" * 20 + b"\r\n" + new)
    )
    assert buffer.next_event() == SMALL
    with pytest.raises(Refused) as caught:
        buffer.next_event()
    assert parse(caught.value.answer("b2", is_limited=True)).status == status


def test_a_head_without_end_breaks_the_stream():
    """A peer cannot fill the memory."""
    buffer = MessageBuffer(is_acceptor=True)
    buffer.receive_data(b"x" * MAX_HEAD)
    assert buffer.next_event() is None
    buffer.receive_data(b"x")
    with pytest.raises(Refused):
        buffer.next_event()


def test_a_response_without_its_length_gets_no_answer():
    """It breaks the stream all the same."""
    buffer = MessageBuffer(is_acceptor=False)
    buffer.receive_data(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\nCSeq: 1 BYE\r\n\r\n")
    with pytest.raises(Refused) as caught:
        buffer.next_event()
    assert caught.value.answer("b2", is_limited=True) is None
