"""Peers that do not read."""

from __future__ import annotations

from twisted.internet.testing import StringTransport

from transports.sip.agent.backpressure import Backpressured


class Stream(Backpressured):
    max_unread = 10


def connected() -> tuple[Stream, StringTransport]:
    stream, transport = Stream(), StringTransport()
    stream.makeConnection(transport)
    return stream, transport


def test_peer_that_leaves_too_much_unread_is_cut_off():
    """So much may wait for it and no more."""
    stream, transport = connected()
    stream.pauseProducing()
    stream.send(b"x" * 10)
    assert not transport.disconnected and not transport.disconnecting
    stream.send(b"y")
    assert transport.value() == b"x" * 10
    assert transport.disconnected or transport.disconnecting


def test_peer_that_reads_on_gets_everything():
    """What it read is not counted any more."""
    stream, transport = connected()
    for _ in range(3):
        stream.pauseProducing()
        stream.send(b"x" * 10)
        stream.resumeProducing()
        stream.send(b"y" * 100)
    assert transport.value() == (b"x" * 10 + b"y" * 100) * 3
