"""What the sessions of all users towards one server share: each line is understood once.

N users in one channel receive the same bytes N times. A line is parsed once, its message or its
effect on the channel is made once, and the sessions deliver the same event objects. Nothing here
changes what a session does, only what it costs; all of it is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from bridge.events import ContactId, RoomId

from . import wire
from .channel import MUTE, Channel, Events, Member, Members, NamesPart
from .isupport import DEFAULT, ISupport
from .people import People, Rank
from .translate import occupant_from

MAX_LINES = 1024
"""Lines and chunks of lines remembered for each charset."""
MAX_CHARSETS = 16
MAX_CHUNK = 65536
"""Bytes of a chunk that is remembered."""
MAX_KEPT_BYTES = 2_000_000
"""Bytes of the lines and chunks that are remembered."""
MAX_NAMES = 20_000
"""Entries of NAMES replies remembered."""
MAX_RANKS = 1024
MAX_FOLDED = 20_000
"""Nicks and channels whose folded form is remembered."""


Effect = tuple[Members, int, Members, Events]
"""What a line does to a channel: members before, `People.revision`, members after, events."""


class Heard:
    """Bytes that some session received, and what they mean to a session that stands where it stood.

    A line that is a channel message, and a chunk of such lines, is the entries `start` to `end` of
    the window of `channel`. A line that changes the members of channels has `effects`; `channel`
    is set if it concerns that one only. To those whose folded nick is in `subjects` (who speak,
    come or go) the line means something else.
    """

    __slots__ = ("channel", "effects", "end", "events", "line", "raw", "start", "subjects", "time")

    def __init__(self, line: wire.Line, raw: bytes) -> None:
        self.line = line
        self.raw = raw
        self.channel: Channel | None = None
        self.subjects: frozenset[str] = frozenset()
        self.start = self.end = -1
        self.time = 0.0
        self.events: Events = ()
        self.effects: dict[Channel, Effect] | None = None


class Folding(dict[str, str]):
    """Names to the form that equal names share, by one server's CASEMAPPING."""

    def __init__(self, fold: Callable[[str], str]) -> None:
        super().__init__()
        self._fold = fold

    def __missing__(self, name: str) -> str:
        if len(self) >= MAX_FOLDED:
            self.clear()
        folded = self[name] = self._fold(name)
        return folded


class Shared:
    """See the module's docstring; one for each server that the gateway's users have sessions with.

    `suffix` is what follows the name in the local parts of rooms and contacts:
    ``%irc.example.org``, or "" with a fixed server.
    """

    def __init__(self, suffix: str = "") -> None:
        self.suffix = suffix
        self.people = People(suffix)
        self.isupport = DEFAULT
        self._kept_bytes = 0
        self._lines: dict[tuple[str, bool], dict[bytes, Heard]] = {}
        self._channels: WeakValueDictionary[RoomId, Channel] = WeakValueDictionary()
        self._foldings: dict[str, Folding] = {}
        self._ranks: dict[tuple[ISupport, str], Rank] = {}
        self._names: dict[tuple[str, ISupport, int], NamesPart] = {}
        self._names_kept = 0

    # ---- addresses

    def room_id(self, channel: str) -> RoomId:
        """Return the room of a channel, whatever its spelling."""
        return RoomId(channel.lower() + self.suffix)

    def contact_id(self, nick: str) -> ContactId:
        """Return the contact of a nick, whatever its spelling."""
        return ContactId(nick.lower() + self.suffix)

    def name_of(self, identity: RoomId | ContactId) -> str:
        """Return the channel or the nick, in lower case."""
        return identity.removesuffix(self.suffix)

    # ---- lines

    def lines(self, charset: str, utf8_only: bool) -> dict[bytes, Heard]:
        """Return the lines heard by sessions with this fallback charset."""
        found = self._lines.get((charset, utf8_only))
        if found is None:
            if len(self._lines) >= MAX_CHARSETS:
                self._lines.clear()
            found = self._lines[charset, utf8_only] = {}
        return found

    def keep(self, lines: dict[bytes, Heard], data: bytes, heard: Heard) -> None:
        """Remember in `lines` what some bytes mean."""
        if len(data) > MAX_CHUNK:
            return
        self._kept_bytes += len(data)
        if len(lines) >= MAX_LINES or self._kept_bytes > MAX_KEPT_BYTES:
            for each in self._lines.values():
                each.clear()
            self._kept_bytes = len(data)
        lines[data] = heard

    # ---- names, people and channels

    def folding(self, isupport: ISupport) -> Folding:
        """Return how names are folded on a server like this."""
        found = self._foldings.get(isupport.casemapping)
        if found is None:
            if len(self._foldings) >= MAX_CHARSETS:
                self._foldings.clear()
            found = self._foldings[isupport.casemapping] = Folding(isupport.fold)
        return found

    def channel(self, room: RoomId, name: str, folded: str, clock: Callable[[], float]) -> Channel:
        """Return what is shared about a channel that somebody knows as `room`."""
        channel = self._channels.get(room)
        if channel is None:
            channel = self._channels[room] = Channel(room, name, folded, self.people, self.rank, clock)
        return channel

    def rank(self, modes: str) -> Rank:
        """Return the affiliation and role that prefix modes, or `MUTE`, come to."""
        rank = self._ranks.get((self.isupport, modes))
        if rank is None:
            if len(self._ranks) >= MAX_RANKS:
                self._ranks.clear()
            rank = occupant_from("" if modes == MUTE else modes, self.isupport, moderated=modes == MUTE)
            self._ranks[self.isupport, modes] = rank
        return rank

    def names_part(self, text: str, isupport: ISupport) -> NamesPart:
        """Read the entries of one RPL_NAMREPLY."""
        key = (text, isupport, self.people.generation)
        part = self._names.get(key)
        if part is None:
            part = NamesPart(self._members(text, isupport))
            self._names_kept += len(part.members)
            if self._names_kept > MAX_NAMES:
                self._names.clear()
                self._names_kept = len(part.members)
            self._names[key] = part
        return part

    def _members(self, text: str, isupport: ISupport) -> list[Member]:
        """Read names with prefix symbols, and with addresses (IRCv3 userhost-in-names)."""
        symbols = isupport.prefix_symbols
        names: list[tuple[str, str]] = []
        modes: list[str] = []
        addresses: list[tuple[str, str, str]] = []
        for name, folded in zip(text.split(" "), isupport.fold(text).split(" "), strict=False):
            if not name:
                continue
            prefix = ""
            if name[0] in symbols:
                prefix, nick = isupport.split_prefix(name)
                folded = folded[len(name) - len(nick) :]
                name = nick
            if "!" in name:
                name, _, address = name.partition("!")
                user, _, host = address.partition("@")
                folded = isupport.fold(name)
                addresses.append((folded, user, host))
            names.append((name, folded))
            modes.append(prefix)
        people = self.people
        members = list(zip(people.get_all(names), modes, strict=True))
        for folded, user, host in addresses:
            person = people.find(folded)
            if person is not None:
                people.at(person.nick, folded, user, host)
        return members
