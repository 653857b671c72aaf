"""Where the server of a trunk or an account is, as people write it: a SIP URI, or a WebSocket's URL."""

from __future__ import annotations

import re

from msgspec import Struct

from transports.sip.agent.routing import DEFAULT_PORTS
from transports.sip.wire.uri import Malformed, Uri, parse_host, parse_port, parse_uri, write_host_port

_URL = re.compile(r"(wss?)://(\[[^\]]*\]|[^:/?\[\]@]+)(?::([0-9]+))?(/[\x21-\x7e]{0,254})?", re.IGNORECASE)


class Location(Struct, frozen=True):
    """Its SIP URI, and the path of its WebSocket, if it is one."""

    uri: Uri
    path: str = "/"

    def __str__(self) -> str:
        """Write it as people do."""
        if self.path == "/":
            return str(self.uri)
        place = write_host_port(self.uri.host, self.uri.port)
        return f"{self.uri.params['transport']}://{place}{self.path}"


def parse_location(text: str) -> Location:
    """Read ``sip:host``, or ``wss://host/path`` as web phones have it. Raises Malformed."""
    found = _URL.fullmatch(text)
    if found is None:
        uri = parse_uri(text)
        if not uri.is_sip or uri.user:
            raise Malformed("this is not the URI of a SIP server")
        return Location(uri)
    scheme, host, port, path = found.groups()
    transport = scheme.lower()
    return Location(
        Uri(
            scheme="sip",
            host=parse_host(host),
            port=parse_port(port) if port else DEFAULT_PORTS[transport.upper()],
            params={"transport": transport},
        ),
        path or "/",
    )


def may_be_udp(location: Location) -> bool:
    """Tell whether datagrams may be what it is spoken with by."""
    return location.uri.scheme == "sip" and location.uri.params.get("transport", "udp").lower() == "udp"
