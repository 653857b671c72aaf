"""Peers that do not answer, refuse, end streams at bad moments, or are forbidden while they talk."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost

from bridge.config import DomainPattern, FederationConfig, FederationLimits
from bridge.federation.acceptor import Acceptor
from bridge.federation.arrivals import Arrivals
from bridge.federation.connect import Unreachable
from bridge.federation.patience import PATIENCE
from bridge.federation.pool import ANSWER_TIMEOUT, UNUSED
from bridge.federation.suspensions import RETURN
from bridge.federation.upkeep import SILENCE
from bridge.xmpp.dialback import Verdict
from bridge.xmpp.incoming import IncomingStream
from bridge.xmpp.stream_management import NS_SM
from bridge.xmpp.xml import Limits
from tests.bridge.federation.fabric import Network, Server, played

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/garden"
LOBBY = "lobby@rooms.capulet.example"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def both(network: Network, **options) -> tuple[Server, Server]:
    return (
        network.server("capulet.example", "rooms.capulet.example", **options),
        network.server("montague.example", "chat.montague.example", **options),
    )


def message(sender: str, to: str, body: str) -> bytes:
    return f"<message from='{sender}' to='{to}' id='{body}'><body>{body}</body></message>".encode()


def dialled(network: Network, server: Server) -> int:
    return sum(near == server.name for near, _ in network.dialled)


def deaf(monkeypatch: pytest.MonkeyPatch, *inputs: Any) -> None:
    """Have all servers ignore something that others ask."""
    for asked in inputs:
        monkeypatch.delitem(IncomingStream.table, ("ready", asked))


# ---- peers that do not answer


def test_peer_that_does_not_say_whether_it_takes_a_pair_is_given_up(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stanza comes back."""
    deaf(monkeypatch, "dialback_request")
    limits = FederationLimits(unauthenticated_seconds=1_000)
    capulet, _ = both(network, problem="self-signed", limits=limits)
    capulet.send(JULIET, ROMEO, "m1")
    network.pass_time(2 * ANSWER_TIMEOUT)
    assert capulet.errors() == [("m1", "remote-server-timeout")]


def test_peer_that_says_nothing_to_our_certificate_is_asked_by_dialback(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream does not hang in mid-authentication."""
    deaf(monkeypatch, "auth")
    capulet, montague = both(network, limits=FederationLimits(unauthenticated_seconds=1_000))
    capulet.send(JULIET, ROMEO, "m1")
    network.pass_time(2 * ANSWER_TIMEOUT)
    assert montague.bodies() == ["m1"]


def test_pair_without_answer_on_a_shared_connection_gets_its_own(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the connection is busy with the pair that it was made for."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    deaf(monkeypatch, "dialback_request")
    capulet.send(LOBBY, ROMEO, "2")
    for number in range(3):
        network.pass_time(ANSWER_TIMEOUT / 2)
        capulet.send(JULIET, ROMEO, f"more {number}")
    assert "2" in montague.bodies()


def test_pair_refused_on_a_shared_connection_gets_its_own(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers take only the pair that a stream was opened for."""
    judge = Acceptor._verdict

    async def only_its_own(self: Acceptor, connection: Any, event: Any) -> Verdict:
        if event.pair.sender != connection.stream.remote:
            return Verdict(False, "not-acceptable")
        return await judge(self, connection, event)

    monkeypatch.setattr(Acceptor, "_verdict", only_its_own)
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(LOBBY, ROMEO, "2")
    assert montague.bodies() == ["1", "2"]
    assert dialled(network, capulet) == 2


def test_peer_that_never_acknowledges_is_left(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it talks on; else what waits for it would wait for ever."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    (connection,) = capulet.pool.connections
    deaf(monkeypatch, "request")
    for number in range(int(SILENCE / 10) + 2):
        capulet.send(JULIET, ROMEO, str(number))
        montague.send(ROMEO, JULIET, str(number))
        network.pass_time(10)
    assert connection.is_gone


def test_question_is_answered_however_often_it_is_asked(network: Network) -> None:
    """A peer that asks for acknowledgements all the time costs one timer."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO)
    network.pass_time(1)
    (connection,) = capulet.pool.connections
    near = connection.transport
    near.write(f"<r xmlns='{NS_SM}'/>".encode() * 500)
    for _ in range(3):
        near.other.turn()
    waiting = [call for call in network.clock.getDelayedCalls() if call.func.__name__ == "_acknowledge"]
    assert len(waiting) == 1
    network.pass_time(1)
    assert isinstance(montague.acceptor._arrivals, Arrivals)
    assert not montague.acceptor._arrivals._to_acknowledge


# ---- connections that end at a bad moment


def test_second_pair_is_resumed_with_the_stream(network: Network) -> None:
    """It was proven on the former one; its stanzas neither get lost nor end the stream."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(LOBBY, ROMEO, "2")
    network.pass_time(2)
    capulet.pool.send("rooms.capulet.example", "montague.example", message(LOBBY, ROMEO, "3"))
    network.clock.advance(0)
    network.cut()
    network.pass_time(3)
    capulet.send(LOBBY, ROMEO, "4")
    assert montague.bodies() == ["1", "2", "3", "4"]
    assert dialled(network, capulet) == 2


def test_second_pair_does_not_overtake_what_is_resumed(network: Network) -> None:
    """What comes while the stream is away waits for it."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(LOBBY, ROMEO, "2")
    network.pass_time(2)
    capulet.pool.send("rooms.capulet.example", "montague.example", message(LOBBY, ROMEO, "3"))
    network.clock.advance(0)
    montague.is_up = False
    network.cut()
    network.settle()
    capulet.send(LOBBY, ROMEO, "4")
    montague.is_up = True
    network.pass_time(10)
    assert montague.bodies() == ["1", "2", "3", "4"]


def test_second_pair_goes_on_when_the_session_is_lost(network: Network) -> None:
    """It need not wait for its next stanza."""
    capulet, _ = both(network)
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(LOBBY, ROMEO, "2")
    network.pass_time(2)
    capulet.pool.send("rooms.capulet.example", "montague.example", message(LOBBY, ROMEO, "3"))
    network.clock.advance(0)
    network.cut()
    reborn = network.server("montague.example", "chat.montague.example")
    network.pass_time(10)
    assert reborn.bodies() == ["3"]


def test_answer_under_way_when_the_stream_breaks_arrives_once(network: Network) -> None:
    """The side that was connected to waits a moment for the other to come back."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(1)
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "answer"))
    for transport in network.transports:
        network.clock.advance(0)
        transport.turn()
    assert capulet.bodies() == ["answer"]
    for transport in network.live():
        transport.inbox.clear()
        transport.abortConnection()
    network.pass_time(30)
    assert capulet.bodies() == ["answer"]


