"""Modes and topics of channels as they change, and the user's own modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from bridge.events import Incoming, OccupantChange, RoomConfig, RoomNotice, Topic

from .channel import Channel, Members, Transition
from .core import Core
from .isupport import ModeChange
from .membership import Membership, Stage
from .rooms import Rooms
from .shared import Heard
from .tables import Numeric
from .translate import from_irc
from .wire import Line

MAX_FLAGS = 64
"""Modes of a channel that are kept."""


class Modes:
    """See the module's docstring."""

    __slots__ = ("_core", "_rooms")

    def __init__(self, core: Core, rooms: Rooms) -> None:
        self._core = core
        self._rooms = rooms

    # ---- MODE

    def _on_mode(self, heard: Heard) -> None:
        """``MODE #chan +ov-b nick nick mask`` and ``MODE me +i``."""
        line, core = heard.line, self._core
        if len(line.params) < 2:
            return
        target = line.params[0]
        if not core.isupport.is_channel(target):
            core.notice(f"User mode for {target} is [{' '.join(line.params[1:])}]")
            return
        changes = core.isupport.parse_modes(line.params[1:])
        if self._are_initial(target, line, changes):
            return
        here = self._rooms.ready(target, heard)
        if here is None:
            return
        channel = here.channel
        channel.learn_flags(_with_changes(channel.flags or "", changes, core.isupport.prefix_modes))
        self._rooms.apply(here, heard, lambda: self._changed(channel, here.members, line, changes))
        if core.is_me(line.nick):
            self._confirm(here, changes)

    def _are_initial(self, name: str, line: Line, changes: list[ModeChange]) -> bool:
        """Learn the modes that a server gives a channel which the user has just created.

        He is not in yet, so that the server says it to him, and not the room.
        """
        here = self._rooms.get(name)
        if here is None or here.stage is not Stage.NAMING or line.host:
            return False
        prefix_modes = self._core.isupport.prefix_modes
        if any(mode in prefix_modes for _, mode, _ in changes):
            return False
        here.channel.learn_flags(_with_changes("", changes, prefix_modes))
        self._core.notice(_words(line))
        return True

    def _changed(
        self, channel: Channel, members: Members, line: Line, changes: list[ModeChange]
    ) -> Transition:
        core = self._core
        events: list[Incoming] = [RoomNotice(room=channel.room, text=_words(line))]
        affected: dict[str, None] = {}
        for sign, mode, argument in changes:
            member = members.get(core.fold[argument]) if argument is not None else None
            if member is not None and mode in core.isupport.prefix_modes:
                person, modes = member
                modes = core.isupport.add_mode(modes, mode) if sign == "+" else modes.replace(mode, "")
                members = channel.with_member(members, person, modes)
                affected[person.folded] = None
        if any(mode == "m" for _, mode, _ in changes):
            events.append(RoomConfig(room=channel.room, moderated=channel.moderated))
            affected.update(_without_modes(members))
        events.extend(_occupant_changes(channel, members, affected))
        return members, tuple(events)

    def _confirm(self, here: Membership, changes: list[ModeChange]) -> None:
        """What the user asked for has happened."""
        tickets = self._core.tickets
        for _, _, argument in changes:
            ticket = tickets.find("MODE", here.channel.folded, self._core.fold[argument or ""])
            if ticket is not None:
                tickets.settle(ticket)

    def on_channel_modes(self, line: Line) -> bool:
        """RPL_CHANNELMODEIS: ``me #chan +mnt``; tell if the session asked, and not the user."""
        here = self._rooms.get(line.params[1]) if len(line.params) > 2 else None
        if here is None or not here.asked_modes:
            return False
        here.asked_modes = False
        channel = here.channel
        changes = self._core.isupport.parse_modes(line.params[2:])
        channel.learn_flags(_with_changes("", changes, self._core.isupport.prefix_modes))
        if channel.moderated:
            self._core.events.append(
                (
                    RoomConfig(room=channel.room, moderated=True),
                    *_occupant_changes(channel, here.members, _without_modes(here.members)),
                )
            )
        return True

    # ---- TOPIC

    def _on_topic(self, heard: Heard) -> None:
        """``TOPIC #chan :text``."""
        line, core = heard.line, self._core
        if len(line.params) < 2:
            return
        here = self._rooms.ready(line.params[0], heard)
        if here is None:
            return
        channel = here.channel
        text = from_irc(line.params[1]).plain
        if channel.topic is None or (channel.topic.text, channel.topic.nick) != (text, line.nick):
            channel.topic = Topic(room=channel.room, text=text, nick=line.nick, time=core.wall())
        topic = Topic(room=channel.room, text=text, nick=line.nick)
        self._rooms.apply(here, heard, lambda: (here.members, (topic,)))
        if core.is_me(line.nick):
            ticket = core.tickets.find("TOPIC", channel.folded)
            if ticket is not None:
                core.tickets.settle(ticket)

    def on_topic(self, line: Line) -> bool:
        """RPL_TOPIC and RPL_NOTOPIC; tell if it belongs to an entry."""
        here = self._rooms.get(line.params[1]) if len(line.params) > 1 else None
        if here is None or here.names is None:
            return False
        text = line.params[2] if line.command == Numeric.RPL_TOPIC and len(line.params) > 2 else ""
        topic = here.channel.topic
        if topic is None or topic.text != text:
            here.channel.topic = Topic(room=here.channel.room, text=text) if text else None
        return True

    def on_topic_setter(self, line: Line) -> bool:
        """RPL_TOPICWHOTIME: ``me #chan nick!user@host 1700000000``; tell if it belongs to an entry."""
        here = self._rooms.get(line.params[1]) if len(line.params) > 3 else None
        if here is None:
            return False
        topic = here.channel.topic
        time = line.params[3]
        if topic is not None and time.isascii() and time.isdigit() and len(time) < 12:
            nick = line.params[2].partition("!")[0]
            if (topic.nick, topic.time) != (nick, float(time)):
                here.channel.topic = Topic(room=topic.room, text=topic.text, nick=nick, time=float(time))
        return True

    LINES: ClassVar[Mapping[str, Callable[..., None]]] = {"MODE": _on_mode, "TOPIC": _on_topic}
    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_CHANNELMODEIS: on_channel_modes,
        Numeric.RPL_TOPIC: on_topic,
        Numeric.RPL_NOTOPIC: on_topic,
        Numeric.RPL_TOPICWHOTIME: on_topic_setter,
    }


def _with_changes(flags: str, changes: Iterable[ModeChange], prefix_modes: str) -> str:
    """Return a channel's modes after some changes."""
    kept = dict.fromkeys(flags)
    for sign, mode, _ in changes:
        if mode in prefix_modes:
            continue
        if sign == "+" and len(kept) < MAX_FLAGS:
            kept[mode] = None
        elif sign == "-":
            kept.pop(mode, None)
    return "".join(kept)


def _without_modes(members: Members) -> dict[str, None]:
    return {folded: None for folded, (_, modes) in members.map.items() if not modes}


def _occupant_changes(channel: Channel, members: Members, folded: Iterable[str]) -> list[OccupantChange]:
    room = channel.room
    return [OccupantChange(room=room, occupant=channel.occupant(members[each])) for each in folded]


def _words(line: Line) -> str:
    """Return a change of modes in Biboumi's words."""
    return f"Mode {line.params[0]} [{' '.join(line.params[1:])}] by {line.nick}"
