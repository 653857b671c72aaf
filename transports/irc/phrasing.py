"""Between what a user writes and lines of IRC, and between a line and the ticket it answers."""

from __future__ import annotations

from datetime import datetime

from bridge.events import Kind, Text
from bridge.text import clip

from . import ctcp
from .core import Core
from .tables import Tag
from .tickets import Ticket
from .translate import lines, to_irc
from .wire import Line, room_for_text

LATE = 10.0
"""Seconds by which a server's time may differ from ours before a message counts as old."""
UNKNOWN_USER_HOST = "~" + "u" * 9 + "@" + "h" * 63
"""As long as our own user and host can be while they are not known (RFC 2812 §2.3.1)."""
LARGEST = 4
"""Bytes of a character at most."""
REST = len(UNKNOWN_USER_HOST) + len(": PRIVMSG  :!\r\n") + ctcp.ACTION_OVERHEAD
"""Bytes of a line beside nick, target and text."""
ME = "/me "

Piece = tuple[Kind, Text, str]
"""One line: its kind, what is shown of it, what is sent."""


def phrase(core: Core, body: Text, target: str) -> list[Piece]:
    """Cut a message into the lines it takes, so that others receive each whole."""
    plain = body.plain
    if not body.spans and plain.isprintable():
        size = len(plain) if plain.isascii() else LARGEST * len(plain)
        if size + LARGEST * (len(target) + len(core.nick)) + REST <= core.isupport.line_length:
            return _short(body)
    address = f"{core.user}@{core.host}" if core.user and core.host else UNKNOWN_USER_HOST
    room = room_for_text(f"{core.nick}!{address}", "PRIVMSG", target, core.isupport.line_length)
    pieces: list[Piece] = []
    if plain.startswith(ME):
        action, newline, _ = plain.partition("\n")
        words = lines(clip(body, len(ME), len(action)), room - ctcp.ACTION_OVERHEAD)
        pieces += [(Kind.EMOTE, piece, ctcp.action(to_irc(piece))) for piece in words]
        if not newline:
            return pieces
        body = clip(body, len(action) + 1, len(plain))
    pieces += [(Kind.TEXT, piece, to_irc(piece)) for piece in lines(body, room)]
    return pieces


def _short(body: Text) -> list[Piece]:
    """Phrase what fits into one line in any case."""
    plain = body.plain
    if plain.startswith(ME):
        action = Text(plain=plain[len(ME) :])
        return [(Kind.EMOTE, action, ctcp.action(action.plain))] if action.plain.strip() else []
    return [(Kind.TEXT, body, plain)] if plain.strip() else []


def ticket_of(core: Core, line: Line, target: str) -> Ticket | None:
    """Return the ticket whose line this is the echo of (IRCv3 echo-message, labeled-response)."""
    label = line.tags.get(Tag.LABEL)
    if label:
        return core.tickets.labelled(label)
    return core.tickets.find(line.command, target, line.params[1]) or core.tickets.find(line.command, target)


def old_time(line: Line, now: float) -> float | None:
    """Return when an old line was said; None if that is now (IRCv3 server-time)."""
    stamp = line.tags.get(Tag.TIME)
    if not stamp:
        return None
    try:
        time = datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return time if abs(time - now) > LATE else None
