"""The operator's rules: which XMPP users may enter which rooms, and which Matrix users may reach whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from msgspec import Struct

from bridge.events import UserId

from .config import MatrixConfig


class _Rule(Struct, frozen=True):
    """One rule: whether it allows, and who and what it is about."""

    allows: bool
    who: _Glob
    what: _Glob


class _Glob:
    """A pattern with ``*`` and ``?`` for a name as a whole, or, without a sigil, for its server only."""

    def __init__(self, pattern: str, sigils: str) -> None:
        self._of_server = not any(sigil in pattern for sigil in sigils)
        # "[" begins the address of a server, not a set of characters
        self._match = re.compile(translate(pattern.replace("[", "[[]")), re.IGNORECASE).match

    def fits(self, name: str, server: str) -> bool:
        return self._match(server if self._of_server else name) is not None


class Rules:
    """The first rule that fits decides; where none does, all is allowed.

    See `config.MatrixConfig` for how they are written. `apply` puts new ones in force at once.
    """

    def __init__(self, config: MatrixConfig) -> None:
        self.apply(config)

    def apply(self, config: MatrixConfig) -> None:
        """Take over the rules of `config`."""
        self._rooms = [_read(rule, "@", "#!") for rule in config.room_rules]
        self._contacts = [_read(rule, "@", "@") for rule in config.contact_rules]

    def may_enter(self, user: UserId, room: str, *others: str) -> bool:
        """Tell whether an XMPP user may be in a room, which is known by its id, its alias or several such."""
        rooms = [(name, _server(name)) for name in (room, *others)]
        return _decision(self._rooms, _jid(user), rooms)

    def may_reach(self, matrix_user: str, jid: str) -> bool:
        """Tell whether a Matrix user, by his id, may speak to an XMPP user, or enter a room of XMPP."""
        return _decision(self._contacts, (matrix_user, _server(matrix_user)), [_jid(jid)])


_Name = tuple[str, str]
"""A name, and its server."""


def _read(rule: str, who: str, what: str) -> _Rule:
    word, left, right = rule.split(" ")
    return _Rule(word == "allow", _Glob(left, who), _Glob(right, what))


def _decision(rules: Sequence[_Rule], who: _Name, what: Sequence[_Name]) -> bool:
    for rule in rules:
        if rule.who.fits(*who) and any(rule.what.fits(*name) for name in what):
            return rule.allows
    return True


def _server(name: str) -> str:
    return name.partition(":")[2]


def _jid(jid: str) -> _Name:
    bare = jid.partition("/")[0]
    return bare, bare.rpartition("@")[2]
