"""The list of a server's channels (LIST), kept for a while and served in pages (XEP-0059)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId
from bridge.queries import RoomInfo, RoomList, RoomPage

from .agenda import Appointment
from .core import Core
from .tables import Numeric
from .translate import from_irc
from .wire import Line

FRESH = 120.0
"""Seconds that a list is served without asking again."""
SILENCE = 25.0
"""Seconds after which a list that does not go on has ended."""
EARLY_PAGE = 3.0
"""Seconds after which questions are answered from what has come in."""
MAX_ROOMS = 200_000
MAX_TOPIC = 200
"""Characters of a topic that are kept."""

Pager = Callable[[Sequence[RoomInfo], bool], RoomPage | BridgeError]
"""Makes an answer of the rooms, and whether they are all."""


class Listing:
    """See the module's docstring."""

    __slots__ = ("_complete_at", "_core", "_early", "_end", "_rooms", "_sorted", "_streaming", "_waiting")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rooms: dict[RoomId, RoomInfo] = {}
        self._sorted: Sequence[RoomInfo] = ()
        self._complete_at: float | None = None
        self._streaming = False
        self._waiting: list[tuple[int, Pager]] = []
        self._end: Appointment | None = None
        self._early: Appointment | None = None

    @property
    def waiting(self) -> int:
        """How many questions have no answer."""
        return len(self._waiting)

    def known(self, room: RoomId) -> RoomInfo | None:
        """Return a channel of the list, if it is there."""
        return self._rooms.get(room)

    def ask(self, token: int, pager: Pager) -> None:
        """Answer from the list, asking the server for it first if it is not fresh."""
        now = self._core.clock()
        if self._complete_at is not None and now - self._complete_at <= FRESH:
            self._core.answer(token, pager(self._sorted, True))
            return
        self._waiting.append((token, pager))
        if self._streaming:
            self._answer_early_later()
            return
        self._forget()
        self._streaming = True
        self._core.send("LIST")
        self._expect_more()
        self._answer_early_later()

    def fail(self, error: BridgeError) -> bool:
        """There is no list; tell if one was awaited."""
        was_streaming = self._streaming
        self._stop()
        waiting, self._waiting = self._waiting, []
        for token, _ in waiting:
            self._core.answer(token, error)
        return was_streaming

    def _stop(self) -> None:
        self._streaming = False
        for appointment in (self._end, self._early):
            if appointment is not None:
                appointment.cancel()
        self._end = self._early = None

    def _expect_more(self) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self._core.agenda.after(SILENCE, lambda: self.fail(BridgeError(Trouble.TIMED_OUT)))

    def _on_start(self, line: Line) -> bool:
        return self._streaming

    def _on_list(self, line: Line) -> bool:
        """RPL_LIST: ``me #chan 12 :topic``."""
        if not self._streaming or len(line.params) < 3:
            return False
        name, count = line.params[1:3]
        if len(self._rooms) < MAX_ROOMS and self._core.isupport.is_channel(name):
            room = self._core.shared.room_id(name)
            topic = from_irc(line.params[3]).plain[:MAX_TOPIC] if len(line.params) > 3 else ""
            occupants = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else None
            self._rooms[room] = RoomInfo(room=room, name=name, description=topic, occupants=occupants)
        if len(self._rooms) % 256 == 0:
            self._expect_more()
        return True

    def _on_end(self, line: Line) -> bool:
        if not self._streaming:
            return False
        self._stop()
        self._complete_at = self._core.clock()
        self._end = self._core.agenda.after(FRESH, self._forget)
        self._sort()
        self._answer(complete=True)
        return True

    def _forget(self) -> None:
        """Nobody is served an old list, so it need not be kept."""
        self._end = self._complete_at = None
        self._rooms = {}
        self._sorted = ()

    def _answer_early_later(self) -> None:
        if self._early is None:
            self._early = self._core.agenda.after(EARLY_PAGE, self._answer_early)

    def _answer_early(self) -> None:
        self._early = None
        if self._rooms:
            self._sort()
            self._answer(complete=False)
        else:
            self._answer_early_later()

    def _answer(self, *, complete: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for token, pager in waiting:
            self._core.answer(token, pager(self._sorted, complete))

    def _sort(self) -> None:
        self._sorted = sorted(self._rooms.values(), key=_room)

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_LISTSTART: _on_start,
        Numeric.RPL_LIST: _on_list,
        Numeric.RPL_LISTEND: _on_end,
    }


def page(query: RoomList, rooms: Sequence[RoomInfo], complete: bool) -> RoomPage | BridgeError:
    """Cut a page out of the sorted rooms."""
    limit = max(0, query.limit)
    start, end = 0, len(rooms)
    if query.after is not None:
        start = bisect_right(rooms, query.after, key=_room)
        if not start or rooms[start - 1].room != query.after:
            return BridgeError(Trouble.NOT_FOUND)
    if query.before:
        end = bisect_left(rooms, query.before, key=_room)
        if end >= len(rooms) or rooms[end].room != query.before:
            return BridgeError(Trouble.NOT_FOUND)
    if query.before is not None:
        start = max(start, end - limit)
    else:
        end = min(end, start + limit)
    chosen = rooms[start:end]
    return RoomPage(
        rooms=chosen,
        first_index=start if chosen else None,
        total=len(rooms) if complete else None,
        complete=complete and (start == 0 if query.before is not None else end >= len(rooms)),
    )


def _room(info: RoomInfo) -> RoomId:
    return info.room
