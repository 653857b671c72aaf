"""What the user does to a channel and its members: KICK, MODE, TOPIC, INVITE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from bridge.errors import Trouble
from bridge.events import (
    Affiliation,
    ContactId,
    Invite,
    Kick,
    Ref,
    Role,
    RoomId,
    RoomNotice,
    Sent,
    SetAffiliation,
    SetRole,
    Topic,
)

from .core import Core
from .membership import Membership
from .rooms import Rooms
from .tables import Numeric
from .tickets import Ticket
from .translate import mode_changes
from .wire import Line, split_text

MAX_BANS = 100
"""Bans of the user's that are remembered by the nick they were for."""


class Moderation:
    """See the module's docstring."""

    __slots__ = ("_bans", "_core", "_rooms")

    def __init__(self, core: Core, rooms: Rooms) -> None:
        self._core = core
        self._rooms = rooms
        self._bans: dict[tuple[str, str], str] = {}

    def _room(self, room: RoomId, ref: Ref) -> Membership | None:
        here = self._rooms.find(room)
        if here is None:
            self._core.fail(ref, Trouble.NOT_IN_ROOM if self._core.online else Trouble.NOT_CONNECTED)
        return here

    def kick(self, event: Kick) -> None:
        """XEP-0045 §8.2."""
        here = self._room(event.room, event.ref)
        if here is not None:
            self._kick(here, event.nick, event.reason, event.ref)

    def _kick(self, here: Membership, nick: str, reason: str, ref: Ref) -> None:
        core = self._core
        ticket = Ticket(ref, "KICK", here.channel.folded, core.fold[nick])
        reason = _cut(reason, core.isupport.kick_length)
        core.request(ticket, here.channel.name, nick, *((reason,) if reason else ()))

    def set_topic(self, event: Topic) -> None:
        """XEP-0045 §8.1; a subject is one line here."""
        here = self._room(event.room, event.ref)
        if here is not None:
            text = _cut(" ".join(event.text.split("\n")), self._core.isupport.topic_length)
            self._core.request(Ticket(event.ref, "TOPIC", here.channel.folded), here.channel.name, text)

    def invite(self, event: Invite) -> None:
        """XEP-0045 §7.8.2."""
        core = self._core
        here = self._room(event.room, event.ref)
        if here is not None:
            nick = event.nick if event.contact is None else core.shared.name_of(event.contact)
            ticket = Ticket(event.ref, "INVITE", here.channel.folded, core.fold[nick])
            core.request(ticket, nick, here.channel.name)

    def on_inviting(self, line: Line) -> bool:
        """RPL_INVITING: ``me nick #chan``."""
        if len(line.params) < 3:
            return False
        core = self._core
        nick, channel = line.params[1:3]
        ticket = core.tickets.find("INVITE", core.fold[channel], core.fold[nick])
        if ticket is not None:
            core.tickets.settle(ticket)
        core.notice(f"{nick} has been invited to {channel}")
        return True

    def on_invite(self, line: Line) -> bool:
        """``INVITE nick #chan``: us, or (IRCv3 invite-notify) somebody else."""
        if len(line.params) < 2:
            return True
        core = self._core
        nick, channel = line.params[:2]
        here = self._rooms.here.get(core.fold[channel])
        if core.is_me(nick):
            core.emit(Invite(room=core.shared.room_id(channel), nick=line.nick))
        elif here is not None and not core.is_me(line.nick):
            text = f"{nick} has been invited to {channel} by {line.nick}"
            core.emit(RoomNotice(room=here.channel.room, text=text))
        return True

    def set_role(self, event: SetRole) -> None:
        """XEP-0045 §8.3 to §8.5 and §9.6 to §9.7."""
        here = self._room(event.room, event.ref)
        if here is not None:
            self._set_modes(here, event.nick, event.role, event.ref)

    def set_affiliation(self, event: SetAffiliation) -> None:
        """XEP-0045 §9 and §10; an outcast is one whom a ban's mask fits."""
        here = self._room(event.room, event.ref)
        if here is None:
            return
        name = self._core.shared.name_of(event.contact or ContactId(event.target))
        if event.affiliation is Affiliation.OUTCAST:
            self._ban(here, name, event)
            return
        folded = self._core.fold[name]
        mask = self._bans.pop((here.channel.folded, folded), "")
        if event.affiliation is Affiliation.NONE and (mask or _is_mask(name) or folded not in here.members):
            mask = mask or (name if _is_mask(name) else f"{name}!*@*")
            self._mode(here, event.ref, [("-", "b", mask)])
        else:
            self._set_modes(here, name, event.affiliation, event.ref)

    def _ban(self, here: Membership, name: str, event: SetAffiliation) -> None:
        core = self._core
        folded = core.fold[name]
        person = core.shared.people.find(folded)
        host = person.facts.host if person is not None else ""
        mask = name if _is_mask(name) else f"*!*@{host}" if host else f"{name}!*@*"
        present = folded in here.members
        self._mode(here, event.ref, [("+", "b", mask)], last=not present)
        if present:
            if len(self._bans) >= MAX_BANS:
                del self._bans[next(iter(self._bans))]
            self._bans[here.channel.folded, folded] = mask
            self._kick(here, here.members[folded][0].nick, event.reason, event.ref)

    def _set_modes(self, here: Membership, nick: str, wanted: Role | Affiliation, ref: Ref) -> None:
        core = self._core
        member = here.members.get(core.fold[nick])
        if member is None:
            core.fail(ref, Trouble.NO_SUCH_NICK)
            return
        person, modes = member
        changes = mode_changes(wanted, core.isupport, modes)
        if changes:
            self._mode(here, ref, [(sign, mode, person.nick) for sign, mode in changes])
        elif mode_changes(wanted, core.isupport):
            core.emit(Sent(ref=ref))
        else:
            core.fail(ref, Trouble.UNSUPPORTED)

    def _mode(
        self, here: Membership, ref: Ref, changes: list[tuple[str, str, str]], *, last: bool = True
    ) -> None:
        """Send MODE lines; the server says how many changes fit into one."""
        core = self._core
        most = core.isupport.modes_max or len(changes)
        for start in range(0, len(changes), most):
            part = changes[start : start + most]
            letters = "".join(sign + mode for sign, mode, _ in part)
            is_last = last and start + most >= len(changes)
            ticket = Ticket(ref, "MODE", here.channel.folded, core.fold[part[0][2]], last=is_last)
            core.request(ticket, here.channel.name, letters, *(argument for _, _, argument in part))
            if ticket.ended:
                return

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_INVITING: on_inviting,
        "INVITE": on_invite,
    }


def _is_mask(name: str) -> bool:
    return any(character in name for character in "!@*?$")


def _cut(text: str, limit: int | None) -> str:
    return split_text(text, limit)[0] if limit is not None and len(text.encode()) > limit else text
