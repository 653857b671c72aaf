"""What happens to packets in the relay."""

from __future__ import annotations

import asyncio
import struct

import pytest
from pylibsrtp import Policy, Session

from transports.sip.media.relay import call as module
from transports.sip.media.relay.call import Port, RelayedCall
from transports.sip.media.relay.dtls import Identity
from transports.sip.media.relay.ports import Ports
from transports.sip.media.relay.process import Relay

PEER = ("192.0.2.5", 4000)
STRANGER = ("198.51.100.9", 7)


class Wire:
    """Where a port writes."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self.sent.append((data, address))


def packet(number: int, payload: int = 0, body: bytes = b"x" * 160, time: int = 0) -> bytes:
    return struct.pack("!BBHII", 0x80, payload, number & 0xFFFF, time, 7) + body


def test_port_takes_packets_of_the_peers_address_alone():
    """Whoever is first from elsewhere gets and says nothing; nor does later another port of the peer's."""
    heard: list[bytes] = []
    port = Port(heard.append)
    port.transport = wire = Wire()
    moved = (PEER[0], 7)
    port.send(b"lost")
    port.datagram_received(packet(0), PEER)
    port.aim(PEER, is_symmetric=False)
    port.datagram_received(packet(1), STRANGER)
    port.send(b"one")
    port.datagram_received(b"\x00" * 20, moved)
    port.datagram_received(b"short", moved)
    port.datagram_received(packet(2), moved)
    port.datagram_received(packet(3), PEER)
    port.datagram_received(packet(4), STRANGER)
    port.send(b"two")
    assert heard == [packet(2)]
    assert wire.sent == [(b"one", PEER), (b"two", moved)]


def test_port_learns_anew_after_a_new_description_alone():
    """One that says the same keeps what is known until a packet comes."""
    port = Port(lambda data: None)
    port.transport = wire = Wire()
    places = [(PEER[0], number) for number in (7, 8)]
    for place in places:
        port.aim(PEER, is_symmetric=False)
        port.send(b"")
        port.datagram_received(packet(1), place)
    port.aim(("192.0.2.77", 9), is_symmetric=False)
    port.send(b"")
    assert [place for _, place in wire.sent] == [PEER, places[0], ("192.0.2.77", 9)]
    port.datagram_received(packet(2), places[1])
    assert port.remote == ("192.0.2.77", 9)


def test_port_of_a_symmetric_peer_learns_its_address_once():
    """From whoever is first; until it says another, nobody else is listened to (RFC 7362 §5)."""
    heard: list[bytes] = []
    port = Port(heard.append)
    port.transport = wire = Wire()
    port.aim(PEER, is_symmetric=True)
    port.datagram_received(packet(1), STRANGER)
    port.datagram_received(packet(2), PEER)
    port.aim(PEER, is_symmetric=True)
    port.datagram_received(packet(3), PEER)
    port.datagram_received(packet(4), (STRANGER[0], 8))
    port.send(b"")
    port.aim(("192.0.2.77", 9), is_symmetric=True)
    port.datagram_received(packet(5), PEER)
    assert heard == [packet(1), packet(4), packet(5)]
    assert wire.sent == [(b"", (STRANGER[0], 8))] and port.remote == PEER


async def made() -> tuple[RelayedCall, Wire, list[tuple[str, dict]]]:
    told: list[tuple[str, dict]] = []
    call = RelayedCall(Identity(), "127.0.0.1", Ports(), lambda event, **values: told.append((event, values)))
    call.rtp.transport = wire = Wire()
    call.rtp.aim(PEER, is_symmetric=False)
    call.events = frozenset({101})
    return call, wire, told


def test_key_of_the_phone_is_told_once():
    """Its end is said three times (RFC 4733 §2.5.1.4)."""

    async def run() -> list[tuple[str, dict]]:
        call, _, told = await made()
        for n, end in enumerate((0, 0x80, 0x80, 0x80)):
            call._from_sip(packet(n, 101, bytes([11, end | 10, 3, 32]), time=160))
        call._from_sip(packet(9, 101, bytes([99, 0x8A, 3, 32]), time=320))
        call._from_sip(packet(9, 101, b"", time=320))
        return told

    assert asyncio.run(run()) == [("pressed", {"digit": "#"})]


