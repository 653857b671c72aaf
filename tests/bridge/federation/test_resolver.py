"""Finding servers: SRV records in order, fall-back, addresses, TLSA records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.names import dns

from bridge.config import ServerAddress
from bridge.federation import resolver as module
from bridge.federation.dns import Answer
from bridge.federation.resolver import (
    TLSA,
    LookupFailed,
    NoServer,
    Resolver,
    Target,
    Tlsa,
    a_labels,
    in_order,
    ip_literal,
    override,
)

FAILED = Answer(failed=True)


def srv(*records: tuple[int, int, int, str], secure: bool = False) -> Answer:
    """Records as priority, weight, port, target."""
    return Answer(records=tuple(dns.Record_SRV(*record) for record in records), secure=secure)


def a(*addresses: str, secure: bool = False) -> Answer:
    return Answer(records=tuple(dns.Record_A(address) for address in addresses), secure=secure)


def aaaa(*addresses: str) -> Answer:
    return Answer(records=tuple(dns.Record_AAAA(address) for address in addresses))


def tlsa(*data: bytes, secure: bool = True) -> Answer:
    return Answer(records=tuple(dns.UnknownRecord(one) for one in data), secure=secure)


def target(host: str, port: int = 5269, *, direct_tls: bool = False, secure: bool = False) -> Target:
    return Target(host=host, port=port, direct_tls=direct_tls, secure=secure)


class Zone:
    """A DNS with the given answers; for other names there are no records."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], Answer] = {}
        self.asked: list[str] = []
        self.resolver = Resolver(self.ask, Random(1), {"box.lan": ("192.0.2.7",)})

    def ask(self, name: str, type: int) -> Deferred[Answer]:
        self.asked.append(name)
        return succeed(self.answers.get((name, type), Answer()))

    def servers(self, plain: Answer | None = None, direct: Answer | None = None) -> None:
        """Set the SRV records of example.org."""
        self.answers["_xmpp-server._tcp.example.org", dns.SRV] = plain or Answer()
        self.answers["_xmpps-server._tcp.example.org", dns.SRV] = direct or Answer()

    def find(self, domain: str = "example.org") -> tuple[Target, ...]:
        return result(self.resolver.find(domain))

    def find_tlsa(self, of: Target) -> tuple[Tlsa, ...]:
        return result(self.resolver.tlsa(of))


def result(deferred: Deferred[Any]) -> Any:
    """Return a result that must be there, or raise what went wrong."""
    got: list[Any] = []
    deferred.addCallback(got.append)
    failures: list[Any] = []
    deferred.addErrback(failures.append)
    if failures:
        failures[0].raiseException()
    (one,) = got
    return one


@pytest.fixture
def zone() -> Zone:
    return Zone()


def test_servers_of_both_kinds_are_one_list_by_priority(zone: Zone) -> None:
    """XEP-0368 §3: who wants direct TLS to be tried first gives it the lower priority."""
    zone.servers(
        srv((20, 0, 5269, "b.test"), (5, 0, 5222, "A.Test"), secure=True), srv((10, 0, 443, "c.test"))
    )
    assert zone.find() == (
        target("a.test", 5222, secure=True),
        target("c.test", 443, direct_tls=True),
        target("b.test", secure=True),
    )


def test_domain_without_srv_records_is_its_own_server(zone: Zone) -> None:
    """RFC 6120 §3.2.2: the default port at the domain's own address."""
    zone.answers["example.org", dns.A] = a("192.0.2.1")
    assert zone.find() == (target("example.org"),)


@pytest.mark.parametrize(("plain", "direct"), [(True, True), (True, False), (False, True)])
def test_own_server_is_vouched_for_when_all_absence_is(zone: Zone, plain: bool, direct: bool) -> None:
    """Else someone may have taken the SRV records away."""
    zone.servers(Answer(secure=plain), Answer(secure=direct))
    zone.answers["example.org", dns.AAAA] = aaaa("2001:db8::1")
    assert zone.find() == (target("example.org", secure=plain and direct),)


def test_unknown_domain_has_no_server(zone: Zone) -> None:
    """Neither SRV records nor an address."""
    with pytest.raises(NoServer):
        zone.find()


def test_root_as_target_means_no_server(zone: Zone) -> None:
    """RFC 6120 §3.2.1: then the address is no fall-back."""
    zone.servers(srv((0, 0, 0, "")))
    zone.answers["example.org", dns.A] = a("192.0.2.1")
    with pytest.raises(NoServer):
        zone.find()


def test_root_as_target_of_direct_tls_leaves_the_other_servers(zone: Zone) -> None:
    """XEP-0368: it says only that there is no direct TLS."""
    zone.servers(srv((0, 0, 5269, "a.test")), srv((0, 0, 0, "")))
    assert zone.find() == (target("a.test"),)


def test_root_as_target_of_direct_tls_forbids_the_fall_back(zone: Zone) -> None:
    """XEP-0368: the domain knows SRV records, so it would have written others."""
    zone.servers(None, srv((0, 0, 0, "")))
    zone.answers["example.org", dns.A] = a("192.0.2.1")
    with pytest.raises(NoServer):
        zone.find()


