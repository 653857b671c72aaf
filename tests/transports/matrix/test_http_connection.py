"""One connection to the homeserver, byte for byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from bridge.errors import Trouble
from tests.transports.matrix.web import outcome, watch
from transports.matrix.http_connection import Answer, Connection, LinkError, Request

REQUEST = Request("GET", "/x", [("Host", "hs.test")], None)
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n2;x=y\r\n\r\n\r\n0\r\nA: b\r\n\r\n"
)


def connected(limit: int = 1000) -> tuple[Connection, StringTransport]:
    connection, transport = Connection(limit), StringTransport()
    connection.makeConnection(transport)
    return connection, transport


def test_request_is_sent_and_its_answer_read():
    """Then another one can be asked."""
    connection, transport = connected()
    asked = connection.ask(Request("PUT", "/y?z", [("Host", "hs.test"), ("Content-Length", "2")], b"{}"))
    assert transport.value() == b"PUT /y?z HTTP/1.1\r\nHost: hs.test\r\nContent-Length: 2\r\n\r\n{}"
    assert not connection.is_idle
    connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    assert outcome(asked) == Answer(200, b"[]")
    assert connection.is_idle


@given(st.lists(st.integers(1, len(CHUNKED)), max_size=8))
def test_answer_is_the_same_however_it_comes(cuts):
    """Chunks, their extensions and trailers, and what goes before the answer, cut anywhere."""
    connection, _ = connected()
    asked = connection.ask(REQUEST)
    borders = [0, *sorted(cuts), len(CHUNKED)]
    for start, end in pairwise(borders):
        connection.dataReceived(CHUNKED[start:end])
    assert outcome(asked) == Answer(200, b"{}\r\n")
    assert connection.is_idle


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"], ids=["1.1", "1.0"]
)
def test_server_that_will_close_is_not_asked_again(head):
    """It says so, or is too old to do otherwise."""
    connection, _ = connected()
    asked = connection.ask(REQUEST)
    connection.dataReceived(head + b"Content-Length: 0\r\n\r\n")
    assert outcome(asked) == Answer(200, b"")
    assert not connection.is_idle


@pytest.mark.parametrize("answer", [b"\0\0\0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_answer_that_is_none_ends_the_connection(answer):
    """Nobody knows what the server did."""
    connection, transport = connected()
    asked = connection.ask(REQUEST)
    connection.dataReceived(answer)
    error = outcome(asked)
    assert isinstance(error, LinkError)
    assert (error.trouble, error.sent, transport.disconnecting) == (Trouble.LOST, True, True)


def test_what_nobody_asked_for_ends_the_connection():
    """It would be taken for the answer to the next request."""
    connection, transport = connected()
    connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert transport.disconnecting


def test_answer_with_more_behind_it_is_the_last():
    """What comes after it cannot be told from the answer to the next request."""
    connection, _ = connected()
    asked = connection.ask(REQUEST)
    connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert outcome(asked) == Answer(200, b"")
    assert not connection.is_idle


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"]
)
def test_answer_without_a_length_ends_with_its_connection(head):
    """It is whole then; one whose end was told is not."""
    connection, _ = connected()
    answers = watch(connection.ask(REQUEST))
    connection.dataReceived(head + b"{")
    connection.dataReceived(b"}")
    assert answers == []
    connection.connectionLost(Failure(ConnectionDone()))
    assert answers == [Answer(200, b"{}")]


@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
def test_answer_that_breaks_off_is_none(framing):
    """Its end was told, and did not come."""
    connection, _ = connected()
    answers = watch(connection.ask(REQUEST))
    connection.dataReceived(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n2\r\n{}")
    connection.connectionLost(Failure(ConnectionDone()))
    assert answers[0].trouble is Trouble.LOST


def test_answer_with_rubbish_behind_it_is_the_last():
    """It counts, and the connection ends."""
    connection, transport = connected()
    asked = connection.ask(REQUEST)
    connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\0\0\0")
    assert outcome(asked) == Answer(200, b"")
    assert not connection.is_idle
    assert transport.disconnecting


def test_server_that_speaks_something_else_now_gave_no_answer():
    """We never ask it to."""
    connection, _ = connected()
    asked = connection.ask(REQUEST)
    connection.dataReceived(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nHi"
    )
    assert outcome(asked).trouble is Trouble.LOST


@pytest.mark.parametrize(
    "request_", [Request("GET", "/a b", [], None), Request("GET", "/x", [("A", "b\r\nC: d")], None)]
)
def test_request_that_would_be_two_is_not_sent(request_):
    """Whatever a client calls the type of his file, it adds no line to the header."""
    connection, transport = connected()
    with pytest.raises(ValueError, match="a request with"):
        connection.ask(request_)
    assert transport.value() == b""


def test_answer_that_is_too_long_is_cut_off():
    """So many bytes and no more, however it is cut."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    connection, transport = connected(limit=len(head) + 3)
    answers = watch(connection.ask(REQUEST))
    connection.dataReceived(head + b"123")
    assert answers == []
    connection.dataReceived(b"4")
    assert answers[0].trouble is Trouble.REFUSED
    assert transport.disconnecting
    connection.connectionLost(Failure(ConnectionDone()))
    assert len(answers) == 1


def test_request_that_is_cancelled_closes_the_connection():
    """Its answer would come at any time."""
    connection, transport = connected()
    asked = connection.ask(REQUEST)
    asked.addErrback(lambda _: None)
    asked.cancel()
    assert transport.disconnecting
    assert connection.is_answering is False