def test_stanza_for_a_stream_that_is_ending_waits_for_the_next(network: Network) -> None:
    """Whichever side ends it."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    for connection in list(montague.acceptor._connections):
        connection.close()
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "answer"))
    (connection,) = capulet.pool.connections
    connection.close()
    capulet.send(JULIET, ROMEO, "2")
    assert (montague.bodies(), capulet.bodies()) == (["1", "2"], ["answer"])


def test_answer_to_a_stanza_that_came_with_the_end_of_its_stream_is_sent(network: Network) -> None:
    """The stream is over before the answer to the large stanza is made."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    (connection,) = montague.acceptor._connections
    connection.stream._parser.limits = Limits(stanza_bytes=1_000, skip_bytes=50_000)
    (near,) = capulet.pool.connections
    near.transport.write(message(JULIET, ROMEO, "x" * 5_000) + b"</stream:stream>")
    network.settle()
    network.pass_time(5)
    assert [condition for _, condition in capulet.errors()] == ["policy-violation"]


def test_dead_server_is_not_dialled_for_every_stanza(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempts are spaced, however much there is to send."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    montague.is_up = False
    network.cut()
    tried = []
    find = capulet.find
    monkeypatch.setattr(capulet, "find", lambda domain: tried.append(domain) or find(domain))
    for number in range(50):
        capulet.send(JULIET, ROMEO, f"m{number}")
    network.pass_time(PATIENCE / 2)
    assert len(tried) < 8


def test_stanza_that_ends_the_stream_every_time_comes_back(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers do so for what is too large, without saying how large that is; it is not tried for ever."""
    capulet, montague = both(network)
    taken = montague.receive

    def receive(stanza: Any) -> None:
        if stanza.child_text("body") == "poison":
            for connection in list(montague.acceptor._connections):
                connection.stream.session.handled -= 1
                connection.fail("policy-violation")
        else:
            taken(stanza)

    monkeypatch.setattr(montague, "receive", receive)
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(1)
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "poison"))
    network.settle()
    network.pass_time(2 * PATIENCE)
    assert capulet.errors() == [("poison", "remote-server-timeout")]
    assert dialled(network, capulet) < 15


def test_failed_dial_does_not_spoil_the_connection_that_came_meanwhile(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer cannot be reached, but reaches us."""
    capulet, montague = both(network)
    dial = network.connect
    held: list[Any] = []

    def connect(reactor: Any, resolver: Any, target: Any, factory: Any, timeout: float) -> Any:
        if resolver is not capulet:
            return dial(reactor, resolver, target, factory, timeout)
        held.append(Deferred())
        return held[-1]

    monkeypatch.setattr("bridge.federation.dial.connect", connect)
    capulet.send(JULIET, ROMEO, "1")
    montague.send(ROMEO, JULIET, "2")
    assert montague.bodies() == ["1"]
    held[0].errback(Unreachable("there is no way to it"))
    capulet.send(JULIET, ROMEO, "3")
    assert montague.bodies() == ["1", "3"]
    assert capulet.errors() == []


def test_spare_connection_takes_nothing_with_it(network: Network) -> None:
    """Two servers dialled each other; the stream that is not used ends, what waits for the other stays."""
    capulet, montague = both(network, problem="self-signed")
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "a"))
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "b"))
    network.settle()
    carrier = capulet.pool._carriers.of(next(iter(capulet.pool._lanes)))
    assert carrier is not None
    carrier.pauseProducing()
    capulet.send(JULIET, ROMEO, "c")
    for connection in [*capulet.pool.connections, *capulet.acceptor._connections]:
        if connection is not carrier:
            connection.abort()
    network.settle()
    assert capulet.errors() == []
    carrier.resumeProducing()
    network.settle()
    assert montague.bodies() == ["a", "c"]


