"""The beginning of a TLS handshake, before there is anybody to speak TLS with."""

from __future__ import annotations

HANDSHAKE = 0x16
"""The type of the record that a handshake begins with; no stream begins with this byte (RFC 8446 §5.1)."""
HEAD = 5
"""Bytes of a record's head: type, version, length."""
LONGEST = 2**14
"""Bytes that the rest of it may have."""


class Hello:
    """Collects a client's first record: a TLS connection is too dear for a stranger who says half of it."""

    def __init__(self) -> None:
        self._data = b""

    def take(self, data: bytes) -> bytes | None:
        """Return all that has come once the record is complete; ValueError if it begins no handshake."""
        self._data += data
        length = int.from_bytes(self._data[HEAD - 2 : HEAD], "big")
        if self._data[:1] != bytes([HANDSHAKE]) or length > LONGEST:
            raise ValueError("this begins no handshake")
        if len(self._data) < HEAD + length or not length:
            return None
        return self._data
