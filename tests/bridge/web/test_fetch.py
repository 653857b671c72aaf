"""Fetching what a user's link leads to."""

from __future__ import annotations

import struct

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.python.failure import Failure

from bridge.errors import Trouble
from bridge.media import Media
from bridge.web.fetch import PATIENCE, REDIRECTIONS, Fetcher, Limits
from bridge.web.guard import Guard
from tests.bridge.web.streams import Resolving, Sink

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 4, 5)


class Stage:
    """A fetcher, and the servers that it finds: example is on the internet, inside is not, both is both."""

    def __init__(self, **limits) -> None:
        self.reactor = Resolving(
            example=["8.8.8.8"], inside=["10.0.0.1"], both=["10.0.0.1", "8.8.8.8"], none=[]
        )
        guard = Guard((80, 443), ("inside.lan:8080",))
        self.fetcher = Fetcher(self.reactor, guard, Limits(**{"size": 100, **limits}))
        self.found: list[Media] = []
        self.trouble: list[Trouble] = []

    def fetch(self, url: str) -> Stage:
        self.fetcher.fetch(url).addCallbacks(
            self.found.append, lambda failure: self.trouble.append(failure.value.trouble)
        )
        return self

    def answer(self, head: str, body: bytes = b"") -> bytes:
        """Take the connection and answer; returns what was asked."""
        self.protocol, self.transport = self.reactor.accept()
        self.protocol.dataReceived(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return self.transport.value()

    @property
    def connections(self) -> list[tuple[str, int]]:
        return [client[:2] for client in self.reactor.tcpClients]


OK = "HTTP/1.1 200 OK\nContent-Type: {}\nContent-Length: {}"


def test_file_is_fetched_with_what_is_known_of_it():
    """Its type by its bytes, its size, a picture's dimensions; the rest comes when it is taken."""
    stage = Stage().fetch("http://example.org/a%20b.png?x#y")
    asked = stage.answer(OK.format("text/plain", len(PNG) + 3), PNG)
    assert asked.startswith(b"GET /a%20b.png?x HTTP/1.1\r\n") and b"Host: example.org\r\n" in asked
    assert stage.found == []
    stage.protocol.dataReceived(b"abc")
    [media] = stage.found
    assert (media.type, media.size, media.width, media.height) == ("image/png", len(PNG) + 3, 4, 5)
    sink, done = Sink(), []
    media.body.startProducing(sink).addCallback(done.append)  # type: ignore[arg-type]
    assert (sink.data, done) == (PNG + b"abc", [None])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x",
        "file:///etc/passwd",
        "http://example.org:22/x",
        "http://user:password@example.org/x",
        "http://inside.lan/x",
        "http://10.0.0.1/x",
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "https://inside.lan/x",
        "http:///x",
        "http://example.org/" + "x" * 5000,
    ],
)
def test_link_to_where_nobody_may_fetch_is_refused(url: str):
    """No connection is even begun."""
    stage = Stage().fetch(url)
    assert (stage.trouble, stage.connections) == ([Trouble.NOT_ALLOWED], [])


@pytest.mark.parametrize("url", ["", "http://", "http://[", "nonsense", "http://a b/"])
def test_what_is_no_link_fails(url: str):
    """With an error, and nothing else."""
    stage = Stage().fetch(url)
    assert len(stage.trouble) == 1 and stage.connections == []


def test_address_that_was_looked_at_is_the_one_connected_to():
    """A name of several addresses leads to the public one; the name is not looked up again."""
    stage = Stage().fetch("http://both.example/x")
    assert stage.connections == [("8.8.8.8", 80)]


def test_operator_can_allow_a_server_inside():
    """By host and port."""
    assert Stage().fetch("http://inside.lan:8080/x").connections == [("10.0.0.1", 8080)]


def test_name_without_an_address_is_unreachable():
    """There is nothing to connect to."""
    assert Stage().fetch("http://none.example/x").trouble == [Trouble.UNREACHABLE]


def test_redirection_is_looked_at_like_any_link():
    """One inside is not followed; one outside is, a few times."""
    stage = Stage().fetch("http://example.org/x")
    stage.answer("HTTP/1.1 302 Found\nLocation: http://inside.lan/y\nContent-Length: 0")
    assert (stage.trouble, len(stage.connections)) == ([Trouble.NOT_ALLOWED], 1)
    stage = Stage().fetch("http://example.org/x")
    for number in range(REDIRECTIONS):
        stage.answer(f"HTTP/1.1 307 Moved\nLocation: /y{number}\nContent-Length: 5", b"moved")
        assert stage.transport.disconnecting
    asked = stage.answer(OK.format("image/png", len(PNG)), PNG)
    assert asked.startswith(b"GET /y2 ") and len(stage.found) == 1
    stage = Stage().fetch("http://example.org/x")
    for _ in range(REDIRECTIONS + 1):
        stage.answer("HTTP/1.1 301 Moved\nLocation: /x\nContent-Length: 0")
    assert stage.trouble == [Trouble.NOT_FOUND]


@pytest.mark.parametrize(
    ("head", "trouble"),
    [
        (OK.format("image/png", 101), Trouble.TOO_LONG),
        ("HTTP/1.1 404 Not Found\nContent-Length: 0", Trouble.NOT_FOUND),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", Trouble.NOT_FOUND),
        ("HTTP/1.1 206 Partial\nContent-Length: 5", Trouble.NOT_FOUND),
        ("HTTP/1.1 302 Found\nContent-Length: 0\nLocation: http://[", Trouble.NOT_FOUND),
    ],
)
def test_answer_that_is_no_file_is_refused(head: str, trouble: Trouble):
    """Too large, not there, of unknown length, a part, a way to nowhere; the connection is closed."""
    stage = Stage().fetch("http://example.org/x")
    stage.answer(head)
    assert (stage.trouble, stage.transport.disconnecting) == ([trouble], True)


def test_type_that_is_not_taken_is_refused():
    """By what the bytes say."""
    stage = Stage(types=("video/*",)).fetch("http://example.org/x")
    stage.answer(OK.format("video/mp4", len(PNG)), PNG)
    assert (stage.trouble, stage.transport.disconnecting) == ([Trouble.NOT_ACCEPTABLE], True)


def test_empty_file_is_a_file():
    """It has no first bytes to look at."""
    stage = Stage().fetch("http://example.org/x")
    stage.answer(OK.format("text/plain", 0))
    assert (stage.found[0].type, stage.found[0].size) == ("text/plain", 0)


def test_server_that_is_silent_is_given_up():
    """Before the first byte, and before the last."""
    stage = Stage().fetch("http://example.org/x")
    stage.reactor.accept()
    stage.reactor.advance(PATIENCE + 1)
    assert stage.trouble == [Trouble.TIMED_OUT]


def test_server_that_sends_another_length_is_found_out():
    """Less is a broken file."""
    stage = Stage().fetch("http://example.org/x")
    stage.answer(OK.format("image/png", 90), PNG + bytes(10))
    assert stage.found == []
    stage.protocol.connectionLost(Failure(ConnectionDone()))
    assert stage.trouble == [Trouble.LOST]


def test_errors_of_connecting_are_told_in_our_words():
    """Nobody is shown an exception."""
    stage = Stage().fetch("http://example.org/x")
    stage.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert stage.trouble == [Trouble.UNREACHABLE]
