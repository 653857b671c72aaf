"""Who is in which room."""

from bridge.events import RoomId, UserId
from bridge.services.muc.occupancy import PENDING_WHILE_JOINING, HistoryRequest, Occupancy, Resource, Rooms

ROMEO, ROOM = UserId("romeo@montague.example"), RoomId("#verona%memory.example")


def occupancy(*clients: str) -> Occupancy:
    made = Occupancy(ROMEO, ROOM, "memory.example", "Romeo", "")
    for client in clients:
        made.resources[client] = Resource(f"{ROMEO}/{client}", "Romeo", HistoryRequest())
        made.resources[client].pending = None
    made.refresh()
    return made


def test_write_reaches_each_client_with_its_own_address() -> None:
    """One template, one copy for each client."""
    out: list[tuple[bytes, str]] = []
    occupancy("garden", "phone").write(lambda *written: out.append(written), b"<m to='\0'/>")
    assert out == [
        (b"<m to='romeo@montague.example/garden'/>", "montague.example"),
        (b"<m to='romeo@montague.example/phone'/>", "montague.example"),
    ]


def test_address_with_a_quote_stays_inside_its_attribute() -> None:
    """A resource is chosen by the user, and may hold anything."""
    assert Resource("r@m.example/o'clock", "R", HistoryRequest()).to == b"r@m.example/o&apos;clock"


def test_client_that_is_still_joining_gets_it_later() -> None:
    """What comes during the join sequence waits, up to a bound."""
    made = occupancy("garden", "phone")
    made.resources["phone"].pending = []
    made.refresh()
    out: list[bytes] = []
    for _ in range(PENDING_WHILE_JOINING + 5):
        made.write(lambda stanza, _domain: out.append(stanza), b"<m to='\0'/>")
    assert len(out) == PENDING_WHILE_JOINING + 5
    assert len(made.resources["phone"].pending or []) == PENDING_WHILE_JOINING


def test_resources_of_a_server_are_listed_once() -> None:
    """A client in two rooms of a server is one client."""
    rooms, first, second = Rooms(), occupancy("garden"), occupancy("garden")
    second.room = RoomId("#mantua%memory.example")
    rooms.add(first)
    rooms.add(second)
    assert rooms.resources(ROMEO, "memory.example") == [b"romeo@montague.example/garden"]
    assert rooms.resources(ROMEO, "other.example") == []


def test_last_room_removed_forgets_the_user() -> None:
    """Nothing is kept of who is nowhere."""
    rooms, made = Rooms(), occupancy("garden")
    rooms.add(made)
    rooms.remove(made)
    assert rooms.users() == []
    assert rooms.get(ROMEO, ROOM) is None


def test_removing_an_older_occupancy_keeps_the_newer() -> None:
    """Who left and came back is in."""
    rooms, old, new = Rooms(), occupancy("garden"), occupancy("garden")
    rooms.add(old)
    rooms.add(new)
    rooms.remove(old)
    assert rooms.get(ROMEO, ROOM) is new
