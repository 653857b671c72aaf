"""CTCP: commands inside PRIVMSG, answers inside NOTICE.

A message is a command as a whole or not at all, and a missing last delimiter is forgiven, as
clients of today have it. The low-level quotes of the old specification are read and written.
"""

from __future__ import annotations

import re

from irc.ctcp import low_level_mapping, low_level_regexp

from bridge.events import Kind

DELIMITER = "\x01"
ACTION = "ACTION"
ACTION_OVERHEAD = len(f"{DELIMITER}{ACTION} {DELIMITER}")
"""Bytes that `action` adds to words that have nothing to quote."""
MAX_COMMAND = 32
"""Characters of a command's name; a longer one is taken for text."""

_QUOTE = "\x10"
_TO_QUOTE = str.maketrans(
    {character: _QUOTE + letter for letter, character in low_level_mapping.items() if letter != character}
    | {_QUOTE: _QUOTE * 2}
)
_NAME = re.compile(r"[A-Z0-9_-]+")


def parse(text: str) -> tuple[Kind | str, str]:
    """Tell what a message is, and its words or argument.

    The first is TEXT for ordinary words, EMOTE for an action, else the command in upper case.
    A message that only looks like a command is text without its delimiters.
    """
    if text[:1] != DELIMITER:
        return Kind.TEXT, text
    name, _, argument = text.strip(DELIMITER).partition(" ")
    command = name.upper()
    if len(command) > MAX_COMMAND or not _NAME.fullmatch(command):
        return Kind.TEXT, text.replace(DELIMITER, "")
    argument = unquote(argument).replace(DELIMITER, "")
    return (Kind.EMOTE, argument) if command == ACTION else (command, argument)


def build(command: str, argument: str = "") -> str:
    """Return the text of a PRIVMSG (command) or NOTICE (answer); delimiters inside are dropped."""
    words = f"{command} {argument}" if argument else command
    return f"{DELIMITER}{quote(words.replace(DELIMITER, ''))}{DELIMITER}"


def action(text: str) -> str:
    """Return the text of a PRIVMSG for a ``/me``."""
    return build(ACTION, text)


def quote(text: str) -> str:
    """Write NUL, CR, LF and the quote itself with a quote."""
    return text.translate(_TO_QUOTE)


def unquote(text: str) -> str:
    """Read what `quote` wrote; a quote before any other character vanishes."""
    return low_level_regexp.sub(_unquote, text) if _QUOTE in text else text


def _unquote(match: re.Match[str]) -> str:
    return str(low_level_mapping.get(match[1], match[1]))
