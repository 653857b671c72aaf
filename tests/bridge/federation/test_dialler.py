"""Connections that are dialled, before anything is sent on them."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from bridge.federation.dial import NEGOTIATION_TIMEOUT
from bridge.federation.dialler import Dialler, stream_of
from tests.bridge.federation.fabric import Network, Server, played

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/garden"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def both(network: Network) -> tuple[Server, Server]:
    return network.server("capulet.example"), network.server("montague.example", "chat.montague.example")


def dialler(server: Server) -> Dialler:
    return server.pool._dialler


def test_ready_connection_is_found_by_domain_and_by_place(network: Network) -> None:
    """And not any more when it is gone."""
    capulet, _ = both(network)
    capulet.send(JULIET, ROMEO)
    (connection,) = dialler(capulet).connections
    (target,) = capulet.find("montague.example").result
    assert list(dialler(capulet).ready_for["montague.example"]) == [connection]
    assert list(dialler(capulet).ready_at[target]) == [connection]
    assert stream_of(connection).remote == "montague.example"
    dialler(capulet).unlist(connection)
    assert not dialler(capulet).ready_for["montague.example"]
    assert not dialler(capulet).ready_at[target]


def test_judgement_that_never_comes_ends_the_attempt(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stanza comes back, and nothing is left of the connection."""
    capulet, _ = both(network)
    monkeypatch.setattr(capulet.pool._means.verifier, "problem", lambda *_: Deferred())
    capulet.send(JULIET, ROMEO, "m1")
    network.pass_time(NEGOTIATION_TIMEOUT + 10)
    assert capulet.errors() == [("m1", "remote-server-timeout")]
    assert not dialler(capulet).dials and not dialler(capulet).connections


def test_end_does_not_wait_for_what_is_not_ready(network: Network) -> None:
    """A dial under way is given up, a stream that is being negotiated is cut."""
    capulet, _ = both(network)
    stanza = f"<message from='{JULIET}' to='{ROMEO}' id='m1'/>".encode()
    capulet.pool.send("capulet.example", "montague.example", stanza)
    assert dialler(capulet).dials
    capulet.pool.stop()
    network.settle()
    assert not dialler(capulet).dials and not dialler(capulet).connections
    assert capulet.errors() == [("m1", "remote-server-timeout")]


def test_connection_that_comes_too_late_is_cut(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge has stopped meanwhile."""
    capulet, _ = both(network)
    later: list[Any] = []
    monkeypatch.setattr("bridge.federation.dial.connect", lambda *made: later.append(made) or Deferred())
    capulet.send(JULIET, ROMEO, "m1")
    capulet.pool.stop()
    network.connect(*later[0])
    network.settle()
    assert not network.live()
    assert not dialler(capulet).connections
