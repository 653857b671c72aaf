"""Where a message came from and where its response goes (RFC 3261 §18.2, RFC 3581)."""

from __future__ import annotations

from msgspec import Struct

from transports.sip.wire.headers import Via
from transports.sip.wire.message import Message
from transports.sip.wire.uri import MAX_PORT

DEFAULT_PORT, DEFAULT_TLS_PORT = 5060, 5061


class Hop(Struct, frozen=True):
    """The next element on a way: `transport` as Via names it; `host` an address, IPv6 without brackets.

    `name` is the domain for which its certificate must be, "" where it is not TLS, or came to us by itself.
    """

    transport: str
    host: str
    port: int
    name: str = ""

    @property
    def is_reliable(self) -> bool:
        """Tell whether it loses nothing, so that nothing is sent again."""
        return self.transport != "UDP"


def stamp(via: Via, source: Hop) -> Via:
    """Write down where a request came from, as a server does before anything else.

    ``received`` is set where sent-by does not say it already, and never left as the sender said it, who
    could aim our answers with it; ``rport`` where it was asked for (RFC 3261 §18.2.1, RFC 3581 §4).
    """
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
    default = DEFAULT_TLS_PORT if transport == "TLS" else DEFAULT_PORT
    port = (
        int(rport)
        if rport.isdecimal() and len(rport) <= 5 and 0 < int(rport) <= MAX_PORT
        else via.port or default
    )
    return Hop(transport=transport, host=via.params.get("received", "").strip("[]") or via.host, port=port)
