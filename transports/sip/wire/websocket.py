"""SIP over WebSocket: bytes of a connection to messages and back, handshake and all (RFC 7118, RFC 6455).

A message is one of WebSocket's, text or binary. What breaks a rule gets its HTTP status or its close code,
and ends the connection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    TextMessage,
)
from wsproto.events import Request as Handshake
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from transports.sip.wire.framing import PING, PONG, Keepalive
from transports.sip.wire.message import MAX_BODY, MAX_HEAD

SUBPROTOCOL = "sip"
"""What both sides agree on in the handshake (RFC 7118 §4.1)."""
MAX_FRAMES = 256
"""Frames that one message may be cut into."""
MAX_KEEPALIVES = 64
"""Pings and pongs in what is received at a time."""
MAX_HANDSHAKE = 16384
"""Bytes of a handshake."""


class WebSocket(ABC):
    """See the module's docstring; `Client` and `Server` differ in their handshakes.

    It `is_open` once the handshake is done, and `is_over` when what is still to be sent is the last.
    `refused` tells why the handshake failed, "" if it did not.
    """

    def __init__(self, role: ConnectionType) -> None:
        self._wire = WSConnection(role)
        self._outgoing = bytearray()
        self._message = bytearray()
        self._frames = self._handshaken = self._keepalives = 0
        self._pong: Event | None = None
        self._events: deque[bytes | Keepalive] = deque()
        self.is_open = self.is_over = False
        self.refused = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no message that has begun."""
        return not self._frames and self.is_open

    def receive_data(self, data: bytes) -> None:
        """Add what came."""
        if self.is_over or not data:  # nothing would be the end, for h11
            return
        try:
            self._receive(data)
        except RemoteProtocolError as error:
            hint = error.event_hint
            self._refuse(hint if isinstance(hint, RejectConnection) else RejectConnection(), str(error))
        except UnicodeError:  # wsproto decodes fields of the handshake as if they could only be text
            self._refuse(RejectConnection(), "the handshake is malformed")

    def _receive(self, data: bytes) -> None:
        if not self.is_open:
            self._handshaken += len(data)
            if self._handshaken > MAX_HANDSHAKE:
                return self._refuse(RejectConnection(status_code=431), "the handshake is too long")
        self._wire.receive_data(data)
        self._keepalives = 0
        for event in self._wire.events():
            self._take(event)
            if self.is_over:
                return None
        return None

    def _take(self, event: Event) -> None:
        match event:
            case TextMessage() | BytesMessage():
                self._add(event)
            case Ping():
                # the last one only, as RFC 6455 §5.5.3 allows, so that floods are not answered in kind
                self._pong = event.response()
                self._note(Keepalive.PING)
            case Pong():
                self._note(Keepalive.PONG)
            case CloseConnection(code=code):
                self._close(code)
            case _:
                self._shake(event)

    def _add(self, event: TextMessage | BytesMessage) -> None:
        """Take a part of a message; text is kept as the bytes it was (RFC 7118 §4.2)."""
        self._message += event.data.encode() if isinstance(event, TextMessage) else event.data
        self._frames = max(self._frames, 1) + event.frame_finished
        if len(self._message) > MAX_HEAD + MAX_BODY:
            return self._close(CloseReason.MESSAGE_TOO_BIG)
        if self._frames > MAX_FRAMES:
            return self._close(CloseReason.POLICY_VIOLATION)
        if event.message_finished:
            whole = bytes(self._message)
            self._message.clear()
            self._frames = 0
            self._heard(whole)
        return None

    def _heard(self, message: bytes) -> None:
        """Messages may also be the keep-alives of streams (RFC 7118 §6)."""
        if message == PING:
            self.send(PONG)
            self._note(Keepalive.PING)
        elif message.strip(b"\r\n"):
            self._events.append(message)
        else:
            self._note(Keepalive.PONG)

    def _note(self, keepalive: Keepalive) -> None:
        self._events.append(keepalive)
        self._keepalives += 1
        if self._keepalives > MAX_KEEPALIVES:
            self._close(CloseReason.POLICY_VIOLATION)

    def next_event(self) -> bytes | Keepalive | None:
        """Return the next message or keep-alive, or None if more data is needed."""
        return self._events.popleft() if self._events else None

    # ---- what goes out

    def send(self, message: bytes) -> None:
        """Send a message: as text, unless it is none (RFC 7118 §4.2)."""
        try:
            self._write(TextMessage(data=message.decode()))
        except UnicodeDecodeError:
            self._write(BytesMessage(data=message))

    def ping(self) -> None:
        """Ask whether somebody is there."""
        self._write(Ping())

    def close(self) -> None:
        """Take leave."""
        if self.is_open:
            self._close(CloseReason.NORMAL_CLOSURE)

    def data_to_send(self) -> bytes:
        """Return what is to be written, once."""
        if self._pong is not None:
            pong, self._pong = self._pong, None
            self._write(pong)
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _write(self, event: Event) -> None:
        """Write, unless it is too early or too late: whoever waits is told that the connection is gone."""
        if not self.is_over:
            try:
                self._outgoing += self._wire.send(event)
            except LocalProtocolError:
                self.is_over = True

    def _close(self, code: int) -> None:
        self._write(CloseConnection(code=code))
        self._message.clear()
        self.is_over = True

    def _refuse(self, rejection: RejectConnection, reason: str) -> None:
        """End what has not begun; a client has nobody to tell."""
        self.refused = reason
        if not self._wire.client:
            self._write(rejection)
        self.is_over = True

    @abstractmethod
    def _shake(self, event: Event) -> None:
        """Take what the handshake says."""


class Client(WebSocket):
    """One who connects; `host` with a port if it is not the usual one, `path` as in ``/ws``."""

    def __init__(self, host: str, path: str) -> None:
        super().__init__(ConnectionType.CLIENT)
        self._write(Handshake(host=host, target=path, subprotocols=[SUBPROTOCOL]))

    def _shake(self, event: Event) -> None:
        match event:
            case AcceptConnection(subprotocol=agreed) if agreed == SUBPROTOCOL:
                self.is_open = True
            case AcceptConnection():
                self._refuse(RejectConnection(), "its WebSocket is not for SIP")
            case RejectConnection(status_code=status):
                self._refuse(event, f"the answer to the WebSocket handshake was {status}")


class Server(WebSocket):
    """One to whom others connect; `origins` are the pages that may, none: all.

    Those who come from no page are none of a browser's, and could say what they like. `forwarded_for` is
    what the handshake says of where it came from, "" if it does not.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        super().__init__(ConnectionType.SERVER)
        self._origins = frozenset(one.lower() for one in origins)
        self.forwarded_for = ""

    def _shake(self, event: Event) -> None:
        if not isinstance(event, Handshake):
            return
        fields = {name: value.decode("ascii", "replace") for name, value in event.extra_headers}
        origin = fields.get(b"origin", "").lower()
        if self._origins and origin and origin not in self._origins:
            return self._refuse(RejectConnection(status_code=403), "pages of that origin may not connect")
        if SUBPROTOCOL not in event.subprotocols:
            return self._refuse(RejectConnection(status_code=400), "the subprotocol is not sip")
        self.forwarded_for = fields.get(b"x-forwarded-for", "").rpartition(",")[2].strip()
        self._write(AcceptConnection(subprotocol=SUBPROTOCOL))
        self.is_open = True
        return None