def test_keys_are_put_into_the_stream_without_a_gap(monkeypatch):
    """Numbers go on, before, in between and after."""
    monkeypatch.setattr(module, "STEP", 0.02)

    async def run() -> list[bytes]:
        call, wire, _ = await made()
        call._to_sip(packet(65533))
        call.press("5", 60)
        call.press("x", 60)
        for number in (65534, 65535):
            await asyncio.sleep(0)
            call._to_sip(packet(number))
        await asyncio.gather(*call._tasks)
        call._to_sip(packet(0))
        return [data for data, _ in wire.sent]

    sent = asyncio.run(run())
    numbers = [struct.unpack_from("!H", data, 2)[0] for data in sent]
    assert numbers == [(65533 + n) & 0xFFFF for n in range(len(sent))]
    keys = [data for data in sent if data[1] & 0x7F == 101]
    assert [data[1] >> 7 for data in keys] == [1, 0, 0, 0, 0]
    assert [data[13] >> 7 for data in keys] == [0, 0, 1, 1, 1]
    assert {data[12] for data in keys} == {5}


def test_silence_of_both_sides_is_told(monkeypatch):
    """After a while in which nothing came."""
    monkeypatch.setattr(module, "IDLE", 0.01)

    async def run() -> list[tuple[str, dict]]:
        call, _, told = await made()
        call.packets = 1
        await call._watch()
        return told

    assert asyncio.run(run()) == [("lost", {"reason": "No media came any more."})]


def test_process_opens_and_closes_calls_by_lines():
    """What is no call of its is passed over; a port that cannot be had is refused."""

    async def run(address: str) -> list[dict]:
        told: list[dict] = []
        relay = Relay(address, Ports(), told.append)
        await relay.do({"do": "open", "call": "a", "is_controlling": False})
        await relay.do({"do": "candidate", "call": "b", "candidate": ""})
        await relay.do({"do": "candidate", "call": "a", "candidate": "x"})
        await relay.do({"do": "close", "call": "a"})
        await relay.do({"do": "press", "call": "a", "digit": "1", "duration": 1})
        return told

    [opened] = asyncio.run(run("127.0.0.1"))
    assert (opened["tell"], opened["call"]) == ("opened", "a") and opened["port"]
    [refused] = asyncio.run(run("192.0.2.250"))
    assert refused["tell"] == "refused"


@pytest.mark.parametrize(("second", "expected"), [(0x80, False), (200, True), (201, True), (96, False)])
def test_rtcp_is_known_by_its_type(second, expected):
    """RFC 5761 §4."""
    assert module.is_rtcp(bytes([0x80, second])) is expected


def test_packets_that_cannot_be_protected_are_dropped_and_sources_are_bounded(monkeypatch):
    """Too long, malformed, or of ever new streams: what is good goes on."""
    monkeypatch.setattr(module, "SOURCES", 2)

    async def run() -> list[bytes]:
        call, _, _ = await made()
        sent: list[bytes] = []
        policy = Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND)
        call._protect = Session(policy)
        monkeypatch.setattr(call, "_to_xmpp", sent.append)
        call._from_sip(b"\x9f" + packet(2)[1:12])
        call._from_sip(packet(1, body=b"x" * 3000))
        call._rtcp_from_sip(packet(1, body=b"x" * 3000))
        assert sent == []
        for source in range(5):
            call._from_sip(packet(3)[:8] + bytes([0, 0, 0, source]) + b"x" * 20)
        call._from_sip(packet(4))
        return sent

    assert [data[8:12] for data in asyncio.run(run())] == [bytes(4), packet(4)[8:12]]


def test_streams_of_the_xmpp_side_are_bounded(monkeypatch):
    """What cannot be read takes no place, and those that are known go on."""
    monkeypatch.setattr(module, "SOURCES", 2)
    policy = Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND)
    browser = Session(policy)

    def protected(number: int, source: int) -> bytes:
        return browser.protect(packet(number)[:8] + bytes([0, 0, 0, source]) + b"x" * 20)

    async def run() -> list[bytes]:
        call, wire, _ = await made()
        call._unprotect = Session(Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_INBOUND))
        for source in range(9, 6, -1):
            call._from_xmpp(packet(1)[:8] + bytes([0, 0, 0, source]) + b"x" * 40)
        for source in range(5):
            call._from_xmpp(protected(2, source))
        call._from_xmpp(protected(3, 0))
        return [data for data, _ in wire.sent]

    assert [data[11] for data in asyncio.run(run())] == [0, 1, 0]


def test_candidates_of_the_xmpp_side_are_bounded(monkeypatch):
    """Each has checks sent to it; the end of them is still heard."""
    monkeypatch.setattr(module, "CANDIDATES", 2)

    async def run() -> tuple[int, bool]:
        call, _, _ = await made()
        for port in range(5000, 5005):
            await call.add(f"1 1 udp 1 192.0.2.7 {port} typ host")
        await call.add("")
        return len(call.ice.remote_candidates), call.ice._remote_candidates_end

    assert asyncio.run(run()) == (2, True)
