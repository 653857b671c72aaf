"""Who may only listen in a room asks to be let speak, of those who can give him the power level.

Matrix has no such request: people there are asked each in a chat, those on XMPP by the room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from bridge.errors import BridgeError, Trouble
from bridge.events import DirectMessage, Ref, Sent, Text, UserId, VoiceRequest
from bridge.network import Uplink

from .ids import Ids
from .session import RoomSession, Stay

ASKED = 5
"""People of Matrix who are asked, those with the highest levels."""
PAUSE = 300.0
"""Seconds until somebody may ask again in the same room."""
REMEMBERED = 2_000
"""Requests of whose time it is known."""
CAN_SPEAK = "You may speak here already."
NOBODY = "Nobody is in this room who could let you speak."
ALREADY = "Those who could let you speak were asked already; please wait."
WISH = (
    "I would like to speak in {room}, where I may only listen. Whoever gives me power level {level} lets me."
)


class VoiceRequests:
    """See the module's docstring; `talk` says something to a person in the name of a user."""

    def __init__(
        self,
        ids: Ids,
        uplink: Uplink,
        now: Callable[[], float],
        talk: Callable[[UserId, DirectMessage], None],
    ) -> None:
        self._ids = ids
        self._uplink = uplink
        self._now = now
        self._talk = talk
        self._asked: OrderedDict[tuple[str, str], float] = OrderedDict()

    def ask(self, stay: Stay, session: RoomSession, ref: Ref) -> None:
        """Ask for somebody in a room; BridgeError if there is nothing to ask, or nobody."""
        levels, ghost = session.room.levels, stay.ghost
        own = levels.level(ghost)
        if own >= levels.to_speak:
            raise BridgeError(Trouble.CONFLICT, CAN_SPEAK)
        able = [
            user_id
            for user_id in levels.special.intersection(session.room.members)
            if levels.level(user_id) >= levels.to_change and levels.level(user_id) > own
        ]
        ours = [one for one in session.listeners if one.ghost in able]
        theirs = sorted((each for each in able if not self._ids.is_ghost(each)), key=levels.level)[-ASKED:]
        if not ours and not theirs:
            raise BridgeError(Trouble.NOT_FOUND, NOBODY)
        self._note(session.id, ghost)
        for one in ours:
            self._uplink.deliver(one.user, (VoiceRequest(room=one.room, nick=session.room.nick(ghost)),))
        named = session.room.alias or session.room.name or session.id
        words = WISH.format(room=named, level=levels.to_speak)
        for user_id in theirs:
            self._talk(stay.user, DirectMessage(contact=self._ids.contact(user_id), body=Text(plain=words)))
        self._uplink.deliver(stay.user, (Sent(ref=ref),))

    def _note(self, room: str, ghost: str) -> None:
        now, last = self._now(), self._asked.get((room, ghost))
        if last is not None and now - last < PAUSE:
            raise BridgeError(Trouble.OUT_OF_ORDER, ALREADY)
        self._asked[room, ghost] = now
        self._asked.move_to_end((room, ghost))
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
