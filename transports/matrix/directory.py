"""Rooms that one is not in: the lists of public rooms of homeservers, and what one of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from twisted.internet.defer import Deferred, DeferredLock

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from bridge.network import RoomInfo, RoomList, RoomPage

from .client import CLIENT, Homeserver
from .content import Json, integer, mapping, text
from .ids import Ids, RoomTarget, is_alias, is_room_id, is_server
from .tables import KNOCKING, MAX_ID

ROOMS = 2_000
"""Rooms of one list that are shown; the homeserver puts the largest first."""
PAGE = 200
"""Rooms that are asked for at once."""
PAGES = 4 * ROOMS // PAGE
"""Times that is asked for one list; a homeserver may give less than it is asked for."""
LISTS = 32
"""Lists that are remembered, by server and search; the one begun first is forgotten first."""
FRESH = 300.0
"""Seconds that a list is the same for everybody, so that its pages fit together."""
NAMES = 5_000
"""Rooms whose names are remembered."""
PATIENCE = 20.0
"""Seconds that the homeserver is asked for a page or a room; it may have to ask others."""
MAX_WORDS = 2_000
"""Code points of a room's topic that are shown in lists."""


class Listing:
    """One list as far as it was asked for; `rooms` only grows."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.rooms: list[RoomInfo] = []
        self.places: dict[RoomId, int] = {}
        self.since = ""
        self.estimate = 0
        self.complete = False
        self._pages = 0
        self.lock = DeferredLock()

    def take(self, answer: Json, infos: Sequence[RoomInfo]) -> None:
        """Add a page that the homeserver gave."""
        for info in infos[: ROOMS - len(self.rooms)]:
            if info.room not in self.places:
                self.places[info.room] = len(self.rooms)
                self.rooms.append(info)
        self._pages += 1
        before, self.since = self.since, text(answer, "next_batch")
        self.estimate = integer(answer.get("total_room_count_estimate")) or 0
        is_enough = len(self.rooms) >= ROOMS or self._pages >= PAGES
        self.complete = is_enough or self.since in ("", before)

    def page(self, query: RoomList) -> RoomPage | None:
        """Return the page that is asked for; None if more of the list is needed. NOT_FOUND."""
        edge = query.before if query.before is not None else query.after
        if edge and edge not in self.places:
            if self.complete:
                raise BridgeError(Trouble.NOT_FOUND)
            return None
        if query.before is not None:
            if not edge and not self.complete:
                return None
            end = self.places[edge] if edge else len(self.rooms)
            start = max(end - query.limit, 0)
        else:
            start = self.places[edge] + 1 if edge else 0
            end = start + query.limit
            if end > len(self.rooms) and not self.complete:
                return None
        total = len(self.rooms) if self.complete else max(self.estimate, len(self.rooms))
        return RoomPage(rooms=self.rooms[start:end], first_index=start, total=total, complete=self.complete)


class Directory:
    """See the module's docstring. `seconds` is a clock."""

    def __init__(self, homeserver: Homeserver, ids: Ids, seconds: Callable[[], float]) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._seconds = seconds
        self._listings: dict[tuple[str, str], Listing] = {}
        self._names: dict[RoomId, str] = {}

    def name(self, room: RoomId) -> str:
        """Return what a room was called when it was last looked up, "" if it was not."""
        return self._names.get(room, "")

    # ---- lists

    def page(self, query: RoomList) -> Deferred[RoomPage]:
        """Return a page of the rooms that a homeserver shows to everybody.

        NOT_FOUND for a place in the list that there is not, NOT_ACCEPTABLE if the server can be none.
        """
        if query.server and not is_server(query.server):
            raise BridgeError(Trouble.NOT_ACCEPTABLE)
        listing = self._listing(query)

        async def look() -> RoomPage:
            while (page := listing.page(query)) is None:
                await self._extend(listing, query)
            return page

        found: Deferred[RoomPage] = listing.lock.run(lambda: Deferred.fromCoroutine(look()))
        return found

    def _listing(self, query: RoomList) -> Listing:
        key = (query.server, query.search)
        found, now = self._listings.get(key), self._seconds()
        if found is None or now - found.began > FRESH:
            self._listings.pop(key, None)
            if len(self._listings) >= LISTS:
                del self._listings[next(iter(self._listings))]
            found = self._listings[key] = Listing(now)
        return found

    async def _extend(self, listing: Listing, query: RoomList) -> None:
        # nobody can speak in a space: what has no type is a room
        wanted: dict[str, object] = {"room_types": [None]}
        if query.search:
            wanted["generic_search_term"] = query.search
        body: dict[str, object] = {"limit": PAGE, "filter": wanted}
        if listing.since:
            body["since"] = listing.since
        asked = {"server": query.server} if query.server else None
        answer = mapping(
            await self._homeserver.call(
                "POST",
                f"{CLIENT}/publicRooms",
                query=asked,
                body=body,
                patience=PATIENCE,
                repeatable=True,
            )
        )
        chunk = answer.get("chunk")
        chunk = chunk if isinstance(chunk, list) else []
        server = query.server or self._ids.server
        infos = [self._info(each, server) for each in map(mapping, chunk)]
        listing.take(answer, [info for info in infos if info is not None])

    def _info(self, each: Json, server: str, room: RoomId | None = None) -> RoomInfo | None:
        alias, id = text(each, "canonical_alias"), text(each, "room_id")
        try:
            if room is None and is_alias(alias):
                room = self._ids.room(alias)
            elif room is None and is_room_id(id):
                room = self._ids.room(id, (server,))
        except BridgeError:
            return None
        if room is None:
            return None
        rule = text(each, "join_rule")
        name = " ".join(text(each, "name").split())[:MAX_ID] or alias
        self._called(room, name)
        return RoomInfo(
            room=room,
            name=name,
            description=text(each, "topic")[:MAX_WORDS],
            occupants=integer(each.get("num_joined_members")),
            knocking=rule in KNOCKING if rule else None,
            closed=rule != "public" if rule else None,
        )

    def _called(self, room: RoomId, name: str) -> None:
        self._names.pop(room, None)
        if name:
            if len(self._names) >= NAMES:
                del self._names[next(iter(self._names))]
            self._names[room] = name

    # ---- one room

    def _summary(self, target: RoomTarget) -> Deferred[object]:
        # MX v1.15 client-server-api/room-summary
        path = f"/_matrix/client/v1/room_summary/{quote(target.id, safe='')}"
        via = {"via": target.via} if target.via else None
        return self._homeserver.call("GET", path, query=via, patience=PATIENCE)

    async def describe(self, room: RoomId) -> RoomInfo:
        """Return what a room tells those who are not in it; NO_SUCH_ROOM, or an alias that leads nowhere."""
        target = self._ids.target(room)
        try:
            found = await self._summary(target)
        except BridgeError as error:
            if error.trouble not in (Trouble.NO_SUCH_ROOM, Trouble.UNSUPPORTED, Trouble.NO_PRIVILEGE):
                raise
            return await self._exists(room, target.id)
        return self._info(mapping(found), self._ids.server, room) or RoomInfo(room=room)

    async def avatar(self, room: RoomId) -> str:
        """Return the URL of the picture of a room, "" if it has none."""
        target = self._ids.target(room)
        return text(mapping(await self._summary(target)), "avatar_url")

    async def _exists(self, room: RoomId, id: str) -> RoomInfo:
        """A room that tells nothing may still be there: its alias knows; of an id nothing is known."""
        if id.startswith("#"):
            await self._homeserver.call(
                "GET", f"{CLIENT}/directory/room/{quote(id, safe='')}", patience=PATIENCE
            )
        return RoomInfo(room=room)
