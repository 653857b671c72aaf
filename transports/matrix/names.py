"""Nicks of Matrix users: what they call themselves, told apart when two call themselves alike.

The rule is Matrix's own (display names that are not unique are all followed by the user's id), so a
nick follows from the room's state alone, whoever looks at it and whenever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from unicodedata import category, normalize

from msgspec import Struct

from bridge.xmpp.element import clean
from bridge.xmpp.jid import Jid, JidError

from .ids import is_server

MAX_NAME = 128
"""Code points of a display name that are shown; with any id after it it still makes a nick."""

_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
"""What shapes letters and emoji, but cannot be seen itself."""
_WITHOUT_JOINERS = dict.fromkeys(map(ord, _JOINERS))
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_TELLING = re.compile(r" \((\S+):(\S+)\)\Z")
_ANYBODY = Jid("", "localhost", "")


def name_of(displayname: object, user_id: str) -> str:
    """Return what a user is called; without a usable display name by the local part of his id."""
    for name in (displayname if isinstance(displayname, str) else "", user_id[1:].partition(":")[0]):
        prepared = _prepared(name)
        if prepared and key_of(prepared):
            return prepared
    return _prepared(ascii(user_id).strip("'")) or "?"


def is_nick(nick: str) -> bool:
    """Tell whether an XMPP user can have exactly this nick: it is the name that it becomes."""
    return _prepared(nick) == nick and bool(key_of(nick)) and not is_telling(nick)


def key_of(name: str) -> str:
    """Return what two names have in common that look alike."""
    return name if name.isascii() else normalize("NFKC", name).translate(_WITHOUT_JOINERS).strip()


def is_telling(name: str) -> bool:
    """Tell whether a name ends like the nick of somebody who is told apart by his id."""
    match = _TELLING.search(name)
    return match is not None and is_server(match[2])


def telling(name: str, user_id: str) -> str:
    """Return the nick that tells a user apart from all others."""
    identity = user_id[1:] if user_id.isascii() else ascii(user_id[1:])[1:-1]
    nick = f"{name} ({identity})"
    return nick if nick.isascii() or _fit(nick) == nick else f"? ({identity})"


def _prepared(name: str) -> str:
    """Return a name fit for a resourcepart, on one line and without what changes the text around it."""
    if not (name.isascii() and name.isprintable()):
        name = "".join(
            each
            for each in clean(name)
            if each in _JOINERS or each.isspace() or category(each) not in _HIDDEN
        )
    # preparing may make new spaces
    return " ".join(_fit(" ".join(name.split())[:MAX_NAME].strip()).split())


def _fit(text: str) -> str:
    """Return a resourcepart as it is in a JID, "" if it cannot be one."""
    try:
        return _ANYBODY.with_resource(text).resource
    except JidError:
        return ""


class Namesakes(Struct):
    """Who has one name; `owner` has it for his nick, all others are told apart."""

    people: dict[str, None]
    ghosts: set[str]
    owner: str | None = None


class Names:
    """The names in one room. A name belongs to who alone has it, but to an XMPP user before all others."""

    def __init__(self, is_ghost: Callable[[str], bool]) -> None:
        self._is_ghost = is_ghost
        self._namesakes: dict[str, Namesakes] = {}

    def take(self, user_id: str, name: str) -> str | None:
        """Enter somebody under his name; return who can no longer have it for his nick."""
        namesakes = self._namesakes.setdefault(key_of(name), Namesakes({}, set()))
        namesakes.people[user_id] = None
        if self._is_ghost(user_id):
            namesakes.ghosts.add(user_id)
        old = namesakes.owner
        _choose(namesakes)
        return old if old != namesakes.owner else None

    def release(self, user_id: str, name: str) -> str | None:
        """Take somebody out; return who can have the name for his nick now."""
        key = key_of(name)
        namesakes = self._namesakes[key]
        del namesakes.people[user_id]
        namesakes.ghosts.discard(user_id)
        if not namesakes.people:
            del self._namesakes[key]
        old = namesakes.owner
        _choose(namesakes)
        return namesakes.owner if old != namesakes.owner else None

    def nick(self, user_id: str, name: str) -> str:
        """Return the nick of somebody who has this name."""
        is_owner = self._namesakes[key_of(name)].owner == user_id
        return name if is_owner and not is_telling(name) else telling(name, user_id)

    def is_free(self, name: str, user_id: str) -> bool:
        """Tell whether nobody else has this name."""
        namesakes = self._namesakes.get(key_of(name))
        return namesakes is None or all(each == user_id for each in namesakes.people)


def _choose(namesakes: Namesakes) -> None:
    if namesakes.ghosts:
        namesakes.owner = min(namesakes.ghosts)
    else:
        namesakes.owner = next(iter(namesakes.people)) if len(namesakes.people) == 1 else None
