"""What waits to go from one of our domains to another server's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from bridge.errors import BridgeError, Trouble
from bridge.federation.connection import Connection
from bridge.xmpp.dialback import Pair

Bounce = Callable[[bytes, BridgeError], None]
"""Answers one stanza, which could not be delivered, to its sender."""


class Lane:
    """The stanzas of one domain pair, in order, and the connection that carries them, if there is one."""

    __slots__ = (
        "_bounce",
        "_bytes",
        "_waiting",
        "awaited",
        "carrier",
        "is_refused",
        "limit",
        "pair",
        "retry",
        "since",
        "trouble",
    )

    def __init__(self, pair: Pair, limit: int, bounce: Bounce) -> None:
        self.pair = pair
        self.limit = limit
        """Bytes that may wait."""
        self.carrier: Connection | None = None
        self.since = 0.0
        """When the carrier was found."""
        self.awaited = 0
        """Sessions of lost streams whose fate has to be settled before anything goes out (`Suspensions`)."""
        self.trouble: float | None = None
        """Since when connections have been lost, though the peer has not acknowledged everything."""
        self.retry: IDelayedCall | None = None
        """The next attempt to make one."""
        self.is_refused = False
        """Whether another pair's connection would not do, so that this one gets its own."""
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._bounce = bounce

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, stanza: bytes) -> None:
        """Let a stanza wait; one too many is answered."""
        if self._bytes + len(stanza) > self.limit and self._waiting:
            return self._bounce(stanza, BridgeError(Trouble.OVERLOADED))
        self._bytes += len(stanza)
        return self._waiting.append(stanza)

    def put_back(self, stanza: bytes) -> None:
        """Have a stanza, which a lost stream did not deliver, go first; call with the newest first."""
        self._bytes += len(stanza)
        self._waiting.appendleft(stanza)

    def drain(self, backlog: int) -> None:
        """Hand what waits to the carrier, as long as it takes it."""
        carrier = self.carrier
        if carrier is None:
            return
        while self._waiting and not is_full(carrier, backlog):
            stanza = self._waiting.popleft()
            self._bytes -= len(stanza)
            self.send(carrier, stanza)

    def send(self, carrier: Connection, stanza: bytes) -> None:
        """Send a stanza now, unless it is larger than the peer takes (XEP-0478)."""
        most = carrier.stream.peer_stanza_bytes
        if most and len(stanza) > most:
            self._bounce(stanza, BridgeError(Trouble.TOO_LONG, f"The server takes {most} bytes at most."))
        else:
            carrier.stream.send(self.pair, stanza, self)

    def give_up(self, error: BridgeError) -> None:
        """Answer everything that waits."""
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        for stanza in waiting:
            self._bounce(stanza, error)

    def stop_retrying(self) -> None:
        """Make no further attempt by the clock."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None


def is_full(carrier: Connection, backlog: int) -> bool:
    """Tell whether a connection can be given nothing more for now."""
    stream = carrier.stream
    if carrier.is_blocked or stream.state != "ready":
        return True
    return stream.session is not None and stream.session.outbox.bytes > backlog
