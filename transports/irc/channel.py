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

MAX_MEMO = 512
"""Transitions of a channel that are remembered."""
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

    def __init__(self, members: tuple[Member, ...]) -> None:
        self.members = members
        self.digest = sum(_share(person.folded, modes) for person, modes in members)


class Channel:
    """What the sessions in one channel have in common.

    `flags` are the channel's modes, None while unknown; `sessions` counts who is in; `rank` tells
    what prefix modes mean in XMPP.
    """

    __slots__ = (
        "__weakref__", "_empty", "_occupants", "_rank", "_states", "flags", "folded", "marks", "memo",
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
        self.marks: dict[str, int] = {}
        self.memo: dict[tuple[object, object], Transition] = {}
        self._states: WeakValueDictionary[int, Members] = WeakValueDictionary()
        self._occupants: tuple[Members, int, bool, dict[str, Occupant]] | None = None
        self._empty = Members(Map(), 0)
        self._rank = rank

    def learn_flags(self, flags: str | None) -> None:
        """Learn the modes that are set; `moderated` is that only voiced members may speak."""
        self.flags = flags
        self.moderated = flags is not None and "m" in flags

    def remember(self, before: object, what: object, after: Members, events: Events) -> Transition:
        """Remember what a line did, and return it."""
        if len(self.memo) >= MAX_MEMO:
            self.memo.clear()
        transition = self.memo[before, what] = (after, events)
        return transition

    def mark(self, folded: str, cursor: int) -> None:
        """Remember where the window stood when somebody came in, for that one's own session."""
        self.marks[folded] = cursor
        if len(self.marks) > MAX_MARKS:
            del self.marks[next(iter(self.marks))]

    def nobody(self) -> Members:
        """Return the empty value."""
        return self._empty

    def with_member(self, members: Members, person: Person, modes: str) -> Members:
        """Return `members` with this person, who has these modes now."""
        folded = person.folded
        old = members.map.get(folded)
        digest = members.digest + _share(folded, modes)
        if old is not None:
            digest -= _share(folded, old[1])
        return self._interned(digest, lambda: members.map.set(folded, (person, modes)))

    def without(self, members: Members, folded: str) -> Members:
        """Return `members` without this nick, which is there."""
        digest = members.digest - _share(folded, members.map[folded][1])
        return self._interned(digest, lambda: members.map.delete(folded))

    def renamed(self, members: Members, folded: str, person: Person) -> Members:
        """Return `members` where this nick, which is there, is now `person`."""
        modes = members.map[folded][1]
        digest = members.digest - _share(folded, modes) + _share(person.folded, modes)
        replaced = members.map.get(person.folded)
        if replaced is not None and person.folded != folded:
            digest -= _share(person.folded, replaced[1])
        return self._interned(digest, lambda: members.map.delete(folded).set(person.folded, (person, modes)))

    def from_names(self, parts: Sequence[NamesPart]) -> Members:
        """Return the members that a NAMES reply lists."""
        digest = sum(part.digest for part in parts) & _MASK
        known = self._states.get(digest)
        if known is not None:
            return known
        members: Map[str, Member] = Map()
        with members.mutate() as building:
            for part in parts:
                for member in part.members:
                    building[member[0].folded] = member
            members = building.finish()
        if len(members) != sum(len(part.members) for part in parts):
            digest = sum(_share(folded, member[1]) for folded, member in members.items())
        return self._interned(digest, lambda: members)

    def _interned(self, digest: int, build: Callable[[], Map[str, Member]]) -> Members:
        digest &= _MASK
        members = self._states.get(digest)
        if members is None:
            members = self._states[digest] = Members(build(), digest)
        return members

    def occupant(self, member: Member) -> Occupant:
        """Return a member as the room shows him."""
        person, modes = member
        if not modes and self.moderated:
            modes = MUTE
        return person.occupants.get(modes) or self.people.occupant(person, modes, self._rank(modes))

    def occupants(self, members: Members) -> dict[str, Occupant]:
        """Return all occupants by nick; the same object while nothing changed."""
        kept = self._occupants
        state = (members, self.people.knowledge, self.moderated)
        if kept is not None and kept[:3] == state:
            return kept[3]
        occupant = self.occupant
        occupants = {member[0].nick: occupant(member) for member in members.map.values()}
        self._occupants = (*state, occupants)
        return occupants


def _share(folded: str, modes: str) -> int:
    return hash((folded, modes))
