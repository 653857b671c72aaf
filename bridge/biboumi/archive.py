"""Biboumi's archive, where each user has a copy of each message, as ours, where a room has one.

Copies are taken for one message if room, nick and words are the same, their times are at most
`TOLERANCE` apart, and no user has two of them. A user's span covers a longest run of the room's
messages that are all his, so he reads exactly what he had; it also ends where he had nothing for
`GAP`, so that what we archived for others meanwhile does not become his. Ids depend on the rows
alone: importing once more changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from bridge.biboumi.addresses import Addresses
from bridge.events import Kind
from bridge.store import ArchivedMessage

TOLERANCE = 2
"""Seconds between two users' copies of a message; Biboumi stamps each when it is handed to the user."""

GAP = 6 * 3600
"""Seconds without a message of the user's that end his span."""

SECOND = 1_000_000


class ReaderSpan(Struct, frozen=True, kw_only=True):
    """What one user may read in one room: message ids, both included."""

    room: str
    owner: str
    first: int
    last: int


class Line(Struct, frozen=True, kw_only=True):
    """One row of ``muclogline_``, its addresses in our form; `time` in seconds."""

    room: str
    owner: str
    time: int
    nick: str
    body: str


class _Message(Struct):
    id: int
    time: int
    nick: str
    body: str
    owners: set[str]


class _Run(Struct):
    first: int
    last: int
    place: int


class _Room:
    """A room's messages of the last seconds, and how far each user's present run goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._recent: deque[_Message] = deque()
        self._runs: dict[str, _Run] = {}
        self._place = 0

    def find(self, line: Line) -> _Message | None:
        for message in self._recent:
            same = message.nick == line.nick and message.body == line.body
            if same and line.time - message.time <= TOLERANCE and line.owner not in message.owners:
                return message
        return None

    def add(self, message: _Message) -> None:
        self._recent.append(message)

    def settle(self, before: int) -> Iterator[ArchivedMessage | ReaderSpan]:
        """Give out what no further copy can belong to."""
        while self._recent and self._recent[0].time < before:
            message = self._recent.popleft()
            self._place += 1
            yield from self._read_by(message)
            yield _archived(self.name, message)

    def end(self) -> Iterator[ArchivedMessage | ReaderSpan]:
        yield from self.settle(1 << 62)
        for owner, run in self._runs.items():
            yield self._span(owner, run)

    def _read_by(self, message: _Message) -> Iterator[ReaderSpan]:
        for owner in sorted(message.owners):
            run = self._runs.get(owner)
            unbroken = run is not None and run.place == self._place - 1
            if run is not None and unbroken and message.id - run.last <= GAP * SECOND:
                run.last, run.place = message.id, self._place
                continue
            if run is not None:
                yield self._span(owner, run)
            self._runs[owner] = _Run(message.id, message.id, self._place)

    def _span(self, owner: str, run: _Run) -> ReaderSpan:
        return ReaderSpan(room=self.name, owner=owner, first=run.first, last=run.last)


def _archived(room: str, message: _Message) -> ArchivedMessage:
    """Biboumi writes an IRC action as XEP-0245 does."""
    kind, body = Kind.TEXT, message.body
    if body.startswith("/me "):
        kind, body = Kind.EMOTE, body[4:]
    return ArchivedMessage(room=room, id=message.id, nick=message.nick, kind=kind.value, body=body)


def read_lines(
    rows: Iterable[Mapping[str, Any]], addresses: Addresses, now: float, skip: Callable[[], None]
) -> Iterator[Line]:
    """Turn rows into lines; `skip` is called for each without a usable address or time."""
    for row in rows:
        owner = addresses.owner(row.get("owner_", ""))
        room = addresses.room(row.get("ircchanname_", ""), row.get("ircservername_", ""))
        time = int(row.get("date_", 0))
        if owner is None or room is None or not 0 < time <= now + TOLERANCE:
            skip()
            continue
        nick, body = row.get("nick_", ""), row.get("body_", "")
        yield Line(room=room, owner=owner, time=time, nick=nick, body=body)


def unite(lines: Iterable[Line]) -> Iterator[ArchivedMessage | ReaderSpan]:
    """Unite the copies of all users; `lines` are in order of time."""
    rooms: dict[str, _Room] = {}
    last_id = 0
    for line in lines:
        room = rooms.get(line.room)
        if room is None:
            room = rooms[line.room] = _Room(line.room)
        yield from room.settle(line.time - TOLERANCE)
        message = room.find(line)
        if message is None:
            last_id = max(last_id + 1, line.time * SECOND)
            message = _Message(last_id, line.time, line.nick, line.body, set())
            room.add(message)
        message.owners.add(line.owner)
    for room in rooms.values():
        yield from room.end()
