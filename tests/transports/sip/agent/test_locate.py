"""Where a SIP server is."""

from __future__ import annotations

import random

import pytest
from twisted.internet.defer import Deferred
from twisted.names import dns

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.wires import Names
from transports.sip.agent.locate import MAX_HOPS, Locator, in_order
from transports.sip.agent.routing import Hop
from transports.sip.wire.uri import parse_uri

RECORDS = {
    ("NAPTR", "a.example"): [
        dns.Record_NAPTR(20, 10, b"s", b"SIP+D2U", b"", b"_sip._udp.a.example"),
        dns.Record_NAPTR(10, 10, b"S", b"sips+d2t", b"", b"_sips._tcp.a.example"),
        dns.Record_NAPTR(5, 10, b"u", b"E2U+sip", b"", b"a.example"),
    ],
    ("SRV", "_sips._tcp.a.example"): [
        dns.Record_SRV(20, 0, 5071, b"two.a.example"),
        dns.Record_SRV(10, 0, 5061, b"one.a.example"),
    ],
    ("SRV", "_sip._udp.a.example"): [dns.Record_SRV(10, 0, 5060, b"one.a.example")],
    ("SRV", "_sip._tcp.b.example"): [dns.Record_SRV(10, 0, 5080, b"one.a.example")],
    ("A", "one.a.example"): [dns.Record_A("192.0.2.1")],
    ("A", "two.a.example"): [dns.Record_A("192.0.2.2")],
    ("AAAA", "one.a.example"): [dns.Record_AAAA("2001:db8::1")],
    ("A", "c.example"): [dns.Record_A("192.0.2.3")],
    ("NAPTR", "w.example"): [
        dns.Record_NAPTR(20, 10, b"s", b"SIP+D2W", b"", b"_sip._ws.w.example"),
        dns.Record_NAPTR(10, 10, b"s", b"SIPS+D2W", b"", b"_sips._ws.w.example"),
    ],
    ("SRV", "_sips._ws.w.example"): [dns.Record_SRV(10, 0, 8443, b"one.a.example")],
    ("SRV", "_sip._ws.w.example"): [dns.Record_SRV(10, 0, 8080, b"two.a.example")],
    ("SRV", "_sip._udp.gone.example"): [dns.Record_SRV(0, 0, 0, b".")],
    ("A", "many.example"): [dns.Record_A(f"192.0.2.{n}") for n in range(50)],
}
ALL = frozenset({"UDP", "TCP", "TLS", "WS", "WSS"})


def locate(uri: str, transports=ALL, families=frozenset({4}), names: Names | None = None):
    locator = Locator(names or Names(RECORDS), random.Random(1), transports, families)
    found: list = []
    Deferred.fromCoroutine(locator.locate(parse_uri(uri))).addBoth(found.append)
    [result] = found
    if isinstance(result, list):
        return result
    raise result.value


@pytest.mark.parametrize(
    ("uri", "hops"),
    [
        ("sip:192.0.2.9", [Hop("UDP", "192.0.2.9", 5060)]),
        ("sip:[2001:db8::9]:5070;transport=tcp", [Hop("TCP", "2001:db8::9", 5070)]),
        ("sips:192.0.2.9", [Hop("TLS", "192.0.2.9", 5061, "192.0.2.9")]),
        ("sip:c.example:5080", [Hop("UDP", "192.0.2.3", 5080)]),
        ("sip:c.example;transport=tls", [Hop("TLS", "192.0.2.3", 5061, "c.example")]),
        ("sip:c.example", [Hop("UDP", "192.0.2.3", 5060)]),
        ("sip:b.example", [Hop("TCP", "192.0.2.1", 5080)]),
        (
            "sip:a.example",
            [Hop("TLS", "192.0.2.1", 5061, "a.example"), Hop("TLS", "192.0.2.2", 5071, "a.example")],
        ),
        ("sip:a.example;transport=udp", [Hop("UDP", "192.0.2.1", 5060)]),
        ("sip:192.0.2.9;transport=ws", [Hop("WS", "192.0.2.9", 80, "192.0.2.9")]),
        ("sips:192.0.2.9;transport=ws", [Hop("WSS", "192.0.2.9", 443, "192.0.2.9")]),
        ("sip:c.example;transport=wss", [Hop("WSS", "192.0.2.3", 443, "c.example")]),
        ("sip:w.example;transport=ws", [Hop("WS", "192.0.2.2", 8080, "w.example")]),
        ("sip:w.example", [Hop("WSS", "192.0.2.1", 8443, "w.example")]),
        ("sips:w.example", [Hop("WSS", "192.0.2.1", 8443, "w.example")]),
    ],
)
@pytest.mark.spec("RFC 3263 §4")
def test_transport_port_and_address_are_found_in_order(uri: str, hops: list[Hop]) -> None:
    """NAPTR, SRV, addresses, as far as the URI does not say it; a certificate is for the URI's domain."""
    assert locate(uri) == hops


def test_name_that_stands_for_nothing_is_not_looked_up() -> None:
    """Whoever has it is at the other end of a connection, or nowhere."""
    names = Names({("A", "x.invalid"): [dns.Record_A("192.0.2.3")]})
    with pytest.raises(BridgeError) as caught:
        locate("sip:romeo@x.invalid;transport=ws", names=names)
    assert caught.value.trouble is Trouble.UNREACHABLE
    visitor = Hop("WS", "192.0.2.7", 40000)
    found: list[object] = []
    known = Locator(names, random.Random(1), ALL, frozenset({4}), {"x.invalid": visitor}.get)
    Deferred.fromCoroutine(known.locate(parse_uri("sip:romeo@x.invalid"))).addCallback(found.append)
    assert found == [[visitor]]


def test_only_what_we_speak_is_tried() -> None:
    """Neither TLS nor IPv6 where they are not there."""
    assert locate("sip:a.example", frozenset({"UDP"})) == [Hop("UDP", "192.0.2.1", 5060)]
    both = locate("sip:a.example", frozenset({"UDP"}), frozenset({4, 6}))
    assert both == [Hop("UDP", "2001:db8::1", 5060), Hop("UDP", "192.0.2.1", 5060)]
    for uri, transports in (("sips:a.example", frozenset({"UDP", "TCP"})), ("sip:a;transport=sctp", ALL)):
        with pytest.raises(BridgeError):
            locate(uri, transports)


def test_unknown_domain_and_silent_dns_are_told_apart() -> None:
    """The one has no server, the other may have."""
    with pytest.raises(BridgeError) as caught:
        locate("sip:nowhere.example")
    assert caught.value.trouble is Trouble.UNREACHABLE
    names = Names()
    names.broken = True
    with pytest.raises(BridgeError) as caught:
        locate("sip:a.example", names=names)
    assert caught.value.trouble is Trouble.TIMED_OUT
    with pytest.raises(BridgeError):
        locate("sip:gone.example")


def test_hops_are_bounded() -> None:
    """Whatever the DNS says."""
    assert len(locate("sip:many.example")) == MAX_HOPS


def test_weights_divide_the_load_within_a_priority() -> None:
    """RFC 2782: about three of four go to the server of weight 3."""
    records = [
        dns.Record_SRV(1, 1, 1, b"a"),
        dns.Record_SRV(1, 3, 1, b"b"),
        dns.Record_SRV(0, 0, 1, b"first"),
    ]
    rng = random.Random(4)
    orders = [[one.target.name for one in in_order(records, rng)] for _ in range(400)]
    assert all(order[0] == b"first" and sorted(order[1:]) == [b"a", b"b"] for order in orders)
    assert 250 < sum(order[1] == b"b" for order in orders) < 350
