"""What is asked of us, byte for byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.transports.matrix.test_appservice import Transport
from transports.matrix.http_server import HEADER, ServerConnection

IDLE = 60.0
LIMIT = 100
CHUNKED = (
    b"PUT /a%2Fb?c=d&c=&e=%C3%A9 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3;x=y\r\n   \r\n0\r\nX-A: 3\r\n\r\n"
)


def get(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *more, "", ""]).encode()


class Scene:
    """A connection of somebody; what he asks is answered when the test says so, or at once."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.clock = Clock()
        self.at_once = at_once
        self.asked = []
        self.lost = 0
        self.transport = Transport()
        self.connection = ServerConnection(self, self.clock.callLater, IDLE)
        self.connection.makeConnection(self.transport)

    def limit(self, request) -> int:
        return LIMIT

    def answer(self, request, connection) -> None:
        self.asked.append(request)
        if self.at_once:
            self.reply()

    def lose(self, connection) -> None:
        self.lost += 1

    def reply(self, number: int = -1) -> None:
        self.connection.reply(self.asked[number], 200, b"{}")

    def send(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    @property
    def statuses(self) -> list[bytes]:
        """What was answered."""
        return [part.split(b" ")[0] for part in self.transport.value().split(b"HTTP/1.1 ")[1:]]


@given(st.lists(st.integers(1, len(CHUNKED)), max_size=8))
def test_request_is_the_same_however_it_comes(cuts):
    """Cut anywhere; what stands behind the body is no header."""
    scene = Scene()
    for start, end in pairwise([0, *sorted(cuts), len(CHUNKED)]):
        scene.send(CHUNKED[start:end])
    [request] = scene.asked
    assert (request.method, request.path, request.body) == ("PUT", b"/a%2Fb", b"{}   ")
    assert request.query == {"c": ["d", ""], "e": ["é"]}
    assert request.values(b"x-a") == [b"1", b"2"]


def test_answer_is_json_with_its_length_and_time():
    """Another request can follow on the same connection."""
    scene = Scene()
    for path in ("/a", "/b"):
        scene.send(get(path))
    head, _, body = scene.transport.value().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert head.endswith(b" GMT\r\nContent-Type: application/json\r\nContent-Length: 2")
    assert body.startswith(b"{}HTTP/1.1 200 OK")
    assert [request.path for request in scene.asked] == [b"/a", b"/b"]
    assert not scene.transport.disconnecting


@pytest.mark.parametrize("more", ["Connection: close", "Connection: upgrade\r\nUpgrade: h2c"])
def test_connection_ends_after_the_answer_when_it_is_to(more):
    """Somebody who wants to speak something else gets his answer, and no more."""
    scene = Scene()
    scene.send(get("/a", more))
    assert scene.statuses == [b"200"]
    assert b"\r\nConnection: close\r\n" in scene.transport.value()
    assert scene.transport.disconnecting


def test_client_of_old_gets_his_answer():
    """Without a host, and with the end of the connection behind it."""
    scene = Scene()
    scene.send(b"GET /a HTTP/1.0\r\n\r\n")
    assert scene.statuses == [b"200"]
    assert scene.transport.disconnecting


def test_head_of_an_answer_comes_without_its_body():
    """HEAD asks for no more."""
    scene = Scene()
    scene.send(get("/a").replace(b"GET", b"HEAD"))
    assert scene.transport.value().endswith(b"\r\n\r\n")


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_second_request_before_the_answer_is_not_taken(at_once, together):
    """The first gets its answer, and the connection ends: it comes again on another one."""
    scene = Scene(at_once=at_once)
    for part in [get("/a") + get("/b") + get("/c")] if together else [get("/a"), get("/b"), get("/c")]:
        scene.send(part)
    scene.reply(0)
    is_whole = at_once and not together
    assert scene.statuses == [b"200"] * (3 if is_whole else 1)
    assert len(scene.asked) == len(scene.statuses)
    assert scene.transport.disconnecting == (not is_whole)


def test_second_request_that_is_half_there_is_taken_when_it_is_whole():
    """The first was answered before."""
    scene = Scene()
    scene.send(get("/a") + get("/b")[:12])
    scene.send(get("/b")[12:])
    assert scene.statuses == [b"200", b"200"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: -2\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nA\0: b\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data):
    """Also what could be read in two ways; nothing more is read."""
    scene = Scene()
    scene.send(data)
    scene.send(get("/a"))
    assert (scene.statuses, scene.asked) == ([b"400"], [])
    assert scene.transport.disconnecting


@pytest.mark.parametrize("part", [b"x" * 1000, b"x: y\r\n" * 200])
def test_header_without_end_is_refused(part):
    """Nobody can fill the memory with it."""
    scene = Scene()
    scene.send(b"GET /a HTTP/1.1\r\nA: ")
    sent = 0
    while not scene.transport.disconnecting and sent < 3 * HEADER:
        scene.send(part)
        sent += len(part)
    assert (scene.statuses, scene.asked) == ([b"431"], [])


@pytest.mark.parametrize(("length", "room"), [(LIMIT, 0), (LIMIT + 1, -1)])
def test_body_is_kept_up_to_the_limit(length, room):
    """Whoever answers is told whether there was more."""
    scene = Scene()
    scene.send(b"PUT /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length)
    scene.send(b"x" * length)
    assert scene.asked[0].room == room
    assert len(scene.asked[0].body) == (LIMIT if room == 0 else 0)


def test_body_without_end_is_cut_off():
    """And its beginning is no request."""
    scene = Scene()
    scene.send(b"PUT /a HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
    while not scene.transport.aborted:
        scene.send(b"x" * 1000)
    scene.send(b"x" * 1000)
    assert scene.asked == []


def test_body_that_waits_for_our_word_gets_it():
    """As curl does with what is long."""
    scene = Scene()
    scene.send(b"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert scene.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    scene.send(b"{}")
    assert scene.statuses == [b"100", b"200"]


def test_silent_connection_is_closed():
    """Unless it is our answer that is waited for."""
    scene = Scene(at_once=False)
    scene.clock.advance(IDLE - 1)
    scene.send(get("/a"))
    scene.clock.pump([IDLE, IDLE])
    assert not scene.transport.aborted
    scene.reply()
    scene.clock.advance(IDLE)
    assert scene.transport.aborted


def test_answer_to_somebody_who_is_gone_is_not_written():
    """His connection is forgotten, and its timer with it."""
    scene = Scene(at_once=False)
    scene.send(get("/a"))
    scene.connection.connectionLost(Failure(ConnectionDone()))
    scene.reply()
    assert (scene.lost, scene.transport.value(), scene.clock.getDelayedCalls()) == (1, b"", [])


def test_answer_is_given_once():
    """A second answer is none to the next request."""
    scene = Scene()
    scene.send(get("/a"))
    scene.reply(0)
    scene.at_once = False
    scene.send(get("/b"))
    scene.reply(0)
    assert scene.statuses == [b"200"]


@given(st.lists(st.binary(max_size=100) | st.sampled_from([get("/a"), CHUNKED, CHUNKED[:90]]), max_size=6))
@example([b"\r\n\r\n", get("/a")])
def test_any_bytes_are_read_or_refused(parts):
    """Nothing that anybody sends makes more than an answer and an end."""
    scene = Scene()
    for part in parts:
        scene.send(part)
    assert set(scene.statuses) <= {b"200", b"400"}
    assert scene.statuses.count(b"200") == len(scene.asked)
