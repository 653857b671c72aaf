"""One guest in one room: how far in he is, and what of him is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import NO_REF, ContactId, Enter, Failed, Message, Occupant, Outgoing, Ref, RoomId, Sent

UNDER_WAY = 500
"""What one guest may have under way in one room."""
WAITING = 100
"""What of it may wait until he is in."""
PATIENCE = 60.0
"""Seconds in which the outcome of what he says is known."""


class State(Enum):
    """Where he is; LOST: he was in, and is to be in again."""

    ENTERING = "entering"
    INSIDE = "inside"
    LOST = "lost"
    LEAVING = "leaving"


class UnderWay(Struct):
    """Something said, of which nothing was heard yet; `told` when its sender takes it for sent."""

    event: Outgoing
    ref: Ref
    until: float
    told: bool = False


class Visit:
    """See the module's docstring. `jid` is his full JID; times are seconds of the same clock.

    `nick` is his while he is in, `wanted` what he asks for: they differ while he waits for it. `deadline`
    is when the state ends by itself, `since` what he wants to be told of the past; `caught_up` after that, or
    at `late` if it is not told at all. `avatar` is as in `Profile`, None as long as nothing is known of it.
    While `is_doubted` the room has said that he is not in, and is being asked; what did not get there for
    that is said once more, and once only: `repeated`.
    """

    def __init__(self, guest: ContactId, jid: str, event: Enter) -> None:
        self.guest = guest
        self.jid = jid
        self.room: RoomId = event.room
        self.nick = ""
        self.wanted = event.nick
        self.password = event.password
        self.since = event.since
        self.state = State.ENTERING
        self.me: Occupant | None = None
        self.avatar: str | None = None
        self.was_in = False
        self.caught_up = False
        self.late = 0.0
        self.deadline = 0.0
        self.lost_at = 0.0
        self.attempts = 0
        self.heard_at = 0.0
        self.asked_at = 0.0
        self.unanswered_pings = 0
        self.is_pinging = False
        self.is_doubted = False
        self.repeated: set[Ref] = set()
        self.again: Enter | None = None
        self.waiting: deque[tuple[float, Outgoing]] = deque()
        self.under_way: dict[str, UnderWay] = {}

    @property
    def is_heard(self) -> bool:
        """He is in, as far as is known."""
        return self.state is State.INSIDE and not self.is_doubted

    @property
    def is_renaming(self) -> bool:
        """He asked for another nick, and waits."""
        return self.state is State.INSIDE and self.wanted != self.nick

    def is_catching_up(self, now: float) -> bool:
        """Tell whether he is in, and still to be told what was said before."""
        is_due = self.state is State.INSIDE and self.since is not None
        return is_due and not self.caught_up and now < self.late

    def is_his(self, nick: str) -> bool:
        """Tell whether a presence by this nick is about himself, where the room does not say so."""
        if self.state is State.ENTERING:
            return nick == self.wanted
        return nick == self.nick or (self.state is State.LEAVING and nick == self.wanted)

    def delay(self, event: Outgoing, now: float) -> None:
        """Keep something until he is in; BridgeError OVERLOADED when too much waits."""
        if len(self.waiting) >= WAITING:
            raise BridgeError(Trouble.OVERLOADED)
        self.waiting.append((now + PATIENCE, event))

    def repeat(self, event: Outgoing, now: float) -> bool:
        """Keep what was said too early, to be said once more; False if that cannot be."""
        ref: Ref = getattr(event, "ref", NO_REF)
        if not ref or ref in self.repeated or len(self.waiting) >= WAITING:
            return False
        # it comes before what was said since
        before = sum(getattr(one, "ref", NO_REF) in self.repeated for _, one in self.waiting)
        self.waiting.insert(before, (now + PATIENCE, event))
        self.repeated.add(ref)
        return True

    def begin(self, id: str, event: Outgoing, now: float, *, told: bool = False) -> None:
        """Something of his is on its way; BridgeError OVERLOADED when too much is."""
        if len(self.under_way) >= UNDER_WAY:
            raise BridgeError(Trouble.OVERLOADED)
        ref: Ref = getattr(event, "ref", NO_REF)
        self.under_way[id] = UnderWay(event, ref, now + PATIENCE, told)

    def reflected(self, id: str, message: Message | None) -> Sent | None:
        """Return the answer to what came back from the room; None if nothing such was under way."""
        found = self.under_way.get(id)
        if found is None or found.told:
            return None
        del self.under_way[id]
        self.repeated.discard(found.ref)
        return Sent(ref=found.ref, message=message)

    def overdue(self, now: float) -> Iterator[Failed]:
        """Give up what is not answered in time."""
        while self.waiting and self.waiting[0][0] <= now:
            _, event = self.waiting.popleft()
            yield from self._failed(getattr(event, "ref", NO_REF), BridgeError(Trouble.NOT_CONNECTED))
        for id, one in list(self.under_way.items()):
            if one.until > now:
                break
            del self.under_way[id]
            if not one.told:
                yield from self._failed(one.ref, BridgeError(Trouble.LOST))

    def fail_all(self, error: BridgeError, *, waiting: bool) -> Iterator[Failed]:
        """Nothing more will be heard of what is under way, nor, if asked, can be said what waits."""
        under_way, self.under_way = self.under_way, {}
        for one in under_way.values():
            if not one.told:
                yield from self._failed(one.ref, error)
        while waiting and self.waiting:
            _, event = self.waiting.popleft()
            yield from self._failed(getattr(event, "ref", NO_REF), error)

    def _failed(self, ref: Ref, error: BridgeError) -> Iterator[Failed]:
        self.repeated.discard(ref)
        if ref:
            yield Failed(ref=ref, error=error)
