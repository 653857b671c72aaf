from __future__ import annotations

import pytest

from bridge.config import FederationLimits, PeerConfig
from bridge.federation.patience import PATIENCE
from bridge.federation.refusals import REFUSAL
from tests.bridge.federation.fabric import Network, Server, played

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/garden"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def both(network: Network, **options) -> tuple[Server, Server]:
    return (
        network.server("capulet.example", "rooms.capulet.example", **options),
        network.server("montague.example", "chat.montague.example", **options),
    )


def test_first_stanza_makes_the_connection(network: Network) -> None:
    """It waits for it, and arrives."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO)
    assert montague.bodies() == ["hi"]


def test_stanzas_arrive_in_order(network: Network) -> None:
    """Those that waited, and those that come while the connection is made."""
    capulet, montague = both(network)
    for number in range(5):
        capulet.pool.send(
            "capulet.example",
            "montague.example",
            f"<message from='{JULIET}' to='{ROMEO}'><body>{number}</body></message>".encode() * 2,
        )
        if number == 2:
            network.settle()
    network.settle()
    assert montague.bodies() == [str(number) for number in range(5) for _ in range(2)]


def test_plain_connection_is_not_shared_by_a_domain_that_must_use_tls(network: Network) -> None:
    """The same server may have a domain that is allowed to do without."""
    plain = {"montague.example": PeerConfig(encryption="never")}
    capulet = network.server("capulet.example", peers=plain)
    montague = network.server("montague.example", "chat.montague.example", encryption="optional")
    capulet.send(JULIET, ROMEO)
    capulet.send(JULIET, "lobby@chat.montague.example", "secret")
    assert montague.bodies() == ["hi", "secret"]
    dialled = [near for near in network.transports[::2] if near.address == "capulet.example"]
    assert [transport.secured for transport in dialled] == [False, True]


def test_answer_goes_over_the_same_connection(network: Network) -> None:
    """Both sides know XEP-0288, so one is enough."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO)
    montague.send(ROMEO, JULIET, "answer")
    assert capulet.bodies() == ["answer"]
    assert network.dialled == [("capulet.example", "montague.example")]


@pytest.mark.parametrize("problem", ["", "self-signed"])
def test_second_domain_shares_the_connection(network: Network, problem: str) -> None:
    """Piggybacking, whether the certificate is trusted or dialback decides."""
    capulet, montague = both(network, problem=problem)
    capulet.send(JULIET, ROMEO)
    capulet.send("lobby@rooms.capulet.example", ROMEO, "from the room")
    capulet.send(JULIET, "lobby@chat.montague.example", "to the room")
    assert montague.bodies() == ["hi", "from the room", "to the room"]
    dialled = [way for way in network.dialled if way[0] == "capulet.example"]
    assert len(dialled) == 1


def test_untrusted_certificates_are_dialled_back(network: Network) -> None:
    """The receiving server asks where DNS says that the sender is."""
    capulet, montague = both(network, problem="self-signed")
    capulet.send(JULIET, ROMEO)
    assert montague.bodies() == ["hi"]
    assert ("montague.example", "capulet.example") in network.dialled


def test_required_certificate_is_not_replaced_by_dialback(network: Network) -> None:
    """The stanza comes back; nothing of it is sent."""
    capulet = network.server("capulet.example", authentication="certificate")
    montague = network.server("montague.example", problem="self-signed")
    capulet.send(JULIET, ROMEO, "m1")
    assert montague.bodies() == []
    assert capulet.errors() == [("m1", "remote-server-timeout")]


def test_receiving_server_may_require_a_certificate_too(network: Network) -> None:
    """Its dialback refuses, with a reason."""
    capulet = network.server("capulet.example", problem="expired")
    montague = network.server("montague.example", authentication="certificate")
    capulet.send(JULIET, ROMEO, "m1")
    assert montague.bodies() == []
    assert capulet.errors() == [("m1", "remote-server-timeout")]


def test_unknown_domain_comes_back_as_not_found(network: Network) -> None:
    """At once, and for a while without asking again."""
    capulet, _ = both(network)
    capulet.send(JULIET, "nobody@verona.example", "m1")
    capulet.send(JULIET, "nobody@verona.example", "m2")
    assert capulet.errors() == [("m1", "remote-server-not-found"), ("m2", "remote-server-not-found")]


def test_domain_without_answering_dns_may_work_later(network: Network) -> None:
    """A failure is remembered for a moment only."""
    capulet, montague = both(network)
    network.unresolvable.add("montague.example")
    capulet.send(JULIET, ROMEO, "m1")
    assert capulet.errors() == [("m1", "remote-server-timeout")]
    network.unresolvable.clear()
    network.pass_time(REFUSAL + 1)
    capulet.send(JULIET, ROMEO, "m2")
    assert montague.bodies() == ["m2"]


def test_server_that_is_down_is_told_to_the_sender(network: Network) -> None:
    """RFC 6120 §8.3.3.16."""
    capulet, montague = both(network)
    montague.is_up = False
    capulet.send(JULIET, ROMEO, "m1")
    assert capulet.errors() == [("m1", "remote-server-timeout")]


def test_errors_are_not_answered_by_errors(network: Network) -> None:
    """Else two servers would talk for ever."""
    capulet, _ = both(network)
    stanza = f"<message from='{JULIET}' to='x@verona.example' type='error'><error/></message>"
    capulet.pool.send("capulet.example", "verona.example", stanza.encode())
    network.settle()
    assert capulet.received == []


