"""What a connection tells the session of itself."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.testing import StringTransport

from transports.irc.connection import Connection
from transports.irc.dialer import Attempt, Target
from transports.irc.tls import Trust


class Session:
    """Our end of the line; keeps what it is told."""

    def __init__(self):
        self.secure = None
        self.read = []

    def progress(self, text):
        self.read.append(text)

    def connection_lost(self, text, *, made):
        self.read.append(text)

    def connection_made(self, *, secure):
        self.secure = secure

    def data_received(self, data):
        """Nothing comes."""


class Nowhere:
    """A dialer and a turnstile to a host that nobody knows."""

    def dial(self, target, attempt, line):
        return fail(DNSLookupError("no such host"))

    def enter(self, go):
        go()


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


def test_host_that_is_unknown_is_looked_for_once():
    """It has no ports to try."""
    session, nowhere = Session(), Nowhere()
    attempts = (Attempt(port=6697, secure=True), Attempt(port=6667, secure=False))
    target = Target(host="irc.nowhere", attempts=attempts, trust=Trust(), bind="")
    Connection(target, session).open(nowhere, nowhere)
    assert session.read == [
        "Connecting to irc.nowhere:6697 (encrypted)",
        "Connection failed: Domain name not found",
        "Domain name not found",
    ]
