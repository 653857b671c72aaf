"""What people say in channels: PRIVMSG and NOTICE, both ways.

Copies of one message that several sessions receive are one `Message`; see `window`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from msgspec.structs import replace

from bridge.errors import Trouble
from bridge.events import Kind, Message, Reply

from . import ctcp
from .channel import Channel
from .core import Core
from .membership import Membership, Stage
from .phrasing import old_time, phrase, ticket_of
from .rooms import Rooms
from .shared import Heard
from .tables import Tag
from .tickets import Ticket
from .translate import from_irc
from .window import Entry, Key, Window
from .wire import Line

MODE = "/mode "
"""What begins a message that is a change of the channel's modes, as users of Biboumi know it."""


class Speech:
    """See the module's docstring; `private` gets the lines that are for the user alone."""

    __slots__ = ("_core", "_private", "_rooms")

    def __init__(self, core: Core, rooms: Rooms, private: Callable[[Line], None]) -> None:
        self._core = core
        self._rooms = rooms
        self._private = private

    # ---- in: channels

    def _on_message(self, heard: Heard) -> None:
        line = heard.line
        if len(line.params) < 2:
            return
        status, name = self._core.isupport.strip_status(line.params[0])
        if not self._core.isupport.is_channel(name):
            self._private(line)
            return
        here = self._rooms.get(name)
        if here is None or here.stage is not Stage.IN:
            if here is not None:
                self._rooms.postpone(here, heard)
            return
        if self._core.is_me(line.nick):
            self._on_echo(here, line, status)
            return
        entry = self._entry(here, line, status)
        if entry is None:
            return
        self._core.events.append(entry.events)
        if not status:
            heard.channel, heard.subjects = here.channel, frozenset((entry.key[1],))
            heard.start, heard.end = entry.index, entry.index + 1
            heard.time, heard.events = entry.time, entry.events

    def _entry(self, here: Membership, line: Line, status: str) -> Entry | None:
        """Return the message that a line is a copy of, the first copy making it; None if it is none."""
        window = here.channel.window
        text = line.params[1]
        key = (line.command + status, self._core.fold[line.nick], text)
        msgid = line.tags.get(Tag.MSGID, "")
        entry = window.find(here, key, msgid)
        if entry is None:
            message = self._message(here.channel, line, status)
            if message is None:
                return None
            entry = window.add(here, key, msgid, message)
        else:
            window.take(here, entry)
            if msgid and not entry.msgid:
                window.name(entry, msgid)
        self._core.keep(entry)
        return entry

    def _message(self, channel: Channel, line: Line, status: str) -> Message | None:
        kind, text = ctcp.parse(line.params[1])
        if not isinstance(kind, Kind):
            return None
        if line.command == "NOTICE":
            kind = Kind.NOTICE
        if status:
            text = f"[{status}] {text}"
        core = self._core
        return Message(
            room=channel.room,
            nick=line.nick,
            body=from_irc(text),
            id=core.ids(),
            kind=kind,
            reply=reply_of(channel.window, line.tags),
            time=old_time(line, core.wall()),
            identity=core.shared.people.identity(core.fold[line.nick]),
        )

    def _on_echo(self, here: Membership, line: Line, status: str) -> None:
        """Our own message as the channel saw it (IRCv3 echo-message)."""
        core = self._core
        ticket = ticket_of(core, line, here.channel.folded)
        entry = ticket.entry if ticket is not None else None
        if ticket is not None and entry is not None and ticket.other != line.params[1]:
            here.channel.window.drop(entry)
            entry = None
        if entry is None:
            entry = self._entry(here, line, status)
        elif not entry.msgid and line.tags.get(Tag.MSGID):
            here.channel.window.name(entry, line.tags[Tag.MSGID])
        if entry is None:
            return
        self._core.keep(entry)
        if ticket is None:
            core.events.append(entry.events)
            return
        ticket.entry = entry
        origin = ticket.message.origin if ticket.message is not None else ""
        message = entry.message
        ticket.message = message if message.origin == origin else replace(message, origin=origin)
        core.tickets.settle(ticket)

    # ---- out: channels

    def say(self, message: Message) -> None:
        """Say something in a room, in as many lines as it takes."""
        core = self._core
        here = self._rooms.find(message.room)
        if here is None:
            core.fail(message.ref, Trouble.NOT_IN_ROOM if core.online else Trouble.NOT_CONNECTED)
            return
        channel = here.channel
        words = message.body.plain
        if words.startswith(MODE):
            arguments = words[len(MODE) :].split()
            ticket = Ticket(message.ref, "MODE", channel.folded, core.fold["".join(arguments[1:2])])
            core.request(ticket, channel.name, *arguments)
            return
        pieces = phrase(core, message.body, channel.name)
        if not pieces:
            core.fail(message.ref, Trouble.NOT_ACCEPTABLE)
        tags = self._reply_tags(channel.window, message)
        ref, origin, reply = message.ref, message.origin, message.reply
        for count, (kind, body, text) in enumerate(pieces, 1):
            ticket = Ticket(ref, "PRIVMSG", channel.folded, text, count == len(pieces))
            if body is not message.body or kind is not message.kind:
                message = Message(
                    room=message.room, body=body, origin=origin, kind=kind, reply=reply, ref=message.ref
                )
            ticket.message = message
            ticket.written = self._written
            core.request(ticket, channel.name, text, tags=tags)
            if ticket.ended:
                return
            origin, reply, tags = "", None, None

    def _reply_tags(self, window: Window, message: Message) -> Mapping[str, str] | None:
        core = self._core
        if message.reply is None or "message-tags" not in core.capabilities:
            return None
        msgid = window.msgid_of(message.reply.id)
        name = next(
            (name for name in (Tag.REPLY, Tag.DRAFT_REPLY) if core.isupport.allows_tag(name[1:])), None
        )
        return {name: msgid} if msgid and name is not None else None

    def _written(self, ticket: Ticket) -> None:
        """A message has left: enter it in the window, so that the copies of others match it."""
        core, said = self._core, ticket.message
        here = self._rooms.here.get(ticket.target)
        if here is None or said is None:
            return
        folded = core.folded_nick
        message = ticket.message = Message(
            room=said.room,
            nick=core.nick,
            body=said.body,
            id=core.ids(),
            origin=said.origin,
            kind=said.kind,
            reply=said.reply,
            identity=core.identity,
        )
        key: Key = (ticket.command, folded, ticket.other)
        entry = ticket.entry = here.channel.window.add(here, key, "", message)
        if "echo-message" not in core.capabilities:
            core.keep(entry)
            core.tickets.report(ticket)

    LINES: ClassVar[Mapping[str, Callable[..., None]]] = {"PRIVMSG": _on_message, "NOTICE": _on_message}


def reply_of(window: Window, tags: Mapping[str, str]) -> Reply | None:
    """Return what a line answers (IRCv3 reply), if that is known."""
    if not tags:
        return None
    msgid = tags.get(Tag.REPLY) or tags.get(Tag.DRAFT_REPLY)
    known = window.message_of(msgid) if msgid else None
    return Reply(id=known[0], nick=known[1]) if known is not None else None
