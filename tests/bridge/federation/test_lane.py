from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.federation.lane import Lane, is_full
from bridge.xmpp.dialback import Pair
from bridge.xmpp.stream_management import Session

PAIR = Pair("capulet.example", "montague.example")
LIMIT = 10
BACKLOG = 6


class Carrier:
    """A connection whose peer acknowledges nothing; it `takes` so many stanzas before it is blocked."""

    def __init__(self, *, takes: int = 100, stanza_bytes: int = 0, acknowledges: bool = False) -> None:
        self.stream = self
        self.state = "ready"
        self.peer_stanza_bytes = stanza_bytes
        self.session = Session() if acknowledges else None
        self.sent: list[bytes] = []
        self._takes = takes

    @property
    def is_blocked(self) -> bool:
        return len(self.sent) >= self._takes

    def send(self, pair: Pair, stanza: bytes, note: object) -> None:
        assert pair == PAIR
        assert isinstance(note, Lane), "what comes back has to find its lane again"
        self.sent.append(stanza)
        if self.session is not None:
            self.session.outbox.add(note, stanza)


@pytest.fixture
def bounced() -> list[tuple[bytes, Trouble]]:
    return []


@pytest.fixture
def lane(bounced: list[tuple[bytes, Trouble]]) -> Any:
    return Lane(PAIR, LIMIT, lambda stanza, error: bounced.append((stanza, error.trouble)))


def fill(lane: Lane, *stanzas: bytes) -> None:
    for stanza in stanzas:
        lane.add(stanza)


def test_what_waits_goes_in_order(lane: Any) -> None:
    """As soon as there is a connection, and once."""
    fill(lane, b"1", b"2", b"3")
    lane.drain(BACKLOG)
    assert len(lane) == 3
    lane.carrier = carrier = Carrier()
    lane.drain(BACKLOG)
    lane.drain(BACKLOG)
    assert carrier.sent == [b"1", b"2", b"3"]
    assert len(lane) == 0


def test_one_stanza_too_many_is_answered(lane: Any, bounced: list[Any]) -> None:
    """The earlier ones stay, and a smaller one still finds room."""
    fill(lane, b"1234", b"5678", b"901", b"90", b"1")
    assert bounced == [(b"901", Trouble.OVERLOADED), (b"1", Trouble.OVERLOADED)]
    lane.carrier = carrier = Carrier()
    lane.drain(100)
    assert carrier.sent == [b"1234", b"5678", b"90"]


def test_large_stanza_may_wait_alone(lane: Any, bounced: list[Any]) -> None:
    """Else it could never be sent; nothing may wait beside it."""
    fill(lane, b"x" * 50, b"1")
    assert len(lane) == 1
    assert bounced == [(b"1", Trouble.OVERLOADED)]


def test_room_that_was_taken_is_free_again(lane: Any, bounced: list[Any]) -> None:
    """Sent, given up or put back: what does not wait does not count."""
    fill(lane, b"x" * LIMIT)
    lane.carrier = Carrier()
    lane.drain(BACKLOG)
    fill(lane, b"y" * LIMIT)
    lane.give_up(BridgeError(Trouble.REMOTE_TIMEOUT))
    fill(lane, b"z" * LIMIT)
    assert bounced == [(b"y" * LIMIT, Trouble.REMOTE_TIMEOUT)]


def test_what_comes_back_goes_first(lane: Any) -> None:
    """Before what came meanwhile, in its old order, and whether there is room or not."""
    fill(lane, b"3" * LIMIT)
    for stanza in (b"2" * LIMIT, b"1" * LIMIT):
        lane.put_back(stanza)
    lane.carrier = carrier = Carrier()
    lane.drain(BACKLOG)
    assert [stanza[:1] for stanza in carrier.sent] == [b"1", b"2", b"3"]


def test_peer_that_does_not_read_gets_no_more(lane: Any) -> None:
    """The rest waits here, where it is bounded."""
    fill(lane, b"1", b"2", b"3")
    lane.carrier = carrier = Carrier(takes=2)
    lane.drain(BACKLOG)
    assert carrier.sent == [b"1", b"2"]
    assert len(lane) == 1


def test_peer_that_acknowledges_nothing_gets_no_more(lane: Any) -> None:
    """Up to the backlog, or one stanza more."""
    fill(lane, b"1234", b"5678", b"9")
    lane.carrier = carrier = Carrier(acknowledges=True)
    lane.drain(BACKLOG)
    assert carrier.sent == [b"1234", b"5678"]
    assert carrier.session is not None
    carrier.session.outbox.acknowledge(2)
    lane.drain(BACKLOG)
    assert carrier.sent[2:] == [b"9"]


def test_stanza_larger_than_the_peer_takes_is_answered(lane: Any, bounced: list[Any]) -> None:
    """It would end the stream for all; the others go on."""
    fill(lane, b"1234", b"56")
    lane.carrier = carrier = Carrier(stanza_bytes=3)
    lane.drain(BACKLOG)
    assert carrier.sent == [b"56"]
    assert bounced == [(b"1234", Trouble.TOO_LONG)]


def test_giving_up_answers_everything(lane: Any, bounced: list[Any]) -> None:
    """In order, and once."""
    fill(lane, b"1", b"2")
    lane.give_up(BridgeError(Trouble.REMOTE_NOT_FOUND))
    lane.give_up(BridgeError(Trouble.REMOTE_NOT_FOUND))
    assert bounced == [(b"1", Trouble.REMOTE_NOT_FOUND), (b"2", Trouble.REMOTE_NOT_FOUND)]
    assert len(lane) == 0


@pytest.mark.parametrize(
    ("is_blocked", "state", "waiting", "full"),
    [
        (True, "ready", b"", True),
        (False, "closing", b"", True),
        (False, "ready", b"1234567", True),
        (False, "ready", b"123456", False),
    ],
)
def test_connection_is_full_when_it_should_get_no_more(
    is_blocked: bool, state: str, waiting: bytes, full: bool
) -> None:
    """It is blocked, its stream is ending, or more than the backlog is not acknowledged."""
    session = Session()
    session.outbox.add(None, waiting)
    stream = SimpleNamespace(session=session, state=state)
    connection: Any = SimpleNamespace(is_blocked=is_blocked, stream=stream)
    assert is_full(connection, BACKLOG) is full
