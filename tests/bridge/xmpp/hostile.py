"""What a stranger may send instead of a proper stream, and the stream error that it earns (RFC 6120 §4.9.3)."""

from __future__ import annotations

import random
from collections.abc import Callable

from bridge.federation.acceptor import STRANGER
from bridge.xmpp.incoming import Greeting, IncomingStream
from bridge.xmpp.stream_events import Opened, StreamFailed
from bridge.xmpp.xml import NS_STREAMS
from tests.bridge.xmpp.streams import LOCAL, REMOTE, incoming

LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
WORDS = ("x", "db", "xml:lang", "ü", "😀", "&lt;", "'", " ", "\t", "\n")
END_OF_TAG = ">'>\">"
"""Ends a tag whatever quotes are open: an error inside it may be found only then."""


def header(
    more: str = "",
    *,
    origin: str = LOCAL,
    to: str = REMOTE,
    namespace: str = "jabber:server",
    streams: str = NS_STREAMS,
    name: str = "stream",
    version: str = " version='1.0'",
) -> str:
    return (
        f"<stream:{name} xmlns='{namespace}' xmlns:stream='{streams}' xmlns:db='jabber:server:dialback'"
        f" from='{origin}' to='{to}'{version}{more}>"
    )


def _junk(rng: random.Random, most: int) -> str:
    return rng.choice("axü😀") * rng.randrange(most)


def _nested(rng: random.Random) -> str:
    name = rng.choice(("a", "db:result", "message"))
    return f"<{name}>" * rng.randrange(STRANGER.depth + 1, 500)


def _in_encoding(encoding: str) -> Callable[[random.Random], bytes]:
    return lambda _rng: header().encode(encoding)


