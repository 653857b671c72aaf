"""The trial of `xmppbridge check --live`."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.transports.matrix.test_appservice import Transport
from tests.transports.matrix.test_appservice import answer as read
from tests.transports.matrix.test_registration import config
from tests.transports.matrix.web import Reactor, outcome, watch
from transports.matrix.ping import Way
from transports.matrix.probe import NO_LOOKUP, homeserver_probes

PING = b"POST /_matrix/client/v1/appservice/xmppbridge/ping"
WHOAMI = b"GET /_matrix/client/v3/account/whoami"
ALIAS = b"DELETE /_matrix/client/v3/directory/room/%23_xmpp_%3D%3Ahs.test"
PROTOCOLS = b"GET /_matrix/client/v3/thirdparty/protocols"
BOT = b'{"user_id":"@xmppbridge:hs.test"}'


class Played(Reactor):
    """A reactor whose one connection is the homeserver's end of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.connection: tuple[Any, StringTransport] | None = None


def answer(reactor: Played, status: str, body: bytes, asked: bytes = PING) -> None:
    """Answer what we ask."""
    if reactor.connection is None:
        reactor.connection = reactor.accept()
    protocol, transport = reactor.connection
    assert transport.value().startswith(asked), transport.value()
    transport.clear()
    protocol.dataReceived(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    if transport.disconnecting:
        protocol.connectionLost(Failure(ConnectionDone()))


def agree(reactor: Played, protocols: bytes = b'{"xmpp":{}}') -> None:
    """Answer the rest as a homeserver does that has our registration."""
    answer(reactor, "200 OK", BOT, WHOAMI)
    answer(reactor, "404 Not Found", b'{"errcode":"M_NOT_FOUND"}', ALIAS)
    answer(reactor, "200 OK", protocols, PROTOCOLS)


def test_probe_listens_while_the_homeserver_is_asked_to_call_back():
    """The check finds out about both directions before the gateway is started for the first time."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    assert probe.subject == "homeserver http://127.0.0.1:8008"
    assert reactor.tcpServers[0][0] == 29333
    answer(reactor, "200 OK", b'{"duration_ms": 1}')
    agree(reactor)
    assert outcome(probe.result) == Way.BOTH.value


def test_probe_beside_a_running_gateway_lets_that_answer(monkeypatch):
    """That the port is taken is no trouble: the gateway itself is behind it."""
    reactor = Played()

    def taken(port: int, *args: object, **options: object) -> None:
        raise CannotListenError("127.0.0.1", port, OSError())

    monkeypatch.setattr(reactor, "listenTCP", taken)
    [probe] = homeserver_probes(config(), reactor)
    answer(reactor, "200 OK", b"{}")
    agree(reactor)
    assert outcome(probe.result) == Way.BOTH.value


def test_probe_that_fails_says_which_direction_is_broken():
    """The operator reads what to mend."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    found = watch(probe.result)
    assert found == []
    answer(reactor, "502 Bad Gateway", b'{"errcode":"M_CONNECTION_FAILED"}')
    assert found[0].text == Way.NO_WAY_BACK.value


def test_probe_takes_no_transaction():
    """What the homeserver has for the gateway is not lost in a check."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    watch(probe.result)

    protocol, transport = reactor.tcpServers[0][1].buildProtocol(None), Transport()
    protocol.makeConnection(transport)
    head = "PUT /transactions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hs\r\nContent-Length: 13\r\n\r\n"
    protocol.dataReceived(head.encode() + b'{"events":[]}')
    assert read(transport)[0] == 500


def test_registration_of_another_server_name_is_found():
    """The homeserver knows the token, but not by the names of the configuration."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    found = watch(probe.result)
    answer(reactor, "200 OK", b"{}")
    answer(reactor, "200 OK", b'{"user_id":"@xmppbridge:example.org"}', WHOAMI)
    assert (
        "it knows us as @xmppbridge:example.org, the configuration says @xmppbridge:hs.test" in found[0].text
    )


def test_registration_of_another_prefix_is_found():
    """What the registration does not give us, the homeserver refuses."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    found = watch(probe.result)
    answer(reactor, "200 OK", b"{}")
    answer(reactor, "200 OK", BOT, WHOAMI)
    answer(reactor, "400 Bad Request", b'{"errcode":"M_EXCLUSIVE"}', ALIAS)
    assert "does not give us what begins with _xmpp_" in found[0].text


def test_homeserver_that_offers_no_xmpp_is_told_of():
    """Rooms are joined by their aliases all the same, so it is no error."""
    reactor = Played()
    [probe] = homeserver_probes(config(), reactor)
    found = watch(probe.result)
    answer(reactor, "200 OK", b"{}")
    agree(reactor, b"{}")
    assert found == [Way.BOTH.value + NO_LOOKUP]
