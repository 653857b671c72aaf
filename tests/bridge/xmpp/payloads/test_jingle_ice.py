"""How media reach each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from bridge.calls import Candidate, Ending, Endpoint, Fingerprint, Setup
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Action, Jingle, Unacceptable, build_content
from bridge.xmpp.payloads.jingle_ice import (
    MAX_CANDIDATES,
    NS_DTLS,
    NS_ICE,
    NS_RAW,
    build_transport,
    parse_endpoint,
    parse_endpoints,
    parse_transport,
)
from tests.bridge.services.scene import read_stanzas
from tests.bridge.xmpp.descriptions import ENDPOINTS

HOST = {
    "component": "1", "foundation": "1", "generation": "0", "id": "el0747fg11", "ip": "10.0.1.1", "network": "1",
    "port": "8998", "priority": "2130706431", "protocol": "udp", "type": "host",
}  # fmt: skip
DIGEST = "02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2"


def ice(*children: Element) -> Element:
    return Element("transport", NS_ICE, {"ufrag": "8hhy", "pwd": "asd88fgpdd777uzjYhagZg"}, *children)


def candidate(**facts: str | None) -> Element:
    return Element("candidate", NS_ICE, {**HOST, **facts})


def fingerprint(value: str = DIGEST, **facts: str | None) -> Element:
    return Element("fingerprint", NS_DTLS, {"hash": "sha-256", "setup": "actpass", **facts}, value)


@given(ENDPOINTS)
def test_endpoint_is_read_as_it_was_written(endpoint: Endpoint) -> None:
    """With trickling candidates and without."""
    assert parse_transport(build_transport(endpoint)) == endpoint


@given(ENDPOINTS)
def test_candidates_have_ids_of_their_own(endpoint: Endpoint) -> None:
    """XEP-0176 §5.3: an NCName, and the same each time."""
    ids = [one.get("id") or "" for one in build_transport(endpoint).all("candidate", NS_ICE)]
    assert ids == [one.get("id") for one in build_transport(endpoint).all("candidate", NS_ICE)]
    assert all(id.isalnum() and id[0].isalpha() for id in ids)


@pytest.mark.spec("XEP-0320 §1")
def test_transport_of_the_specification_is_read() -> None:
    """The space around a fingerprint is for people."""
    (element,) = read_stanzas(
        b"""<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>
          02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2
        </fingerprint>
        <candidate component='1' foundation='1' generation='0' id='el0747fg11' ip='10.0.1.1' network='1'
          port='8998' priority='2130706431' protocol='udp' type='host'/>
        <candidate component='1' foundation='2' generation='0' id='y3s2b30v3r' ip='192.0.2.3' network='1'
          port='45664' priority='1694498815' protocol='udp' rel-addr='10.0.1.1' rel-port='8998' type='srflx'/>
        </transport>"""
    )
    assert parse_transport(element) == Endpoint(
        ufrag="8hhy",
        password="asd88fgpdd777uzjYhagZg",
        fingerprint=Fingerprint(hash="sha-256", value=DIGEST, setup=Setup.ACTPASS),
        candidates=(
            Candidate(
                foundation="1",
                component=1,
                protocol="udp",
                priority=2130706431,
                address="10.0.1.1",
                port=8998,
                type="host",
            ),
            Candidate(
                foundation="2",
                component=1,
                protocol="udp",
                priority=1694498815,
                address="192.0.2.3",
                port=45664,
                type="srflx",
                related_address="10.0.1.1",
                related_port=8998,
            ),
        ),
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"ip": "x"},
        {"ip": "5f0e7d1c-1111-4222-8333-944455556666.local"},
        {"ip": "0.0.0.0"},
        {"ip": "224.0.0.1"},
        {"ip": "255.255.255.255"},
        {"ip": "::ffff:224.0.0.1"},
        {"ip": "::ffff:255.255.255.255"},
        {"ip": "::ffff:0.0.0.0"},
        {"ip": "fe80::1%eth0"},
        {"ip": None},
        {"port": "0"},
        {"port": "65536"},
        {"component": "0"},
        {"component": "257"},
        {"priority": "4294967296"},
        {"priority": "-1"},
        {"foundation": ""},
        {"foundation": "a b"},
        {"type": "magic"},
        {"protocol": "sctp"},
    ],
)
def test_candidate_that_cannot_be_used_is_left_out(facts: dict[str, str | None]) -> None:
    """Others may do."""
    found = parse_transport(ice(candidate(**facts), candidate(foundation="9")))
    assert [one.foundation for one in found.candidates] == ["9"]


def test_candidates_are_read_once_and_not_without_end() -> None:
    """A peer that sends a thousand has the first ones read."""
    many = [candidate(port=str(port)) for port in range(1, 1000)]
    assert len(parse_transport(ice(candidate(), candidate(), *many)).candidates) == MAX_CANDIDATES
    assert len(parse_transport(ice(candidate(), candidate())).candidates) == 1


def test_candidates_of_tcp_are_read_but_not_written() -> None:
    """XEP-0176 §5.3 knows only UDP: there are clients that refuse the others."""
    found = parse_transport(ice(candidate(protocol="TCP", tcptype="passive"), candidate()))
    assert [(one.protocol, one.tcp_type) for one in found.candidates] == [("tcp", "passive"), ("udp", "")]
    assert [one.protocol for one in parse_transport(build_transport(found)).candidates] == ["udp"]


def test_candidate_of_udp_is_written_however_its_network_spells_it() -> None:
    """RFC 8839 §5.1: rtpengine has it in capitals."""
    loud = replace(parse_transport(ice(candidate())).candidates[0], protocol="UDP")
    (written,) = build_transport(Endpoint(ufrag="a", password="b", candidates=(loud,))).all("candidate")
    assert written.get("protocol") == "udp"


def test_most_usual_hash_is_taken() -> None:
    """RFC 8122 §5: a certificate may have several fingerprints."""
    short = ":".join(["AB"] * 20)
    found = parse_transport(ice(fingerprint(short, hash="sha-1"), fingerprint(DIGEST.lower())))
    assert found.fingerprint == Fingerprint(hash="sha-256", value=DIGEST, setup=Setup.ACTPASS)


@pytest.mark.parametrize(
    "transport",
    [
        ice(fingerprint("")),
        ice(fingerprint("XY:" + DIGEST)),
        ice(fingerprint(hash=None)),
        ice(fingerprint(setup=None)),
        ice(fingerprint(setup="holdconn")),
        ice(*[fingerprint()] * 9),
        Element("transport", NS_ICE, {"ufrag": "a\r\nb", "pwd": "x"}),
        Element("transport", NS_ICE, {"ufrag": "a" * 257, "pwd": "x"}),
    ],
)
def test_protection_that_cannot_be_read_is_malformed(transport: Element) -> None:
    """To leave it out would be to do without it."""
    with pytest.raises(BridgeError) as caught:
        parse_transport(transport)
    assert caught.value.trouble is Trouble.BAD_REQUEST


@pytest.mark.spec("XEP-0177 §4.1")
def test_raw_candidates_are_read_and_written() -> None:
    """One address for each component, without ICE."""
    raw = [
        Element("candidate", NS_RAW, {"component": "1", "generation": "0", "id": "a", "ip": "10.1.1.104", "port": port})
        for port in ("13540", "13542")
    ]  # fmt: skip
    endpoint = parse_transport(Element("transport", NS_RAW, None, *raw))
    assert [(one.component, one.address, one.port) for one in endpoint.candidates] == [
        (1, "10.1.1.104", 13540)
    ]
    assert endpoint.ufrag == ""
    assert parse_transport(build_transport(endpoint)) == endpoint
    assert build_transport(endpoint).namespace == NS_RAW


def test_way_that_nobody_here_goes_ends_the_session() -> None:
    """XEP-0166 §7.4: by its reason."""
    other = build_content("initiator", "a", Element("transport", "urn:xmpp:jingle:transports:ice:0"))
    with pytest.raises(Unacceptable) as caught:
        parse_endpoint(other)
    assert caught.value.ending is Ending.UNSUPPORTED_TRANSPORTS
    assert parse_endpoints(Jingle(action=Action.TRANSPORT_INFO, sid="a", contents=(other,))) == {}


@pytest.mark.parametrize(
    "transport", [Element("transport", NS_ICE), Element("transport", NS_ICE, {"ufrag": "a"}), Element("transport", NS_RAW)]
)  # fmt: skip
def test_description_without_a_way_is_malformed(transport: Element) -> None:
    """XEP-0176 §5.3 and XEP-0177 §4.1: what a description must have."""
    with pytest.raises(BridgeError) as caught:
        parse_endpoint(build_content("initiator", "a", transport))
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_half_of_the_credentials_are_none() -> None:
    """COMPAT: as stanza.js 12 writes later candidates; what its description says holds on."""
    later = Element(
        "transport", NS_ICE, {"ufrag": "nBhM"}, candidate(), Element("gathering-complete", NS_ICE)
    )
    found = parse_transport(later)
    assert (found.ufrag, found.password, len(found.candidates), found.complete) == ("", "", 1, True)


def test_later_candidates_are_read_by_their_contents() -> None:
    """Where no credentials are said, those of the description hold; which one is in use is of no use here."""
    audio = Element("transport", NS_ICE, None, candidate(foundation="9"))
    used = Element("remote-candidate", NS_ICE, {"component": "1", "ip": "10.0.1.2", "port": "9001"})
    video = ice(used, Element("gathering-complete", NS_ICE))
    contents = (build_content("initiator", "audio", audio), build_content("responder", "video", video))
    found = parse_endpoints(Jingle(action=Action.TRANSPORT_INFO, sid="a", contents=contents))
    assert [one.foundation for one in found["audio"].candidates] == ["9"]
    assert (found["audio"].ufrag, found["audio"].complete) == ("", False)
    assert found["video"] == Endpoint(ufrag="8hhy", password="asd88fgpdd777uzjYhagZg", complete=True)
