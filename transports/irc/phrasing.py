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
ME = "/me "

Piece = tuple[Kind, Text, str]
"""One line: its kind, what is shown of it, what is sent."""


def phrase(core: Core, body: Text, target: str) -> list[Piece]:
    """Cut a message into the lines it takes, so that others receive each whole."""
    address = f"{core.user}@{core.host}" if core.user and core.host else UNKNOWN_USER_HOST
    room = room_for_text(f"{core.nick}!{address}", "PRIVMSG", target, core.isupport.line_length)
    plain = body.plain
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
