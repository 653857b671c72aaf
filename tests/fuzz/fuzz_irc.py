"""Fuzzer of the IRC vocabulary: ``python -m tests.fuzz.fuzz_irc --seconds 60 --seed 1``.

Random and mutated lines go through everything that reads what a server sends, random words
through everything that writes what a user says. A failure prints the seed of its round.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bridge.events import Affiliation, Role, Span, Style, Text
from tests.fuzz.rounds import main
from transports.irc import ctcp
from transports.irc.isupport import DEFAULT
from transports.irc.sasl import Challenge, SaslError, ScramSha256
from transports.irc.translate import from_irc, lines, mode_changes, occupant_from, sanitise, to_irc
from transports.irc.wire import MAX_LINE, LineBuffer, UnsafeParameter, encode, parse, split_text

CORPUS = [
    b":irc.example.org 001 me :Welcome to the network me!u@h",
    b":irc.example.org 005 me PREFIX=(qaohv)~&@%+ CHANMODES=beI,k,l,imnpst TARGMAX=A:1,B: :are supported",
    b":irc.example.org 005 me -PREFIX CASEMAPPING=ascii NETWORK=A\\x20B MAXLIST=b:5 LINELEN=1024 :are ok",
    b"@time=2026-01-01T00:00:00.000Z;msgid=a\\sb;+draft/reply :n!u@h PRIVMSG #c :hi",
    b":n!u@h PRIVMSG #c :\x02bold\x02 \x0304,05red\x0f \x0400ff00hex",
    b":n!u@h PRIVMSG #c :\x01ACTION waves\x01",
    b":n!u@h MODE #c +ovb-k a b *!*@* key",
    b":n!u@h PRIVMSG #c :caf\xe9 \xe2\x82\xac",
    b"AUTHENTICATE cj1hYmNkZWYwMTIzeCxzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTQwOTY=",
    b":irc.example.org 353 me = #c :@+a %b!u@h c",
    b"PING :x",
]
SPECIAL = b" :@!#+-=;,\\\r\n\0\x01\x02\x03\x04\x0f\x10\x11\x16\x1d\x1e\x1f09\xff\xc3\xe2()*"
CHARACTERS = "ab09 :@#,\r\n\0\x01\x02\x03\x04\x0f\x10\x16é€😀\u0301\u200d\ud800\U0010ffff"


def random_bytes(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(60))
    data = bytearray(rng.choice(CORPUS))
    for _ in range(rng.randrange(8)):
        position = rng.randrange(len(data) + 1)
        size = rng.randrange(4)
        insert = bytes(rng.choices(SPECIAL, k=rng.randrange(4)))
        data[position : position + size] = insert
    return bytes(data) * (50 if rng.random() < 0.01 else 1)


def random_text(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return random_bytes(rng).decode("latin-1")
    return "".join(rng.choices(CHARACTERS, k=rng.randrange(rng.choice((4, 40, 700)))))


def random_formatted(rng: random.Random) -> Text:
    plain = random_text(rng)
    spans = [
        Span(
            start=rng.randrange(-1, 60),
            end=rng.randrange(80),
            style=rng.choice(list(Style)),
            value=rng.choice(("", "#ff0000", "#1f2e3d", "red", "\r\n")),
        )
        for _ in range(rng.randrange(5))
    ]
    return Text(plain=plain, spans=tuple(spans))


def check_reading(rng: random.Random) -> None:
    """Any bytes are a line or nothing, and what they say can be worked with."""
    line = parse(random_bytes(rng), rng.choice(("cp1252", "koi8-r", "shift_jis", "hex")), rng.random() < 0.2)
    if line is None:
        return
    assert line.command.isascii() and line.command.isalnum() and line.command == line.command.upper()
    assert not any(set(param) & {"\r", "\n", "\0"} for param in line.params)
    assert not any(" " in param or not param for param in line.params[:-1])
    try:
        raw = encode(line.command, *line.params, tags=dict(line.tags), limit=1 << 20)
    except UnsafeParameter:
        return
    again = parse(raw, "cp1252")
    assert again is not None
    assert (again.command, again.params) == (line.command, line.params)


def check_injection(rng: random.Random) -> None:
    """No words make a line into two, or into one with another command or more parameters."""
    command = rng.choice(("PRIVMSG", "JOIN", "MODE", "KICK", "topic", random_text(rng)))
    params = [rng.choice(("#c", "nick", random_text(rng))) for _ in range(rng.randrange(5))]
    tags = (
        {rng.choice(("label", "+typing", random_text(rng))): random_text(rng)} if rng.random() < 0.3 else None
    )
    try:
        raw = encode(command, *params, tags=tags)
    except UnsafeParameter:
        return
    assert LineBuffer().feed(raw) == [raw[:-2]]
    assert not set(raw[:-2]) & {0, 10, 13}
    body = raw.partition(b" ")[2] if tags else raw
    assert len(body) <= MAX_LINE
    line = parse(raw)
    assert line is not None
    assert (line.command, len(line.params)) == (command.upper(), len(params))


def check_chunks(rng: random.Random) -> None:
    """Portions do not matter."""
    stream = b"\r\n".join(random_bytes(rng) for _ in range(4)) + rng.choice((b"", b"\n"))
    buffer, found, position = LineBuffer(300), [], 0
    while position < len(stream):
        size = rng.randrange(1, 200)
        found += buffer.feed(stream[position : position + size])
        position += size
    assert found == LineBuffer(300).feed(stream)


def check_isupport(rng: random.Random) -> None:
    """A server may say of itself what it likes."""
    isupport = DEFAULT
    for _ in range(rng.randrange(4)):
        line = parse(random_bytes(rng))
        if line is not None:
            isupport = isupport.updated(line.params)
    text = random_text(rng)
    isupport.parse_modes(text.split(" "))
    isupport.split_prefix(text)
    isupport.strip_status(text)
    isupport.allows_tag(text)
    assert isupport.fold(isupport.fold(text)) == isupport.fold(text)
    assert not isupport.is_legal_channel(text) or not set(text) & set(" ,\r\n\0\x07")
    nick = sanitise(text, isupport)
    assert nick is None or encode("MODE", nick, "+i").count(b" ") == 2
    occupant_from(text, isupport, moderated=rng.random() < 0.5)
    for wanted in (*Affiliation, *Role):
        changes = mode_changes(wanted, isupport, rng.choice((None, "", "ov")))
        assert all(mode in isupport.prefix_modes for _, mode in changes)


def check_formatting(rng: random.Random) -> None:
    """Words survive both directions, and never carry a control character."""
    raw = random_text(rng)
    text = from_irc(raw)
    assert all(0 <= span.start < span.end <= len(text.plain) for span in text.spans)
    assert from_irc(to_irc(text)).plain == text.plain
    formatted = random_formatted(rng)
    limit = rng.choice((16, 100, 400))
    for piece in lines(formatted, limit):
        assert 0 < len(to_irc(piece).encode("utf-8", "replace")) <= limit
        assert "\n" not in to_irc(piece)
    pieces = split_text(raw, limit)
    assert all(0 < len(piece.encode("utf-8", "replace")) <= limit for piece in pieces)
    assert "".join(pieces).replace(" ", "") == raw.replace(" ", "")


def check_ctcp(rng: random.Random) -> None:
    """A command's argument stays inside its command."""
    text = random_text(rng)
    ctcp.parse(text)
    assert ctcp.parse(ctcp.build("PING", text)) == ("PING", text.replace("\x01", ""))
    assert ctcp.unquote(ctcp.quote(text)) == text


def check_sasl(rng: random.Random) -> None:
    """A server's part is right or refused."""
    challenge, mechanism = Challenge(), ScramSha256("romeo", "secret", "abcdef0123")
    mechanism.respond(b"")
    try:
        data = challenge.feed(random_text(rng))
        if data is not None:
            mechanism.respond(data)
    except SaslError:
        return
    assert not mechanism.complete


CHECKS: tuple[Callable[[random.Random], None], ...] = (
    check_reading,
    check_injection,
    check_chunks,
    check_isupport,
    check_formatting,
    check_ctcp,
    check_sasl,
)


if __name__ == "__main__":
    main(__doc__, CHECKS)