@pytest.mark.parametrize("other", [Answer(), srv((0, 0, 0, "")), FAILED])
def test_failed_lookup_is_no_absence(zone: Zone, other: Answer) -> None:
    """RFC 7673 §3.1: whoever can make lookups fail must not gain the fall-back by it."""
    zone.answers["example.org", dns.A] = a("192.0.2.1")
    for answers in ((FAILED, other), (other, FAILED)):
        zone.servers(*answers)
        with pytest.raises(LookupFailed):
            zone.find()


def test_one_failed_lookup_leaves_the_servers_of_the_other(zone: Zone) -> None:
    """Some nameservers choke on names they do not know."""
    zone.servers(srv((0, 0, 5269, "a.test")), FAILED)
    assert zone.find() == (target("a.test"),)


def test_failed_lookup_of_the_fall_back_is_no_absence(zone: Zone) -> None:
    """The address may come another time."""
    zone.answers["example.org", dns.A] = FAILED
    with pytest.raises(LookupFailed):
        zone.find()


@pytest.mark.parametrize("host", ["a b.test", "a\n.test", "a..test", ".test", "\xff.test"])
def test_record_that_leads_nowhere_is_passed_over(zone: Zone, host: str) -> None:
    """A host of other characters, and port 0, are no place to connect to."""
    odd = dns.Record_SRV(0, 0, 5269)
    odd.target.name = host.encode("latin-1")
    good = srv((0, 0, 0, "zero.test"), (9, 0, 5269, "good.test"))
    zone.servers(Answer(records=(odd, *good.records)))
    assert zone.find() == (target("good.test"),)


def test_same_server_twice_is_tried_once(zone: Zone) -> None:
    """Its first place counts."""
    zone.servers(srv((0, 0, 5269, "a.test"), (1, 0, 5269, "b.test"), (2, 0, 5269, "A.test")))
    assert zone.find() == (target("a.test"), target("b.test"))


def test_many_servers_are_cut_to_a_few(zone: Zone) -> None:
    """Those of the best priority stay."""
    zone.servers(srv(*((priority, 0, 5269, f"s{priority}.test") for priority in reversed(range(32)))))
    assert zone.find() == tuple(target(f"s{priority}.test") for priority in range(module.TARGET_LIMIT))


@pytest.mark.parametrize(
    ("domain", "asked"),
    [
        ("Straße.example", "xn--strae-oqa.example"),
        ("☕.example", "xn--53h.example"),
        ("A_b.example", "a_b.example"),
    ],
)
def test_dns_is_asked_in_a_labels(zone: Zone, domain: str, asked: str) -> None:
    """Also in those that only the IDNA of 2003 knows, for older servers' sake."""
    with pytest.raises(NoServer):
        zone.find(domain)
    assert f"_xmpp-server._tcp.{asked}" in zone.asked


def test_domain_that_is_no_name_has_no_server(zone: Zone) -> None:
    """It cannot be in the DNS."""
    with pytest.raises(NoServer):
        zone.find("ü" * 300)
    assert not zone.asked


@pytest.mark.parametrize("domain", ["192.0.2.1", "[2001:db8::1]"])
def test_address_as_domain_is_its_own_server(zone: Zone, domain: str) -> None:
    """RFC 7622 §3.2 allows it; there is nothing to look up."""
    assert zone.find(domain) == (target(domain.strip("[]")),)
    assert not zone.asked


services = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535), st.integers(1, 65535)), max_size=32)


@given(services, st.randoms(use_true_random=False))
def test_order_keeps_every_server_and_the_priorities(
    written: list[tuple[int, int, int]], randomness: Random
) -> None:
    """Weights only change the order within a priority."""
    made = [(priority, weight, target(f"{priority}.test", port)) for priority, weight, port in written]
    ordered = in_order(made, randomness)
    assert Counter(ordered) == Counter(one for _, _, one in made)
    assert [one.host for one in ordered] == sorted(one.host for one in ordered)


def first_of(*weights: int) -> Counter[int]:
    """Count which of servers of equal priority comes first, by weight."""
    randomness = Random(1)
    made = [(0, weight, target("a.test", weight + 1)) for weight in weights]
    return Counter(in_order(made, randomness)[0].port - 1 for _ in range(4000))


def test_heavier_server_comes_first_more_often() -> None:
    """RFC 2782: in proportion to the weight."""
    counted = first_of(10, 30)
    assert 2.7 < counted[30] / counted[10] < 3.3


def test_server_without_weight_is_seldom_first() -> None:
    """RFC 2782: it has a very small chance."""
    assert 0 < first_of(0, 100)[0] < 120


