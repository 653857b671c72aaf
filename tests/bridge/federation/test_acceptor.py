"""The streams that others open, by hand and against the rules."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from bridge.config import FederationConfig, FederationLimits, PeerConfig
from bridge.federation import connection as connections
from bridge.federation import pool as pools
from bridge.federation.acceptor import STRANGERS_BYTES
from bridge.xmpp.xml import NS_STREAMS
from tests.bridge.federation.fabric import Network, Server, Transport, played

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/garden"
NS_DIALBACK = "jabber:server:dialback"


class Stranger:
    """Somebody who speaks to a server by hand."""

    def __init__(self, server: Server, address: str = "mallory.example") -> None:
        network = server.network
        near, far = Transport(network, address), Transport(network, server.name)
        near.other, far.other, near.protocol = far, near, self
        network.transports += [near, far]
        self.network, self.transport = network, near
        self.heard = b""
        self.is_lost = False
        self.connection = far.protocol = server.acceptor.buildProtocol(SimpleNamespace(host=address))
        self.is_refused = far.protocol is None
        if far.protocol is not None:
            far.protocol.transport = far
            far.protocol.connectionMade()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, _reason: object) -> None:
        self.is_lost = True

    def handshakeCompleted(self) -> None:
        """TLS is up; the test goes on by itself."""

    def say(self, data: str) -> bytes:
        """Say something; returns the answer."""
        before = len(self.heard)
        self.transport.write(data.encode())
        self.network.settle()
        return self.heard[before:]

    def header(self, sender: str, to: str = "montague.example") -> bytes:
        origin = f" from='{sender}'" if sender else ""
        return self.say(
            f"<stream:stream xmlns='jabber:server' xmlns:stream='{NS_STREAMS}' xmlns:db='{NS_DIALBACK}'"
            f" xmlns:sm='urn:xmpp:sm:3'{origin} to='{to}' version='1.0'>"
        )

    def secure(self, sender: str) -> None:
        """Open a stream and begin TLS."""
        self.header(sender)
        assert b"<proceed" in self.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.transport.startTLS(None)
        self.network.settle()
        self.header(sender)

    def dialback(self, sender: str, to: str = "montague.example", key: str = "key") -> bytes:
        return self.say(f"<db:result from='{sender}' to='{to}'>{key}</db:result>")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def certified(network: Network) -> Server:
    """A server of the stranger's own, whose certificate he can show."""
    return network.server("mallory.example")


def proven(stranger: Stranger) -> Stranger:
    """Have him prove that he is from his own server."""
    stranger.secure("mallory.example")
    assert b"type='valid'" in stranger.dialback("mallory.example")
    return stranger


# how many may come


def test_address_with_too_many_connections_is_turned_away(network: Network) -> None:
    """Until one of them is gone."""
    montague = network.server("montague.example", limits=FederationLimits(connections_per_address=2))
    first, second = Stranger(montague), Stranger(montague)
    assert Stranger(montague).is_refused
    assert not Stranger(montague, "juliet.example").is_refused
    second.transport.loseConnection()
    network.settle()
    assert not Stranger(montague).is_refused
    assert not first.is_lost


def test_server_with_too_many_connections_loses_the_quietest(network: Network) -> None:
    """From however many addresses they come; other servers' are not touched."""
    montague = network.server("montague.example", limits=FederationLimits(connections_per_domain=2))
    certified(network)
    verona = network.server("verona.example")
    verona.send("x@verona.example", ROMEO)
    streams = []
    for _ in range(2):
        streams.append(proven(Stranger(montague)))
        network.pass_time(1)
    streams[0].say(" ")
    third = proven(Stranger(montague))
    assert [each.is_lost for each in (*streams, third)] == [False, True, False]
    assert b"resource-constraint" in streams[1].heard
    assert verona.pool.connections and not verona.pool.connections[0].is_gone
    streams[0].transport.loseConnection()
    network.settle()
    assert not proven(Stranger(montague)).is_lost and not third.is_lost


def test_crowd_of_strangers_does_not_keep_others_out(network: Network) -> None:
    """The oldest, who had the most time to say who he is, has to go."""
    montague = network.server("montague.example", limits=FederationLimits(unauthenticated_connections=3))
    crowd = [Stranger(montague, f"192.0.2.{number}") for number in range(3)]
    latest = Stranger(montague, "192.0.2.9")
    network.settle()
    assert [stranger.is_lost for stranger in crowd] == [True, False, False]
    assert b"<stream:features>" in latest.header("juliet.example")
    assert montague.acceptor.count == 3


