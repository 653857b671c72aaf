"""How others reach us."""

from __future__ import annotations

import pytest

from tests.transports.sip.wires import Reactor
from transports.sip.agent.bound import Bound, dns_of, token
from transports.sip.agent.routing import Hop
from transports.sip.config import SipConfig

FOUND = {("UDP", 4): ("192.0.2.1", 5060), ("TCP", 6): ("::", 5062)}
V4, V6 = Hop("UDP", "198.51.100.7", 5060), Hop("TCP", "2001:db8::7", 5060)


@pytest.mark.parametrize(
    ("advertised", "hop", "contact"),
    [
        ("", V4, "sip:romeo@192.0.2.1:5060"),
        ("", V6, "sip:romeo@gw.example:5062;transport=tcp"),
        ("", Hop("TLS", "198.51.100.7", 5061), "sip:romeo@gw.example;transport=tls"),
        ("sip1.example", V4, "sip:romeo@sip1.example:5060"),
    ],
)
def test_we_are_named_as_configured_or_as_we_listen(advertised: str, hop: Hop, contact: str) -> None:
    """The domain stands for addresses that are none."""
    bound = Bound(SipConfig(domain="gw.example", advertised=advertised), FOUND)
    assert str(bound.contact("romeo", hop)) == contact
    assert (bound.transports, bound.families) == ({"UDP", "TCP", "TLS"}, {4, 6})
    assert {"gw.example", "192.0.2.1"} <= bound.hosts and "" not in bound.hosts


def test_nameservers_are_those_of_the_configuration() -> None:
    """And words are never the same."""
    config = SipConfig(domain="gw.example", nameservers=("127.0.0.1:5353", "[::1]:53"))
    assert dns_of(config, Reactor()).servers == [("127.0.0.1", 5353), ("::1", 53)]
    assert token() != token()
