"""One TCP, TLS or WebSocket connection: its messages, its keep-alives, and how long things may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from transports.sip.agent.backpressure import Backpressured
from transports.sip.agent.routing import Hop, is_address
from transports.sip.wire.framing import Keepalive
from transports.sip.wire.message import MAX_BODY, MAX_HEAD, Refused
from transports.sip.wire.websocket import Server, WebSocket

CONNECT_TIMEOUT = 5.0
"""Seconds that a connection may take; the next hop is to have its turn."""
FIRST_TIMEOUT = 20.0
"""Seconds in which a message has to be whole that has begun, the first one since the connection is there."""
IDLE_TIMEOUT = 600.0
"""Seconds without a message after which a connection is closed."""
PING_INTERVAL = 100.0
"""Seconds between the pings of a connection that we opened (RFC 5626 §4.4.1: up to 120)."""
WEBSOCKET_PING_INTERVAL = 45.0
"""Seconds between pings over a WebSocket, from either side: HTTP proxies end what is silent for a minute."""
PONG_TIMEOUT = 10.0
"""Seconds in which who keeps flows answers a ping (RFC 5626 §4.4.1), and everybody on a WebSocket."""
MAX_UNREAD = MAX_HEAD + MAX_BODY
"""Bytes that a peer may leave unread before its connection is cut."""


class HandshakeRefused(Exception):
    """A WebSocket did not come about; the text is for the operator."""


class Framing(Protocol):
    """How messages are told apart; see `MessageBuffer` and `WebSocket`."""

    @property
    def is_open(self) -> bool:
        """Tell whether messages can go."""

    @property
    def is_over(self) -> bool:
        """Tell whether what is still to be sent is the last."""

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no message that has begun."""

    def receive_data(self, data: bytes) -> None:
        """Add what came."""

    def next_event(self) -> bytes | Keepalive | None:
        """Return the next message or keep-alive, or None if more data is needed. Raises Refused."""

    def send(self, message: bytes) -> None:
        """Send a message."""

    def ping(self) -> None:
        """Ask whether somebody is there."""

    def close(self) -> None:
        """Take leave."""

    def data_to_send(self) -> bytes:
        """Return what is to be written, once."""


