"""Netsplits: those who vanish together are one event, and so are those who come back together.

A split shows as QUITs whose text names two servers, or as an IRCv3 netsplit batch. The lost
members leave the state at once but remain expected for `PATIENCE`; who is not back then has left.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.events import Leave, Rejoin, Split

from .agenda import Appointment
from .channel import Channel, Events
from .core import Core
from .membership import Membership, Stage
from .people import Person
from .wire import Line

QUIET = 1.0
"""Seconds without a further QUIT or JOIN after which a split or its end is told."""
PATIENCE = 600.0
"""Seconds in which those lost in a netsplit are expected back."""
MAX_BATCHES = 64

_HOST = r"(?:[A-Za-z0-9*](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z0-9*](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_SPLIT = re.compile(rf"({_HOST}) ({_HOST})")


def is_split(reason: str) -> bool:
    """Tell whether the text of a QUIT is what servers write in a netsplit."""
    match = _SPLIT.fullmatch(reason)
    return match is not None and match[1] != match[2]


class _Gathering:
    """What one channel loses, or gets back, until it is quiet."""

    __slots__ = ("appointment", "folded", "here", "is_return", "text")

    def __init__(self, here: Membership, text: str, *, is_return: bool) -> None:
        self.here = here
        self.text = text
        self.is_return = is_return
        self.folded: list[str] = []
        self.appointment: Appointment | None = None


class Splits:
    """The netsplits that one session sees."""

    __slots__ = ("_batches", "_core", "_gatherings")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._gatherings: dict[tuple[Membership, bool], _Gathering] = {}
        self._batches: set[str] = set()

    # ---- batches (IRCv3 netsplit)

    def batch_begun(self, reference: str, kind: str) -> None:
        """A batch of this kind begins."""
        if kind == "netsplit" and len(self._batches) < MAX_BATCHES:
            self._batches.add(reference)

    def batch_ended(self, reference: str) -> None:
        """A batch is complete; what it gathered is told at once."""
        if reference in self._batches:
            self._batches.discard(reference)
            for gathering in tuple(self._gatherings.values()):
                self._tell(gathering)

    def in_netsplit(self, line: Line) -> bool:
        """Tell whether a line is part of a netsplit batch."""
        return line.tags.get("batch") in self._batches

    # ---- members

    def lost(self, here: Membership, folded: str, text: str) -> None:
        """A member is lost in the split that `text` names."""
        self.settle(here)
        member = here.members[folded]
        here.members = here.channel.without(here.members, folded)
        if here.gone is None:
            here.gone = {}
        here.gone[folded] = (member, text)
        self._gather(here, text, is_return=False).folded.append(folded)

    def back(self, here: Membership, person: Person) -> None:
        """A lost member is back."""
        assert here.gone is not None
        self._settle(here, is_return=False)
        _, text = here.gone.pop(person.folded)
        here.gone = here.gone or None
        here.members = here.channel.with_member(here.members, person, "")
        self._gather(here, text, is_return=True).folded.append(person.folded)

    def settle(self, here: Membership) -> None:
        """Tell who is back before something else is told of them."""
        self._settle(here, is_return=True)

    def forget(self) -> None:
        """The link is lost, and all that was to be told with it."""
        for gathering in self._gatherings.values():
            if gathering.appointment is not None:
                gathering.appointment.cancel()
        self._gatherings.clear()
        self._batches.clear()

    def _settle(self, here: Membership, *, is_return: bool) -> None:
        if self._gatherings:
            gathering = self._gatherings.get((here, is_return))
            if gathering is not None:
                self._tell(gathering)

    def _gather(self, here: Membership, text: str, *, is_return: bool) -> _Gathering:
        gathering = self._gatherings.get((here, is_return))
        if gathering is None:
            gathering = self._gatherings[here, is_return] = _Gathering(here, text, is_return=is_return)
        if gathering.appointment is not None:
            gathering.appointment.cancel()
        gathering.appointment = self._core.agenda.after(QUIET, lambda: self._tell(gathering))
        return gathering

    def _tell(self, gathering: _Gathering) -> None:
        here = gathering.here
        del self._gatherings[here, gathering.is_return]
        if gathering.appointment is not None:
            gathering.appointment.cancel()
        if here.stage is not Stage.IN:
            return
        if gathering.is_return:
            self._tell_return(here, gathering)
            return
        gone = here.gone or {}
        nicks = tuple(gone[folded][0][0].nick for folded in gathering.folded if folded in gone)
        self._emit(
            here.channel,
            ("split", gathering.text, nicks),
            lambda: (Split(room=here.channel.room, gone=nicks, text=gathering.text),),
        )
        lost = tuple(gathering.folded)
        self._core.agenda.after(PATIENCE, lambda: self._given_up(here, lost))

    def _tell_return(self, here: Membership, gathering: _Gathering) -> None:
        channel = here.channel
        members = [here.members[folded] for folded in gathering.folded if folded in here.members]
        back = tuple(channel.occupant(member) for member in members)
        self._emit(
            channel,
            ("rejoin", gathering.text, back),
            lambda: (Rejoin(room=channel.room, back=back, text=gathering.text),),
        )

    def _given_up(self, here: Membership, lost: tuple[str, ...]) -> None:
        """Those who are still gone are not expected any longer."""
        if here.stage is not Stage.IN or here.gone is None:
            return
        left = [here.gone.pop(folded) for folded in lost if folded in here.gone]
        here.gone = here.gone or None
        if left:
            room = here.channel.room
            leaves = tuple((member[0].nick, text) for member, text in left)
            self._emit(
                here.channel,
                ("lost", leaves),
                lambda: tuple(Leave(room=room, nick=nick, reason=text) for nick, text in leaves),
            )

    def _emit(self, channel: Channel, key: tuple[object, ...], make: Callable[[], Events]) -> None:
        """Have all sessions that see the same deliver the same tuple."""
        self._core.events.append(channel.once(key, make))
