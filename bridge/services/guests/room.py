"""A room of XMPP as guests of our network are in it: the client side of XEP-0045, without I/O."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.events import ChangeNick, ContactId, Depart, Enter, Outgoing, Profile, RoomId
from bridge.refusals import refusal
from bridge.services.guests.attendance import Attendance
from bridge.services.guests.company import Company, Ports
from bridge.services.guests.talk import Talk
from bridge.services.guests.visit import Visit
from bridge.xmpp.element import Element


class Room:
    """See the module's docstring."""

    def __init__(self, room: RoomId, domain: str, ports: Ports) -> None:
        self._company = Company(room, domain, ports)
        self._attendance = Attendance(self._company, self.act)
        self._talk = Talk(self._company, self._attendance.ping, self._go_on)

    def __len__(self) -> int:
        return len(self._company.visits)

    def visit(self, guest: ContactId) -> Visit | None:
        """Return a guest's visit, None if he is not here."""
        return self._company.visits.get(guest)

    def enter(self, guest: ContactId, jid: str, event: Enter) -> None:
        """A guest, whose full JID is `jid`, wants to be in."""
        self._attendance.enter(guest, jid, event)

    def act(self, visit: Visit, event: Outgoing) -> None:
        """A guest wants something."""
        try:
            match event:
                case Depart():
                    self._attendance.depart(visit, event.reason)
                case ChangeNick():
                    self._attendance.change_nick(visit, event)
                case Profile(avatar=avatar):
                    self._attendance.wear(visit, avatar)
                case _:
                    self._talk.act(visit, event)
        except BridgeError as error:
            answer = refusal(event, error)
            if answer is not None:
                self._company.tell(visit, answer)

    def receive(self, guest: ContactId, stanza: Element, nick: str) -> None:
        """Take a message or presence from an occupant, or from the room itself (`nick` ""), to a guest."""
        visit = self._company.visits.get(guest)
        if visit is None:
            return
        visit.heard_at = self._company.ports.now()
        visit.unanswered_pings = 0
        if stanza.name == "message":
            self._talk.message(visit, stanza, nick)
        else:
            self._attendance.presence(visit, stanza, nick)
        self._go_on()

    def _go_on(self) -> None:
        """What came and what is wanted while the past was still to come has its turn after it."""
        self._talk.go_on()
        self._attendance.go_on()

    def doubt(self) -> None:
        """The link was broken: see who is still in, and what was missed."""
        self._attendance.doubt()

    def tick(self) -> None:
        """Do what is due; called every few seconds."""
        self._attendance.tick()
        self._go_on()

    def close(self, reason: str) -> None:
        """Everybody goes, at once."""
        self._attendance.close(reason)
