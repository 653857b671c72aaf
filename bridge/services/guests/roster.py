"""Who is in a room of XMPP, guests of our network left out (XEP-0045 §7.2.2, §7.14, §7.6).

Each guest is shown everybody by a stream of presences of his own. Those to the room's listener count; what
others are shown first is kept aside until the listener sees it too, or somebody else takes his place. That
somebody went counts whoever was told.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from bridge.events import Join, Kick, Leave, NickChange, Occupant, OccupantChange, RoomId
from bridge.services.guests.endings import STRUCK
from bridge.xmpp.payloads.muc import NICK_CHANGED, WAS_BANNED, WAS_KICKED, MucUser

MAX_OCCUPANTS = 50_000
"""Occupants of one room that are kept; more are as good as not there."""

Change = Join | Leave | Kick | NickChange | OccupantChange


class Roster:
    """See the module's docstring. `guests` are the nicks of our own people, `wanted` those they ask for."""

    def __init__(self, room: RoomId) -> None:
        self.guests: set[str] = set()
        self.wanted: set[str] = set()
        self._room = room
        self._shown: dict[str, Occupant] = {}
        self._aside: dict[str, Occupant] = {}
        self._renamed: dict[str, str] = {}
        self._snapshot: Mapping[str, Occupant] | None = None
        self._counted: set[str] | None = None

    def get(self, nick: str) -> Occupant | None:
        """Return an occupant that is no guest of ours."""
        return self._shown.get(nick) or self._aside.get(nick)

    def snapshot(self) -> Mapping[str, Occupant]:
        """Return who is there, by nick; it does not change any more."""
        if self._snapshot is None:
            self._snapshot = dict(self._shown)
        return self._snapshot

    def clear(self) -> None:
        """Forget everybody: nobody of ours is there to see them."""
        for kept in (self._shown, self._aside, self._renamed):
            kept.clear()
        self._snapshot = self._counted = None

    # ---- others

    def begin_count(self) -> None:
        """The listener is shown everybody anew."""
        self._counted = set()

    def end_count(self) -> list[Change]:
        """Everybody was shown: who was not is not there any more."""
        counted, self._counted = self._counted, None
        gone = [] if counted is None else [nick for nick in self._shown if nick not in counted]
        return [change for nick in gone for change in self.gone(nick, MucUser(), "")]

    def there(self, occupant: Occupant, *, listening: bool) -> list[Change]:
        """Somebody is there, as the listener or another guest of ours is told."""
        nick = occupant.nick
        if nick in self.guests:
            return []
        if listening and self._counted is not None:
            self._counted.add(nick)
        if nick in self._shown:
            return self._changed(occupant) if listening else []
        if len(self._shown) + len(self._aside) >= MAX_OCCUPANTS:
            return []
        if not listening or nick in self.wanted:
            self._aside.setdefault(nick, occupant)
            return []
        return [self._show(occupant)]

    def _show(self, occupant: Occupant) -> Change:
        self._aside.pop(occupant.nick, None)
        self._shown[occupant.nick] = occupant
        self._snapshot = None
        old = self._renamed.pop(occupant.nick, None)
        if old is not None:
            return NickChange(room=self._room, old=old, occupant=occupant)
        return Join(room=self._room, occupant=occupant)

    def _changed(self, occupant: Occupant) -> list[Change]:
        """What one of our guests may see and another not is not lost when it is the other's turn."""
        known = self._shown[occupant.nick]
        if not occupant.address:
            occupant = structs.replace(occupant, address=known.address, identity=known.identity)
        if occupant == known:
            return []
        self._shown[occupant.nick] = occupant
        self._snapshot = None
        return [OccupantChange(room=self._room, occupant=occupant)]

    def gone(self, nick: str, user: MucUser, status: str) -> list[Change]:
        """Somebody is not there any more, or by another nick."""
        item, codes = user.item, user.codes
        self._aside.pop(nick, None)
        if self._shown.pop(nick, None) is None:
            return []
        self._snapshot = None
        if NICK_CHANGED in codes and item.nick and len(self._renamed) < MAX_OCCUPANTS:
            self._renamed[item.nick] = nick
            return []
        banned, struck = WAS_BANNED in codes, bool(codes & STRUCK)
        if WAS_KICKED in codes or banned or struck:
            kick = Kick(room=self._room, nick=nick, actor=item.actor, reason=item.reason)
            return [structs.replace(kick, banned=banned, struck=struck and not banned)]
        return [Leave(room=self._room, nick=nick, reason=status or item.reason)]

    def take_over(self) -> list[Change]:
        """Somebody else listens from now on: show what only the others were shown."""
        return [self._show(one) for nick, one in list(self._aside.items()) if nick not in self.wanted]

    # ---- our own

    def guest_in(self, nick: str) -> list[Change]:
        """This nick is a guest of ours; if he was taken for somebody else, that one leaves."""
        self.guests.add(nick)
        self._aside.pop(nick, None)
        self._renamed.pop(nick, None)
        if self._shown.pop(nick, None) is None:
            return []
        self._snapshot = None
        return [Leave(room=self._room, nick=nick)]

    def release(self, nick: str) -> list[Change]:
        """No guest of ours asks for this nick any more; whoever came by it meanwhile is shown."""
        self.wanted.discard(nick)
        occupant = self._aside.get(nick)
        return [] if occupant is None or nick in self.guests else [self._show(occupant)]
