"""What was said in a room, from the homeserver's own memory: pages of it, or certain messages.

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
from twisted.internet.defer import Deferred, FirstError, gatherResults

from bridge.errors import BridgeError, Trouble
from bridge.events import Message
from bridge.network import HistoryPage, HistoryQuery

from .client import CLIENT, Homeserver
from .content import Json, corrected, mapping, text
from .refusal import Refusal
from .room import Room
from .tables import MARKER, MAX_ID, MEMBER
from .translate import KEPT, past

PATIENCE = 10.0
"""Seconds that one request is tried."""
REQUESTS = 6
"""Requests for one page; what lies behind so much that is no message, or not for him, is out of sight."""
MORE = 100
"""The least events of a second request for a page; each after it asks for twice as many."""
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


def settled(event: Json, edits: Mapping[str, Json]) -> Json | None:
    """Return a message with its last words; None for a correction, which is no message of its own.

    Those words come with the message (MX v1.19 module-event_replacements), or are among `edits`.
    """
    content = mapping(event.get("content"))
    if corrected(event):
        return None
    bundled = mapping(mapping(mapping(event.get("unsigned")).get("m.relations")).get("m.replace"))
    edit = bundled if "content" in bundled else edits.get(text(event, "event_id"), {})
    words = mapping(mapping(edit.get("content")).get("m.new_content"))
    if not content or not words or edit.get("sender") != event.get("sender"):
        return event
    kept = {key: content[key] for key in (MARKER, "m.relates_to") if key in content}
    return {**event, "content": {**words, **kept}}


class Page:
    """A page on its way: takes in events in the direction that is asked for, until it has one too many."""

    def __init__(self, asked: HistoryQuery, reader: Reader) -> None:
        self._asked = asked
        self._reader = reader
        self._edits: dict[str, Json] = {}
        self._found: list[tuple[Json, Message]] = []

    @property
    def is_full(self) -> bool:
        """Whether there is more than fits."""
        return len(self._found) > self._asked.limit

    def take(self, events: Sequence[object]) -> None:
        """Take in a chunk of the timeline."""
        for event in map(mapping, events):
            original = corrected(event)
            if original and (original not in self._edits or not self._asked.last):
                self._edits[original] = event
            elif not original and not self.is_full:
                message = self.read(event)
                if message is not None and self._fits(message):
                    self._found.append((event, message))

    def read(self, event: Json) -> Message | None:
        """Return the message that an event is, None if it is none that can be shown."""
        standing = settled(event, self._edits)
        found = None if standing is None else past(standing, self._reader.room)
        return structs.replace(found, room=self._asked.room) if isinstance(found, Message) else None

    def _fits(self, message: Message) -> bool:
        asked, reader, time = self._asked, self._reader, message.time or 0.0
        if message.id in (asked.after, asked.before) or (asked.nick and message.nick != asked.nick):
            return False
        if reader.heard is not None and time > reader.heard and reader.room.timeline.said(message.id) is None:
            # it will be told as what happens now
            return False
        return (asked.start is None or time >= asked.start) and (asked.end is None or time <= asked.end)

    def result(self, *, complete: bool) -> HistoryPage:
        """Return what was found."""
        found = self._found[: self._asked.limit]
        messages = [
            message if message.id not in self._edits else self.read(event) or message
            for event, message in (reversed(found) if self._asked.last else found)
        ]
        return HistoryPage(messages=messages, complete=not self._found or (complete and not self.is_full))


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
        page = Page(asked, reader)
        if reader.strange:
            await self._check(reader)
        if asked.ids:
            return HistoryPage(messages=await self._certain(asked, reader, page), complete=True)
        try:
            first, last = await self._bounds(asked, reader)
        except _NothingThere:
            return page.result(complete=True)
        position, until = (last, first) if asked.last else (first, last)
        size = min(asked.limit + 1, LARGEST)
        for _ in range(REQUESTS):
            answer = await self._messages(reader, position, until, size, asked)
            page.take(_list(answer.get("chunk")))
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

    async def _certain(self, asked: HistoryQuery, reader: Reader, page: Page) -> list[Message]:
        """Return the messages that are asked for by their ids, oldest first."""
        asking = [self._ask(Api.room_get_event("", reader.id, id), reader) for id in asked.ids]
        try:
            events = await gatherResults(asking, consumeErrors=True)
        except FirstError as error:
            raise _missing(error.subFailure.value) from None
        messages = [page.read(mapping(event)) for event in events]
        found = [message for message in messages if message is not None]
        if len(found) < len(messages):
            raise BridgeError(Trouble.NOT_FOUND)
        return sorted(found, key=lambda message: message.time or 0.0)

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
        self, reader: Reader, position: str, until: str, size: int, asked: HistoryQuery
    ) -> Json:
        wanted: dict[str, Any] = {"types": KEPT}
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