class Keeper(Protocol):
    """Who has all connections."""

    def is_proxy(self, host: str) -> bool:
        """Tell whether an address is an HTTP proxy's, which says for whom it connects."""

    def connected(self, connection: Connection, hop: Hop, is_acceptor: bool) -> None:
        """Take note of a connection; one that is too many is cut."""

    def disconnected(self, connection: Connection, hop: Hop) -> None:
        """Forget a connection."""

    def arrived(self, data: bytes, hop: Hop) -> None:
        """Pass on a message."""

    def refusal(self, refused: Refused, hop: Hop) -> bytes | None:
        """Ask what the sender of something unreadable is told."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> Any:
        """Set a timer."""


class Connection(Backpressured):
    """See the module's docstring; `hop` is None if the peer opened it.

    `opened` fires when messages can go by a connection that we opened, or fails.
    """

    log = Logger()
    max_unread = MAX_UNREAD

    def __init__(self, keeper: Keeper, name: str, hop: Hop | None, framing: Framing) -> None:
        self._keeper = keeper
        self._name = name
        self._given = hop
        self._framing = framing
        self._timer: Any = None
        self._pings: Any = None
        self._pong: Any = None
        is_websocket = isinstance(framing, WebSocket)
        self._interval = WEBSOCKET_PING_INTERVAL if is_websocket else PING_INTERVAL
        self._wants_pong = is_websocket
        self._is_open = self._is_known = self._is_ending = False
        self.opened: Deferred[Connection] = Deferred()
        self.is_counted = False

    def connectionMade(self) -> None:
        """Begin."""
        self.transport.registerProducer(self, True)
        peer = self.transport.getPeer()
        assert isinstance(peer, IPv4Address | IPv6Address)
        self._hop = self._given or Hop(self._name, peer.host, peer.port)
        self._wait(FIRST_TIMEOUT if self._given is None or self._framing.is_open else CONNECT_TIMEOUT)
        if self._given is None and not (self._hop.is_websocket and self._keeper.is_proxy(peer.host)):
            self._be_known()
        self._flush()
        if self._framing.is_open:
            self._open()

    def _be_known(self) -> None:
        self._is_known = True
        self._keeper.connected(self, self._hop, is_acceptor=self._given is None)

    def _open(self) -> None:
        """Messages can go from now on."""
        self._is_open = True
        if not self._is_known:
            told = self._framing.forwarded_for if isinstance(self._framing, Server) else ""
            if told and not is_address(told):
                # he would be taken for the proxy, or for a trunk that is on the same machine
                self.log.warn(
                    "X-Forwarded-For of {proxy} is no address: {told}", proxy=self._hop.host, told=told
                )
                self.end()
                return
            if told:
                self._hop = replace(self._hop, host=told)
            self._be_known()
        if self._given is not None:
            self.opened.callback(self)
        if self._given is not None or isinstance(self._framing, WebSocket):
            self._pings = self._keeper.call_later(self._interval, self._ping)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._keeper.call_later(seconds, self.end)

    def keep_alive(self, seconds: float) -> None:
        """Ping at least as often as this from now on; whoever answers no ping is gone."""
        is_websocket = isinstance(self._framing, WebSocket)
        self._interval = min(seconds, WEBSOCKET_PING_INTERVAL) if is_websocket else seconds
        self._wants_pong = True
        if self._pings is not None and self._pings.active():
            self._pings.reset(self._interval)

    def _ping(self) -> None:
        self._pings = self._keeper.call_later(self._interval, self._ping)
        if self._wants_pong and self._pong is None:
            self._pong = self._keeper.call_later(PONG_TIMEOUT, self.cut)
        self._framing.ping()
        self._flush()

    def send(self, data: bytes) -> None:
        """Send a message; a peer that reads nothing for too long is cut off."""
        self._framing.send(data)
        self._flush()

    def _flush(self) -> None:
        if data := self._framing.data_to_send():
            super().send(data)

    def dataReceived(self, data: bytes) -> None:
        """Cut out messages; what nobody can read ends the connection, and what comes after it is dropped."""
        if self._is_ending:
            return
        was_open, was_empty = self._is_open, self._framing.is_empty
        self._framing.receive_data(data)
        self._flush()
        if self._framing.is_open and not was_open:
            self._open()
            if self._is_ending:
                return
        try:
            messages, pings = self._take()
        except Refused as refused:
            answer = self._keeper.refusal(refused, self._hop)
            if answer is not None:
                self.send(answer)
            self.end()
            return
        self._flush()
        if self._framing.is_over:
            self.end()
        elif (messages or pings or not was_open) and self._framing.is_empty:
            self._wait(IDLE_TIMEOUT)
        elif messages or was_empty:
            self._wait(FIRST_TIMEOUT)

    def _take(self) -> tuple[int, int]:
        """Pass on what came; return how many messages and keep-alives that was."""
        messages = keepalives = 0
        while (event := self._framing.next_event()) is not None:
            if isinstance(event, bytes):
                messages += 1
                self._keeper.arrived(event, self._hop)
                continue
            keepalives += 1
            if event is Keepalive.PONG and self._pong is not None:
                self._pong.cancel()
                self._pong = None
        return messages, keepalives

    def end(self) -> None:
        """Close it when what was written is out, or after a while."""
        if self._is_ending:
            return
        self._is_ending = True
        self._framing.close()
        self._flush()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._keeper.call_later(FIRST_TIMEOUT, self.cut)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        for timer in (self._timer, self._pings, self._pong):
            if timer is not None and timer.active():
                timer.cancel()
        if self._is_known:
            self._keeper.disconnected(self, self._hop)
        if self._given is not None and not self._is_open:
            why = self._framing.refused if isinstance(self._framing, WebSocket) else ""
            self.opened.errback(Failure(HandshakeRefused(why)) if why else reason)
