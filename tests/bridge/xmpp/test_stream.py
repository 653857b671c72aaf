from __future__ import annotations

from bridge.xmpp.stream import header, read_stream_error, stream_error
from bridge.xmpp.xml import Limits, StreamParser


def read(data: bytes):
    parser = StreamParser(Limits())
    return parser.feed(header("jabber:server") + data)[1:]


def test_header_has_what_is_given_and_no_more() -> None:
    """Empty attributes are left out, and values are quoted."""
    written = header("jabber:server", from_="a'b.example", to="", id="1", version="1.0")
    assert written == (
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:server'"
        b" xmlns:stream='http://etherx.jabber.org/streams' from='a&apos;b.example' id='1' version='1.0'>"
    )


def test_error_is_read_as_it_was_written() -> None:
    """Condition and text, and the stream's end behind them."""
    error, _closed = read(stream_error("policy-violation", "too <much>"))
    assert read_stream_error(error) == ("policy-violation", "too <much>")


def test_error_without_known_condition_is_undefined() -> None:
    """A peer may say anything."""
    (error,) = read(b"<stream:error><x xmlns='urn:y'/></stream:error>")
    assert read_stream_error(error) == ("undefined-condition", "")
