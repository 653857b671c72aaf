"""Where a message came from and where its response goes (RFC 3261 §18.2, RFC 3581)."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec import Struct

from transports.sip.wire.headers import Via
from transports.sip.wire.message import Message
from transports.sip.wire.uri import MAX_PORT

DEFAULT_PORT, DEFAULT_TLS_PORT = 5060, 5061
DEFAULT_PORTS = {"UDP": DEFAULT_PORT, "TCP": DEFAULT_PORT, "TLS": DEFAULT_TLS_PORT, "WS": 80, "WSS": 443}
"""Where each transport is if nobody says so (RFC 3261 §19.1.2, RFC 7118 §5.5)."""
NOWHERE = ".invalid"
"""The end of names that stand for no place, by which those go who come over WebSockets (RFC 7118 §B.1)."""
SECURE = frozenset({"TLS", "WSS"})
WEBSOCKETS = frozenset({"WS", "WSS"})


class Hop(Struct, frozen=True):
    """The next element on a way: `transport` as Via names it; `host` an address, IPv6 without brackets.

    `name` is the domain for which its certificate must be, and which a WebSocket is asked for; "" for what
    has neither, or came to us by itself. `path` is that of a WebSocket.
    """

    transport: str
    host: str
    port: int
    name: str = ""
    path: str = ""

    @property
    def is_reliable(self) -> bool:
        """Tell whether it loses nothing, so that nothing is sent again."""
        return self.transport != "UDP"

    @property
    def is_websocket(self) -> bool:
        """Tell whether messages go over a WebSocket (RFC 7118)."""
        return self.transport in WEBSOCKETS

    @property
    def is_secure(self) -> bool:
        """Tell whether it is by TLS."""
        return self.transport in SECURE


def stamp(via: Via, source: Hop) -> Via:
    """Write down where a request came from, as a server does before anything else.

    ``received`` is set where sent-by does not say it already, and never left as the sender said it, who
    could aim our answers with it; ``rport`` where it was asked for (RFC 3261 §18.2.1, RFC 3581 §4). On a
    WebSocket it would only tell of the proxies between (RFC 7118 §5.3).
    """
    if source.is_websocket:
        return via
    if "rport" in via.params:
        return via.with_params(received=source.host, rport=str(source.port))
    is_told = via.host == source.host and "received" not in via.params
    return via if is_told else via.with_params(received=source.host)


def response_hop(response: Message, transport: str) -> Hop:
    """Return where a response goes if there is no connection: where its request came from.

    ``maddr`` is not heeded, since a stranger could aim our answers with it.
    """
    via = response.via[0]
    rport = via.params.get("rport", "")
    port = (
        int(rport)
        if rport.isdecimal() and len(rport) <= 5 and 0 < int(rport) <= MAX_PORT
        else via.port or DEFAULT_PORTS.get(transport, DEFAULT_PORT)
    )
    return Hop(transport=transport, host=via.params.get("received", "").strip("[]") or via.host, port=port)


def is_address(text: str) -> bool:
    """Tell whether it is an IP address, IPv6 without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_nowhere(host: str) -> bool:
    """Tell whether a host stands for no place."""
    return host.endswith(NOWHERE)
