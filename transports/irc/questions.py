"""CTCP: what people ask about the user, and what he asks about them."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactAnswer, ContactNotice

from . import ctcp
from .agenda import Appointment
from .core import Core
from .wire import Line

MAX_ANSWERS = 4
"""Questions answered in `PERIOD` seconds; the others are ignored, as a flood would be ours."""
PERIOD = 10.0
TIMEOUT = 20.0
"""Seconds that a person's client has for an answer."""
MAX_ASKED = 100
"""Questions of the user's that can wait for an answer."""
MAX_ARGUMENT = 200
"""Characters of a question that are repeated in its answer."""
OURS = frozenset({"PING", "TIME", "CLIENTINFO"})
CLIENTINFO = "ACTION CLIENTINFO PING TIME VERSION"
TO_CLIENT = frozenset({"VERSION"})
"""What the user's own client is asked."""

Ended = Callable[[str | BridgeError], None]


class Questions:
    """See the module's docstring."""

    __slots__ = ("_answered_at", "_asked", "_core")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._answered_at: list[float] = []
        self._asked: dict[tuple[str, str], tuple[Appointment, list[Ended]]] = {}

    def receive(self, line: Line, command: str, argument: str) -> None:
        """A CTCP question or answer for the user."""
        if line.command == "PRIVMSG":
            self._on_question(line, command, argument)
        else:
            self._on_answer(line, command, argument)

    # ---- about the user

    def _on_question(self, line: Line, command: str, argument: str) -> None:
        core = self._core
        if command in TO_CLIENT and self._may_answer():
            contact = core.shared.contact_id(line.nick)
            core.emit(ContactNotice(contact=contact, nick=line.nick, question=command, argument=argument))
        elif command in OURS and self._may_answer():
            core.send("NOTICE", line.nick, ctcp.build(command, self._own_answer(command, argument)))

    def _own_answer(self, command: str, argument: str) -> str:
        if command == "TIME":
            return formatdate(self._core.wall(), usegmt=True)
        return CLIENTINFO if command == "CLIENTINFO" else argument[:MAX_ARGUMENT]

    def answer(self, event: ContactAnswer) -> None:
        """The user's client has answered."""
        core = self._core
        nick = core.shared.name_of(event.contact)
        if core.is_me(nick):
            self._end((core.folded_nick, event.question), event.text)
        elif core.online:
            core.send("NOTICE", nick, ctcp.build(event.question, event.text))

    def _may_answer(self) -> bool:
        now = self._core.clock()
        self._answered_at = [time for time in self._answered_at if now - time < PERIOD]
        if len(self._answered_at) >= MAX_ANSWERS:
            return False
        self._answered_at.append(now)
        return True

    # ---- about others

    def ask(self, nick: str, command: str, argument: str, ended: Ended) -> None:
        """Ask somebody's client; `ended` gets its words, or an error."""
        core = self._core
        key = (core.fold[nick], command)
        if not core.online:
            ended(BridgeError(Trouble.NOT_CONNECTED))
            return
        waiting = self._asked.get(key)
        if waiting is not None:
            waiting[1].append(ended)
        elif core.is_me(nick) and command not in TO_CLIENT:
            ended(self._own_answer(command, argument))
        elif len(self._asked) >= MAX_ASKED or not self._put(nick, command, argument):
            ended(BridgeError(Trouble.NOT_ACCEPTABLE))
        else:
            timeout = core.agenda.after(TIMEOUT, lambda: self._end(key, BridgeError(Trouble.TIMED_OUT)))
            self._asked[key] = (timeout, [ended])

    def _put(self, nick: str, command: str, argument: str) -> bool:
        """Have the question asked, of oneself without the server; tell if it can be."""
        core = self._core
        if not core.is_me(nick):
            return core.send("PRIVMSG", nick, ctcp.build(command, argument))
        contact = core.shared.contact_id(nick)
        core.emit(ContactNotice(contact=contact, nick=core.nick, question=command, argument=argument))
        return True

    def _on_answer(self, line: Line, command: str, text: str) -> None:
        if not self._end((self._core.fold[line.nick], command), text):
            self._core.notice(f"CTCP {command} reply from {line.nick}: {text}")

    def no_such_nick(self, folded: str, error: BridgeError) -> bool:
        """A nick is not there; tell if a question was for it."""
        keys = [key for key in self._asked if key[0] == folded]
        for key in keys:
            self._end(key, error)
        return bool(keys)

    def link_lost(self) -> None:
        """No answer can come."""
        for key in tuple(self._asked):
            self._end(key, BridgeError(Trouble.LOST))

    def _end(self, key: tuple[str, str], result: str | BridgeError) -> bool:
        waiting = self._asked.pop(key, None)
        if waiting is None:
            return False
        waiting[0].cancel()
        for ended in waiting[1]:
            ended(result)
        return True
