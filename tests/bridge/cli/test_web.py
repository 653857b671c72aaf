"""Whether links to files lead to our web server."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from bridge.cli.check import Finding, Verdict
from bridge.cli.web import web_finding
from bridge.config import WebConfig
from bridge.web.server import NOTHING


def begin(reactor: MemoryReactorClock) -> list[Finding]:
    found: list[Finding] = []
    Deferred.fromCoroutine(web_finding(WebConfig(url="http://192.0.2.1/x"), reactor)).addCallback(
        found.append
    )
    return found


def answer(reactor: MemoryReactorClock, status: str, body: str) -> None:
    host, port, factory = reactor.tcpClients[-1][:3]
    assert port == 80
    protocol, transport = factory.buildProtocol(IPv4Address("TCP", host, port)), StringTransport()
    protocol.makeConnection(transport)
    assert transport.value().startswith(b"GET /x/check HTTP/1.1")
    protocol.dataReceived(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def test_address_that_leads_to_us_is_fine() -> None:
    """We answer in the bridge's place while we ask."""
    reactor = MemoryReactorClock()
    found = begin(reactor)
    assert reactor.tcpServers[0][0] == 5290
    answer(reactor, "404 Not Found", f"{NOTHING}\n")
    assert found == [Finding(Verdict.OK, "http://192.0.2.1/x", "leads to 127.0.0.1:5290")]


def test_bridge_that_runs_already_answers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the port is taken is no trouble."""

    def taken(port: int, *_: Any, **__: Any) -> None:
        raise CannotListenError("127.0.0.1", port, OSError())

    reactor = MemoryReactorClock()
    monkeypatch.setattr(reactor, "listenTCP", taken)
    found = begin(reactor)
    answer(reactor, "404 Not Found", f"{NOTHING}\n")
    assert found[0].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("status", "body"), [("200 OK", "welcome to nginx"), ("404 Not Found", "nginx"), ("502 Bad", "")]
)
def test_other_server_that_answers_is_an_error(status: str, body: str) -> None:
    """The reverse proxy does not pass on what is for us."""
    reactor = MemoryReactorClock()
    found = begin(reactor)
    answer(reactor, status, body)
    assert found[0].verdict is Verdict.ERROR
    assert found[0].text.endswith("have the reverse proxy pass it to 127.0.0.1:5290")


def test_address_that_nobody_answers_is_a_warning() -> None:
    """Others may still reach it, from outside."""
    reactor = MemoryReactorClock()
    found = begin(reactor)
    reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError("refused")))
    reactor.advance(1)
    assert found[0].verdict is Verdict.WARNING and "cannot be reached from here" in found[0].text


def test_address_that_says_nothing_is_given_up() -> None:
    """A check ends."""
    reactor = MemoryReactorClock()
    found = begin(reactor)
    reactor.advance(11)
    assert found[0].verdict is Verdict.WARNING
