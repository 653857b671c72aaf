"""Bytes on their way to a socket."""

from __future__ import annotations

import pytest
from twisted.internet.testing import StringTransport

from transports.matrix import http_writer
from transports.matrix.http_writer import Writer


class Socket:
    """Takes so many bytes, and then no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def send(self, data: bytes) -> int:
        if self.room < 0:
            raise BlockingIOError
        taken, self.room = data[: self.room], -1 if len(data) > self.room else self.room - len(data)
        self.taken += taken
        return len(taken)


@pytest.mark.parametrize("room", [0, 2, 3, 4, 9])
def test_bytes_go_to_the_socket_as_far_as_it_takes_them(room, monkeypatch):
    """The rest goes by way of the transport, and so does what comes later."""
    transport, socket = StringTransport(), Socket(room)
    transport.getHandle = lambda: socket
    monkeypatch.setattr(http_writer.tcp, "Connection", StringTransport)
    writer = Writer(transport)
    for part in (b"abc", b"def", b"ghi"):
        writer.write(part)
    assert socket.taken + transport.value() == b"abcdefghi"
    assert socket.taken == b"abcdefghi"[:room]


def test_bytes_that_are_encrypted_go_to_the_transport():
    """The socket is not ours to write to."""
    transport = StringTransport()
    transport.getHandle = None
    Writer(transport).write(b"abc")
    assert transport.value() == b"abc"
