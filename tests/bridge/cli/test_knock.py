"""`xmppbridge check --live`: what is found behind an address that is published."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from bridge.cli import knock
from bridge.cli.knock import TIMEOUT, NobodyHome
from bridge.config import FederationConfig
from bridge.federation.certificate import PeerCertificate
from bridge.federation.connect import SILENT
from tests.bridge.federation.sockets import Socket

DOMAIN = "irc.example.org"
HEADER = (
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
    f"from='{DOMAIN}' version='1.0'>"
)


class TlsSocket(Socket):
    """A socket on which TLS may begin."""

    tls: Any = None

    def startTLS(self, creator: Any) -> None:
        self.tls = creator

    def get_alpn_proto_negotiated(self) -> bytes:
        return b"xmpp-server"

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"


class Visit:
    """One visit, and what has come of it."""

    def __init__(self, *, direct_tls: bool = False) -> None:
        self.reactor = MemoryReactorClock()
        self.shown: list[PeerCertificate] = []
        self.problems: list[str] = []
        visit = knock.knock(FederationConfig(), self.reactor, DOMAIN, "192.0.2.1", 5269, direct_tls)
        Deferred.fromCoroutine(visit).addCallbacks(self.shown.append, self._failed)

    def _failed(self, failure: Failure) -> None:
        failure.trap(NobodyHome)
        self.problems.append(str(failure.value))

    def connect(self) -> TlsSocket:
        """Let the connection be made."""
        [(address, port, factory, _, _)] = self.reactor.tcpClients
        assert (address, port) == ("192.0.2.1", 5269)
        socket = TlsSocket()
        socket.protocol = factory.buildProtocol(None)
        socket.protocol.makeConnection(socket)
        return socket

    def says(self, socket: Socket, text: str) -> None:
        """Have the other side say something."""
        assert socket.protocol is not None
        socket.protocol.dataReceived(text.encode())
        self.reactor.advance(0)


def test_refused_connection_is_told() -> None:
    """In plain words."""
    visit = Visit()
    factory = visit.reactor.tcpClients[0][2]
    factory.clientConnectionFailed(visit.reactor.connectors[0], Failure(ConnectionRefusedError()))
    assert visit.problems == ["the server refuses connections"]


def test_stream_is_opened_by_nobody_for_the_domain() -> None:
    """So that no policy turns us away, and no loop is seen."""
    visit = Visit()
    socket = visit.connect()
    assert f"to='{DOMAIN}'".encode() in socket.value() and b" from=" not in socket.value()
    visit.reactor.advance(TIMEOUT)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (HEADER + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
         "host-unknown"),
        (HEADER + "<stream:features/>", "TLS is required"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "ended by us"),
    ],
)  # fmt: skip
def test_other_server_is_told_by_how_the_stream_ended(words: str, told: str) -> None:
    """Not ours, without TLS, or of another kind."""
    visit = Visit()
    socket = visit.connect()
    visit.says(socket, words)
    socket.protocol.connectionLost(Failure(ConnectionRefusedError()))  # type: ignore[union-attr]
    assert len(visit.problems) == 1 and told in visit.problems[0] and not visit.shown


def test_silent_server_is_not_waited_for_long() -> None:
    """It takes the connection and says nothing."""
    visit = Visit()
    visit.connect()
    visit.reactor.advance(TIMEOUT)
    assert visit.problems == [SILENT]


@pytest.mark.parametrize("direct_tls", [False, True])
def test_certificate_is_returned_as_soon_as_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, direct_tls: bool
) -> None:
    """By STARTTLS after asking for it, by direct TLS at once; then we are gone."""
    certificate: Any = object()
    monkeypatch.setattr(knock, "peer", lambda transport: certificate)
    visit = Visit(direct_tls=direct_tls)
    socket = visit.connect()
    if not direct_tls:
        visit.says(
            socket,
            HEADER + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        )
        visit.says(socket, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert socket.tls is not None
    socket.protocol.handshakeCompleted()  # type: ignore[union-attr]
    assert visit.shown == [certificate] and not socket.is_open
