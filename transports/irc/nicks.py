"""Changing the user's nick, which is one for all his rooms on a server."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import ChangeNick, NickChange, NickRefused, RoomId

from .agenda import Appointment
from .core import Core
from .registration import Registration
from .rooms import Rooms
from .tables import NICK_REFUSALS
from .wire import Line

TIMEOUT = 30.0
"""Seconds that a server has for a NICK."""


class Nicks:
    """See the module's docstring."""

    __slots__ = ("_asked", "_core", "_registration", "_rooms", "_rooms_asking", "_timeout")

    def __init__(self, core: Core, rooms: Rooms, registration: Registration) -> None:
        self._core = core
        self._rooms = rooms
        self._registration = registration
        self._rooms_asking: dict[RoomId, None] = {}
        self._asked = ""
        self._timeout: Appointment | None = None

    def change(self, event: ChangeNick) -> None:
        """Ask for another nick."""
        core = self._core
        here = self._rooms.find(event.room)
        if here is None or not core.online:
            trouble = Trouble.NOT_JOINED if core.online else Trouble.NOT_CONNECTED
            core.emit(NickRefused(room=event.room, nick=event.nick, error=BridgeError(trouble)))
            return
        if event.nick == core.nick:
            occupant = here.channel.occupant(here.members[core.folded_nick])
            core.emit(NickChange(room=event.room, old=core.nick, occupant=occupant))
            return
        if self._rooms_asking and event.nick != self._asked:
            self._refuse(BridgeError(Trouble.BUSY, "Another nick was asked for meanwhile."))
        if not core.send("NICK", event.nick):
            core.emit(NickRefused(room=event.room, nick=event.nick, error=BridgeError(Trouble.BAD_NICK)))
            return
        self._asked = event.nick
        self._rooms_asking[event.room] = None
        self._cancel()
        self._timeout = core.agenda.after(TIMEOUT, self._expired)

    def somebody_left(self, folded: str) -> None:
        """A nick is free again."""
        self._registration.somebody_left(folded)

    def changed(self, nick: str) -> None:
        """The user has a new nick."""
        self._core.renamed(nick)
        self._core.known_nick = nick
        if self._rooms_asking:
            self._registration.wanted_nick = nick
        self._rooms_asking.clear()
        self._cancel()

    def on_refusal(self, line: Line) -> bool:
        """A numeric that refuses a nick; tell if one was asked for."""
        if not self._rooms_asking:
            return False
        self._refuse(BridgeError(NICK_REFUSALS[line.command], line.params[-1] if line.params else ""))
        return True

    def link_lost(self) -> None:
        """There is no answer to come."""
        self._refuse(BridgeError(Trouble.LOST))

    def _expired(self) -> None:
        self._refuse(BridgeError(Trouble.TIMED_OUT))

    def _refuse(self, error: BridgeError) -> None:
        self._cancel()
        rooms = tuple(self._rooms_asking)
        self._rooms_asking.clear()
        for room in rooms:
            self._core.emit(NickRefused(room=room, nick=self._asked, error=error))

    def _cancel(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
