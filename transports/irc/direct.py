"""What is said to the user alone, and what he says to one person."""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import Trouble
from bridge.events import ContactId, DirectMessage, Kind, Message, RoomId

from . import ctcp
from .core import Core
from .membership import Stage
from .phrasing import old_time, phrase, ticket_of
from .rooms import Rooms
from .tables import Tag
from .tickets import Ticket
from .translate import from_irc
from .wire import Line

MAX_CONTACTS = 1000
"""Contacts of a user that are remembered for having been written to."""


class Direct:
    """See the module's docstring; `ctcp_` gets CTCP questions and answers."""

    __slots__ = ("_contacts", "_core", "_ctcp", "_rooms")

    def __init__(self, core: Core, rooms: Rooms, ctcp_: Callable[[Line, str, str], None]) -> None:
        self._core = core
        self._rooms = rooms
        self._ctcp = ctcp_
        self._contacts: dict[str, RoomId | None] = {}

    # ---- in

    def receive(self, line: Line) -> None:
        """A PRIVMSG or NOTICE for the user alone."""
        kind, text = ctcp.parse(line.params[1])
        if self._core.is_me(line.nick):
            self._on_private_echo(line)
        elif not isinstance(kind, Kind):
            self._ctcp(line, kind, text)
        else:
            self._words(line, kind, text)

    def _words(self, line: Line, kind: Kind, text: str) -> None:
        if line.command == "NOTICE":
            self._on_notice(line, text)
        else:
            self._tell(line, kind, text)

    def _on_private_echo(self, line: Line) -> None:
        core = self._core
        target = core.fold[line.params[0]]
        ticket = ticket_of(core, line, target)
        if ticket is not None:
            core.tickets.settle(ticket)
        elif target == core.folded_nick:
            kind, text = ctcp.parse(line.params[1])
            if isinstance(kind, Kind):
                self._words(line, kind, text)

    def _tell(self, line: Line, kind: Kind, text: str) -> None:
        core = self._core
        core.emit(
            DirectMessage(
                contact=core.shared.contact_id(line.nick),
                nick=line.nick,
                body=from_irc(text),
                id=core.ids(),
                kind=kind,
                room=self._room_of(line),
                time=old_time(line, core.wall()),
            )
        )

    def _room_of(self, line: Line) -> RoomId | None:
        """Return the room that a private message belongs to, as far as can be told."""
        context = line.tags.get(Tag.CHANNEL_CONTEXT)
        folded = self._core.fold[line.nick]
        here = self._rooms.get(context) if context else None
        if here is not None and here.stage is Stage.IN and folded in here.members:
            return here.channel.room
        room = self._contacts.get(folded)
        found = self._rooms.find(room) if room is not None else None
        return room if found is not None and folded in found.members else None

    def _on_notice(self, line: Line, text: str) -> None:
        """A private notice: in the channel it names, from a contact, or from the server."""
        core = self._core
        folded = core.fold[line.nick]
        if text[:1] == "[":
            name, bracket, _ = text[1:].partition("]")
            here = self._rooms.get(name) if bracket and core.isupport.is_channel(name) else None
            if here is not None and here.stage is Stage.IN:
                self._show_in(here.channel.room, line, text)
                return
        if folded in self._contacts:
            self._tell(line, Kind.TEXT, text)
        else:
            host = f" ({line.user}@{line.host})" if line.host else ""
            plain = from_irc(text).plain
            core.notice(f"{line.nick}{host}: {plain}" if line.nick else plain)

    def _show_in(self, room: RoomId, line: Line, text: str) -> None:
        """Show a notice in the room for the user alone; it is in no archive, and so has no stanza id."""
        notice = Message(
            room=room, nick=line.nick, body=from_irc(text), kind=Kind.NOTICE, origin=self._core.ids()
        )
        self._core.emit(notice)

    # ---- out

    def tell(self, message: DirectMessage) -> None:
        """Say something to one person."""
        core = self._core
        nick = message.nick or self.nick_of(message.contact)
        pieces = phrase(core, message.body, nick)
        if not pieces:
            core.fail(message.ref, Trouble.NOT_ACCEPTABLE)
            return
        self._remember_contact(core.fold[nick], message.room)
        last = len(pieces) - 1
        for index, (_, _, text) in enumerate(pieces):
            ticket = Ticket(message.ref, "PRIVMSG", core.fold[nick], text, index == last, written=self._told)
            core.request(ticket, nick, text)
            if ticket.ended:
                return

    def _told(self, ticket: Ticket) -> None:
        if "echo-message" not in self._core.capabilities:
            self._core.tickets.report(ticket)

    def nick_of(self, contact: ContactId) -> str:
        """Return a contact's nick, in its own spelling if he is seen."""
        name = self._core.shared.name_of(contact)
        person = self._core.shared.people.find(self._core.fold[name])
        return person.nick if person is not None else name

    def _remember_contact(self, folded: str, room: RoomId | None) -> None:
        self._contacts.pop(folded, None)
        self._contacts[folded] = room
        if len(self._contacts) > MAX_CONTACTS:
            del self._contacts[next(iter(self._contacts))]
