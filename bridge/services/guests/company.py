"""Our guests in one room of XMPP, who else is there, and which of them listens for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from bridge.events import ContactId, Enter, Incoming, Occupant, RoomId, Topic
from bridge.services.guests.roster import Change, Roster
from bridge.services.guests.visit import State, Visit
from bridge.xmpp.element import Element


class Ports(Protocol):
    """What a room needs of the world."""

    def send(self, stanza: Element) -> None:
        """Send a stanza of a guest."""

    def ask(self, iq: Element) -> Deferred[Element]:
        """Send an iq of a guest; fires with the result, or fails with BridgeError."""

    def tell(self, guest: ContactId, event: Incoming) -> None:
        """Tell a guest."""

    def wall(self) -> float:
        """Return the seconds since the epoch."""

    def now(self) -> float:
        """Return the seconds of a clock."""

    def fresh_id(self) -> str:
        """Return a fresh id."""

    def caps(self) -> Element:
        """Return what a guest's presence says of his abilities (XEP-0115)."""

    def again(self, guest: ContactId, event: Enter) -> None:
        """A guest whose visit has ended wants another one."""

    def over(self, room: RoomId, visit: Visit) -> None:
        """This visit has ended."""


class Company:
    """See the module's docstring. `visits` are those of our guests, the first to come first.

    `domain` is that of our guests' addresses.
    """

    def __init__(self, room: RoomId, domain: str, ports: Ports) -> None:
        self.id = room
        self._ours = f"@{domain}"
        self.ports = ports
        self.visits: dict[ContactId, Visit] = {}
        self.roster = Roster(room)
        self.topic: Topic | None = None
        self.listener: Visit | None = None

    def is_anybody_inside(self) -> bool:
        """Tell whether a guest of ours is in."""
        return any(one.state is State.INSIDE for one in self.visits.values())

    def is_catching_up(self) -> bool:
        """Tell whether it is still to come what was said before."""
        return self.listener is not None and self.listener.is_catching_up(self.ports.now())

    def is_attended(self) -> bool:
        """Tell whether somebody listens who knows what was said before."""
        listens = self.listener is not None and self.listener.state is State.INSIDE
        return listens and not self.is_catching_up()

    def is_ours(self, occupant: Occupant) -> bool:
        """Tell whether an occupant is a guest of ours, be it one whose visit we know nothing of any more."""
        return bool(occupant.address) and occupant.identity.endswith(self._ours)

    def settle(self) -> list[Change]:
        """Choose the listener: the first who is in, or who is to be; return what only others were shown."""
        there = [one for one in self.visits.values() if one.state is State.INSIDE]
        there += [one for one in self.visits.values() if one.state is State.ENTERING]
        listener = there[0] if there else None
        if listener is self.listener:
            return []
        self.listener = listener
        if listener is None:
            self.roster.clear()
            return []
        return self.roster.take_over()

    def tell_all(self, events: Sequence[Incoming]) -> None:
        """Tell what everybody in the room sees."""
        listener = self.listener
        if listener is not None and listener.state is State.INSIDE:
            for event in events:
                self.ports.tell(listener.guest, event)

    def tell(self, visit: Visit, *events: Incoming) -> None:
        """Tell one guest what concerns himself."""
        for event in events:
            self.ports.tell(visit.guest, event)
