"""What a connection tells the session of itself."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import succeed
from twisted.internet.testing import StringTransport

from transports.irc.connection import Connection
from transports.irc.dialer import Attempt, Target
from transports.irc.tls import Trust


class Session:
    """Our end of the line; keeps what it is told."""

    def __init__(self):
        self.secure = None

    def progress(self, text):
        """Nothing to read here."""

    def connection_made(self, *, secure):
        self.secure = secure

    def data_received(self, data):
        """Nothing comes."""


class Ways:
    """A dialer and a turnstile that let everybody through to a peer."""

    def __init__(self, peer):
        self.peer = peer

    def dial(self, target, attempt, line):
        return succeed(Peer(peerAddress=self.peer))

    def enter(self, go):
        go()


class Peer(StringTransport):
    """A transport with a socket."""

    def getHandle(self):
        return self


@pytest.mark.parametrize(
    ("peer", "secure"),
    [
        (IPv4Address("TCP", "127.0.0.1", 6667), True),
        (IPv6Address("TCP", "::1", 6667), True),
        (IPv4Address("TCP", "192.0.2.1", 6667), False),
    ],
)
def test_link_that_stays_on_this_machine_is_as_good_as_encrypted(peer, secure):
    """A password may go over it: nobody is on the way."""
    session = Session()
    attempts = (Attempt(port=6667, secure=False),)
    ways = Ways(peer)
    Connection(Target(host="irc.example", attempts=attempts, trust=Trust(), bind=""), session).open(
        ways, ways
    )
    assert session.secure is secure
