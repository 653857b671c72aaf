"""Who comes, goes and changes in the channels the user is in.

What a line does to a channel is computed by the first session that receives it, and remembered
with its events by (members before, line); see `channel.Channel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from bridge.events import Exit, Join, Kick, Leave, NickChange, OccupantChange

from .channel import MAX_MEMBERS, Channel, Events, Member, Members, Transition
from .core import Core
from .membership import Stage
from .nicks import Nicks
from .people import Person
from .rooms import Rooms
from .shared import Heard
from .splits import Splits, is_split
from .wire import Line


class Roster:
    """See the module's docstring."""

    __slots__ = ("_core", "_nicks", "_rooms", "_splits")

    def __init__(self, core: Core, rooms: Rooms, splits: Splits, nicks: Nicks) -> None:
        self._core = core
        self._rooms = rooms
        self._splits = splits
        self._nicks = nicks

    # ---- one channel

    def _on_join(self, heard: Heard) -> None:
        """``JOIN #chan [account :real name]`` (IRCv3 extended-join)."""
        line = heard.line
        if not line.params:
            return
        core = self._core
        if core.is_me(line.nick):
            core.user, core.host = line.user or core.user, line.host or core.host
            self._rooms.on_own_join(line)
            return
        here = self._rooms.get(line.params[0])
        if here is None:
            return
        if here.stage is not Stage.IN:
            self._rooms.postpone(here, heard)
            return
        folded = core.fold[line.nick]
        if here.gone is not None and folded in here.gone:
            self._splits.back(here, self._seen(line, folded))
            return
        heard.channel, heard.subjects = here.channel, frozenset((folded,))
        cursor = here.cursor
        self._rooms.apply(
            here, heard, partial(self._joined, here.channel, here.members, line, folded, cursor)
        )

    def _joined(self, channel: Channel, members: Members, line: Line, folded: str, cursor: int) -> Transition:
        person = self._seen(line, folded)
        channel.mark(folded, cursor, self._core.clock())
        if folded in members or len(members) >= MAX_MEMBERS:
            return members, ()
        after = channel.with_member(members, person, "")
        return after, (Join(room=channel.room, occupant=channel.occupant((person, ""))),)

    def _seen(self, line: Line, folded: str) -> Person:
        people = self._core.shared.people
        person = people.at(line.nick, folded, line.user, line.host)
        if len(line.params) > 1 and "extended-join" in self._core.capabilities:
            people.learn_account(person, line.params[1])
        elif "account" in line.tags:
            people.learn_account(person, line.tags["account"])
        return person

    def _on_part(self, heard: Heard) -> None:
        line = heard.line
        if not line.params:
            return
        reason = line.params[1] if len(line.params) > 1 else ""
        if self._core.is_me(line.nick):
            here = self._rooms.get(line.params[0])
            if here is not None and here.stage not in (Stage.WAITING, Stage.ASKED):
                self._rooms.exit(here, Exit.LEFT, reason=reason)
            return
        here = self._rooms.ready(line.params[0], heard)
        if here is None:
            return
        folded = self._core.fold[line.nick]
        heard.channel, heard.subjects = here.channel, frozenset((folded,))
        self._rooms.apply(here, heard, partial(self._gone, here.channel, here.members, folded, reason))

    def _gone(self, channel: Channel, members: Members, folded: str, reason: str) -> Transition:
        member = members.get(folded)
        if member is None:
            return members, ()
        events: Events = (Leave(room=channel.room, nick=member[0].nick, reason=reason),)
        return channel.without(members, folded), events

    def _on_kick(self, heard: Heard) -> None:
        line = heard.line
        if len(line.params) < 2:
            return
        channel_name, nick = line.params[:2]
        reason = line.params[2] if len(line.params) > 2 else ""
        if self._core.is_me(nick):
            here = self._rooms.get(channel_name)
            if here is not None and here.stage not in (Stage.WAITING, Stage.ASKED):
                self._rooms.exit(here, Exit.KICKED, actor=line.nick, reason=reason)
            return
        here = self._rooms.ready(channel_name, heard)
        if here is None:
            return
        core = self._core
        folded, actor = core.fold[nick], core.fold[line.nick]
        heard.channel, heard.subjects = here.channel, frozenset((folded, actor))
        self._rooms.apply(
            here, heard, partial(self._kicked, here.channel, here.members, folded, line.nick, reason)
        )
        ticket = core.tickets.find("KICK", here.channel.folded, folded) if actor == core.folded_nick else None
        if ticket is not None:
            core.tickets.settle(ticket)

    def _kicked(self, channel: Channel, members: Members, folded: str, actor: str, reason: str) -> Transition:
        member = members.get(folded)
        if member is None:
            return members, ()
        kick = Kick(room=channel.room, nick=member[0].nick, actor=actor, reason=reason)
        return channel.without(members, folded), (kick,)

    # ---- all channels that somebody is in

    def _on_quit(self, heard: Heard) -> None:
        line = heard.line
        nick = line.nick
        reason = line.params[-1] if line.params else ""
        if self._core.is_me(nick):
            return
        folded = self._core.fold[nick]
        split = is_split(reason) or self._splits.in_netsplit(line)
        for here in tuple(self._rooms.here.values()):
            if folded not in here.members:
                continue
            if split:
                self._splits.lost(here, folded, reason)
            else:
                self._rooms.apply(
                    here, heard, partial(self._gone, here.channel, here.members, folded, reason)
                )
        self._postpone_everywhere(heard)
        self._nicks.somebody_left(folded)

    def _on_nick(self, heard: Heard) -> None:
        line, core = heard.line, self._core
        if not line.params or not line.params[0]:
            return
        new = line.params[0]
        old, folded = core.fold[line.nick], core.fold[new]
        people = core.shared.people
        person = people.find(old)
        if core.is_me(line.nick):
            self._nicks.changed(new)
        renamed = people.renamed(person, new, folded) if person is not None else people.get(new, folded)
        for here in tuple(self._rooms.here.values()):
            if old in here.members:
                self._splits.settle(here)
                if here.gone is not None:
                    here.gone.pop(folded, None)
                self._rooms.apply(
                    here,
                    heard,
                    partial(self._renamed, here.channel, here.members, old, renamed),
                )
        self._postpone_everywhere(heard)
        if old != folded:
            self._nicks.somebody_left(old)

    def _renamed(self, channel: Channel, members: Members, folded: str, person: Person) -> Transition:
        nick = members[folded][0].nick
        after = channel.renamed(members, folded, person)
        change = NickChange(room=channel.room, old=nick, occupant=channel.occupant(after[person.folded]))
        replaced = members.get(person.folded) if person.folded != folded else None
        if replaced is not None:  # a server that lost track of somebody
            return after, (Leave(room=channel.room, nick=replaced[0].nick), change)
        return after, (change,)

    def _on_away(self, heard: Heard) -> None:
        """IRCv3 away-notify."""
        line = heard.line
        person = self._person(line)
        if person is not None:
            reason = line.params[0] if line.params and line.params[0] else None
            self._core.shared.people.learn_away(person, reason)
            self._changed(person)

    def _on_account(self, heard: Heard) -> None:
        """IRCv3 account-notify."""
        line = heard.line
        person = self._person(line)
        if person is not None and line.params:
            self._core.shared.people.learn_account(person, line.params[0])
            if not self._core.is_me(line.nick):
                self._changed(person)

    def _on_chghost(self, heard: Heard) -> None:
        """IRCv3 chghost."""
        line = heard.line
        person = self._person(line)
        if person is None or len(line.params) < 2:
            return
        user, host = line.params[:2]
        if self._core.is_me(line.nick):
            self._core.user, self._core.host = user, host
        self._core.shared.people.learn_host(person, user, host)
        self._changed(person)

    def _on_setname(self, heard: Heard) -> None:
        """IRCv3 setname: real names are asked for when they are wanted (WHOIS)."""

    def _person(self, line: Line) -> Person | None:
        return self._core.shared.people.find(self._core.fold[line.nick])

    def _changed(self, person: Person) -> None:
        """Something is known of a person; the members stay what they are."""
        for here in tuple(self._rooms.here.values()):
            member = here.members.get(person.folded)
            if member is not None:
                channel = here.channel
                key = ("changed", person.folded, person.facts, member[1], channel.moderated)
                self._core.events.append(channel.once(key, partial(_occupant_change, channel, member)))

    def _postpone_everywhere(self, heard: Heard) -> None:
        for here in self._rooms.naming():
            self._rooms.postpone(here, heard)

    LINES: ClassVar[Mapping[str, Callable[..., None]]] = {
        "JOIN": _on_join,
        "PART": _on_part,
        "KICK": _on_kick,
        "QUIT": _on_quit,
        "NICK": _on_nick,
        "AWAY": _on_away,
        "ACCOUNT": _on_account,
        "CHGHOST": _on_chghost,
        "SETNAME": _on_setname,
    }


def _occupant_change(channel: Channel, member: Member) -> Events:
    return (OccupantChange(room=channel.room, occupant=channel.occupant(member)),)
