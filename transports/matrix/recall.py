"""What an event refers to and the room has forgotten is looked up at the homeserver, before it is read.

So corrections, replies, reactions and their ends mean the same after a restart as before it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from nio.api import Api
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError
from bridge.events import Message, Reaction, Retraction

from .client import CLIENT, Homeserver
from .content import Json, Malformed, corrected, mapping, text
from .ids import is_event_id
from .session import RoomSession
from .tables import MESSAGE, REACTION, REDACTION
from .translate import annotation, ids_of, origin_of, redacted

PATIENCE = 5.0
"""Seconds that a look-up is tried; the room waits for it."""
LATEST = 50
"""Messages of a ghost among which the one that he corrects is looked for."""
PAGE = 100
PAGES = 10
"""Reactions on one message that are looked up at a time, and how often."""
V1 = "/_matrix/client/v1"

Work = Callable[[], Coroutine[Deferred[Any], Any, bool]]


def referred(event: Json) -> tuple[str, ...]:
    """Return the events that a message refers to: what it corrects, what it answers."""
    relates = mapping(mapping(event.get("content")).get("m.relates_to"))
    answered = text(mapping(relates.get("m.in_reply_to")), "event_id")
    return tuple(filter(is_event_id, (corrected(event), answered)))


async def reactions(homeserver: Homeserver, room: str, ghost: str, target: str) -> list[Json]:
    """Return the reactions that stand on a message, the latest first."""
    path = f"{V1}/rooms/{quote(room, safe='')}/relations/{quote(target, safe='')}/m.annotation/{REACTION}"
    found: list[Json] = []
    query = {"dir": "b", "limit": str(PAGE)}
    for _ in range(PAGES):
        answer = mapping(await homeserver.call("GET", path, query=query, user=ghost, patience=PATIENCE))
        found += _objects(answer.get("chunk"))
        query["from"] = text(answer, "next_batch")
        if not query["from"]:
            break
    return found


class Recall:
    """See the module's docstring. What cannot be looked up stays unknown."""

    log = Logger()

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    def incoming(self, session: RoomSession, event: Json) -> Deferred[bool] | None:
        """Look up what an event of the room refers to; None if all is known.

        Fires with whether anybody is to be told of it: not of the end of a reaction that is not known.
        """
        timeline, content = session.room.timeline, mapping(event.get("content"))
        ghost = next((stay.ghost for stay in session.listeners), None)
        if ghost is None:
            return None
        if event.get("type") == REACTION:
            target = text(mapping(content.get("m.relates_to")), "event_id")
            if not is_event_id(target) or timeline.is_whole(target):
                return None
            return self._look(lambda: self._reactions(session, ghost, target))
        if event.get("type") == REDACTION:
            target = redacted(event)
            if not target or timeline.knows(target):
                return None
            was_on = timeline.reacted(target)
            if was_on is not None:
                # it was taken back while we were away, and only that we were told of it is left
                return self._look(lambda: self._reactions(session, ghost, was_on[0]))
            return self._look(lambda: self._event(session, ghost, target))
        forgotten = [id for id in referred(event) if not timeline.knows(id)]
        if event.get("type") != MESSAGE or not forgotten:
            return None
        return self._look(lambda: self._events(session, ghost, forgotten))

    def outgoing(self, session: RoomSession, ghost: str, event: object) -> Deferred[bool] | None:
        """Look up what a user's wish refers to; None if all is known, or it refers to nothing."""
        timeline = session.room.timeline
        if isinstance(event, Reaction | Retraction) and not is_event_id(event.id):
            return None
        if isinstance(event, Retraction):
            return (
                None
                if timeline.knows(event.id)
                else self._look(lambda: self._events(session, ghost, [event.id]))
            )
        if isinstance(event, Reaction):
            target = timeline.original(event.id)
            return (
                None
                if timeline.is_whole(target)
                else self._look(lambda: self._wished(session, ghost, target))
            )
        if not isinstance(event, Message):
            return None
        answered = event.reply.id if event.reply is not None else ""
        ids = [id for id in (answered, event.replaces) if is_event_id(id) and not timeline.knows(id)]
        if event.replaces and timeline.event(ghost, event.replaces) is None and not ids:
            return None if timeline.knows(event.replaces) else self._look(lambda: self._own(session, ghost))
        return self._look(lambda: self._events(session, ghost, ids)) if ids else None

    def named(self, session: RoomSession, ghost: str, ids: Iterable[str]) -> Deferred[bool] | None:
        """Look up what a user names in talk with one other, his own by his ids; None if all is known."""
        timeline = session.room.timeline
        unknown = [id for id in ids if id and not timeline.knows(id) and timeline.event(ghost, id) is None]
        events = [id for id in unknown if is_event_id(id)]
        if len(events) < len(unknown):
            return self._look(lambda: self._own(session, ghost))
        return self._look(lambda: self._events(session, ghost, events)) if events else None

    def _look(self, work: Work) -> Deferred[bool]:
        async def look() -> bool:
            try:
                return await work()
            except BridgeError as error:
                self.log.info("what an event refers to is not known: {trouble}", trouble=str(error))
                return True

        return Deferred.fromCoroutine(look())

    async def _events(self, session: RoomSession, ghost: str, ids: list[str]) -> bool:
        for id in ids:
            await self._event(session, ghost, id)
        return True

    async def _event(self, session: RoomSession, ghost: str, id: str) -> bool:
        """Learn who sent an event; False for a reaction."""
        asked = Api.room_get_event("", session.id, id)
        event = mapping(await self._homeserver.api(asked, user=ghost, patience=PATIENCE))
        self._learn(session, event)
        return event.get("type") != REACTION

    async def _own(self, session: RoomSession, ghost: str) -> bool:
        """Learn the latest messages of a ghost."""
        wanted = msgspec.json.encode({"types": [MESSAGE], "senders": [ghost]}).decode()
        query = {"dir": "b", "limit": str(LATEST), "filter": wanted}
        for event in reversed(await self._chunk(session, ghost, "messages", query)):
            self._learn(session, event)
        return True

    def _learn(self, session: RoomSession, event: Json) -> None:
        id, sender = text(event, "event_id"), text(event, "sender")
        if event.get("type") != REACTION and is_event_id(id) and sender:
            session.room.timeline.recall(
                id, sender, origin_of(event, session.room) or "", corrects=corrected(event)
            )

    async def _wished(self, session: RoomSession, ghost: str, target: str) -> bool:
        """Learn all reactions on what a user reacts to, which may be named by a correction of it."""
        if not session.room.timeline.knows(target):
            await self._event(session, ghost, target)
        return await self._reactions(session, ghost, session.room.timeline.original(target))

    async def _reactions(self, session: RoomSession, ghost: str, target: str) -> bool:
        """Learn all reactions on a message."""
        self._react(session, await reactions(self._homeserver, session.id, ghost, target))
        session.room.timeline.complete(target)
        return True

    async def latest(self, session: RoomSession, ghost: str) -> bool:
        """Learn the latest reactions of a room that was entered just now: their ends will not name them."""
        query = {"dir": "b", "limit": str(PAGE), "filter": f'{{"types":["{REACTION}"]}}'}
        self._react(session, await self._chunk(session, ghost, "messages", query))
        return True

    def begin(self, session: RoomSession, ghost: str) -> None:
        """Look them up, without anybody waiting."""
        self._look(lambda: self.latest(session, ghost))

    def _react(self, session: RoomSession, events: list[Json]) -> None:
        """Take in reactions, the latest first."""
        for event in reversed(events):
            try:
                id, sender = ids_of(event)
                found = annotation(event)
            except Malformed:
                continue
            if found is not None:
                session.room.timeline.react(found[0], sender, found[1], id)

    async def _chunk(
        self, session: RoomSession, ghost: str, what: str, query: Mapping[str, str]
    ) -> list[Json]:
        path = f"{CLIENT}/rooms/{quote(session.id, safe='')}/{what}"
        answer = await self._homeserver.call("GET", path, query=query, user=ghost, patience=PATIENCE)
        return _objects(mapping(answer).get("chunk"))


def _objects(chunk: object) -> list[Json]:
    return [mapping(event) for event in chunk] if isinstance(chunk, list) else []
