"""The identification responder (RFC 1413)."""

from __future__ import annotations

from hashlib import sha1

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from transports.irc.identd import QUERY_TIMEOUT, Identd

ROMEO = "romeo@montague.example"
HASH = sha1(ROMEO.encode()).hexdigest().encode()


@pytest.fixture
def reactor():
    return MemoryReactorClock()


def query(reactor, data):
    """Ask; return the transport."""
    ends = {(40000, "192.0.2.7", 6697): ROMEO}
    Identd(reactor).listen(113, ends.get)
    _, factory, *_ = reactor.tcpServers[-1]
    protocol = factory.buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.7", 50000))
    protocol.makeConnection(transport)
    protocol.dataReceived(data)
    return transport


def test_connection_of_ours_is_answered_with_the_hash_of_the_jid(reactor):
    """Servers can tell users apart, and learn nothing about them."""
    transport = query(reactor, b"40000 , 6697\r\n")
    assert transport.value() == b"40000, 6697 : USERID : OTHER : " + HASH + b"\r\n"
    assert transport.disconnecting


@pytest.mark.parametrize("line", [b"40001,6697\r\n", b"40000,6667\r\n"])
def test_connection_not_ours_has_no_user(reactor, line):
    """RFC 1413 §6: NO-USER for connections that are not there, or go to somebody else."""
    assert b": ERROR : NO-USER\r\n" in query(reactor, line).value()


@pytest.mark.parametrize("line", [b"rubbish\r\n", b",\r\n", b"1,-2\r\n", b"x" * 500])
def test_rubbish_ends_the_query(reactor, line):
    """What is no query gets no answer."""
    transport = query(reactor, line)
    assert transport.value() == b""
    assert transport.disconnecting


def test_silent_asker_is_cut_off(reactor):
    """Nobody holds a connection open."""
    transport = query(reactor, b"40000")
    reactor.advance(QUERY_TIMEOUT)
    assert transport.disconnected or transport.disconnecting