def test_who_has_proven_himself_stays_in_a_crowd(network: Network) -> None:
    """Only strangers have to go."""
    montague = network.server("montague.example", limits=FederationLimits(unauthenticated_connections=2))
    capulet = network.server("capulet.example")
    capulet.send(JULIET, ROMEO)
    for number in range(10):
        Stranger(montague, f"192.0.2.{number}")
        network.settle()
        assert montague.acceptor.count <= 3
    capulet.send(JULIET, ROMEO, "again")
    assert montague.bodies() == ["hi", "again"]
    assert len(network.dialled) == 1


def test_nothing_is_counted_when_all_have_gone(network: Network) -> None:
    """However they went."""
    montague = network.server("montague.example", limits=FederationLimits(unauthenticated_connections=2))
    certified(network)
    for number in range(6):
        stranger = Stranger(montague, f"192.0.2.{number}" if number else "mallory.example")
        stranger.secure("mallory.example")
        if not number:
            assert b"type='valid'" in stranger.dialback("mallory.example")
    network.cut()
    network.settle()
    assert montague.acceptor.count == 0
    assert not montague.acceptor._strangers
    assert not montague.guard._connections
    assert montague.guard._strangers == 0


def test_stranger_who_says_nothing_is_sent_away_in_time(network: Network) -> None:
    """Unauthenticated connections are short."""
    montague = network.server("montague.example", limits=FederationLimits(unauthenticated_seconds=5))
    silent = Stranger(montague)
    network.pass_time(4)
    assert not silent.is_lost
    network.pass_time(4)
    assert silent.is_lost
    assert b"connection-timeout" in silent.heard


