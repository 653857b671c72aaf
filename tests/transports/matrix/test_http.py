"""HTTP to the homeserver, byte for byte."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from tests.transports.matrix.web import Reactor, outcome, watch
from transports.matrix import http
from transports.matrix.http import Http
from transports.matrix.http_connection import Answer, Connection, LinkError

URL = "http://hs.test:8008/_matrix/client/v3/x?user_id=%40a%3Ab"


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


def test_request_goes_out_whole_and_its_answer_comes_back(reactor):
    """Method, path, query, headers and body arrive; status and body come back."""
    asked = Http(reactor, 30).request("PUT", URL, {"Authorization": "Bearer t"}, b"{}")
    protocol, transport = reactor.accept()
    head, _, body = transport.value().partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /_matrix/client/v3/x?user_id=%40a%3Ab HTTP/1.1\r\n")
    assert {b"Authorization: Bearer t", b"Content-Length: 2"} <= set(head.split(b"\r\n"))
    assert body == b"{}"
    protocol.dataReceived(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n")
    protocol.dataReceived(b"hello")
    assert outcome(asked) == Answer(404, b"hello")


def test_connection_is_used_again(reactor):
    """A second request needs no second connection."""
    client = Http(reactor, 30)
    client.request("GET", URL, {}, None)
    protocol, transport = reactor.accept()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    transport.clear()
    client.request("GET", URL, {}, None)
    assert transport.value().startswith(b"GET ")
    assert len(reactor.tcpClients) == 1


def used(reactor: Reactor) -> tuple[Http, Connection]:
    """A client with one connection that is idle."""
    client = Http(reactor, 30)
    client.request("GET", URL, {}, None)
    protocol, _ = reactor.accept()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return client, protocol


def test_connection_that_closed_as_it_was_used_is_replaced(reactor):
    """The server had closed it before it read the request: it gets it on another one."""
    client, protocol = used(reactor)
    asked = client.request("GET", URL, {}, None)
    protocol.connectionLost(Failure(ConnectionDone()))
    assert len(reactor.tcpClients) == 2
    protocol, _ = reactor.accept()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert outcome(asked) == Answer(200, b"{}")


@pytest.mark.parametrize(("method", "begun"), [("POST", b""), ("PUT", b""), ("GET", b"HTTP/1.1 200 OK\r\n")])
def test_request_that_may_have_been_read_is_not_repeated(reactor, method, begun):
    """Who asked decides whether it does harm to do it twice."""
    client, protocol = used(reactor)
    asked = client.request(method, URL, {}, None)
    protocol.dataReceived(begun)
    protocol.connectionLost(Failure(ConnectionDone()))
    assert outcome(asked).sent
    assert len(reactor.tcpClients) == 1


def test_idle_connection_is_closed_and_forgotten(reactor):
    """By us after a while, or by the server; the next request goes over another."""
    client, protocol = used(reactor)
    reactor.pump([1.0] * (http.IDLE - 1))
    assert not protocol.transport.disconnecting
    reactor.advance(1.0)
    assert protocol.transport.disconnecting
    protocol.connectionLost(Failure(ConnectionDone()))
    client.request("GET", URL, {}, None)
    assert len(reactor.tcpClients) == 2


def test_nothing_is_watched_without_connections(reactor):
    """Who asks nothing costs nothing."""
    _, protocol = used(reactor)
    assert reactor.getDelayedCalls()
    protocol.connectionLost(Failure(ConnectionDone()))
    reactor.advance(http.WATCH)
    assert reactor.getDelayedCalls() == []


def test_client_that_is_closed_keeps_no_connections(reactor):
    """Those that are idle close now, the others after their answer."""
    client, idle = used(reactor)
    client.request("GET", URL, {}, None)
    client.request("GET", URL, {}, None)
    busy, _ = reactor.accept()
    idle.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.close()
    assert idle.transport.disconnecting
    assert not busy.transport.disconnecting
    busy.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert busy.transport.disconnecting


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_server_is_found_by_its_address(reactor, scheme, port):
    """Name and port of the URL are where it goes, in the clear or over TLS."""
    Http(reactor, 30).request("GET", f"{scheme}://hs.test/x", {}, None)
    assert reactor.tcpClients[-1][:2] == ("192.0.2.1", port)
    transport = StringTransport()
    transport.setTcpNoDelay = lambda enabled: None
    reactor.tcpClients[-1][2].buildProtocol(None).makeConnection(transport)
    assert transport.value().startswith(b"GET /x" if scheme == "http" else b"\x16\x03")


def test_homeserver_that_is_down_was_not_sent_anything(reactor):
    """A refused connection says that the request may be tried again without harm."""
    asked = Http(reactor, 30).request("POST", URL, {}, b"{}")
    reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    reactor.advance(1)
    error = outcome(asked)
    assert isinstance(error, LinkError)
    assert (error.trouble, error.sent) == (Trouble.UNREACHABLE, False)


def test_homeserver_that_goes_away_may_have_got_it(reactor):
    """A connection that breaks before the answer says that nobody knows."""
    asked = Http(reactor, 30).request("POST", URL, {}, b"{}")
    protocol, _ = reactor.accept()
    protocol.connectionLost(Failure(ConnectionDone()))
    error = outcome(asked)
    assert (error.trouble, error.sent) == (Trouble.LOST, True)


def test_answer_that_breaks_off_is_no_answer(reactor):
    """Half an answer is not taken for a whole one."""
    asked = Http(reactor, 30).request("GET", URL, {}, None)
    protocol, _ = reactor.accept()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
    protocol.connectionLost(Failure(ConnectionDone()))
    assert outcome(asked).trouble is Trouble.LOST


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_homeserver_that_does_not_answer_is_given_up(reactor, begun):
    """An answer that does not come, or does not end, is waited for so long and no longer."""
    answers = watch(Http(reactor, 30).request("GET", URL, {}, None))
    protocol, transport = reactor.accept()
    protocol.dataReceived(begun)
    reactor.advance(29)
    assert answers == []
    reactor.advance(2)
    [error] = answers
    assert (error.trouble, error.sent) == (Trouble.TIMED_OUT, True)
    assert transport.disconnecting or transport.disconnected


def test_homeserver_that_hangs_with_a_kept_connection_is_not_asked_twice(reactor):
    """It may have the request, and need longer than we wait."""
    client, protocol = used(reactor)
    answers = watch(client.request("PUT", URL, {}, b"{}"))
    reactor.pump([1.0] * 31)
    assert answers[0].trouble is Trouble.TIMED_OUT
    assert protocol.transport.disconnecting or protocol.transport.disconnected
    assert len(reactor.tcpClients) == 1


def test_homeserver_that_takes_no_connection_is_given_up(reactor):
    """Nothing was sent to it."""
    answers = watch(Http(reactor, 5).request("POST", URL, {}, b"{}"))
    reactor.advance(5)
    assert (answers[0].trouble, answers[0].sent) == (Trouble.TIMED_OUT, False)


def test_request_that_is_cancelled_while_it_waits_is_not_sent(reactor):
    """Whoever waits behind it has its turn."""
    client = Http(reactor, 30)
    for _ in range(http.CONNECTIONS):
        client.request("GET", URL, {}, None)
    given_up, next_one = [client.request("GET", f"http://hs.test:8008/{name}", {}, None) for name in "ab"]
    given_up.addErrback(lambda _: None)
    given_up.cancel()
    protocol, transport = reactor.accept(0)
    transport.clear()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert transport.value().startswith(b"GET /b ")
    assert watch(next_one) == []


def test_answer_without_end_is_cut_off(reactor):
    """A homeserver cannot fill the memory."""
    asked = Http(reactor, 30, answer_bytes=100).request("GET", URL, {}, None)
    protocol, transport = reactor.accept()
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101)
    assert outcome(asked).text == "The homeserver's answer is too long."
    assert transport.disconnecting or transport.disconnected


def test_answer_that_ends_with_its_connection_is_whole(reactor):
    """HTTP/1.0 servers say the end by closing."""
    asked = Http(reactor, 30).request("GET", URL, {}, None)
    protocol, _ = reactor.accept()
    protocol.dataReceived(b"HTTP/1.0 200 OK\r\n\r\n{}")
    protocol.connectionLost(Failure(ConnectionDone()))
    assert outcome(asked) == Answer(200, b"{}")


def test_requests_are_bounded_in_number(reactor, monkeypatch):
    """So many are on their way, so many wait, and the next is told that it is too much."""
    monkeypatch.setattr(http, "WAITING", 5)
    client = Http(reactor, 30)
    answers = [watch(client.request("GET", URL, {}, None)) for _ in range(http.CONNECTIONS + 5)]
    assert len(reactor.tcpClients) == http.CONNECTIONS
    assert not any(answers)
    error = outcome(client.request("GET", URL, {}, None))
    assert isinstance(error, BridgeError)
    assert error.trouble is Trouble.OVERLOADED
    protocol, _ = reactor.accept(0)
    protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert answers[0] == [Answer(200, b"")]
    assert watch(client.request("GET", URL, {}, None)) == []