def test_queue_is_bounded_and_says_so(network: Network) -> None:
    """What does not fit comes back at once, what does goes out."""
    capulet = network.server("capulet.example", limits=FederationLimits(queue_bytes=10_000))
    montague = network.server("montague.example")
    body = "x" * 3_000
    for _ in range(5):
        stanza = f"<message from='{JULIET}' to='{ROMEO}' id='m'><body>{body}</body></message>"
        capulet.pool.send("capulet.example", "montague.example", stanza.encode())
    network.settle()
    assert len(montague.bodies()) == 3
    assert capulet.errors() == [("m", "resource-constraint")] * 2


def test_stanza_larger_than_the_peer_takes_comes_back(network: Network) -> None:
    """XEP-0478: the stream, which others share, is not risked."""
    capulet = network.server("capulet.example")
    montague = network.server("montague.example", limits=FederationLimits(stanza_bytes=10_000))
    capulet.send(JULIET, ROMEO, "x" * 20_000)
    capulet.send(JULIET, ROMEO, "small")
    assert montague.bodies() == ["small"]
    assert [condition for _, condition in capulet.errors()] == ["policy-violation"]


# ---- faults


def test_cut_connection_loses_and_doubles_nothing(network: Network) -> None:
    """What the peer had not taken is sent again when the stream is resumed (XEP-0198)."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    for number in ("2", "3"):
        stanza = f"<message from='{JULIET}' to='{ROMEO}'><body>{number}</body></message>"
        capulet.pool.send("capulet.example", "montague.example", stanza.encode())
        network.clock.advance(0)
    network.cut()
    network.pass_time(3)
    capulet.send(JULIET, ROMEO, "4")
    assert montague.bodies() == ["1", "2", "3", "4"]


def test_restarted_peer_gets_what_its_predecessor_had_not_acknowledged(network: Network) -> None:
    """Its session is gone, but not what waits here."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(1)
    montague.is_up = False
    network.cut()
    network.settle()
    for number in ("2", "3"):
        capulet.send(JULIET, ROMEO, number)
    network.pass_time(2)
    reborn = network.server("montague.example", "chat.montague.example")
    network.pass_time(10)
    assert reborn.bodies() == ["2", "3"]
    assert capulet.errors() == []


def test_peer_that_stays_away_is_given_up(network: Network) -> None:
    """Within the patience, and every stanza is answered."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    montague.is_up = False
    network.cut()
    network.settle()
    capulet.send(JULIET, ROMEO, "2")
    network.pass_time(PATIENCE / 2)
    assert capulet.errors() == []
    network.pass_time(PATIENCE)
    assert ("2", "remote-server-timeout") in capulet.errors()


def test_orderly_end_of_the_peer_loses_nothing(network: Network) -> None:
    """It closes the stream properly; the next stanza makes another."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    montague.acceptor.stop()
    network.settle()
    capulet.send(JULIET, ROMEO, "2")
    assert montague.bodies() == ["1", "2"]


def test_unused_connection_is_closed(network: Network) -> None:
    """And forgotten on both sides."""
    limits = FederationLimits(idle_seconds=20)
    capulet, montague = both(network, limits=limits)
    capulet.send(JULIET, ROMEO)
    network.pass_time(40)
    assert capulet.pool.connections == []
    assert network.live() == []
    capulet.send(JULIET, ROMEO, "again")
    assert montague.bodies() == ["hi", "again"]


def test_blocked_connection_holds_stanzas_back(network: Network) -> None:
    """A peer that does not read fills its own queue only."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    (connection,) = capulet.pool.connections
    connection.pauseProducing()
    capulet.send(JULIET, ROMEO, "2")
    assert montague.bodies() == ["1"]
    connection.resumeProducing()
    network.settle()
    assert montague.bodies() == ["1", "2"]


def test_two_sides_that_dial_each_other_both_get_through(network: Network) -> None:
    """Neither waits for the other."""
    capulet, montague = both(network, problem="self-signed")
    capulet.pool.send(
        "capulet.example",
        "montague.example",
        f"<message from='{JULIET}' to='{ROMEO}'><body>a</body></message>".encode(),
    )
    montague.pool.send(
        "montague.example",
        "capulet.example",
        f"<message from='{ROMEO}' to='{JULIET}'><body>b</body></message>".encode(),
    )
    network.settle()
    assert (montague.bodies(), capulet.bodies()) == (["a"], ["b"])


def test_second_domain_of_a_strict_server_gets_its_own_connection(network: Network) -> None:
    """After EXTERNAL no mechanisms are offered any more; that does not mean that dialback is."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO)
    (connection,) = capulet.pool.connections
    connection.stream.has_dialback = connection.stream.has_dialback_errors = False
    capulet.send("lobby@rooms.capulet.example", ROMEO, "from the room")
    assert montague.bodies() == ["hi", "from the room"]
    assert len(capulet.pool.connections) == 2


def test_key_is_asked_about_though_a_connection_leads_there(network: Network) -> None:
    """A question gets a connection of its own, if the one that is there is for another domain."""
    capulet, montague = both(network, problem="self-signed")
    montague.send(ROMEO, JULIET, "1")
    capulet.send("lobby@rooms.capulet.example", "lobby@chat.montague.example", "2")
    assert montague.bodies() == ["2"]
