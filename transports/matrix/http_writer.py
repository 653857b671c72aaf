"""Bytes on their way out, as directly as they can go."""

from __future__ import annotations

from typing import Any

from twisted.internet import tcp


class Writer:
    """Writes to the socket as long as it takes everything, so that the reactor need not come by for that."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._socket: Any = transport.getHandle() if isinstance(transport, tcp.Connection) else None
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)

    def write(self, data: bytes) -> None:
        """Write; what the socket does not take goes by way of the transport, and all that comes later."""
        sent = 0
        if self._socket is not None:
            try:
                sent = self._socket.send(data)
            except OSError:
                # the transport will find out why
                sent = 0
        if sent < len(data):
            self._socket = None
            self._transport.write(data[sent:])
