"""The connection under a component's stream, on either side: bytes, as directly as they can go."""

from __future__ import annotations

import socket
from typing import Protocol

from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

USER_TIMEOUT = 75_000
"""Milliseconds that sent data may stay unacknowledged by the peer's TCP."""


class Owner(Protocol):
    """Whoever the bytes are for."""

    def receive(self, data: bytes) -> None:
        """Take what the peer sent."""

    def flush(self) -> None:
        """Send what waits: the socket takes data again."""

    def lose(self, reason: Failure) -> None:
        """Learn that the connection is gone."""


@implementer(IPullProducer)
class Wire(TwistedProtocol):
    """Moves bytes; they go straight to the socket while it takes them, else `blocked` is True."""

    transport: Connection

    def __init__(self, owner: Owner) -> None:
        self.blocked = False
        self._owner = owner

    def connectionMade(self) -> None:
        """Delay nothing, and notice when the peer is gone."""
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        handle = self.transport.getHandle()
        if hasattr(socket, "TCP_USER_TIMEOUT") and isinstance(handle, socket.socket):
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self.transport.registerProducer(self, False)

    def send(self, data: bytes) -> None:
        """Write to the socket, what it does not take through the transport, which tells when that is gone."""
        sent = 0
        if not self.blocked:
            try:
                sent = self.transport.getHandle().send(data)
            except OSError:
                sent = 0
        if sent < len(data):
            self.blocked = True
            self.transport.write(data[sent:])

    def close(self) -> None:
        """End the connection when all is written."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def resumeProducing(self) -> None:
        """Go on: the transport has written everything."""
        self.blocked = False
        self._owner.flush()

    def stopProducing(self) -> None:
        """Learn that nothing can be written any more."""
        self.blocked = True

    def dataReceived(self, data: bytes) -> None:
        """Pass on what came."""
        self._owner.receive(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass it on."""
        self._owner.lose(reason)
