"""Files as streams."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from bridge.errors import Trouble
from bridge.media import STALL, ResponseBody
from tests.bridge.web.streams import Response, Sink


def watch(deferred) -> list:
    found: list = []
    deferred.addCallbacks(found.append, lambda failure: found.append(failure.value.trouble))
    return found


def body(response: Response, clock: Clock | None = None, **options) -> ResponseBody:
    return ResponseBody(response, clock or Clock(), **options)  # type: ignore[arg-type]


def test_body_is_passed_on_as_it_comes():
    """Nothing is kept; the end is told."""
    response, sink = Response(6), Sink()
    made = body(response)
    assert made.size == 6
    passed = watch(made.startProducing(sink))
    response.give(b"abc")
    assert (sink.data, passed) == (b"abc", [])
    response.give(b"def")
    response.end()
    assert (sink.data, passed) == (b"abcdef", [None])


def test_beginning_is_read_ahead_and_no_more():
    """Then the sender is held up until somebody takes it."""
    response, sink = Response(), Sink()
    made = body(response, ahead=4)
    head = watch(made.head)
    response.give(b"ab")
    assert head == [] and made.size is None
    response.give(b"cdef")
    assert head == [b"abcdef"] and response.states[-1] == "paused"
    passed = watch(made.startProducing(sink))
    assert sink.data == b"abcdef" and response.states[-1] == "resumed"
    response.end()
    assert passed == [None]


def test_short_body_is_its_own_beginning():
    """It may have ended before anybody takes it."""
    response, sink = Response(2), Sink()
    made = body(response, ahead=100)
    head = watch(made.head)
    response.give(b"ab")
    response.end()
    assert head == [b"ab"]
    assert (watch(made.startProducing(sink)), sink.data) == ([None], b"ab")


def test_consumer_holds_up_the_sender():
    """Back pressure goes through, and a pause is no stall."""
    clock, response = Clock(), Response()
    made = body(response, clock)
    passed = watch(made.startProducing(Sink()))
    made.pauseProducing()
    assert response.states[-1] == "paused"
    clock.advance(STALL * 3)
    assert passed == []
    made.resumeProducing()
    assert response.states[-1] == "resumed"
    clock.advance(STALL + 1)
    assert passed == [Trouble.TIMED_OUT] and response.states[-1] == "closed"


@pytest.mark.parametrize("ahead", [0, 10])
def test_too_long_body_is_cut_off(ahead: int):
    """The limit holds whatever the length was said to be."""
    response = Response()
    made = body(response, limit=5, ahead=ahead)
    failed = watch(made.head if ahead else made.startProducing(Sink()))
    response.give(b"abcdef")
    response.give(b"more")
    assert failed == [Trouble.TOO_LONG] and response.states[-1] == "closed"


def test_broken_connection_is_told():
    """Also to who takes it later."""
    response = Response()
    made = body(response, ahead=1)
    response.give(b"a")
    response.end(ConnectionLost())
    assert watch(made.startProducing(Sink())) == [Trouble.LOST]
    response = Response()
    failed = watch(body(response, ahead=9).head)
    response.end(ConnectionLost())
    assert failed == [Trouble.LOST]


def test_stopped_body_says_nothing_more():
    """IBodyProducer: the Deferred of a body that is stopped does not fire."""
    clock, response = Clock(), Response()
    made = body(response, clock)
    passed = watch(made.startProducing(Sink()))
    made.stopProducing()
    response.give(b"x")
    response.end(ConnectionLost())
    clock.advance(STALL * 2)
    assert (passed, response.states[-1], clock.getDelayedCalls()) == ([], "closed", [])