def test_accident_in_mid_authentication_does_not_ban_the_certificate_for_good(network: Network) -> None:
    """A server that insists on it is reached again later."""
    capulet = network.server("capulet.example")
    montague = network.server("montague.example", authentication="certificate")
    capulet.pool._dialler._bare["montague.example"] = None
    capulet.problem = "it is not shown"
    capulet.send(JULIET, ROMEO, "1")
    assert capulet.errors() == [("1", "remote-server-timeout")]
    capulet.problem = ""
    network.pass_time(UNUSED + 10)
    capulet.send(JULIET, ROMEO, "2")
    assert montague.bodies() == ["2"]


def test_sign_of_life_is_no_use_of_a_connection(network: Network) -> None:
    """A stream on which nothing but acknowledgements go is closed in time."""
    capulet, _ = both(network, limits=FederationLimits(idle_seconds=200))
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(300)
    assert network.live() == []


# ---- the bridge's own doing


def test_fault_of_ours_ends_one_connection_only(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are looked after as before."""
    capulet, _ = both(network)
    verona = network.server("verona.example")
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(JULIET, "x@verona.example", "1")
    first, second = capulet.pool.connections
    looked_after = []

    def look_after(connection: Any, now: float) -> None:
        looked_after.append(connection)
        assert connection is not first

    monkeypatch.setattr("bridge.federation.pool.look_after", look_after)
    network.pass_time(2)
    assert first.is_gone and not second.is_gone
    assert second in looked_after[looked_after.index(first) :]
    capulet.send(JULIET, "x@verona.example", "2")
    assert verona.bodies() == ["1", "2"]


def test_stanza_that_waits_at_the_end_is_answered(network: Network) -> None:
    """And nobody is dialled any more."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(1)
    montague.is_up = False
    network.cut()
    network.settle()
    capulet.send(JULIET, ROMEO, "2")
    before = len(network.dialled)
    capulet.pool.stop()
    montague.is_up = True
    capulet.send(JULIET, ROMEO, "3")
    network.pass_time(PATIENCE)
    assert [name for name, _ in capulet.errors()] == ["2", "3"]
    assert len(network.dialled) == before


def forbid(server: Server, network: Network, **policy: Any) -> None:
    """Do what a reload does."""
    server.pool._means.policies.apply(FederationConfig(**policy))
    server.acceptor.review()
    server.pool.review()
    network.settle()


@pytest.mark.parametrize(
    "policy",
    [
        {"deny": (DomainPattern.parse("montague.example"),)},
        {"allow": (DomainPattern.parse("verona.example"),)},
    ],
)
def test_peer_that_is_denied_from_now_on_is_left(network: Network, policy: Any) -> None:
    """Whoever opened the stream; other peers' streams go on."""
    capulet, montague = both(network)
    network.server("verona.example")
    capulet.send(JULIET, ROMEO, "1")
    capulet.send(JULIET, "x@verona.example", "1")
    montague.send(ROMEO, LOBBY, "1")
    forbid(capulet, network, **policy)
    assert [connection.stream.remote for connection in capulet.pool.connections] == ["verona.example"]
    assert not capulet.acceptor._connections
    capulet.send(JULIET, ROMEO, "2")
    assert capulet.errors()[-1] == ("2", "not-allowed")
    assert montague.bodies() == ["1"]


def test_domain_that_is_not_ours_any_more_gets_and_sends_nothing(network: Network) -> None:
    """Its streams end."""
    capulet, montague = both(network)
    montague.send(ROMEO, JULIET, "1")
    capulet.exchange.detach("capulet.example", capulet)
    forbid(capulet, network)
    assert not capulet.acceptor._connections
    montague.send(ROMEO, JULIET, "2")
    assert capulet.bodies() == ["1"]
    assert montague.errors()[0][0] == "2"


def test_certificate_does_not_open_domains_that_are_not_served(network: Network) -> None:
    """It proves the sender for all of ours, and for no others of this machine."""
    capulet, montague = both(network)
    capulet.send(JULIET, ROMEO, "1")
    (connection,) = capulet.pool.connections
    connection.transport.write(message(JULIET, "x@elsewhere.example", "2"))
    network.settle()
    assert montague.bodies() == ["1"]
    assert connection.is_gone


def test_keys_that_wait_are_bounded(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fills them learns that there is no room."""
    monkeypatch.setattr("bridge.federation.pool.QUESTIONS", 0)
    capulet, montague = both(network, problem="self-signed", limits=FederationLimits())
    capulet.send(JULIET, ROMEO, "1")
    assert montague.bodies() == []
    assert capulet.errors() == [("1", "remote-server-timeout")]


def step(network: Network, turns: int) -> None:
    for _ in range(turns):
        network.clock.advance(0)
        for transport in list(network.transports):
            transport.turn()


@pytest.mark.parametrize("turns", range(1, 16))
def test_link_cut_while_it_is_made_doubles_nothing(network: Network, turns: int) -> None:
    """Whatever the two have said to each other by then, also before the session has a name."""
    capulet, montague = both(network)
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "1"))
    step(network, turns)
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "1"))
    network.clock.advance(0)
    network.cut()
    network.pass_time(2 * RETURN)
    for sender, receiver in ((capulet, montague), (montague, capulet)):
        assert [*receiver.bodies(), *(name for name, _ in sender.errors())] == ["1"]


def test_pair_that_was_accepted_unheard_is_resumed_with_the_stream(network: Network) -> None:
    """The answer to a second pair is lost, but the peer uses it already for its own stanzas."""
    capulet, montague = both(network, problem="self-signed")
    capulet.send(JULIET, ROMEO, "1")
    network.pass_time(1)
    (carrier,) = capulet.pool.connections
    capulet.pool.send("rooms.capulet.example", "montague.example", message(LOBBY, ROMEO, "2"))
    while b"type='valid'" not in b"".join(carrier.transport.inbox):
        step(network, 1)
    montague.pool.send("montague.example", "rooms.capulet.example", message(ROMEO, LOBBY, "3"))
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "4"))
    network.clock.advance(0)
    network.cut()
    network.pass_time(2 * RETURN)
    assert capulet.bodies() == ["3"]
    assert sorted(montague.bodies()) == ["1", "2", "4"]


def acquainted_twice(network: Network) -> tuple[Server, Server]:
    """Two servers that dialled each other at once; each uses the link that the other made."""
    capulet, montague = both(network)
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "0"))
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "0"))
    network.settle()
    network.pass_time(1)
    assert len(network.live()) == 4
    return capulet, montague


def test_what_was_resumed_is_not_overtaken_on_another_link(network: Network) -> None:
    """A lane stays with the link that has its stanzas, though it came later."""
    capulet, montague = acquainted_twice(network)
    (carrier,) = [lane.carrier for lane in capulet.pool._lanes.values()]
    capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, "1"))
    network.clock.advance(0)
    carrier.transport.abortConnection()
    network.settle()
    network.pass_time(3)
    (resumed,) = [lane.carrier for lane in capulet.pool._lanes.values()]
    capulet.send(JULIET, ROMEO, "2")
    assert montague.bodies() == ["0", "1", "2"]
    assert resumed.since > carrier.since


def test_link_that_seemed_alive_when_it_was_resumed_is_not_overtaken(network: Network) -> None:
    """Who did not notice its end learns of it by the resumption, and has another link to the same server."""
    capulet, montague = acquainted_twice(network)
    (lane,) = montague.pool._lanes.values()
    former = lane.carrier
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "1"))
    network.clock.advance(0)
    near = former.transport.other
    near.cut(0)
    near.end(ConnectionLost())
    while montague.pool._carriers.carries(former):
        step(network, 1)
    montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, "2"))
    network.settle()
    assert capulet.bodies() == ["0", "1", "2"]


def test_links_that_both_sides_dialled_are_both_resumed(network: Network) -> None:
    """After a cut each may send on the other's link; then each resumes its own, for the other waits for it."""
    capulet, montague = network.server("capulet.example"), network.server("montague.example")
    sent = 0
    for _ in range(4):
        for number in range(sent, sent + 6):
            body = str(number)
            capulet.pool.send("capulet.example", "montague.example", message(JULIET, ROMEO, body))
            montague.pool.send("montague.example", "capulet.example", message(ROMEO, JULIET, body))
            network.clock.advance(0)
        sent += 6
        network.settle()
        network.cut()
        network.pass_time(3)
    expected = [str(number) for number in range(sent)]
    assert (capulet.bodies(), montague.bodies()) == (expected, expected)
    assert capulet.errors() == montague.errors() == []
