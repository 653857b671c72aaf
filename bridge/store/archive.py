"""The archive in the database's thread: messages, who may read which, and pages of them.

A user may read the messages of a room inside his spans: pairs of first and last id, both included,
the last one open while he is in. Spans may touch and overlap; they are merged before use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.store.connection import Connection, Row
from bridge.store.values import PAGE_LIMIT, REACTION, RETRACTION, TOMBSTONE, ArchivedMessage, Page

ROOM_CACHE = 20_000
"""How many rooms' numbers are kept in memory."""
RANGES_PER_COUNT = 100
"""Ranges counted by one statement."""
LAST_ID = 2**63 - 1
"""Above every id: the end of an open span."""

Range = tuple[int, int]
"""Ids from and to, both included."""


class MessageInsert(Struct, frozen=True):
    """See `connection.Insert`: messages; one with a known id is ignored, so a batch may be repeated."""

    head: str = "INSERT INTO message (id, room, nick, identity, kind, body, origin, data)"
    width: int = 8
    tail: str = "ON CONFLICT (id) DO NOTHING"


class SpanChange(Struct, frozen=True):
    """A user's span in a room begins with message `id`, or ends with it."""

    opens: bool
    domain: str
    room: str
    owner: str
    id: int


class PageQuery(Struct, frozen=True, kw_only=True):
    """What `Store.page` is asked."""

    limit: int
    start: int | None = None
    end: int | None = None
    after: int | None = None
    before: int | None = None
    last_page: bool = False
    with_nick: str | None = None
    after_id: int | None = None
    before_id: int | None = None
    ids: frozenset[int] | None = None

    @property
    def backward(self) -> bool:
        """XEP-0059 §2.3: a `before` pages backward."""
        return self.last_page or self.before is not None


MESSAGES = MessageInsert()
OPEN_SPAN = (
    "INSERT INTO span (room, owner, first, last) VALUES (?, ?, ?, NULL)"
    " ON CONFLICT (room, owner, first) DO UPDATE SET last = NULL"
)
PUT_SPAN = (
    "INSERT INTO span (room, owner, first, last) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (room, owner, first) DO UPDATE SET last = excluded.last"
)
CLOSE_SPAN = "UPDATE span SET last = ? WHERE room = ? AND owner = ? AND last IS NULL"
READ = (
    "SELECT id, nick, identity, kind, body, origin, data FROM message"
    " WHERE room = ? AND id BETWEEN ? AND ?{nick} ORDER BY id {order} LIMIT ?"
)
WORDS = f" AND kind NOT IN ('{REACTION}', '{RETRACTION}', '{TOMBSTONE}')"
BURY = "UPDATE message SET kind = ?, body = '', data = ? WHERE id = ? AND room = ?" + WORDS
COUNT = (
    "WITH wanted (place, low, high) AS (VALUES {ranges}) SELECT place, (SELECT COUNT(*) FROM message"
    " WHERE room = ? AND id BETWEEN low AND high{nick}) FROM wanted"
)
END_SPANS = (
    "UPDATE span SET last = COALESCE((SELECT MAX(id) FROM message WHERE message.room = span.room), -1)"
    " WHERE last IS NULL"
)
OLDEST = "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM message WHERE id < ? ORDER BY id LIMIT ?) AS oldest"


