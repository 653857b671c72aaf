"""What the homeserver never pushed: looked for in the timelines of our rooms after an outage, and taken in.

COMPAT Synapse: what it has not begun to push it keeps in memory only, and forgets when it is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from transports.matrix.client import CLIENT, Homeserver
from transports.matrix.content import Json, mapping, text
from transports.matrix.inbox import Inbox
from transports.matrix.tables import MEMBER

PAGE, PAGES = 50, 10
"""Events of a room that are asked for at a time, and how often: what is older than so much stays lost."""
AT_ONCE = 4
"""Rooms that are looked at at the same time."""
PATIENCE = 10.0
"""Seconds that one request is tried."""
HOLD = 15.0
"""Seconds that what is pushed waits for what was said before it."""
TOO_MUCH = "The homeserver was away; what was said before its last {count} events here may be missing."

Places = Callable[[], Mapping[str, str]]
"""Rooms by their ids, with a user of ours who is in."""


class Gaps:
    """See the module's docstring.

    From `expect` on, what is pushed waits in the inbox until `look` has found what was said before it.
    `announce` tells people in a room something.
    """

    log = Logger()

    def __init__(
        self,
        homeserver: Homeserver,
        clock: Any,
        inbox: Inbox,
        places: Places,
        announce: Callable[[str, str], None],
    ) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._inbox = inbox
        self._places = places
        self._announce = announce
        self._end: IDelayedCall | None = None
        self._looking: Deferred[Any] | None = None
        self._is_stopped = False
        self.is_expecting = False

    def expect(self) -> None:
        """The homeserver is away, or may have been."""
        self.is_expecting = True
        self._inbox.hold(self)

    def hurry(self) -> None:
        """Something is pushed: it waits, but not for ever."""
        if self.is_expecting and self._end is None:
            self._end = self._clock.callLater(HOLD, self.go_on)

    def go_on(self) -> None:
        """What is pushed waits no longer."""
        self._forget_end()
        if not self._is_stopped:
            self.is_expecting = False
            self._inbox.go_on(self)

    def _forget_end(self) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._end = None

    def stop(self) -> None:
        """Look no further; what waits is not answered, so it comes again to the next run."""
        self._is_stopped = True
        if self._looking is not None:
            self._looking.cancel()
        self._forget_end()

    def look(self) -> None:
        """The homeserver is there: look for what it did not push."""
        if self._looking is not None or self._is_stopped:
            return
        self.hurry()
        limit = DeferredSemaphore(AT_ONCE)
        looks = [
            limit.run(self._look, room, reader).addErrback(self._failed, room)
            for room, reader in self._places().items()
        ]
        self._looking = DeferredList(looks)
        self._looking.addBoth(self._looked)

    def _looked(self, result: object) -> None:
        self._looking = None
        self.go_on()

    def _look(self, room: str, reader: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._fill(room, reader))

    def _failed(self, failure: Failure, room: str) -> None:
        if failure.check(BridgeError):
            self.log.info("what was missed in {room} is not known: {why}", room=room, why=str(failure.value))
        else:
            self.log.failure("what was missed in {room} is not known", failure, room=room)

    async def _fill(self, room: str, reader: str) -> None:
        path, query = f"{CLIENT}/rooms/{quote(room, safe='')}/messages", {"dir": "b", "limit": str(PAGE)}
        missed: list[Json] = []
        for _ in range(PAGES):
            answer = mapping(
                await self._homeserver.call("GET", path, query=query, user=reader, patience=PATIENCE)
            )
            chunk, query["from"] = answer.get("chunk"), text(answer, "end")
            events = list(map(mapping, chunk)) if isinstance(chunk, list) else []
            if self._sift(events, reader, missed) or not query["from"]:
                break
        else:
            self._announce(room, TOO_MUCH.format(count=PAGE * PAGES))
        if missed:
            self.log.warn("{count} events of {room} were not pushed", count=len(missed), room=room)
            written = [msgspec.json.encode({**event, "room_id": room}) for event in reversed(missed)]
            await self._inbox.insert(written)

    def _sift(self, events: list[Json], reader: str, missed: list[Json]) -> bool:
        """Add what did not come, the newest first; tell whether all before it did, or was not for us."""
        is_reached = False
        for event in events:
            if self._inbox.knows(event):
                is_reached = True
            else:
                missed.append(event)
            if _is_arrival(event, reader):
                return True
        return is_reached


def _is_arrival(event: Json, reader: str) -> bool:
    """Tell whether somebody came into the room by this event: what is before it was never pushed."""
    before = mapping(mapping(event.get("unsigned")).get("prev_content"))
    is_in = text(mapping(event.get("content")), "membership") == "join"
    is_his = event.get("type") == MEMBER and event.get("state_key") == reader
    return is_his and is_in and text(before, "membership") != "join"
