"""A file on its way to who asked for it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bridge.web.transfer import STALL, Transfer
from tests.bridge.web.streams import Body


class Visitor:
    """A request, as far as it is written to."""

    def __init__(self) -> None:
        self.data = b""
        self.producer: Any = None
        self.gone = False
        self.finished: Deferred = Deferred()

    def notifyFinish(self) -> Deferred:
        return self.finished

    def registerProducer(self, producer, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        assert not self.gone, "twisted has no channel then"
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data


def start(body: Body, *part: int) -> tuple[Visitor, Clock, list[bool]]:
    visitor, clock, done = Visitor(), Clock(), []
    Transfer(visitor, body, clock, *part).start().addCallback(done.append)  # type: ignore[arg-type]
    return visitor, clock, done


@pytest.mark.parametrize(
    ("part", "data"),
    [((0, 9), b"abcdefghi"), ((2, 3), b"cde"), ((4, 1), b"e"), ((8, 1), b"i"), ((0,), b"abcdefghi")],
)
def test_part_is_cut_out_of_the_stream(part: tuple[int, ...], data: bytes):
    """Wherever its borders fall."""
    body = Body(b"abc", b"d", b"efghi")
    visitor, clock, done = start(body, *part)
    assert (visitor.data, done, visitor.producer) == (data, [True], None)
    assert clock.getDelayedCalls() == []


def test_rest_of_the_file_is_not_fetched():
    """After the part the body is stopped."""
    body = Body(b"abc", b"def", stuck=True)
    visitor, _, done = start(body, 1, 2)
    assert (visitor.data, done, body.stopped) == (b"bc", [True], True)


@pytest.mark.parametrize("broken", [True, False])
def test_file_that_breaks_off_is_not_whole(broken: bool):
    """Whether its server says so, or it is only shorter than it said."""
    visitor, clock, done = start(Body(b"abc", broken=broken), 0, 9)
    assert (visitor.data, done, clock.getDelayedCalls()) == (b"abc", [False], [])


def test_who_takes_nothing_is_cut_off():
    """He would keep a turn from others; who takes something now and then is let be."""
    body = Body(b"a", stuck=True)
    visitor, clock, done = start(body, 0, 9)
    transfer = visitor.producer
    assert transfer is body
    clock.advance(STALL)
    assert done == []
    clock.advance(STALL)
    assert (done, body.stopped) == ([False], True)


def test_who_goes_away_ends_the_transfer():
    """The network is not asked for the rest."""
    body = Body(b"a", stuck=True)
    visitor, _, done = start(body, 0, 9)
    visitor.gone = True
    visitor.finished.errback(ConnectionError())
    assert (done, body.stopped) == ([False], True)
