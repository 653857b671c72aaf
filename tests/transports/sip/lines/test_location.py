"""How people write where a server is."""

from __future__ import annotations

import pytest

from transports.sip.lines.location import Location, parse_location
from transports.sip.wire.uri import Malformed, parse_uri


@pytest.mark.parametrize(
    ("text", "uri", "path"),
    [
        ("sip:pbx.example;transport=wss", "sip:pbx.example;transport=wss", "/"),
        ("sips:192.0.2.1:5071", "sips:192.0.2.1:5071", "/"),
        ("wss://PBX.example", "sip:pbx.example:443;transport=wss", "/"),
        ("ws://192.0.2.1/", "sip:192.0.2.1:80;transport=ws", "/"),
        ("WSS://[2001:db8::1]:8089/ws?key=1", "sip:[2001:db8::1]:8089;transport=wss", "/ws?key=1"),
    ],
)
def test_server_is_read_as_it_is_written(text: str, uri: str, path: str) -> None:
    """A URL has its port, so that no records are looked for."""
    location = parse_location(text)
    assert location == Location(parse_uri(uri), path)
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    "text",
    [
        *("pbx.example", "sip:bob@pbx.example", "tel:112", "https://pbx.example/", "wss://", "wss:///ws"),
        *("wss://a b/", "wss://h:99999/", "wss://h/é", "wss://u@h/", "wss://h/" + "x" * 255),
    ],
)
def test_what_is_no_server_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Malformed):
        parse_location(text)
