"""Streams that are kept alive, as their peers want it."""

from __future__ import annotations

import pytest

from bridge.config import FederationLimits
from bridge.federation.upkeep import BRIEFEST, QUIET
from tests.bridge.federation.fabric import Network, Transport, played

JULIET, ROMEO = "juliet@capulet.example", "romeo@montague.example"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def longest_silence(network: Network, monkeypatch: pytest.MonkeyPatch, borne: int) -> float:
    """Return the most seconds between two writes of who dialled, in ten minutes without a stanza."""
    capulet = network.server("capulet.example")
    network.server("montague.example", limits=FederationLimits(idle_seconds=3600))
    capulet.send(JULIET, ROMEO)
    (connection,) = capulet.pool.connections
    connection.stream.peer_idle_seconds = borne
    write, times = Transport.write, [network.clock.seconds()]

    def note(transport: Transport, data: bytes) -> None:
        if transport is connection.transport:
            times.append(network.clock.seconds())
        write(transport, data)

    monkeypatch.setattr(Transport, "write", note)
    network.pass_time(600)
    assert network.live()
    return max(
        after - before for before, after in zip(times, [*times[1:], network.clock.seconds()], strict=True)
    )


@pytest.mark.parametrize("borne", [30, 45, 100])
def test_peer_that_bears_little_silence_hears_from_us_in_time(
    network: Network, monkeypatch: pytest.MonkeyPatch, borne: int
) -> None:
    """XEP-0478: the time that it told is not used up."""
    assert longest_silence(network, monkeypatch, borne) < borne


@pytest.mark.parametrize("borne", [0, 3600])
def test_peer_that_bears_much_is_not_bothered(
    network: Network, monkeypatch: pytest.MonkeyPatch, borne: int
) -> None:
    """A sign of life each minute is for us, to find dead connections."""
    assert QUIET <= longest_silence(network, monkeypatch, borne) < QUIET + 5


def test_peer_that_bears_next_to_nothing_is_not_served(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot have us write all the time."""
    assert longest_silence(network, monkeypatch, 1) >= BRIEFEST / 2


def test_peer_that_owes_an_acknowledgement_hears_from_us_too(network: Network) -> None:
    """A second question would be none; a space is enough (RFC 6120 §4.6.1)."""
    capulet = network.server("capulet.example")
    network.server("montague.example")
    capulet.send(JULIET, ROMEO)
    (connection,) = capulet.pool.connections
    connection.stream.awaits_acknowledgement = True
    connection.stream.probe()
    assert connection.stream.data_to_send() == b" "
