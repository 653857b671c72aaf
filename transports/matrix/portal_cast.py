"""The occupants of a room of XMPP, and the ghosts on Matrix that stand for them."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.events import Occupant, RoomId, UserId

from .ids import Ids
from .portal_ids import ghost_in
from .portal_steps import Dress, Seat, Step, Unseat

MAX_SHOWN = 200
"""Occupants who are seen on Matrix as soon as they are in; those beyond when they say something."""
MAX_OCCUPANTS = 20_000
"""Occupants that are known at all."""


class Cast:
    """See the module's docstring; `known` are the occupants by nick, `ghosts` the ids of their ghosts."""

    def __init__(self, muc: RoomId, ids: Ids) -> None:
        self.known: dict[str, Occupant] = {}
        self.ghosts: dict[str, str] = {}
        self._muc = muc
        self._ids = ids

    def shown(self, ghost: str) -> bool:
        """Tell whether a ghost stands for an occupant now."""
        return ghost in self.ghosts.values()

    def user_of(self, nick: str) -> UserId:
        """Return who an occupant is as such, whatever his address: the same by another nick."""
        occupant = self.known.get(nick)
        return UserId(f"{self._muc}/{(occupant.identity if occupant is not None else '') or nick}")

    def nick_of(self, user: UserId) -> str:
        """Return the nick that such an occupant has now, "" if he is not in."""
        return next((nick for nick in self.known if self.user_of(nick) == user), "")

    def joined(self, occupant: Occupant) -> Iterator[Step]:
        """Somebody came in; of very many only those who say something get a ghost."""
        if occupant.nick in self.known or len(self.known) >= MAX_OCCUPANTS:
            return
        self.known[occupant.nick] = occupant
        ghost = self.ghosts[occupant.nick] = ghost_in(self._muc, occupant, self._ids)
        if len(self.known) <= MAX_SHOWN:
            yield Seat(ghost, occupant.nick)

    def changed(self, occupant: Occupant) -> Iterator[Step]:
        """Somebody is otherwise; his picture is what is shown of it."""
        known = self.known.get(occupant.nick)
        if known is None:
            return
        self.known[occupant.nick] = occupant
        if known.avatar != occupant.avatar:
            yield Dress(self.ghosts[occupant.nick], occupant.nick)

    def left(self, nick: str, reason: str = "", *, by_us: bool = False) -> Iterator[Step]:
        """Somebody is out, or was put out by the room."""
        self.known.pop(nick, None)
        ghost = self.ghosts.pop(nick, None)
        if ghost is None:
            return
        other = next((there for there, one in self.ghosts.items() if one == ghost), None)
        # somebody may be in by several nicks
        yield Unseat(ghost, reason, by_us) if other is None else Seat(ghost, other)

    def renamed(self, old: str, occupant: Occupant) -> Iterator[Step]:
        """Somebody has another nick."""
        ghost = self.ghosts.pop(old, None)
        self.known.pop(old, None)
        if ghost is None:
            yield from self.joined(occupant)
            return
        self.known[occupant.nick], self.ghosts[occupant.nick] = occupant, ghost
        yield Seat(ghost, occupant.nick)
