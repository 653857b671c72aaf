"""Which way a gateway's stanzas take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.federation.exchange import Exchange
from bridge.federation.outlet import DECISIONS, ByDomain, ByExchange, parents
from bridge.xmpp.element import Element

GATEWAY = "irc.example.org"


class Way:
    """The exchange's other servers, or the server of a component: notes what it is given."""

    def __init__(self) -> None:
        self.domains: list[str] = []

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        assert (local, stanzas) == (GATEWAY, b"<message/>")
        self.domains.append(domain)

    def pause(self) -> None:
        raise AssertionError

    resume = pause

    def write(self, stanzas: bytes, domain: str) -> None:
        self.domains.append(domain)

    def receive(self, stanza: Element) -> None:
        self.domains.append("local")


@pytest.fixture
def remote() -> Way:
    return Way()


@pytest.fixture
def exchange(remote: Way) -> Exchange:
    exchange = Exchange()
    exchange.remote = remote
    return exchange


def test_federated_gateway_uses_the_exchange(exchange: Exchange, remote: Way) -> None:
    """Under its own domain."""
    ByExchange(GATEWAY, exchange).write(b"<message/>", "montague.example")
    assert remote.domains == ["montague.example"]


def test_receivers_domain_decides_if_there_are_two_ways(exchange: Exchange, remote: Way) -> None:
    """The users of the server that the gateway is a component of are reached through it, others directly."""
    server = Way()
    outlet = ByDomain(GATEWAY, exchange, server, ["example.org", "*.example.org"])
    theirs, others = (
        ["example.org", "muc.example.org", "a.b.example.org"],
        ["org", "myexample.org", "a.example"],
    )
    for domain in 2 * (theirs + others):
        outlet.write(b"<message/>", domain)
    assert server.domains == 2 * theirs
    assert remote.domains == 2 * others


def test_domain_within_the_process_is_never_reached_by_the_server(exchange: Exchange) -> None:
    """A component that the bridge hosts, come or gone."""
    server, component = Way(), Way()
    outlet = ByDomain(GATEWAY, exchange, server, ["*"])
    exchange.attach("sip.example.org", component)
    outlet.write(b"<message/>", "sip.example.org")
    assert (component.domains, server.domains) == (["local"], [])
    exchange.detach("sip.example.org", component)
    outlet.write(b"<message/>", "sip.example.org")
    assert server.domains == ["sip.example.org"]


def test_decisions_remembered_are_bounded(exchange: Exchange) -> None:
    """Users come from anywhere."""
    outlet = ByDomain(GATEWAY, exchange, Way(), ["*"])
    for number in range(DECISIONS + 5):
        outlet.write(b"<message/>", f"{number}.example")
    assert len(outlet._decided) <= DECISIONS


@pytest.mark.parametrize(
    ("domain", "served"),
    [
        ("irc.example.org", ("example.org", "*.example.org")),
        ("irc.localhost", ("localhost",)),
        ("example.org", ("org",)),
    ],
)
def test_domain_above_the_gateway_is_that_of_its_server(domain: str, served: tuple[str, ...]) -> None:
    """Unless the operator says otherwise; those below a top-level domain are not meant."""
    assert parents(domain) == served


LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


@given(LABELS, LABELS)
def test_pattern_means_what_is_below_it(domain: str, parent: str) -> None:
    """And not the domain itself, nor one that only ends alike."""
    server = Way()
    exchange = Exchange()
    exchange.remote = Way()
    ByDomain(GATEWAY, exchange, server, [f"*.{parent}"]).write(b"<message/>", domain)
    assert bool(server.domains) is domain.endswith(f".{parent}")
