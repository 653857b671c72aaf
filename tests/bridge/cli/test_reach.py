"""`xmppbridge probe`: the steps that it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns
from twisted.python.failure import Failure

from bridge.cli.reach import Reach
from bridge.config import DomainPattern, Encryption, FederationConfig, PeerConfig, Secret, ServerAddress
from bridge.federation.dial import NEGOTIATION_TIMEOUT
from bridge.federation.dns import Answer
from bridge.federation.resolver import TLSA
from tests.bridge.federation.sockets import Socket

OURS, REMOTE = "irc.example.org", "example.net"
CLEAR = FederationConfig(encryption="never")
HEADER = (
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
    "xmlns:db='jabber:server:dialback' id='77' from='example.net' to='irc.example.org' version='1.0'>"
)
FEATURES = (
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"
)
RESULT = "<db:result from='example.net' to='irc.example.org' type='{}'/>"


def srv(*records: tuple[int, str]) -> Answer:
    found = (dns.Record_SRV(0, 1, port, host.encode()) for port, host in records)
    return Answer(records=tuple(found))


def address(text: str) -> Answer:
    return Answer(records=(dns.Record_A(text),))


DNS = {
    ("_xmpp-server._tcp.example.net", dns.SRV): srv((5269, "xmpp.example.net")),
    ("xmpp.example.net", dns.A): address("192.0.2.1"),
}


class Probe:
    """A probe with its own DNS and network."""

    def __init__(self, config: FederationConfig, answers: Mapping[Any, Answer] = DNS) -> None:
        self.reactor = MemoryReactorClock()
        self.steps: list[str] = []
        self.outcome: list[bool] = []

        def ask(name: str, type: int) -> Deferred[Answer]:
            return succeed(answers.get((name, type), Answer()))

        reach = Reach(OURS, REMOTE, [OURS], config, self.reactor, self.steps.append, ask)
        Deferred.fromCoroutine(reach.run()).addCallback(self.outcome.append)

    def connect(self) -> Socket:
        """Let the last attempt succeed."""
        *_, (_, _, factory, _, _) = self.reactor.tcpClients
        socket = Socket()
        socket.protocol = factory.buildProtocol(None)
        socket.protocol.makeConnection(socket)
        return socket

    def refuse(self) -> None:
        """Let the last attempt fail."""
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(ConnectionRefusedError()))

    def say(self, socket: Socket, text: str) -> None:
        assert socket.protocol is not None
        socket.protocol.dataReceived(text.encode())
        self.reactor.advance(0)


def test_refused_domain_is_not_even_looked_up() -> None:
    """The policy is the first step."""
    probe = Probe(FederationConfig(deny=(DomainPattern(REMOTE),)))
    assert probe.outcome == [False]
    assert probe.steps == ["policy: the configuration does not allow this server"]


def test_domain_that_the_dns_does_not_know_is_told_with_every_question() -> None:
    """SRV of both services, then addresses."""
    probe = Probe(FederationConfig(), {})
    assert probe.outcome == [False]
    assert probe.steps == [
        "policy: authentication dialback, encryption required",
        "DNS: _xmpps-server._tcp.example.net SRV: no such record",
        "DNS: _xmpp-server._tcp.example.net SRV: no such record",
        "DNS: example.net AAAA: no such record",
        "DNS: example.net A: no such record",
        "the host has no address",
    ]


def test_answers_of_the_dns_are_told_as_they_are() -> None:
    """Signed or not, or none."""
    answers = DNS | {
        ("_xmpp-server._tcp.example.net", dns.SRV): Answer(
            records=srv((5269, "xmpp.example.net"), (5299, "old.example.net")).records, secure=True
        ),
        ("_5269._tcp.xmpp.example.net", 52): Answer(failed=True),
        ("xmpp.example.net", dns.A): Answer(records=address("192.0.2.1").records, secure=True),
    }
    steps = Probe(FederationConfig(), answers).steps
    both = "0 1 5269 xmpp.example.net; 0 1 5299 old.example.net (signed)"
    assert f"DNS: _xmpp-server._tcp.example.net SRV: {both}" in steps
    assert "DNS: xmpp.example.net A: 192.0.2.1 (signed)" in steps
    assert "DNS: _5269._tcp.xmpp.example.net TLSA: no answer, or not a credible one" in steps


def test_every_address_of_every_target_is_tried() -> None:
    """Until none is left."""
    servers = (ServerAddress("[2001:db8::1]:5299"), ServerAddress("xmpps://192.0.2.9:5270"))
    probe = Probe(FederationConfig(peers={DomainPattern("*"): PeerConfig(servers=servers)}))
    probe.refuse()
    probe.refuse()
    assert probe.outcome == [False]
    assert [client[:2] for client in probe.reactor.tcpClients] == [("2001:db8::1", 5299), ("192.0.2.9", 5270)]
    assert probe.steps[1] == "→ 2001:db8::1, port 5299, STARTTLS"
    assert probe.steps[2].startswith("2001:db8::1: Connection was refused")
    assert probe.steps[3] == "→ 192.0.2.9, port 5270, direct TLS"
    assert probe.steps[-1] == "no target is left"


def test_server_that_accepts_dialback_is_reached() -> None:
    """And the stream is ended properly."""
    probe = Probe(CLEAR)
    socket = probe.connect()
    probe.say(socket, HEADER + FEATURES)
    assert b"<db:result from='irc.example.org' to='example.net'>" in socket.value()
    probe.say(socket, RESULT.format("valid"))
    assert probe.outcome == [True]
    assert probe.steps[-6:] == [
        "192.0.2.1: connected",
        "stream: id 77, version 1.0",
        "features: dialback (errors)",
        "EXTERNAL: not offered, or we have no certificate",
        "dialback: asked for; example.net now asks the server of irc.example.org about our key",
        "stanzas can be sent: irc.example.org → example.net",
    ]
    assert socket.value().endswith(b"</stream:stream>")


@pytest.mark.parametrize("secret", [None, Secret("hush")])
def test_refused_dialback_tells_what_it_needs(secret: Secret | None) -> None:
    """The running bridge cannot know a key of the probe's own secret."""
    probe = Probe(FederationConfig(encryption="never", dialback_secret=secret))
    socket = probe.connect()
    probe.say(socket, HEADER + FEATURES)
    probe.say(socket, RESULT.format("invalid"))
    assert probe.outcome == [False]
    assert "refused: invalid" in probe.steps
    assert any("needs a dialback_secret" in step for step in probe.steps) is (secret is None)


