"""The trial of `xmppbridge check --live`."""

from __future__ import annotations

from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.python.failure import Failure

from tests.transports.matrix.test_appservice import Transport
from tests.transports.matrix.test_appservice import answer as read
from tests.transports.matrix.test_registration import config
from tests.transports.matrix.web import Reactor, outcome, watch
from transports.matrix.ping import Way
from transports.matrix.probe import homeserver_probes


def answer(reactor: Reactor, status: str, body: bytes) -> None:
    """Answer our ping."""
    protocol, transport = reactor.accept()
    assert transport.value().startswith(b"POST /_matrix/client/v1/appservice/xmppbridge/ping")
    protocol.dataReceived(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert transport.disconnecting
    protocol.connectionLost(Failure(ConnectionDone()))


def test_probe_listens_while_the_homeserver_is_asked_to_call_back():
    """The check finds out about both directions before the gateway is started for the first time."""
    reactor = Reactor()
    [probe] = homeserver_probes(config(), reactor)
    assert probe.subject == "homeserver http://127.0.0.1:8008"
    assert reactor.tcpServers[0][0] == 29333
    answer(reactor, "200 OK", b'{"duration_ms": 1}')
    assert outcome(probe.result) == Way.BOTH.value


def test_probe_beside_a_running_gateway_lets_that_answer(monkeypatch):
    """That the port is taken is no trouble: the gateway itself is behind it."""
    reactor = Reactor()

    def taken(port: int, *args: object, **options: object) -> None:
        raise CannotListenError("127.0.0.1", port, OSError())

    monkeypatch.setattr(reactor, "listenTCP", taken)
    [probe] = homeserver_probes(config(), reactor)
    answer(reactor, "200 OK", b"{}")
    assert outcome(probe.result) == Way.BOTH.value


def test_probe_that_fails_says_which_direction_is_broken():
    """The operator reads what to mend."""
    reactor = Reactor()
    [probe] = homeserver_probes(config(), reactor)
    found = watch(probe.result)
    assert found == []
    answer(reactor, "502 Bad Gateway", b'{"errcode":"M_CONNECTION_FAILED"}')
    assert found[0].text == Way.NO_WAY_BACK.value


def test_probe_takes_no_transaction():
    """What the homeserver has for the gateway is not lost in a check."""
    reactor = Reactor()
    [probe] = homeserver_probes(config(), reactor)
    watch(probe.result)

    protocol, transport = reactor.tcpServers[0][1].buildProtocol(None), Transport()
    protocol.makeConnection(transport)
    head = "PUT /transactions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hs\r\nContent-Length: 13\r\n\r\n"
    protocol.dataReceived(head.encode() + b'{"events":[]}')
    assert read(transport)[0] == 500
