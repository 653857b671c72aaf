"""What happened in a room, from the homeserver's own memory: pages of it, or certain entries.

The homeserver decides what a user may read: it is asked in the name of his ghost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct, structs
from nio.api import Api
from twisted.internet.defer import Deferred, DeferredSemaphore, FirstError, gatherResults
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Message, Retraction
from bridge.network import HistoryPage, HistoryQuery, PastEvent, Tombstone

from .client import CLIENT, Homeserver
from .content import Json, corrected, mapping, text
from .past import TOLD, Known, entry
from .recall import reactions
from .refusal import Refusal
from .room import Room
from .tables import MARKER, MAX_ID, MEMBER
from .translate import KEPT, Skipped, past

PATIENCE = 10.0
"""Seconds that one request is tried."""
REQUESTS = 6
"""Requests for one page; what lies behind so much that is no message, or not for him, is out of sight."""
MORE = 100
"""The least events of a second request for a page; each after it asks for twice as many."""
AT_ONCE = 8
"""What events of a page refer to is looked up so many at the same time."""
LARGEST = 1000
"""Events that are asked for at a time; homeservers give no more."""
V1 = "/_matrix/client/v1"


class Reader(Struct, frozen=True):
    """Who reads which room: his ghost, the room's id, and the room as he sees it.

    `heard` is the time, in seconds since the epoch, up to which all was heard that he is told as it happens.
    Of a `strange` room, where he is not in, nothing is known.
    """

    ghost: str
    id: str
    room: Room
    heard: float | None = None
    strange: bool = False


# ---- pure


class Page:
    """A page on its way: takes in events in the direction that is asked for, until it has one too many."""

    types: Sequence[str] = TOLD
    refers = True
    """Whether what its events refer to must be known."""

    def __init__(self, asked: HistoryQuery, reader: Reader) -> None:
        self.known = Known()
        self._asked = asked
        self._reader = reader
        self._found: list[tuple[Json, PastEvent]] = []

    @property
    def is_full(self) -> bool:
        """Whether there is more than fits."""
        return len(self._found) > self._asked.limit

    def note(self, events: Sequence[Json]) -> None:
        """Take a look at a chunk of the timeline, before it is taken in."""
        self.known.events.update((text(event, "event_id"), event) for event in events)

    def part(self, events: Sequence[Json]) -> Sequence[Json]:
        """Return the first of a chunk, as many as may fit: no more need be known of others than is shown."""
        return events[: max(1, self._asked.limit + 1 - len(self._found))]

    def take(self, events: Sequence[Json]) -> None:
        """Take in what is in `known`, or refers to what is."""
        for event in events:
            found = None if self.is_full else self.read(event)
            if found is not None and self._fits(found):
                self._found.append((event, found))

    def read(self, event: Json) -> PastEvent | None:
        """Return the entry that an event is, None if it is none that can be shown."""
        found = entry(event, self._reader.room, self.known)
        return None if isinstance(found, Skipped) else self._addressed(found)

    def _addressed(self, found: PastEvent | None) -> PastEvent | None:
        return None if found is None else structs.replace(found, room=self._asked.room)

    def _fits(self, found: PastEvent) -> bool:
        asked, reader, time = self._asked, self._reader, found.time or 0.0
        id = _id(found)
        if id in (asked.after, asked.before) or (asked.nick and _sayer(found) != asked.nick):
            return False
        timeline = reader.room.timeline
        if reader.heard is not None and time > reader.heard and not timeline.knows(id):
            # it will be told as what happens now
            return False
        return (asked.start is None or time >= asked.start) and (asked.end is None or time <= asked.end)

    def result(self, *, complete: bool) -> HistoryPage:
        """Return what was found."""
        found = [self.final(*one) for one in self._found[: self._asked.limit]]
        if self._asked.last:
            found.reverse()
        return HistoryPage(entries=found, complete=not self._found or (complete and not self.is_full))

    def final(self, event: Json, found: PastEvent) -> PastEvent:
        """Return an entry as it is shown when all was taken in."""
        return found


class SettledPage(Page):
    """A page of messages with their last words, without those that are gone; see `HistoryQuery.settled`."""

    types = KEPT
    refers = False

    def __init__(self, asked: HistoryQuery, reader: Reader) -> None:
        super().__init__(asked, reader)
        self._edits: dict[str, Json] = {}

    def note(self, events: Sequence[Json]) -> None:
        """Remember the last correction of each message."""
        for event in events:
            original = corrected(event)
            if original and (original not in self._edits or not self._asked.last):
                self._edits[original] = event

    def read(self, event: Json) -> PastEvent | None:
        """Return the message that an event is; None for a correction, which is no message of its own."""
        found = None if corrected(event) else past(settled(event, self._edits), self._reader.room)
        return self._addressed(found) if isinstance(found, Message) else None

    def final(self, event: Json, found: PastEvent) -> PastEvent:
        """Return a message with words that may have come after it."""
        return (self.read(event) if _id(found) in self._edits else None) or found


def settled(event: Json, edits: Mapping[str, Json]) -> Json:
    """Return a message with its last words.

    Those words come with the message (MX v1.19 module-event_replacements), or are among `edits`.
    """
    content = mapping(event.get("content"))
    bundled = mapping(mapping(mapping(event.get("unsigned")).get("m.relations")).get("m.replace"))
    edit = bundled if "content" in bundled else edits.get(text(event, "event_id"), {})
    words = mapping(mapping(edit.get("content")).get("m.new_content"))
    if not content or not words or edit.get("sender") != event.get("sender"):
        return event
    kept = {key: content[key] for key in (MARKER, "m.relates_to") if key in content}
    return {**event, "content": {**words, **kept}}


def _id(found: PastEvent) -> str:
    return found.id if isinstance(found, Message | Tombstone) else found.act


def _sayer(found: PastEvent) -> str:
    """Return the nick by which an entry is found; what a moderator took back is told by the room itself."""
    return "" if isinstance(found, Retraction) and found.actor else found.nick


# ---- asking


class History:
    """See the module's docstring."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def page(self, asked: HistoryQuery, reader: Reader) -> HistoryPage:
        """Answer a question; fails as `HistoryQuery` says."""
        try:
            return await self._page(asked, reader)
        except Refusal as refusal:
            if refusal.errcode == "M_FORBIDDEN":
                raise BridgeError(Trouble.FORBIDDEN) from None
            raise

    async def _page(self, asked: HistoryQuery, reader: Reader) -> HistoryPage:
        page = SettledPage(asked, reader) if asked.settled else Page(asked, reader)
        if reader.strange:
            await self._check(reader)
        if asked.ids:
            return HistoryPage(entries=await self._certain(asked, reader, page), complete=True)
        try:
            first, last = await self._bounds(asked, reader)
        except _NothingThere:
            return page.result(complete=True)
        position, until = (last, first) if asked.last else (first, last)
        size = min(asked.limit + 1, LARGEST)
        for _ in range(REQUESTS):
            answer = await self._messages(reader, position, until, size, asked, page.types)
            await self._take(page, list(map(mapping, _list(answer.get("chunk")))), reader)
            position = text(answer, "end")
            if page.is_full or not position:
                break
            size = min(max(2 * size, MORE), LARGEST)
        return page.result(complete=not position)

    async def _check(self, reader: Reader) -> None:
        """XEP-0313 §6.1.2: who left may come in again, or may not: he reads nothing until he did.

        COMPAT: Synapse shows people who left what was said after they did.
        """
        try:
            own = await self._ask(Api.room_get_state_event("", reader.id, MEMBER, reader.ghost), reader)
        except Refusal as refusal:
            if refusal.errcode != "M_NOT_FOUND":
                raise
            return
        if mapping(own).get("membership") != "join":
            raise BridgeError(Trouble.FORBIDDEN)

    async def _take(self, page: Page, chunk: Sequence[Json], reader: Reader) -> None:
        """Have a page take in a chunk, with what that refers to."""
        page.note(chunk)
        while chunk and not page.is_full:
            part = page.part(chunk)
            if page.refers:
                await self._look_up(page.known, part, reader)
            page.take(part)
            chunk = chunk[len(part) :]

    async def _look_up(self, known: Known, events: Sequence[Json], reader: Reader) -> None:
        """Look up what events refer to: other events, and then the reactions on messages."""
        turns = DeferredSemaphore(AT_ONCE)

        def referred(id: str) -> Deferred[object]:
            return self._ask(Api.room_get_event("", reader.id, id), reader).addErrback(_in_vain)

        def reacted(target: str) -> Deferred[list[Json] | None]:
            found = reactions(self._homeserver, reader.id, reader.ghost, target)
            return Deferred.fromCoroutine(found).addErrback(_in_vain)

        ids = sorted(known.missing_events(events, reader.room))
        found = await _all([turns.run(referred, id) for id in ids])
        known.events.update(zip(ids, map(mapping, found), strict=True))
        targets = sorted(known.missing_reactions(events, reader.room))
        known.reactions.update(
            zip(targets, await _all([turns.run(reacted, one) for one in targets]), strict=True)
        )

    async def _certain(self, asked: HistoryQuery, reader: Reader, page: Page) -> list[PastEvent]:
        """Return the entries that are asked for by their ids, oldest first."""
        asking = [self._ask(Api.room_get_event("", reader.id, id), reader) for id in asked.ids]
        try:
            events = list(map(mapping, await _all(asking)))
        except BridgeError as error:
            raise _missing(error) from None
        page.note(events)
        await self._look_up(page.known, events, reader)
        found = [one for one in map(page.read, events) if one is not None]
        if len(found) < len(events):
            raise BridgeError(Trouble.NOT_FOUND)
        return sorted(found, key=lambda one: one.time or 0.0)

    async def _bounds(self, asked: HistoryQuery, reader: Reader) -> tuple[str, str]:
        """Return the places in the timeline between which the page is, "" for its beginning and its end."""
        first = last = ""
        if asked.after is not None:
            first = await self._after(asked.after, reader)
        elif asked.start is not None:
            before = await self._until(math.ceil(asked.start * 1000) - 1, reader)
            first = await self._after(before, reader) if before else ""
        if asked.before is not None:
            last = await self._after(asked.before, reader)
        elif asked.end is not None:
            event = await self._until(math.floor(asked.end * 1000), reader)
            if event is None:
                raise _NothingThere
            last = await self._after(event, reader) if event else ""
        return first, last

    async def _after(self, event_id: str, reader: Reader) -> str:
        """Return the place behind an event: backwards from there, it is the first."""
        path = f"{CLIENT}/rooms/{quote(reader.id, safe='')}/context/{quote(event_id[:MAX_ID], safe='')}"
        query = {"limit": "0", "filter": '{"lazy_load_members":true}'}
        try:
            around = await self._homeserver.call(
                "GET", path, query=query, user=reader.ghost, patience=PATIENCE
            )
        except BridgeError as error:
            raise _missing(error) from None
        place = text(mapping(around), "end")
        if not place:
            # which a homeserver may leave out; to begin elsewhere would have the client go in circles
            raise BridgeError(Trouble.REFUSED, "The homeserver does not tell where that message is.")
        return place

    async def _until(self, milliseconds: int, reader: Reader) -> str | None:
        """Return the last event sent up to that time; None if there is none, "" if that cannot be known."""
        path = f"{V1}/rooms/{quote(reader.id, safe='')}/timestamp_to_event"
        query = {"ts": str(max(milliseconds, 0)), "dir": "b"}
        try:
            found = await self._homeserver.call(
                "GET", path, query=query, user=reader.ghost, patience=PATIENCE
            )
        except Refusal as refusal:
            if refusal.errcode not in ("M_NOT_FOUND", "M_UNRECOGNIZED"):
                raise
            return None if refusal.errcode == "M_NOT_FOUND" else ""
        return text(mapping(found), "event_id")

    async def _messages(
        self,
        reader: Reader,
        position: str,
        until: str,
        size: int,
        asked: HistoryQuery,
        types: Sequence[str],
    ) -> Json:
        wanted: dict[str, Any] = {"types": types}
        author = reader.room.user(asked.nick) if asked.nick else None
        if author is not None:
            wanted["senders"] = [author]
        if reader.strange:
            # who said it comes along
            wanted["lazy_load_members"] = True
        query = {"dir": "b" if asked.last else "f", "limit": str(size), "filter": _json(wanted)}
        query |= {name: place for name, place in (("from", position), ("to", until)) if place}
        path = f"{CLIENT}/rooms/{quote(reader.id, safe='')}/messages"
        answer = mapping(
            await self._homeserver.call("GET", path, query=query, user=reader.ghost, patience=PATIENCE)
        )
        if reader.strange:
            for _ in reader.room.load(_list(answer.get("state"))):
                continue
        return answer

    def _ask(self, request: tuple[str, str], reader: Reader) -> Deferred[Any]:
        return self._homeserver.api(request, user=reader.ghost, patience=PATIENCE)


async def _all(asked: Sequence[Deferred[Any]]) -> list[Any]:
    try:
        return await gatherResults(asked, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()


def _in_vain(failure: Failure) -> None:
    """What is not there, or not for him to see, stays unknown; a homeserver in trouble is asked again."""
    error = failure.value
    if not isinstance(error, Refusal) or error.status not in (403, 404):
        failure.raiseException()


class _NothingThere(Exception):
    """Nothing was said in the time that is asked for."""


def _missing(error: BaseException | None) -> BaseException:
    """Return what it means that the homeserver does not give an event."""
    is_missing = isinstance(error, Refusal) and error.status == 404
    return BridgeError(Trouble.NOT_FOUND) if is_missing or error is None else error


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
