"""What the sessions of all users towards one server share: each line is understood once.

N users in one channel receive the same bytes N times. A line is parsed once, its message or its
effect on the channel is made once, and the sessions deliver the same event objects. Nothing here
changes what a session does, only what it costs; all of it is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from bridge.events import ContactId, Incoming, RoomId

from . import wire
from .channel import MUTE, Channel, Member, NamesPart
from .isupport import DEFAULT, ISupport
from .people import People, Rank
from .translate import occupant_from

MAX_LINES = 2048
"""Raw lines remembered for each charset."""
MAX_CHARSETS = 16
MAX_CHUNKS = 256
"""Chunks of several lines remembered."""
MAX_CHUNK = 65536
"""Bytes of a chunk that is remembered."""
MAX_CHUNK_BYTES = 4_000_000
MAX_NAMES = 20_000
"""Entries of NAMES replies remembered."""
MAX_RANKS = 1024
MAX_FOLDED = 20_000
"""Nicks and channels whose folded form is remembered."""


class Heard:
    """A raw line that some session received: read, and where it is a message, which one.

    `channel` is set on lines whose effect `Channel.memo` or the window knows; `subject` is the
    folded nick of the one who speaks, comes or goes, to whom such a line means something else.
    """

    __slots__ = ("channel", "events", "index", "line", "raw", "subject", "time")

    def __init__(self, line: wire.Line, raw: bytes) -> None:
        self.line = line
        self.raw = raw
        self.channel: Channel | None = None
        self.subject = ""
        self.index = -1
        self.time = 0.0
        self.events: tuple[Incoming, ...] = ()


class Chunk:
    """Bytes that held messages of one channel only, entries `start` to `end` of its window."""

    __slots__ = ("channel", "end", "events", "start", "subjects", "time")

    def __init__(
        self,
        channel: Channel,
        start: int,
        end: int,
        subjects: frozenset[str],
        events: tuple[Incoming, ...],
        time: float,
    ) -> None:
        self.channel = channel
        self.start = start
        self.end = end
        self.subjects = subjects
        self.events = events
        self.time = time


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
        self.chunks: dict[bytes, Chunk] = {}
        self._chunk_bytes = 0
        self._lines: dict[tuple[str, bool], dict[bytes, Heard]] = {}
        self._channels: WeakValueDictionary[RoomId, Channel] = WeakValueDictionary()
        self._foldings: dict[str, Folding] = {}
        self._ranks: dict[tuple[ISupport, str], Rank] = {}
        self._names: dict[tuple[str, ISupport], NamesPart] = {}
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

    def keep_chunk(self, data: bytes, chunk: Chunk) -> None:
        """Remember what a chunk of bytes held."""
        if len(data) > MAX_CHUNK:
            return
        self._chunk_bytes += len(data)
        if len(self.chunks) >= MAX_CHUNKS or self._chunk_bytes > MAX_CHUNK_BYTES:
            self.chunks.clear()
            self._chunk_bytes = len(data)
        self.chunks[data] = chunk

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

    def names_part(self, text: str, isupport: ISupport, fold: Folding) -> NamesPart:
        """Read the entries of one RPL_NAMREPLY."""
        part = self._names.get((text, isupport))
        if part is None:
            part = NamesPart(tuple(self._member(name, isupport, fold) for name in text.split()))
            self._names_kept += len(part.members)
            if self._names_kept > MAX_NAMES:
                self._names.clear()
                self._names_kept = len(part.members)
            self._names[text, isupport] = part
        return part

    def _member(self, name: str, isupport: ISupport, fold: Folding) -> Member:
        modes, source = isupport.split_prefix(name)
        if "!" not in source:
            return self.people.get(source, fold[source]), modes
        nick, _, address = source.partition("!")
        user, _, host = address.partition("@")
        return self.people.at(nick, fold[nick], user, host), modes
