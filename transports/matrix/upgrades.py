"""From a room to its replacement: who is in it is taken along, and the room keeps its address on XMPP."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Entered, Exit, Leave, RoomEvent, RoomId, RoomNotice
from transports.matrix.common import Common
from transports.matrix.ids import RoomTarget
from transports.matrix.order import InOrder
from transports.matrix.session import RoomSession, Stay
from transports.matrix.stays import Stays

HOPE = 60.0
"""Seconds in which an invitation to the replacement of a closed room may come."""
REPLACED = "This room has been replaced by another, which you could not be taken to."
FOLLOWED = "You have been taken to the room that replaces this one; the address stays."


class Leaver(Protocol):
    """Takes a user out of a room; see `rooms.Rooms.leave`."""

    def __call__(
        self, stay: Stay, reason: str, exit: Exit = ..., *, stays: bool = ..., alternate: RoomId | None = ...
    ) -> Deferred[None]:
        """Begin it."""


class Upgrades:
    """See the module's docstring. `doors` is where ghosts come and go, each in order."""

    log = Logger()

    def __init__(
        self,
        common: Common,
        stays: Stays,
        doors: InOrder,
        unseat: Callable[[Stay, RoomSession], None],
        go_in: Callable[[Stay, str], Coroutine[Deferred[Any], Any, None]],
        leave: Leaver,
    ) -> None:
        self._homeserver = common.homeserver
        self._ids = common.ids
        self._clock = common.clock
        self._rules = common.rules
        self._stays = stays
        self._doors = doors
        self._unseat = unseat
        self._go_in = go_in
        self._leave = leave
        self._hoping: dict[tuple[str, str], tuple[Any, Stay, RoomSession]] = {}

    def stop(self) -> None:
        """Hope for nothing any more."""
        for call, _, _ in self._hoping.values():
            call.cancel()

    def follow(self, stay: Stay, old: RoomSession) -> None:
        """Take a user along: the ghost stays in the old room too, by whose id the new one is found again."""
        moving = self._doors.do(stay.ghost, lambda: self._move(stay, old))
        moving.addErrback(self._left_behind, stay, old)

    async def _move(self, stay: Stay, old: RoomSession) -> None:
        replacement = old.room.replacement
        if replacement is None or not stay.inside or self._stays.session_of(stay) is not old:
            return
        if not self._rules.may_enter(stay.user, self._ids.target(stay.room).id, replacement.id):
            raise BridgeError(Trouble.NOT_ALLOWED)
        id = await self._homeserver.join(stay.ghost, replacement.id, replacement.via, stay.nick)
        if stay.inside:
            stay.nick, stay.seen = old.room.nick(stay.ghost), frozenset(old.room.occupants)
            stay.inside = False
            self._unseat(stay, old)
        await self._go_in(stay, id)

    def _left_behind(self, failure: Failure, stay: Stay, old: RoomSession) -> None:
        """Who needs an invitation first may still get one; all others are out."""
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a user could not be taken along", failure)
            error = BridgeError(Trouble.INTERNAL)
        replacement = old.room.replacement
        if stay.gone or replacement is None:
            return
        if error.trouble is Trouble.INVITE_ONLY and stay.inside:
            key = (replacement.id, stay.ghost)
            call = self._clock.callLater(HOPE, self._lose, stay, replacement, error)
            self._hoping[key] = (call, stay, old)
        else:
            self._lose(stay, replacement, error)

    def _lose(self, stay: Stay, replacement: RoomTarget, error: BridgeError) -> None:
        self._hoping.pop((replacement.id, stay.ghost), None)
        if not stay.gone:
            alternate = self._ids.room(replacement.id, replacement.via)
            self._leave(stay, f"{REPLACED} {error.text}", Exit.REPLACED, alternate=alternate)

    def is_hoped_for(self, id: str, ghost: str) -> bool:
        """Take an invitation to a replacement for what it is."""
        call, stay, old = self._hoping.pop((id, ghost), (None, None, None))
        if call is None or stay is None or old is None:
            return False
        call.cancel()
        self.follow(stay, old)
        return not stay.gone


def relocated(found: Entered, stay: Stay) -> tuple[RoomEvent, ...]:
    """What a user is told in a replacement: who of those whom he saw is not there, and who is."""
    seen = (stay.seen or frozenset()) - {stay.nick, found.me.nick}
    left = [Leave(room=found.room, nick=nick) for nick in sorted(seen) if nick not in found.occupants]
    return (*left, found, RoomNotice(room=found.room, text=FOLLOWED))