Kind = Callable[[random.Random], str | bytes]
BEFORE: tuple[tuple[str, Kind], ...] = (
    # what RFC 6120 §11.1 forbids
    ("restricted-xml", lambda rng: f"<!DOCTYPE {rng.choice('ab')}>{header()}"),
    ("restricted-xml", lambda _: f"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY l0 'ha'>{LAUGHS}]>{header('&l9;')}"),
    ("restricted-xml", lambda _: f"<!DOCTYPE s SYSTEM 'http://192.0.2.1/x.dtd'>{header()}"),
    ("restricted-xml", lambda _: f"<!DOCTYPE s [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]>{header()}"),
    ("restricted-xml", lambda rng: f"<!--{_junk(rng, 800)}-->{header()}"),
    ("restricted-xml", lambda rng: f"<?php {_junk(rng, 800)}?>{header()}"),
    ("restricted-xml", lambda rng: f"{header()}<!--{_junk(rng, 500)}-->"),
    ("restricted-xml", lambda rng: f"{header()}<?x {_junk(rng, 500)}?>"),
    # encodings (RFC 6120 §11.6)
    *(("unsupported-encoding", _in_encoding(name)) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    ("unsupported-encoding", lambda rng: f"<?xml version='1.0' encoding='{rng.choice(('latin1', 'UTF-16'))}'?>{header()}"),
    ("not-well-formed", lambda rng: header(" x='").encode() + rng.choice((b"\xff", b"\xc3(", b"\xed\xa0\x80")) + b"'>"),
    ("not-well-formed", lambda _: f"<?xml version='1.1'?>{header()}"),
    # too much
    ("policy-violation", lambda rng: header(f" x='{'y' * rng.randrange(4_096, 200_000)}'")),
    ("policy-violation", lambda rng: header().rstrip(">") + " " * rng.randrange(4_096, 200_000)),
    ("policy-violation", lambda rng: header("".join(f" a{n}=''" for n in range(rng.randrange(21, 200))))),
    ("policy-violation", lambda rng: header("".join(f" xmlns:n{n}='u'" for n in range(rng.randrange(21, 150))))),
    ("policy-violation", lambda rng: "<" + "a" * rng.randrange(4_096, 100_000)),
    # other things than a stream
    ("invalid-namespace", lambda rng: header(namespace=rng.choice(("jabber:client", "jabber:component:accept", "", "x")))),
    ("invalid-namespace", lambda rng: header(streams=rng.choice(("x", "http://etherx.jabber.org/streams/")))),
    ("invalid-namespace", lambda _: "<html>"),
    ("bad-format", lambda rng: header(name=rng.choice(("features", "error", "STREAM")))),
    ("not-well-formed", lambda rng: rng.choice(("GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x02\x01", "{}[]"))),
    ("not-well-formed", lambda rng: header(rng.choice((" x='&y;'", " x='&#0;'", " x='<y'", " y:x=''", " to=''", " x"))) + END_OF_TAG),
    ("not-well-formed", lambda rng: header(" " + rng.choice((" x = y", "='x'", " 1='x'", " x='\x01'"))) + END_OF_TAG),
    # addresses (RFC 6120 §4.7)
    ("host-unknown", lambda rng: header(to=rng.choice(("", "verona.example", "a@@b", "x" * 300, "\u2024" * 70)))),
    ("invalid-from", lambda rng: header(origin=rng.choice(("@", "x" * 1_024, "a b", "\u0638\u202e.example", "..")))),
    ("invalid-from", lambda rng: header(origin=rng.choice((REMOTE, f"x@{REMOTE}/y", REMOTE.upper())))),
    ("unsupported-version", lambda rng: header(version=rng.choice(("", " version='0.9'", " version='ü'", " version='10'")))),
    # after a proper header
    ("policy-violation", lambda rng: header() + _nested(rng)),
    ("policy-violation", lambda rng: header() + "<a>" + "<b/>" * rng.randrange(STRANGER.elements, 2_000)),
    ("policy-violation", lambda rng: header() + f"<a>{'x' * rng.randrange(12_000, 200_000)}"),
    ("policy-violation", lambda rng: header() + "<a" + "".join(f" b{n}=''" for n in range(rng.randrange(21, 300))) + "/>"),
    ("policy-violation", lambda rng: header() + f"<a b='{'x' * rng.randrange(12_000, 200_000)}"),
    ("bad-format", lambda rng: header() + rng.choice(("x", "&#65;", "<![CDATA[x]]>", "\xa0"))),
    ("not-well-formed", lambda rng: header() + rng.choice(("</x>", "<a></b>", "&x;", "<a b='<'>", "<p:a/>", "]]>")) + END_OF_TAG),
    ("unsupported-stanza-type", lambda rng: header() + rng.choice(("<x/>", "<db:x/>", "<iq xmlns='jabber:clien'/>"))),
    ("not-authorized", lambda rng: header() + f"<{rng.choice(('iq', 'message', 'presence'))} from='a@{LOCAL}' to='{REMOTE}'/>"),
    ("improper-addressing", lambda rng: header() + rng.choice(("<message/>", "<db:result/>", f"<iq from='{LOCAL}'/>"))),
)  # fmt: skip
"""How each goes wrong."""


def attack(rng: random.Random) -> tuple[bytes, str]:
    """Return what somebody sends, and the condition that he is to be told."""
    condition, make = rng.choice(BEFORE)
    made = make(rng)
    data = made if isinstance(made, bytes) else made.encode()
    return data, condition


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    """Return the data in chunks: whole, in a few, or (what is short) byte by byte."""
    sizes = (len(data), 1_448, 100, 1) if len(data) < 2_000 else (len(data), 16_384, 1_448)
    size = max(1, rng.choice(sizes))
    return [data[start : start + size] for start in range(0, len(data), size)]


class Reception:
    """A server that a stranger speaks to; the owner's part is to greet him."""

    def __init__(self, stream: IncomingStream | None = None) -> None:
        self.stream = stream or incoming(STRANGER)
        self.answer = b""
        self.condition = ""
        """Why he was sent away, as the owner was told."""

    def hear(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self.stream.receive_data(chunk)
            self.settle()

    def settle(self) -> None:
        while events := self.stream.take_events():
            for event in events:
                if isinstance(event, Opened):
                    self.stream.greet(Greeting(encryption="required", problem="self-signed"))
                elif isinstance(event, StreamFailed):
                    self.condition = event.condition
        self.answer += self.stream.data_to_send()
