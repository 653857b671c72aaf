"""Cuts a stream of bytes into SIP messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1)."""

from __future__ import annotations

from enum import Enum

from transports.sip.tables import REASONS
from transports.sip.wire.message import (
    BAD_REQUEST,
    MAX_HEAD,
    TOO_LARGE,
    Refused,
    content_length,
    find_head_end,
    parse_head,
)
from transports.sip.wire.uri import Malformed

PING, PONG = b"\r\n\r\n", b"\r\n"
"""What a client sends now and then, and what it gets back (RFC 5626 §3.5.1)."""


class Keepalive(Enum):
    """Between messages: a ping wants a PONG, a pong answers our PING."""

    PING = PING
    PONG = PONG


class MessageBuffer:
    """Keeps what is not yet a whole message; after `receive_data`, take out all with `next_event`.

    Who accepted the connection gets pings, and answers them; who opened it gets pongs; other line ends are
    dropped. It is open from the beginning, and never over by itself.
    """

    is_open, is_over = True, False

    def __init__(self, is_acceptor: bool) -> None:
        self._keepalive = Keepalive.PING if is_acceptor else Keepalive.PONG
        self._data = bytearray()
        self._outgoing = bytearray()
        self._searched = 0
        self._needed = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no message that has begun."""
        return not self._data

    def receive_data(self, data: bytes) -> None:
        """Add what came."""
        self._data += data

    def next_event(self) -> bytes | Keepalive | None:
        """Return the next whole message or keep-alive, or None if more data is needed.

        Raises Refused when nobody can say where the next message begins: send its answer, if
        there is one, and close the connection.
        """
        data = self._data
        if not self._needed:
            while data.startswith((b"\r", b"\n")):
                if data.startswith(self._keepalive.value):
                    self._take(len(self._keepalive.value))
                    if self._keepalive is Keepalive.PING:
                        self._outgoing += PONG
                    return self._keepalive
                if self._keepalive.value.startswith(data):
                    return None
                self._take(1)
            end, size = find_head_end(data, max(0, self._searched - 3))
            if end > MAX_HEAD or (end < 0 and len(data) > MAX_HEAD):
                raise Refused(TOO_LARGE, REASONS[TOO_LARGE])
            if end < 0:
                self._searched = len(data)
                return None
            self._needed = end + size + self._body_length(bytes(data[:end]))
            self._searched = 0
        if len(data) < self._needed:
            return None
        return self._take(self._needed)

    def send(self, message: bytes) -> None:
        """Send a whole message."""
        self._outgoing += message

    def ping(self) -> None:
        """Ask whether somebody is there."""
        self._outgoing += PING

    def close(self) -> None:
        """Take leave: there are no words for it."""

    def data_to_send(self) -> bytes:
        """Return what is to be written, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._data[:count])
        del self._data[:count]
        self._needed = 0
        return taken

    @staticmethod
    def _body_length(head: bytes) -> int:
        start, fields = parse_head(head)
        method = "" if start[:4].upper() == "SIP/" else start.partition(" ")[0]
        try:
            length = content_length(fields)
            if length is None:
                raise Malformed("Content-Length")
        except Refused as refused:
            raise Refused(refused.status, refused.reason, fields, method, len(head)) from None
        except Malformed:
            reason = "Bad Request: Content-Length"
            raise Refused(BAD_REQUEST, reason, fields, method, len(head)) from None
        return length
