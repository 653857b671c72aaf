"""How others reach us."""

from __future__ import annotations

import pytest

from tests.transports.sip.wires import Reactor
from transports.sip.agent.bound import Bound, dns_of, token
from transports.sip.agent.routing import Hop
from transports.sip.config import SipConfig

FOUND = {
    **{("UDP", 4): ("192.0.2.1", 5060), ("TCP", 6): ("::", 5062)},
    **{("WS", 4): ("127.0.0.1", 8088), ("WSS", 4): ("192.0.2.1", 8443)},
}
V4, V6 = Hop("UDP", "198.51.100.7", 5060), Hop("TCP", "2001:db8::7", 5060)


@pytest.mark.parametrize(
    ("advertised", "hop", "contact"),
    [
        ("", V4, "sip:romeo@192.0.2.1:5060"),
        ("", V6, "sip:romeo@gw.example:5062;transport=tcp"),
        ("", Hop("TLS", "198.51.100.7", 5061), "sip:romeo@gw.example;transport=tls"),
        ("sip1.example", V4, "sip:romeo@sip1.example:5060"),
        ("", Hop("WS", "198.51.100.7", 4711), "sip:romeo@gw.example;transport=ws"),
        ("", Hop("WSS", "198.51.100.7", 4711), "sip:romeo@192.0.2.1:8443;transport=ws"),
    ],
)
def test_we_are_named_as_configured_or_as_we_listen(advertised: str, hop: Hop, contact: str) -> None:
    """The domain stands for addresses that are none."""
    bound = Bound(SipConfig(domain="gw.example", advertised=advertised), FOUND)
    assert str(bound.contact("romeo", hop)) == contact
    assert (bound.transports, bound.families) == ({"UDP", "TCP", "TLS", "WS", "WSS"}, {4, 6})
    assert {"gw.example", "192.0.2.1"} <= bound.hosts and "" not in bound.hosts


@pytest.mark.spec("RFC 7118 §B.1")
def test_client_of_a_websocket_is_nowhere_but_there() -> None:
    """Under the same name after a restart, by which it is asked for."""
    dialled = Hop("WSS", "198.51.100.7", 443, "pbx.example")
    first, second = (Bound(SipConfig(domain="gw.example", advertised="x.example"), FOUND) for _ in range(2))
    contact = first.contact("romeo", dialled)
    assert contact == second.contact("romeo", dialled) and contact.host in first.hosts
    assert contact.host.endswith(".invalid") and contact.params == {"transport": "ws"}
    assert first.sent_by(dialled) == (contact.host, 0)
    assert first.is_reached(V4) and not first.is_reached(dialled)


def test_nameservers_are_those_of_the_configuration() -> None:
    """And words are never the same."""
    config = SipConfig(domain="gw.example", nameservers=("127.0.0.1:5353", "[::1]:53"))
    assert dns_of(config, Reactor()).servers == [("127.0.0.1", 5353), ("::1", 53)]
    assert token() != token()