def test_server_without_tls_is_left_where_encryption_is_required() -> None:
    """The reason is told, and whose it is."""
    probe = Probe(FederationConfig())
    socket = probe.connect()
    probe.say(socket, HEADER + FEATURES)
    socket.lose()
    assert probe.outcome == [False]
    assert "stream: ended by us: policy-violation TLS is required" in probe.steps


@pytest.mark.spec("RFC 7673 §3.4")
@pytest.mark.parametrize(("data", "encryption"), [(32, "optional"), (31, "optional"), (32, "never")])
def test_signed_dns_that_names_a_certificate_requires_it(data: int, encryption: Encryption) -> None:
    """Dialback does not replace it, unless nobody understands the record or no TLS is wanted at all."""
    answers = {question: Answer(records=answer.records, secure=True) for question, answer in DNS.items()}
    tlsa = Answer(records=(dns.UnknownRecord(b"\3\1\1" + bytes(data)),), secure=True)
    answers["_5269._tcp.xmpp.example.net", TLSA] = tlsa
    probe = Probe(FederationConfig(encryption=encryption), answers)
    socket = probe.connect()
    probe.say(socket, HEADER + FEATURES)
    required = (data, encryption) == (32, "optional")
    refused = "stream: ended by us: policy-violation a valid certificate is required: "
    assert any(step.startswith(refused) for step in probe.steps) is required
    assert (b"<db:result " in socket.value()) is not required


def test_server_that_says_nothing_is_given_up() -> None:
    """After the time that the bridge would wait."""
    probe = Probe(CLEAR)
    socket = probe.connect()
    probe.reactor.advance(NEGOTIATION_TIMEOUT)
    assert probe.outcome == [False] and not socket.is_open
    assert "given up after 20 s" in probe.steps