def test_addresses_take_turns_from_ipv6_on(zone: Zone) -> None:
    """RFC 8305 §4: one family's trouble does not hold up the other."""
    zone.answers["a.test", dns.A] = a("192.0.2.1", "192.0.2.2")
    zone.answers["a.test", dns.AAAA] = aaaa("2001:db8::1", "2001:db8::2", "2001:db8::3")
    found = result(zone.resolver.addresses("A.test"))
    assert found == ("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3")


def test_many_addresses_are_cut_to_a_few_of_both_families(zone: Zone) -> None:
    """Whoever owns the name decides how many there are."""
    zone.answers["a.test", dns.A] = a(*(f"192.0.2.{n}" for n in range(30)))
    zone.answers["a.test", dns.AAAA] = aaaa(*(f"2001:db8::{n}" for n in range(30)))
    found = result(zone.resolver.addresses("a.test"))
    assert len(found) == module.ADDRESS_LIMIT
    assert sum(":" in address for address in found) == module.ADDRESS_LIMIT / 2


@pytest.mark.parametrize(("host", "address"), [("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1")])
def test_address_as_host_is_itself(zone: Zone, host: str, address: str) -> None:
    """The DNS is not asked."""
    assert result(zone.resolver.addresses(host)) == (address,)
    assert not zone.asked


def test_name_in_the_hosts_file_is_not_asked_for(zone: Zone) -> None:
    """hosts(5) goes before the DNS."""
    assert result(zone.resolver.addresses("BOX.lan")) == ("192.0.2.7",)
    assert not zone.asked


def test_one_family_that_fails_leaves_the_other(zone: Zone) -> None:
    """An IPv4 address is enough."""
    zone.answers["a.test", dns.A] = a("192.0.2.1")
    zone.answers["a.test", dns.AAAA] = FAILED
    assert result(zone.resolver.addresses("a.test")) == ("192.0.2.1",)


@pytest.mark.parametrize(("v6", "error"), [(FAILED, LookupFailed), (Answer(), NoServer)])
def test_host_without_address_is_told_from_a_failure(zone: Zone, v6: Answer, error: type[Exception]) -> None:
    """One is final, the other is not."""
    zone.answers["a.test", dns.AAAA] = v6
    with pytest.raises(error):
        result(zone.resolver.addresses("a.test"))


def test_signed_tlsa_records_are_found_at_port_and_host(zone: Zone) -> None:
    """RFC 7673 §3.3; one too short to be a record is passed over."""
    zone.answers["a.test", dns.A] = a("192.0.2.1", secure=True)
    zone.answers["_5222._tcp.a.test", TLSA] = tlsa(b"\x03\x01\x02digest", b"\x03\x01\x01")
    assert zone.find_tlsa(target("a.test", 5222, secure=True)) == (Tlsa(3, 1, 2, b"digest"),)


@pytest.mark.parametrize("broken", ["server", "address", "tlsa"])
def test_tlsa_records_count_only_when_all_is_signed(zone: Zone, broken: str) -> None:
    """A chain is as strong as its weakest link."""
    zone.answers["a.test", dns.A] = a("192.0.2.1", secure=broken != "address")
    zone.answers["_5269._tcp.a.test", TLSA] = tlsa(b"\x03\x01\x02digest", secure=broken != "tlsa")
    assert zone.find_tlsa(target("a.test", secure=broken != "server")) == ()


def test_failed_tlsa_lookup_fails(zone: Zone) -> None:
    """RFC 7673 §3.4: without knowing, the server must not be connected to."""
    zone.answers["a.test", dns.A] = a("192.0.2.1", secure=True)
    zone.answers["_5269._tcp.a.test", TLSA] = FAILED
    with pytest.raises(LookupFailed):
        zone.find_tlsa(target("a.test", secure=True))


def test_failed_address_lookup_fails_the_tlsa_lookup(zone: Zone) -> None:
    """The addresses may be signed, and a later lookup of them succeed."""
    zone.answers["a.test", dns.A] = zone.answers["a.test", dns.AAAA] = FAILED
    with pytest.raises(LookupFailed):
        zone.find_tlsa(target("a.test", secure=True))


def test_address_as_host_has_no_tlsa_records(zone: Zone) -> None:
    """There is no name to ask for."""
    assert zone.find_tlsa(target("192.0.2.1", secure=True)) == ()
    assert not zone.asked


def test_configured_servers_replace_the_dns() -> None:
    """In the order written, as certain as if signed."""
    written = ("a.test", "B.test:5222", "xmpps://c.test:443", "[2001:db8::1]:99", "192.0.2.1")
    assert override(ServerAddress.parse(server) for server in written) == (
        target("a.test", secure=True),
        target("b.test", 5222, secure=True),
        target("c.test", 443, direct_tls=True, secure=True),
        target("2001:db8::1", 99, secure=True),
        target("192.0.2.1", secure=True),
    )


@given(st.text(max_size=300))
@pytest.mark.parametrize("function", [a_labels, ip_literal])
def test_any_text_as_domain_is_read_or_refused(function: Callable[[str], object], text: str) -> None:
    """Peers choose their names."""
    try:
        found = function(text)
    except NoServer:
        return
    assert found is None or str(found).isascii()