def test_stranger_who_says_too_much_is_sent_away(network: Network) -> None:
    """Small things, which none of the other limits meets."""
    montague = network.server("montague.example")
    certified(network)
    stranger = Stranger(montague)
    stranger.secure("mallory.example")
    for _ in range(STRANGERS_BYTES // 1_000):
        stranger.say("<sm:r/>" * 150)
    assert b"policy-violation" in stranger.heard
    assert stranger.is_lost


UNREAD = 200_000
QUESTIONS = "<db:verify from='a.example' to='montague.example' id='1'>key</db:verify>" * 100


def test_peer_that_asks_and_does_not_read_is_left(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers may not fill our memory."""
    monkeypatch.setattr(connections, "UNREAD", UNREAD)
    montague = network.server("montague.example")
    certified(network)
    peer = Stranger(montague)
    peer.secure("mallory.example")
    peer.dialback("mallory.example")
    peer.connection.pauseProducing()
    said = 0
    while not peer.is_lost:
        peer.say(QUESTIONS)
        said += len(QUESTIONS)
        assert said < 2 * UNREAD, "it must end"
    assert said > UNREAD / 4


def test_slow_peer_that_reads_in_the_end_is_not_left(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it reads, it may ask anew."""
    monkeypatch.setattr(connections, "UNREAD", UNREAD)
    montague = network.server("montague.example")
    certified(network)
    peer = Stranger(montague)
    peer.secure("mallory.example")
    peer.dialback("mallory.example")
    for _ in range(2 * UNREAD // len(QUESTIONS)):
        peer.connection.pauseProducing()
        peer.say(QUESTIONS)
        peer.connection.resumeProducing()
    assert not peer.is_lost


def test_strangers_cannot_take_all_the_dialling(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can have us ask others about his keys; our own stanzas go out all the same."""
    monkeypatch.setattr(pools, "DIALS", 8)
    monkeypatch.setattr(pools, "RESERVED", 3)
    montague = network.server("montague.example")
    capulet = network.server("capulet.example")
    certified(network)
    monkeypatch.setattr(
        montague, "find", lambda domain: Deferred() if domain.startswith("slow") else found(domain)
    )
    found = capulet.find
    answers = b""
    for stream in range(2):
        stranger = Stranger(montague)
        stranger.secure("mallory.example")
        answers += b"".join(stranger.dialback(f"slow{stream}{number}.example") for number in range(5))
    assert answers.count(b"resource-constraint") == 5
    montague.send(ROMEO, JULIET)
    assert capulet.bodies() == ["hi"]


# who they are


@pytest.mark.parametrize("header_from", ["legacy.example", ""])
def test_domain_that_must_use_tls_is_not_taken_without_it(network: Network, header_from: str) -> None:
    """Whatever another domain, which the stream's header names, may do."""
    legacy = {"legacy.example": PeerConfig(encryption="optional")}
    montague = network.server(
        "montague.example", peers=legacy, encryption="required" if header_from else "optional"
    )
    if not header_from:
        montague.acceptor._means.policies.apply(_strict())
    network.server("capulet.example")
    stranger = Stranger(montague)
    stranger.header(header_from)
    answer = stranger.dialback("capulet.example")
    assert b"type='error'" in answer and b"policy-violation" in answer
    assert network.dialled == []


def _strict() -> FederationConfig:
    peers = {"capulet.example": PeerConfig(encryption="required")}
    return FederationConfig(encryption="optional", peers=peers)


def test_claimed_name_is_worth_nothing(network: Network) -> None:
    """Who opens a stream in another's name and proves his own is paced, and resumes, as himself."""
    montague = network.server("montague.example", limits=FederationLimits(bytes_per_second=1_000.0))
    certified(network)
    capulet = network.server("capulet.example")
    mallory = Stranger(montague)
    mallory.secure("capulet.example")
    assert b"type='valid'" in mallory.dialback("mallory.example")
    mallory.say(f"<message from='m@mallory.example' to='{ROMEO}'>{'x' * 9_000}</message>")
    assert montague.guard.take("mallory.example", 0, 0) > 0
    assert montague.guard.take("capulet.example", 0, 0) == 0
    capulet.send(JULIET, ROMEO)
    (session,) = montague.acceptor._sessions
    network.clock.advance(20)
    network.settle()
    assert b"item-not-found" in mallory.say(f"<sm:resume previd='{session}' h='0'/>")


def test_certificate_after_dialback_gives_nothing_more(network: Network) -> None:
    """The greeting's certificate was looked at for the name in the header, not for the one proven."""
    montague = network.server("montague.example")
    certified(network)
    network.server("verona.example")
    mallory = Stranger(montague)
    mallory.secure("mallory.example")
    assert b"type='valid'" in mallory.dialback("mallory.example")
    answer = mallory.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    assert b"not-authorized" in answer


# sessions


def connected(network: Network) -> tuple[Server, Server]:
    """A server that has sent something to another, which has acknowledged it."""
    capulet, montague = network.server("capulet.example"), network.server("montague.example")
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(2)
    return capulet, montague


def put(server: Server, sender: str, to: str, body: str) -> None:
    """Send without the other side's reading it yet."""
    stanza = f"<message from='{sender}' to='{to}' id='{body}'><body>{body}</body></message>"
    server.pool.send(server.name, to.partition("/")[0].rpartition("@")[2], stanza.encode())
    server.network.clock.advance(0)


def test_session_is_taken_over_while_its_former_stream_seems_alive(network: Network) -> None:
    """Only one side has noticed yet that the connection is broken."""
    capulet, montague = connected(network)
    (near,) = [transport for transport in network.live() if transport.address == "capulet.example"]
    put(capulet, JULIET, ROMEO, "2")
    near.other.inbox.clear()
    near.is_lost = True
    near.protocol.connectionLost(Failure(ConnectionLost()))
    network.pass_time(3)
    montague.send(ROMEO, JULIET, "answer")
    assert (montague.bodies(), capulet.bodies()) == (["1", "2"], ["answer"])
    assert montague.acceptor.count == 1


def test_session_that_is_over_still_tells_what_was_taken(network: Network) -> None:
    """The farewell was heard, its answer was not: nothing is sent twice."""
    capulet, montague = connected(network)
    put(capulet, JULIET, ROMEO, "2")
    (connection,) = capulet.pool.connections
    connection.close()
    (near,) = [transport for transport in network.live() if transport.address == "capulet.example"]
    near.other.turn()
    assert montague.bodies() == ["1", "2"]
    near.inbox.clear()
    network.cut()
    network.pass_time(5)
    capulet.send(JULIET, ROMEO, "3")
    assert montague.bodies() == ["1", "2", "3"]


def test_session_is_not_gone_on_with_by_another(network: Network) -> None:
    """Its name is no proof."""
    _, montague = connected(network)
    certified(network)
    (session,) = montague.acceptor._sessions
    mallory = Stranger(montague)
    mallory.secure("mallory.example")
    assert b"type='valid'" in mallory.dialback("mallory.example")
    assert b"item-not-found" in mallory.say(f"<sm:resume previd='{session}' h='0'/>")
    assert montague.acceptor.count == 2
