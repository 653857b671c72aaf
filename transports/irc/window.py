"""Which copies of a channel message are one message: the identity that N sessions agree on.

Each session in a channel receives its own copy of what is said there. The first copy makes an
entry in the channel's window, the others find it, so that all deliver the same `Message` object
and it is archived once. A session reads the window in order by its `Place`: entries before the
cursor, and the few beyond it in `ahead`, are the ones it has had. So the same words said twice
are two messages for everybody, and servers may show a channel in somewhat different orders.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from bridge.events import Message, MessageId, Reaction, Retraction

MAX_AGE = 120.0
"""Seconds within which all copies of a message arrive."""
MAX_ENTRIES = 4096
"""Messages of a channel that can still be matched."""
MAX_AHEAD = 128
"""How many later messages a session may have had before it gives up on a missing one."""
MAX_IDS = 1024
"""Messages of a channel that replies, reactions and redactions can still refer to, and as many of those."""

Act = Reaction | Retraction
"""What is done to a message."""
Key = tuple[str, str, str]
"""Command, folded nick, text: what identifies a message where no msgid does."""


class Entry:
    """One message; `events` is the tuple that every session but the author's delivers."""

    __slots__ = ("archived", "events", "index", "key", "msgid", "time")

    def __init__(self, index: int, key: Key, message: Message, time: float) -> None:
        self.index = index
        self.key = key
        self.msgid = ""
        self.events: tuple[Message] = (message,)
        self.time = time
        self.archived = False

    @property
    def message(self) -> Message:
        """The message as the room sees it."""
        return self.events[0]


class Place:
    """How far one session has read a window."""

    __slots__ = ("ahead", "cursor")

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self.ahead: set[int] | None = None

    def awaits(self, entry: Entry) -> bool:
        """Tell whether the session has not had this message."""
        return entry.index >= self.cursor and (self.ahead is None or entry.index not in self.ahead)

    def take(self, entry: Entry, start: int) -> None:
        """Note that the session has had this message; `start` is where the window begins now."""
        ahead = self.ahead
        if ahead is None:
            if entry.index == self.cursor:
                self.cursor += 1
                return
            ahead = self.ahead = set()
        ahead.add(entry.index)
        if len(ahead) > MAX_AHEAD:
            start = max(start, min(ahead))
        self._advance(max(self.cursor, start))

    def _advance(self, cursor: int) -> None:
        ahead = self.ahead
        assert ahead is not None
        while cursor in ahead:
            cursor += 1
        self.cursor = cursor
        later = {index for index in ahead if index >= cursor}
        self.ahead = later or None


class Window:
    """The latest messages of one channel; `clock` gives monotonic seconds."""

    __slots__ = ("_acts", "_clock", "_entries", "_ids", "_keys", "_msgids", "end")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._keys: dict[Key, Entry | deque[Entry]] = {}
        self._msgids: dict[str, tuple[MessageId, str]] = {}
        self._ids: dict[MessageId, str] = {}
        self._acts: dict[Key, Act] = {}
        self.end = 0

    def find(self, place: Place, key: Key, msgid: str) -> Entry | None:
        """Return the oldest entry that the session's next copy can be one of."""
        found = self._keys.get(key)
        if found is None:
            return None
        entries: Iterable[Entry] = (found,) if isinstance(found, Entry) else found
        oldest = self._clock() - MAX_AGE
        for entry in entries:
            if entry.time >= oldest and place.awaits(entry) and _same(entry.msgid, msgid):
                return entry
        return None

    def add(self, place: Place, key: Key, msgid: str, message: Message) -> Entry:
        """Enter a message that no session has had; `place` has now."""
        now = self._clock()
        entries = self._entries
        if entries and (entries[0].time < now - MAX_AGE or len(entries) >= MAX_ENTRIES):
            self._prune(now)
        entry = Entry(self.end, key, message, now)
        self.end += 1
        entries.append(entry)
        same = self._keys.setdefault(key, entry)
        if same is not entry:
            if isinstance(same, Entry):
                self._keys[key] = deque((same, entry))
            else:
                same.append(entry)
        if msgid:
            self.name(entry, msgid)
        self.take(place, entry)
        return entry

    def take(self, place: Place, entry: Entry) -> None:
        """Note that the session has had this message."""
        if place.ahead is None and place.cursor == entry.index:
            place.cursor += 1
        else:
            place.take(entry, self._entries[0].index if self._entries else self.end)

    def drop(self, entry: Entry) -> None:
        """Have no further copy match an entry."""
        same = self._keys.get(entry.key)
        if same is entry:
            del self._keys[entry.key]
        elif isinstance(same, deque) and entry in same:
            same.remove(entry)
            if not same:
                del self._keys[entry.key]

    def name(self, entry: Entry, msgid: str) -> None:
        """Learn the server's id of a message."""
        entry.msgid = msgid
        message = entry.message
        self._msgids[msgid] = (message.id, message.nick)
        self._ids[message.id] = msgid
        if len(self._msgids) > MAX_IDS:
            del self._msgids[next(iter(self._msgids))]
        if len(self._ids) > MAX_IDS:
            del self._ids[next(iter(self._ids))]

    def message_of(self, msgid: str) -> tuple[MessageId, str] | None:
        """Return the id and the author of the message that the server calls `msgid`."""
        return self._msgids.get(msgid)

    def msgid_of(self, message: MessageId) -> str | None:
        """Return what the server calls a message."""
        return self._ids.get(message)

    def act(self, key: Key) -> Act | None:
        """Return what another session has heard: by command, folded nick and the server's id."""
        return self._acts.get(key)

    def hear(self, key: Key, act: Act) -> None:
        """Have the other sessions find it."""
        self._acts[key] = act
        if len(self._acts) > MAX_IDS:
            del self._acts[next(iter(self._acts))]

    def _prune(self, now: float) -> None:
        entries = self._entries
        oldest = now - MAX_AGE
        while entries and (entries[0].time < oldest or len(entries) >= MAX_ENTRIES):
            self.drop(entries.popleft())


def _same(known: str, msgid: str) -> bool:
    """Tell whether two copies of the same words can be one message by their ids, if any."""
    return not known or not msgid or known == msgid