class Archive:
    """The archive on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[str, str], int] = {}

    def forget_rooms(self) -> None:
        """A transaction was rolled back: numbers given in it may be wrong."""
        self._numbers.clear()

    # ---- writing, inside the caller's transaction

    def insert(self, messages: Sequence[tuple[str, ArchivedMessage]]) -> None:
        """Store messages, each with its domain; then put tombstones in the places of theirs."""
        number = self._make_number
        self._connection.insert(
            MESSAGES,
            [
                (m.id, number(domain, m.room), m.nick, m.identity, m.kind, m.body, m.origin, m.data)
                for domain, m in messages
                if m.kind != TOMBSTONE
            ],
        )
        for domain, m in messages:
            if m.kind == TOMBSTONE:
                self._connection.execute(BURY, (m.kind, m.data, m.id, number(domain, m.room)))

    def insert_counted(self, messages: Sequence[tuple[str, ArchivedMessage]]) -> int:
        """Store messages; return how many were new."""
        if not messages:
            return 0
        lowest, highest = (pick(m.id for _, m in messages) for pick in (min, max))
        sql = "SELECT COUNT(*) FROM message WHERE id BETWEEN ? AND ?"
        before = self._connection.execute(sql, (lowest, highest))[0][0]
        self.insert(messages)
        return int(self._connection.execute(sql, (lowest, highest))[0][0] - before)

    def put_span(self, domain: str, room: str, owner: str, first: int, last: int) -> bool:
        """Store a span that is over; False if it was there already, which it may lengthen."""
        key = (self._make_number(domain, room), owner, first)
        known = self._connection.execute("SELECT 1 FROM span WHERE room = ? AND owner = ? AND first = ?", key)
        self._connection.execute(PUT_SPAN, (*key, last))
        return not known

    def change_spans(self, changes: Iterable[SpanChange]) -> None:
        """Open and close spans, in order."""
        for change in changes:
            room = self._make_number(change.domain, change.room)
            if change.opens:
                self._connection.execute(OPEN_SPAN, (room, change.owner, change.id))
            else:
                self._connection.execute(CLOSE_SPAN, (change.id, room, change.owner))

    def end_spans(self) -> None:
        """After a crash: every open span ends with the last message of its room; empty ones go."""
        self._connection.execute(END_SPANS)
        self._connection.execute("DELETE FROM span WHERE last < first")

    def prune(self, before: int, limit: int) -> int:
        """Delete the oldest messages, and the spans that have none left; return how many messages."""
        newest, count = self._connection.execute(OLDEST, (before, limit))[0]
        if count:
            self._connection.execute("DELETE FROM message WHERE id <= ?", (newest,))
        if count < limit:
            self._connection.execute("DELETE FROM span WHERE last < ?", (before,))
        return int(count)

    # ---- reading

    def newest(self) -> int:
        """Return the highest message id, 0 if there is none."""
        return int(self._connection.execute("SELECT COALESCE(MAX(id), 0) FROM message")[0][0])

    def readers(self) -> Iterator[tuple[str, str, str]]:
        """Iterate over (domain, room, owner) of all spans."""
        sql = (
            "SELECT DISTINCT room.domain, room.name, span.owner FROM span"
            " JOIN room ON room.number = span.room"
        )
        return ((domain, room, owner) for domain, room, owner in self._connection.execute(sql))

    def history(
        self, domain: str, room: str, owner: str, limit: int, since: int | None
    ) -> list[ArchivedMessage]:
        """See `Store.history`."""
        number = self._number(domain, room)
        ranges = clip(self._readable(number, owner), since, None)
        return self._read(number, room, ranges, min(limit, PAGE_LIMIT), backward=True, words=True)

    def page(self, domain: str, room: str, owner: str, query: PageQuery) -> Page:
        """See `Store.page`."""
        number = self._number(domain, room)
        readable = self._readable(number, owner)
        self._require(number, readable, query)
        low = _highest(query.start, _next(query.after_id))
        high = _lowest(query.end, _previous(query.before_id))
        ranges = clip(readable, low, high)
        if query.ids is not None:
            ranges = [(id, id) for id in sorted(query.ids) if _within(ranges, id)]
        ranges, counts = self._filled(number, ranges, query.with_nick)
        wanted = clip(ranges, _next(query.after), _previous(query.before))
        limit = max(0, min(query.limit, PAGE_LIMIT))
        found = self._read(number, room, wanted, limit + 1, backward=query.backward, nick=query.with_nick)
        complete = len(found) <= limit
        if not complete:
            found = found[1:] if query.backward else found[:-1]
        total = sum(counts)
        if not found or wanted == ranges:
            first_index = total - len(found) if found and query.backward else 0
        else:
            first_index = self._index(number, ranges, counts, found[0].id, query.with_nick)
        return Page(messages=tuple(found), complete=complete, total=total, first_index=first_index)

    def _require(self, number: int, readable: Sequence[Range], query: PageQuery) -> None:
        """XEP-0313 §4.1.3 and §4.3.2: ids that the user names exist for him, or it is item-not-found."""
        named = {query.after, query.before, query.after_id, query.before_id} - {None} | (query.ids or set())
        ids = sorted(id for id in named if id is not None)
        if not all(_within(readable, id) for id in ids):
            raise BridgeError(Trouble.NOT_FOUND)
        _, counts = self._filled(number, [(id, id) for id in ids], None)
        if len(counts) != len(ids):
            raise BridgeError(Trouble.NOT_FOUND)

    def _index(
        self, number: int, ranges: Sequence[Range], counts: Sequence[int], id: int, nick: str | None
    ) -> int:
        """Count what lies before `id`."""
        index = 0
        for (first, last), count in zip(ranges, counts, strict=True):
            if last < id:
                index += count
            elif first < id:
                index += sum(self._filled(number, [(first, id - 1)], nick)[1])
        return index

    def _filled(
        self, number: int, ranges: Sequence[Range], nick: str | None
    ) -> tuple[list[Range], list[int]]:
        """Return the ranges that hold any message, and how many each."""
        filled: list[Range] = []
        counts: list[int] = []
        extra = () if nick is None else (nick,)
        for begin in range(0, len(ranges), RANGES_PER_COUNT):
            chunk = ranges[begin : begin + RANGES_PER_COUNT]
            sql = COUNT.format(
                ranges=", ".join(["(?, ?, ?)"] * len(chunk)), nick="" if nick is None else " AND nick = ?"
            )
            params = [value for place, bounds in enumerate(chunk) for value in (place, *bounds)]
            for place, count in sorted(self._connection.execute(sql, [*params, number, *extra])):
                if count:
                    filled.append(chunk[place])
                    counts.append(count)
        return filled, counts

    def _read(
        self,
        number: int,
        room: str,
        ranges: Sequence[Range],
        limit: int,
        *,
        backward: bool,
        nick: str | None = None,
        words: bool = False,
    ) -> list[ArchivedMessage]:
        """Return the first or last `limit` entries of the ranges, oldest first; `words`: messages only."""
        which = ("" if nick is None else " AND nick = ?") + (WORDS if words else "")
        sql = READ.format(nick=which, order="DESC" if backward else "ASC")
        extra = () if nick is None else (nick,)
        rows: list[Row] = []
        for first, last in reversed(ranges) if backward else ranges:
            if len(rows) >= limit:
                break
            rows += self._connection.execute(sql, (number, first, last, *extra, limit - len(rows)))
        if backward:
            rows.reverse()
        return [_message(room, row) for row in rows]

    def _readable(self, number: int, owner: str) -> list[Range]:
        sql = "SELECT first, last FROM span WHERE room = ? AND owner = ? ORDER BY first"
        rows = self._connection.execute(sql, (number, owner))
        return merge((first, LAST_ID if last is None else last) for first, last in rows)

    # ---- rooms' numbers

    def _number(self, domain: str, name: str) -> int:
        """Return a room's number, 0 if it has none."""
        number = self._numbers.get((domain, name))
        if number is not None:
            return number
        sql = "SELECT number FROM room WHERE domain = ? AND name = ?"
        rows = self._connection.execute(sql, (domain, name))
        return self._cache(domain, name, rows[0][0]) if rows else 0

    def _make_number(self, domain: str, name: str) -> int:
        """Return a room's number, giving it one if need be."""
        number = self._number(domain, name)
        if not number:
            sql = "INSERT INTO room (domain, name) VALUES (?, ?) RETURNING number"
            number = self._cache(domain, name, self._connection.execute(sql, (domain, name))[0][0])
        return number

    def _cache(self, domain: str, name: str, number: int) -> int:
        if len(self._numbers) >= ROOM_CACHE:
            self._numbers.clear()
        self._numbers[domain, name] = number
        return number


def merge(spans: Iterable[Range]) -> list[Range]:
    """Join ranges, sorted by first, that overlap or touch; empty ones go."""
    merged: list[Range] = []
    for first, last in spans:
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def clip(ranges: Iterable[Range], low: int | None, high: int | None) -> list[Range]:
    """Cut ranges down to `low` … `high`, both included; None is no bound."""
    low = 0 if low is None else low
    high = LAST_ID if high is None else high
    clipped = ((max(first, low), min(last, high)) for first, last in ranges)
    return [(first, last) for first, last in clipped if first <= last]


def _within(ranges: Iterable[Range], id: int) -> bool:
    return any(first <= id <= last for first, last in ranges)


def _next(id: int | None) -> int | None:
    return None if id is None else id + 1


def _previous(id: int | None) -> int | None:
    return None if id is None else id - 1


def _highest(*bounds: int | None) -> int | None:
    return max((bound for bound in bounds if bound is not None), default=None)


def _lowest(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)


def _message(room: str, row: Row) -> ArchivedMessage:
    id, nick, identity, kind, body, origin, data = row
    return ArchivedMessage(
        room=room, id=id, nick=nick, identity=identity, kind=kind, body=body, origin=origin, data=bytes(data)
    )
