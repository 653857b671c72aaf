"""A channel as the sessions of one server share it.

`Members` is an immutable value: sessions that agree on who is in a channel hold the same object,
and what a line does to it is computed once. A session that sees the channel differently (on the
other side of a netsplit) simply holds another value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from immutables import Map

from bridge.events import Incoming, Occupant, RoomId, Topic

from .people import People, Person, Rank
from .window import Window

MAX_MEMBERS = 50_000
"""Members of a channel that are kept."""
MAX_MEMO = 512
"""Events of a channel that are remembered for other sessions."""
MARK_AGE = 10.0
"""Seconds that such a place holds."""
MAX_MARKS = 256
"""People whose entry into a channel is remembered by its place in the window."""

MUTE = "-"
"""Stands for the modes of a member without any, where only voiced members may speak."""

Member = tuple[Person, str]
"""Somebody in a channel, and his prefix modes from the highest rank to the lowest."""
Events = tuple[Incoming, ...]
Transition = tuple["Members", Events]

_MASK = (1 << 64) - 1


class Members:
    """Who is in a channel: an immutable mapping from folded nick to `Member`.

    `digest` is a sum over the members, by which equal values are found to be equal.
    """

    __slots__ = ("__weakref__", "digest", "map")

    def __init__(self, members: Map[str, Member], digest: int) -> None:
        self.map = members
        self.digest = digest

    def __len__(self) -> int:
        return len(self.map)

    def __contains__(self, folded: object) -> bool:
        return folded in self.map

    def __getitem__(self, folded: str) -> Member:
        return self.map[folded]

    def get(self, folded: str) -> Member | None:
        """Return the member with this folded nick."""
        return self.map.get(folded)


class NamesPart:
    """One line of a NAMES reply, read."""

    __slots__ = ("digest", "members")

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = [(member[0].folded, member) for member in members]
        self.digest = sum([hash(member) for _, member in self.members])


class Channel:
    """What the sessions in one channel have in common.

    `flags` are the channel's modes, None while unknown; `sessions` counts who is in; `rank` tells
    what prefix modes mean in XMPP. `marks` are where the window stood when somebody came in.
    """

    __slots__ = (
        "__weakref__", "_empty", "_memo", "_occupants", "_rank", "_states", "flags", "folded", "marks",
        "moderated", "name", "people", "room", "sessions", "topic", "window",
    )  # fmt: skip

    def __init__(
        self,
        room: RoomId,
        name: str,
        folded: str,
        people: People,
        rank: Callable[[str], Rank],
        clock: Callable[[], float],
    ) -> None:
        self.room = room
        self.name = name
        self.folded = folded
        self.people = people
        self.moderated = False
        self.window = Window(clock)
        self.topic: Topic | None = None
        self.flags: str | None = None
        self.sessions = 0
        self.marks: dict[str, tuple[int, float]] = {}
        self._memo: dict[tuple[object, ...], Events] = {}
        self._states: WeakValueDictionary[int, Members] = WeakValueDictionary()
        self._occupants: tuple[Members, int, bool, dict[str, Occupant]] | None = None
        self._empty = Members(Map(), 0)
        self._rank = rank

    def learn_flags(self, flags: str | None) -> None:
        """Learn the modes that are set; `moderated` is that only voiced members may speak."""
        self.flags = flags
        self.moderated = flags is not None and "m" in flags

    def once(self, key: tuple[object, ...], make: Callable[[], Events]) -> Events:
        """Return the same events to all sessions that come with an equal key."""
        events = self._memo.get(key)
        if events is None:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            events = self._memo[key] = make()
        return events

    def mark(self, folded: str, cursor: int, now: float) -> None:
        """Remember where the window stood when somebody came in, for that one's own session."""
        self.marks[folded] = (cursor, now)
        if len(self.marks) > MAX_MARKS:
            del self.marks[next(iter(self.marks))]

    def entry_point(self, folded: str, now: float) -> int:
        """Return where in the window somebody begins who has just come in."""
        cursor, time = self.marks.pop(folded, (self.window.end, now))
        return cursor if now - time <= MARK_AGE else self.window.end

    def nobody(self) -> Members:
        """Return the empty value."""
        return self._empty

    def with_member(self, members: Members, person: Person, modes: str) -> Members:
        """Return `members` with this person, who has these modes now."""
        folded = person.folded
        old = members.map.get(folded)
        member = (person, modes)
        digest = members.digest + hash(member)
        if old is not None:
            digest -= hash(old)
        digest &= _MASK
        known = self._states.get(digest)
        if known is None:
            known = self._states[digest] = Members(members.map.set(folded, member), digest)
        return known

    def without(self, members: Members, folded: str) -> Members:
        """Return `members` without this nick, which is there."""
        digest = members.digest - hash(members.map[folded]) & _MASK
        known = self._states.get(digest)
        if known is None:
            known = self._states[digest] = Members(members.map.delete(folded), digest)
        return known

    def renamed(self, members: Members, folded: str, person: Person) -> Members:
        """Return `members` where this nick, which is there, is now `person`."""
        old = members.map[folded]
        member = (person, old[1])
        digest = members.digest - hash(old) + hash(member)
        replaced = members.map.get(person.folded)
        if replaced is not None and person.folded != folded:
            digest -= hash(replaced)
        digest &= _MASK
        known = self._states.get(digest)
        if known is None:
            changed = members.map.delete(folded).set(person.folded, member)
            known = self._states[digest] = Members(changed, digest)
        return known

    def from_names(self, parts: Sequence[NamesPart]) -> Members:
        """Return the members that a NAMES reply lists."""
        digest = sum(part.digest for part in parts) & _MASK
        known = self._states.get(digest)
        if known is not None:
            return known
        empty: Map[str, Member] = Map()
        with empty.mutate() as building:
            for part in parts:
                building.update(part.members)
            members = building.finish()
        if len(members) != sum(len(part.members) for part in parts):
            digest = sum(hash(member) for member in members.values()) & _MASK
        known = self._states[digest] = Members(members, digest)
        return known

    def occupant(self, member: Member) -> Occupant:
        """Return a member as the room shows him."""
        person, modes = member
        if not modes and self.moderated:
            modes = MUTE
        return self.people.occupant(person, modes, self._rank(modes))

    def occupants(self, members: Members) -> dict[str, Occupant]:
        """Return all occupants by nick; the same object while nothing changed."""
        kept = self._occupants
        state = (members, self.people.knowledge, self.moderated)
        if kept is not None and kept[:3] == state:
            return kept[3]
        unvoiced = MUTE if self.moderated else ""
        make, rank = self.people.occupant, self._rank
        occupants: dict[str, Occupant] = {}
        for person, modes in members.map.values():
            made = person.occupants
            occupant = made.get(modes or unvoiced) if made is not None else None
            occupants[person.nick] = occupant or make(person, modes or unvoiced, rank(modes or unvoiced))
        self._occupants = (*state, occupants)
        return occupants
