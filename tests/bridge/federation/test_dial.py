"""What an attempt at a server requires of it, where signed DNS says which certificate it has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, succeed

from bridge.federation.resolver import Target, Tlsa
from tests.bridge.federation.fabric import Network, Server, played

JULIET, ROMEO = "juliet@capulet.example/balcony", "romeo@montague.example/garden"
NAMED, NOT_UNDERSTOOD = Tlsa(3, 1, 1, bytes(32)), Tlsa(3, 1, 1, bytes(31))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return played(monkeypatch)


def dns(*records: Tlsa) -> Callable[[Target], Deferred[tuple[Tlsa, ...]]]:
    """Play a resolver that finds these records for every server."""
    return lambda _: succeed(records)


def sent(capulet: Server, montague: Server) -> bool:
    """Tell whether a message of the one reaches the other; else it must come back."""
    capulet.send(JULIET, ROMEO, "m1")
    if montague.bodies():
        return True
    assert capulet.errors() == [("m1", "remote-server-timeout")]
    return False


@pytest.mark.spec("RFC 6698 §4.1")
@pytest.mark.parametrize(("record", "arrives"), [(NAMED, False), (NOT_UNDERSTOOD, True)])
def test_dialback_does_not_make_up_for_a_certificate_that_dns_does_not_name(
    network: Network, record: Tlsa, arrives: bool
) -> None:
    """As it does for one that is wrong otherwise."""
    capulet = network.server("capulet.example")
    capulet.tlsa = dns(record)
    montague = network.server("montague.example", problem="not the one that its DNS names (DANE)")
    assert sent(capulet, montague) is arrives


@pytest.mark.spec("RFC 7673 §3.4")
@pytest.mark.parametrize(("record", "arrives"), [(NAMED, False), (NOT_UNDERSTOOD, True)])
def test_optional_encryption_is_required_where_dns_names_a_certificate(
    network: Network, record: Tlsa, arrives: bool
) -> None:
    """Nobody on the way can talk us out of TLS."""
    capulet = network.server("capulet.example", encryption="optional")
    capulet.tlsa = dns(record)
    montague = network.server("montague.example", encryption="never")
    assert sent(capulet, montague) is arrives


@pytest.mark.spec("RFC 6698 §4.1")
def test_signed_dns_does_not_matter_where_encryption_is_never_wanted(network: Network) -> None:
    """The administrator has the last word."""
    capulet = network.server("capulet.example", encryption="never")
    capulet.tlsa = dns(NAMED)
    assert sent(capulet, network.server("montague.example", encryption="never"))
