"""Lists of public rooms, and rooms that one is not in."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.network import RoomInfo, RoomList
from transports.matrix.directory import FRESH, LISTS, PAGE, PAGES, ROOMS, Directory

from .raw import IDS, ROOM
from .web import outcome


class Server:
    """A homeserver with `rooms`; `trouble` is what it says instead of a room's summary."""

    def __init__(self, *rooms) -> None:
        self.rooms = list(rooms)
        self.trouble: Trouble | None = None
        self.asked: list[tuple] = []

    def call(self, method, path, *, query=None, body=None, **options):
        self.asked.append((path.rpartition("/")[2], query, body))
        if path.endswith("/publicRooms"):
            start = int(body.get("since", 0))
            more = start + PAGE < len(self.rooms)
            answer = {"chunk": self.rooms[start : start + PAGE], "total_room_count_estimate": len(self.rooms)}
            return succeed({**answer, **({"next_batch": str(start + PAGE)} if more else {})})
        if "room_summary" in path and self.trouble is not None:
            return fail(BridgeError(self.trouble))
        id = unquote(path.rpartition("/")[2])
        found = [room for room in self.rooms if id in (room.get("canonical_alias"), room.get("room_id"))]
        return succeed(found[0]) if found else fail(BridgeError(Trouble.NO_SUCH_ROOM))


def room(number: int, **more):
    return {"room_id": f"!r{number}:hs.example", "canonical_alias": f"#r{number}:hs.example", "name": f"R {number}", "num_joined_members": number, **more}  # fmt: skip


def directory(server: Server, now=lambda: 0.0) -> Directory:
    return Directory(server, IDS, now)  # type: ignore[arg-type]


def page(of: Directory, **query):
    try:
        found = outcome(of.page(RoomList(**{"server": "", **query})))
    except BridgeError as error:
        return error
    return found if isinstance(found, BridgeError) else (
        [one.room for one in found.rooms], found.first_index, found.total, found.complete
    )  # fmt: skip


def names(*numbers: int) -> list[str]:
    return [f"#r{number}:hs.example" for number in numbers]


def test_list_is_had_page_by_page_both_ways():
    """XEP-0059: after and before a room, the last page, and only as much is asked for as is needed."""
    server = Server(*map(room, range(450)))
    of = directory(server)
    assert page(of, limit=2) == (names(0, 1), 0, 450, False)
    assert len(server.asked) == 1
    assert page(of, limit=2, after="#r199:hs.example") == (names(200, 201), 200, 450, False)
    assert page(of, limit=2, before="#r3:hs.example") == (names(1, 2), 1, 450, False)
    assert page(of, limit=2, before="") == (names(448, 449), 448, 450, True)
    assert page(of, limit=2, after="#r449:hs.example") == ([], 450, 450, True)
    assert len(server.asked) == 3
    assert page(of, limit=2, after="#elsewhere:hs.example").trouble is Trouble.NOT_FOUND


def test_search_and_server_are_the_homeservers_business():
    """Spaces are left out: nobody can speak there."""
    server = Server(room(1))
    page(directory(server), server="other.example", search="rose")
    wanted = {"room_types": [None], "generic_search_term": "rose"}
    assert server.asked == [("publicRooms", {"server": "other.example"}, {"limit": PAGE, "filter": wanted})]
    assert page(directory(server), server="no server").trouble is Trouble.NOT_ACCEPTABLE


def test_room_without_alias_has_its_id_and_who_knows_it():
    """What cannot be read is left out, and what comes twice."""
    rooms = [
        room(1, canonical_alias=None),
        room(1, canonical_alias=5),
        {},
        {"room_id": 5},
        None,
        room(2, name=7),
    ]
    server = Server(*rooms)
    assert page(directory(server))[0] == ["!r1:hs.example?via=hs.example", "#r2:hs.example"]


def test_lists_are_bounded_and_age():
    """A homeserver that never ends, and one that changes."""
    now = [0.0]
    server = Server(*map(room, range(ROOMS + 500)))
    of = directory(server, lambda: now[0])
    assert page(of, before="", limit=1) == (names(ROOMS - 1), ROOMS - 1, ROOMS, True)
    server.rooms = [room(1)]
    assert page(of)[2] == ROOMS
    now[0] = FRESH + 1
    assert page(of) == (names(1), 0, 1, True)
    for number in range(LISTS + 5):
        page(of, search=str(number))
    assert len(of._listings) == LISTS


def test_server_that_repeats_itself_is_not_asked_for_ever():
    """The same token again is the end, and so is one new token too many."""

    class Endless(Server):
        tokens = iter(range(10_000))

        def call(self, *request, **options):
            return succeed({"chunk": [room(1)], "next_batch": str(next(self.tokens))})

    class Stuck(Endless):
        tokens = iter([7] * 10_000)

    for server in (Endless(), Stuck()):
        assert page(directory(server), limit=9) == (names(1), 0, 1, True)
    assert next(Endless.tokens) == PAGES and len(list(Stuck.tokens)) == 10_000 - 2


def test_room_is_described_by_its_summary():
    """And is called by its name from then on."""
    server = Server(room(1, topic="roses"))
    of = directory(server)
    target = IDS.room("#r1:hs.example")
    assert of.name(target) == ""
    info = RoomInfo(room=target, name="R 1", description="roses", occupants=1)
    assert outcome_of(of, target) == info
    assert of.name(target) == "R 1"


def outcome_of(of: Directory, target):
    return outcome(Deferred.fromCoroutine(of.describe(target)))


@pytest.mark.parametrize("trouble", [Trouble.NO_SUCH_ROOM, Trouble.UNSUPPORTED, Trouble.NO_PRIVILEGE])
def test_room_that_tells_nothing_exists_by_its_alias(trouble):
    """Private rooms, and homeservers without summaries."""
    server = Server(room(1))
    server.trouble = trouble
    target = IDS.room("#r1:hs.example")
    assert outcome_of(directory(server), target) == RoomInfo(room=target)
    assert outcome_of(directory(server), ROOM).trouble is Trouble.NO_SUCH_ROOM
    by_id = IDS.room("!x:hs.example", ["hs.example"])
    assert outcome_of(directory(server), by_id) == RoomInfo(room=by_id)
    server.trouble = Trouble.TIMED_OUT
    assert outcome_of(directory(server), target).trouble is Trouble.TIMED_OUT
