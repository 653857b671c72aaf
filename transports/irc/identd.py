"""The identification responder (RFC 1413): which user a connection of ours belongs to."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from bridge.events import UserId
from transports.irc.dialer import Ends

Find = Callable[[Ends], UserId | None]
"""Who has the connection with these ends."""

QUERY_TIMEOUT = 10.0
"""Seconds that a server may take to ask."""
LONGEST = 64
"""Bytes of a query."""


class Identd:
    """Listens, and answers with the SHA-1 of the bare JID, as Biboumi does: stable, and tells nothing."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def listen(self, port: int, find: Find) -> None:
        """Answer on `port`."""
        self._port = self._reactor.listenTCP(port, _Responders(find, self._reactor))

    def stop(self) -> None:
        """Answer no more."""
        if self._port is not None:
            self._port.stopListening()
            self._port = None


class _Responder(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    def __init__(self, find: Find, clock: IReactorTime) -> None:
        self._find = find
        self._clock = clock
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._patience = self._clock.callLater(QUERY_TIMEOUT, self.transport.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()

    def lineReceived(self, line: bytes) -> None:
        """RFC 1413 §4: ``our port, their port``, and the peer of this connection is the server."""
        ours, comma, theirs = (part.strip() for part in line.partition(b","))
        if comma and ours.isdigit() and theirs.isdigit():
            user = self._find((int(ours), self.transport.getPeer().host, int(theirs)))
            digest = None if user is None else sha1(user.encode()).hexdigest().encode()
            answer = b"ERROR : NO-USER" if digest is None else b"USERID : OTHER : " + digest
            self.transport.write(b"%b, %b : %b\r\n" % (ours, theirs, answer))
        self.transport.loseConnection()


class _Responders(Factory):
    noisy = False

    def __init__(self, find: Find, clock: IReactorTime) -> None:
        self._find = find
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> _Responder:
        return _Responder(self._find, self._clock)
