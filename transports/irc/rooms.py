"""The channels that a user is in or wants to be in: entering, NAMES, leaving, coming back.

Every wish to enter ends in `Entered` or `NotEntered`; a channel that the user was in when the
link broke is entered again, or ends in `Exited`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import ClassVar

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Invite,
    NickChange,
    NotEntered,
    RoomId,
    RoomNotice,
)

from .agenda import Appointment
from .channel import MAX_MEMBERS, Transition
from .core import Core
from .membership import Membership, Stage
from .shared import Heard
from .tables import FORWARDS, JOIN_REFUSALS, Numeric
from .wire import Line

JOIN_TIMEOUT = 30.0
"""Seconds that a JOIN may remain without an answer."""
LINGER = 30.0
"""Seconds that the link is kept after the only JOIN was refused: the user may know the key now."""
PART_TIMEOUT = 10.0
"""Seconds after which the user is out of a channel even if the server does not say so."""
INVITED_FOR = 60.0
"""Seconds that the user is left in a channel that somebody forced him into, to enter it himself."""
JOIN_BYTES = 300
"""Bytes of channels and keys in one JOIN."""
MAX_ROOMS = 500
"""Channels that one user can be in."""
MAX_FORCED = 10
"""Channels that one user can be forced into at a time."""
MAX_LATE = 1000
"""Lines kept of a channel whose NAMES reply is still coming in."""


class Rooms:
    """See the module's docstring; `here` are the memberships whose stage is IN, by folded name.

    `replay` are lines that were kept back, and are to be read again; `settle` is called before a
    line is applied, to tell what must be told before.
    """

    __slots__ = ("_all", "_core", "_linger", "_naming", "here", "replay", "settle")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._all: dict[str, Membership] = {}
        self._linger: Appointment | None = None
        self.here: dict[str, Membership] = {}
        self._naming: dict[str, Membership] = {}
        self.replay: list[Heard] = []
        self.settle: Callable[[Membership], None] = lambda here: None

    def __iter__(self) -> Iterator[Membership]:
        return iter(tuple(self._all.values()))

    @property
    def wanted(self) -> bool:
        """True while the user is in a channel, wants to be, or may want to at once."""
        out = (Stage.LEAVING, Stage.FORCED)
        return self._linger is not None or any(each.stage not in out for each in self._all.values())

    @property
    def is_empty(self) -> bool:
        """True when the user is in no channel at all, nor on the way in or out, nor lately refused."""
        return not self._all and self._linger is None

    @property
    def any_returning(self) -> bool:
        """True when the bridge takes the user to be in some room."""
        return any(each.returning for each in self._all.values())

    def ids(self) -> list[RoomId]:
        """Return the rooms that the user is in, or wants to be in."""
        return [
            each.channel.room
            for each in self
            if each.stage not in (Stage.FORCED, Stage.LEAVING) or each.reenter
        ]

    def find(self, room: RoomId) -> Membership | None:
        """Return the membership that the bridge knows as `room`, if the user is in it now."""
        found = self.here.get(self._core.fold[self._core.shared.name_of(room)])
        return found if found is not None and found.channel.room == room else None

    def get(self, name: str) -> Membership | None:
        """Return the membership of a channel as the server names it, at any stage."""
        return self._all.get(self._core.fold[name])

    def naming(self) -> tuple[Membership, ...]:
        """Return the memberships for which lines are kept back."""
        return tuple(self._naming.values())

    def postpone(self, here: Membership, heard: Heard) -> None:
        """Have a line wait until the user is in."""
        if here.late is not None and len(here.late) < MAX_LATE:
            here.late.append(heard)

    def ready(self, name: str, heard: Heard) -> Membership | None:
        """Return the membership that a line is about; if it is not ready the line has to wait."""
        here = self._all.get(self._core.fold[name])
        if here is None:
            return None
        if here.stage is Stage.IN:
            self.settle(here)
            return here
        self.postpone(here, heard)
        return None

    def apply(self, here: Membership, heard: Heard, change: Callable[[], Transition]) -> None:
        """Let a line change a membership, as it did for the others."""
        channel, before = here.channel, here.members
        effects = heard.effects
        if effects is None:
            effects = heard.effects = {}
        known = effects.get(channel)
        revision = channel.people.revision
        if known is None or known[0] is not before or known[1] != revision:
            members, events = change()
            known = effects[channel] = (before, channel.people.revision, members, events)
        here.members = known[2]
        if known[3]:
            self._core.events.append(known[3])

    # ---- the user's wishes

    def enter(self, event: Enter) -> None:
        """Take the user in."""
        core = self._core
        name = core.shared.name_of(event.room)
        if not core.isupport.is_legal_channel(name):
            return self._refuse(event.room, BridgeError(Trouble.NO_SUCH_ROOM))
        here = self._all.get(core.fold[name])
        if here is None:
            if len(self._all) >= MAX_ROOMS:
                return self._refuse(event.room, BridgeError(Trouble.TOO_MANY_ROOMS))
            here = self._new(event.room, name)
        elif here.channel.room != event.room:
            return self._refuse(
                event.room, BridgeError(Trouble.REDIRECTED, f"You are in {here.channel.name}.")
            )
        here.key = event.password or here.key
        if here.stage is Stage.LEAVING:
            here.reenter = True
        elif here.stage is Stage.FORCED:
            self._be_in(here)
        elif here.stage is Stage.IN:
            core.emit(self.snapshot(here))
        elif here.stage is Stage.WAITING:
            self.join_waiting()
        return None

    def depart(self, event: Depart) -> None:
        """Take the user out."""
        here = self._all.get(self._core.fold[self._core.shared.name_of(event.room)])
        if here is None or here.channel.room != event.room:
            self._core.emit(Exited(room=event.room, nick=self._core.nick, exit=Exit.LEFT))
            return
        if here.stage in (Stage.WAITING, Stage.FORCED) or not self._core.online:
            self.exit(here, Exit.LEFT)
        elif here.stage is not Stage.LEAVING:
            self._part(here, event.reason)

    def _part(self, here: Membership, reason: str) -> None:
        here.stage = Stage.LEAVING
        self.here.pop(here.channel.folded, None)
        self._core.send("PART", here.channel.name, *((reason,) if reason else ()))
        here.wait(self._core.agenda.after(PART_TIMEOUT, lambda: self.exit(here, Exit.LEFT)))

    def _new(self, room: RoomId, name: str) -> Membership:
        core = self._core
        channel = core.shared.channel(room, name, core.fold[name], core.clock)
        here = self._all[channel.folded] = Membership(channel)
        return here

    # ---- JOIN

    def join_waiting(self) -> None:
        """Ask for all channels that are wanted, as few lines as may be."""
        core = self._core
        if not core.online:
            return
        waiting = [each for each in self._all.values() if each.stage is Stage.WAITING]
        waiting.sort(key=lambda each: not each.key)
        most = core.isupport.target_max.get("JOIN") or MAX_ROOMS
        group: list[Membership] = []
        size = 0
        for here in waiting:
            more = len(here.channel.name.encode()) + len(here.key.encode()) + 2
            if group and (size + more > JOIN_BYTES or len(group) >= most):
                self._join(group)
                group, size = [], 0
            group.append(here)
            size += more
        if group:
            self._join(group)

    def _join(self, group: list[Membership]) -> None:
        for here in group:
            here.stage = Stage.ASKED
        keys = [here.key for here in group if here.key]
        names = ",".join(here.channel.name for here in group)
        params = (names, ",".join(keys)) if keys else (names,)
        if not self._core.send("JOIN", *params, written=lambda: self._asked(group)):
            for here in group:
                self.refused(here, BridgeError(Trouble.BAD_PASSWORD if here.key else Trouble.NO_SUCH_ROOM))

    def _asked(self, group: list[Membership]) -> None:
        for here in group:
            if here.stage is Stage.ASKED:
                here.wait(self._core.agenda.after(JOIN_TIMEOUT, partial(self._unanswered, here)))

    def _unanswered(self, here: Membership) -> None:
        if here.stage is Stage.NAMING:
            self._be_in(here)
        else:
            self.refused(here, BridgeError(Trouble.TIMED_OUT))

    def on_own_join(self, line: Line) -> None:
        """The server has put the user into a channel."""
        core = self._core
        name = line.params[0]
        folded = core.fold[name]
        here = self._all.get(folded)
        if here is None:
            if sum(each.stage is Stage.FORCED for each in self._all.values()) >= MAX_FORCED:
                return
            here = self._new(core.shared.room_id(name), name)
            here.stage = Stage.FORCED
        if here.stage in (Stage.IN, Stage.NAMING):
            return
        channel = here.channel
        channel.name = name
        if not channel.sessions:
            channel.topic = None
            channel.learn_flags(None)
        person = core.shared.people.at(core.nick, core.folded_nick, line.user, line.host)
        here.members = channel.with_member(channel.nobody(), person, "")
        here.names = []
        here.late = []
        self._naming[folded] = here
        here.gone = None
        here.cursor = channel.entry_point(core.folded_nick, core.clock())
        here.ahead = None
        if here.stage is not Stage.LEAVING and here.stage is not Stage.FORCED:
            here.stage = Stage.NAMING
            here.wait(core.agenda.after(JOIN_TIMEOUT, partial(self._unanswered, here)))

    def on_names(self, line: Line) -> bool:
        """RPL_NAMREPLY: ``me = #chan :@nick nick``; tell if it was awaited."""
        if len(line.params) < 3:
            return False
        here = self._all.get(self._core.fold[line.params[-2]])
        if here is None or here.names is None:
            return False
        if sum(len(part.members) for part in here.names) < MAX_MEMBERS:
            core = self._core
            here.names.append(core.shared.names_part(line.params[-1], core.isupport))
        return True

    def on_end_of_names(self, line: Line) -> bool:
        """RPL_ENDOFNAMES: the user is in; tell if it was awaited."""
        here = self._all.get(self._core.fold[line.params[1]]) if len(line.params) > 1 else None
        if here is None or here.names is None:
            return False
        if here.stage is Stage.NAMING:
            self._be_in(here)
        elif here.stage is Stage.FORCED:
            self._offer(here)
        return True

    def _take_names(self, here: Membership) -> None:
        """Make the members of what NAMES told, the user among them in any case."""
        core, channel = self._core, here.channel
        if here.names:
            members = channel.from_names(here.names)
            if core.folded_nick not in members:
                person = core.shared.people.get(core.nick, core.folded_nick)
                members = channel.with_member(members, person, "")
            here.members = members
        here.names = None

    def _be_in(self, here: Membership) -> None:
        channel = here.channel
        self._take_names(here)
        here.wait(None)
        here.stage = Stage.IN
        here.returning = True
        self.here[channel.folded] = here
        here.inside = True
        channel.sessions += 1
        me = here.members[self._core.folded_nick]
        created = len(here.members) == 1 and bool(me[1])
        if channel.flags is None:
            channel.learn_flags("")
            here.asked_modes = True
            self._core.send("MODE", channel.name)
        self._core.emit(self.snapshot(here, created=created))
        self._naming.pop(channel.folded, None)
        late, here.late = here.late, None
        if late:
            self.replay.extend(late)

    def snapshot(self, here: Membership, *, created: bool = False) -> Entered:
        """Return the room as the user sees it."""
        channel = here.channel
        core = self._core
        member = here.members.get(core.folded_nick)
        if member is None:
            member = (core.shared.people.get(core.nick, core.folded_nick), "")
        return Entered(
            room=channel.room,
            me=channel.occupant(member),
            occupants=channel.occupants(here.members),
            topic=channel.topic,
            created=created,
            moderated=channel.moderated,
        )

    # ---- refusals

    def on_refusal(self, line: Line) -> bool:
        """A numeric that names a channel that is being joined; tell if it was awaited."""
        here = self._all.get(self._core.fold[line.params[1]]) if len(line.params) > 1 else None
        if here is None or here.stage is not Stage.ASKED:
            return False
        self._begin_linger()
        if line.command in FORWARDS:
            where = line.params[2] if len(line.params) > 3 else ""
            self.refused(here, BridgeError(Trouble.REDIRECTED, f"{line.params[-1]} {where}".strip()))
        else:
            self.refused(here, BridgeError(JOIN_REFUSALS[line.command], line.params[-1]))
        return True

    def _begin_linger(self) -> None:
        self._end_linger()
        self._linger = self._core.agenda.after(LINGER, self._end_linger)

    def _end_linger(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def refused(self, here: Membership, error: BridgeError) -> None:
        """The user does not get in, or not again."""
        if here.returning:
            exit_ = Exit.BANNED if error.trouble is Trouble.BANNED else Exit.DISCONNECTED
            self.exit(here, exit_, reason=error.text)
            return
        self._forget(here)
        self._refuse(here.channel.room, error)

    def refuse_all(self, error: BridgeError) -> None:
        """The link is not to be had: nobody gets in anywhere."""
        self._end_linger()
        for here in self:
            if here.stage is Stage.FORCED:
                self._forget(here)
            elif here.stage is Stage.LEAVING:
                self._exit_for_good(here, Exit.LEFT, error)
            else:
                self.refused(here, error)

    def _exit_for_good(self, here: Membership, exit_: Exit, error: BridgeError, reason: str = "") -> None:
        """The user is out, and if he wanted in again meanwhile that is refused."""
        reenter, here.reenter = here.reenter, False
        self.exit(here, exit_, reason=reason)
        if reenter:
            self._refuse(here.channel.room, error)

    def _refuse(self, room: RoomId, error: BridgeError) -> None:
        self._core.emit(NotEntered(room=room, nick=self._core.nick, error=error))

    # ---- out

    def exit(self, here: Membership, exit_: Exit, *, actor: str = "", reason: str = "") -> None:
        """The user is out."""
        self._end_linger()
        reenter = here.reenter and exit_ is Exit.LEFT
        self._forget(here)
        self._core.emit(
            Exited(room=here.channel.room, nick=self._core.nick, exit=exit_, actor=actor, reason=reason)
        )
        if reenter:
            again = self._new(here.channel.room, here.channel.name)
            again.key = here.key
            self.join_waiting()

    def _forget(self, here: Membership) -> None:
        here.wait(None)
        here.stage = Stage.OUT
        self._all.pop(here.channel.folded, None)
        self._step_out(here)

    def _step_out(self, here: Membership) -> None:
        self.here.pop(here.channel.folded, None)
        self._naming.pop(here.channel.folded, None)
        if here.inside:
            here.inside = False
            here.channel.sessions -= 1

    # ---- forced joins

    def _offer(self, here: Membership) -> None:
        """The user was put into a channel: have him asked in, and wait a while for his answer."""
        self._take_names(here)
        self._core.emit(Invite(room=here.channel.room, nick=self._core.nick))
        here.wait(self._core.agenda.after(INVITED_FOR, lambda: self._part_forced(here)))

    def _part_forced(self, here: Membership) -> None:
        if here.stage is Stage.FORCED:
            self._core.send("PART", here.channel.name)
            self._forget(here)

    # ---- the link

    def leave_all(self, exit_: Exit, reason: str) -> None:
        """The user leaves the server."""
        self._end_linger()
        for here in self:
            if here.stage is Stage.FORCED:
                self._forget(here)
            elif here.returning or here.stage is Stage.LEAVING:
                self._exit_for_good(here, exit_, BridgeError(Trouble.NOT_CONNECTED, reason), reason)
            else:
                self.refused(here, BridgeError(Trouble.NOT_CONNECTED, reason))

    def refold(self) -> None:
        """The server folds names in another way than was thought."""
        fold = self._core.fold
        if all(fold[here.channel.name] == folded for folded, here in self._all.items()):
            return
        for here in self:
            here.channel.folded = fold[here.channel.name]
        self._all, here_, naming = (
            {each.channel.folded: each for each in old.values()}
            for old in (self._all, self.here, self._naming)
        )
        self.here, self._naming = here_, naming

    def tell_new_nick(self, old: str) -> None:
        """After a reconnection the user may have another nick than before."""
        core = self._core
        if not old or old == core.nick:
            return
        me = core.shared.people.get(core.nick, core.folded_nick)
        for here in self:
            if here.returning:
                occupant = here.channel.occupant((me, ""))
                core.emit(NickChange(room=here.channel.room, old=old, occupant=occupant))

    def link_lost(self, text: str) -> None:
        """Wait for the next link; the user is told once in every room."""
        self._end_linger()
        for here in self:
            if here.stage is Stage.FORCED:
                self._forget(here)
            elif here.stage is Stage.LEAVING and not here.reenter:
                self.exit(here, Exit.LEFT)
            else:
                self._wait_for_link(here, text)

    def _wait_for_link(self, here: Membership, text: str) -> None:
        core = self._core
        if here.stage is Stage.WAITING:
            if not here.returning and here.appointment is None:
                error = BridgeError(Trouble.UNREACHABLE, text)
                here.wait(core.agenda.after(core.profile.patience, partial(self.refused, here, error)))
            return
        here.wait(None)
        self._step_out(here)
        here.stage = Stage.WAITING
        here.names = here.late = None
        here.gone = None
        here.reenter = here.asked_modes = False
        if here.returning:
            notice = f"Connection to IRC server lost: {text or 'unknown reason'}. Reconnecting…"
            core.emit(RoomNotice(room=here.channel.room, text=notice))
        else:
            self._wait_for_link(here, text)

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_NAMREPLY: on_names,
        Numeric.RPL_ENDOFNAMES: on_end_of_names,
    }
