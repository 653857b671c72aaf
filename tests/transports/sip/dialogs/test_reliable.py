"""Provisional responses and their PRACKs."""

from __future__ import annotations

import pytest

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.reliable import (
    MAX_FIRST_RSEQ,
    MAX_RSEQ,
    MAX_WAITING,
    RAck,
    ReliableClient,
    ReliableServer,
    is_reliable,
    parse_rack,
)
from transports.sip.wire.message import Request, Response, respond
from transports.sip.wire.uri import Malformed

INVITE = request("INVITE", number=7)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def server(first: int = 5) -> tuple[ReliableServer, Clock]:
    clock = Clock()
    return ReliableServer(clock, first, Timings()), clock


def ringing(status: int = 180, body: bytes = b"") -> Response:
    return respond(INVITE, status, "b2", body=body)


def prack(rseq: int, cseq: int = 7, method: str = "INVITE") -> Request:
    return request("PRACK", fields=(("RAck", f"{rseq} {cseq} {method}"),))


@pytest.mark.spec("RFC 3262 §3")
def test_responses_are_sent_one_after_the_other():
    """Each is numbered, and waits for the acknowledgement of the one before."""
    ours, _ = server(MAX_FIRST_RSEQ)
    first = ours.send(ringing(183, SDP))
    assert (first.get("RSeq"), first.values("Require"), is_reliable(first)) == (
        str(MAX_FIRST_RSEQ),
        ["100rel"],
        True,
    )
    assert ours.send(ringing(180)) is None
    assert ours.holds_success
    done, second = ours.acknowledge(prack(MAX_FIRST_RSEQ))
    assert (done, second.status, second.get("RSeq")) == (True, 180, str(MAX_FIRST_RSEQ + 1))
    assert not ours.holds_success
    assert ours.acknowledge(prack(MAX_FIRST_RSEQ + 1)) == (True, None)
    assert ours.next_deadline is None
    assert ours.send(ringing(182)).get("RSeq") == str(MAX_FIRST_RSEQ + 2)


@pytest.mark.parametrize(
    "asked",
    [
        prack(4),
        prack(6),
        prack(5, cseq=8),
        prack(5, method="UPDATE"),
        request("PRACK"),
        request("PRACK", fields=(("RAck", "5"),)),
    ],
)
def test_other_pracks_acknowledge_nothing(asked):
    """They get 481, and the response is sent on."""
    ours, _ = server()
    assert ours.acknowledge(prack(5)) == (False, None)
    ours.send(ringing())
    assert ours.acknowledge(asked) == (False, None)
    assert ours.next_deadline is not None
    assert ours.acknowledge(prack(5))[0]
    assert not ours.acknowledge(prack(5))[0]


def test_a_response_is_repeated_for_64_t1():
    """With pauses that double without end; then it is lost."""
    ours, clock = server()
    sent = ours.send(ringing())
    times = []
    while not ours.is_lost:
        clock.now = ours.next_deadline
        if ours.expire() == sent:
            times.append(clock.now - 100)
    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert clock.now == 132.0
    assert ours.expire() is None


def test_nothing_is_repeated_before_its_time():
    """Nor after the final response, when a late PRACK still gets its answer."""
    ours, clock = server()
    assert ours.expire() is None
    ours.send(ringing(183, SDP))
    ours.send(ringing(180))
    assert ours.expire() is None
    ours.stop()
    clock.now += 1000
    assert (ours.expire(), ours.is_lost) == (None, False)
    assert ours.acknowledge(prack(5)) == (True, None)


def test_few_responses_may_wait():
    """A user who rings without end fills no memory."""
    ours, _ = server()
    for _ in range(MAX_WAITING + 5):
        ours.send(ringing())
    rseq, following = 5, ours
    count = 0
    while following is not None:
        _, following = ours.acknowledge(prack(rseq))
        rseq += 1
        count += 1
    assert count == MAX_WAITING + 1


def numbered(rseq: str) -> Response:
    return respond(INVITE, 183, "b2", fields=(("Require", "100rel"), ("RSeq", rseq)))


@pytest.mark.spec("RFC 3262 §4")
def test_a_client_acknowledges_in_order():
    """Not what it has seen, nor what comes too early."""
    client = ReliableClient()
    found = [client.receive(numbered(rseq)) for rseq in ("9", "9", "11", "10", "8", "11")]
    assert found == [RAck(9, 7, "INVITE"), None, None, RAck(10, 7, "INVITE"), None, RAck(11, 7, "INVITE")]


@pytest.mark.parametrize("rseq", ["", "0", "x", "-1", "²", str(MAX_RSEQ + 1), "9" * 100])
def test_a_number_that_is_none_is_malformed(rseq):
    """The response cannot be acknowledged."""
    with pytest.raises(Malformed):
        ReliableClient().receive(numbered(rseq))


def test_rack_comes_back():
    """As it was written."""
    assert parse_rack(str(RAck(MAX_RSEQ, 7, "INVITE"))) == RAck(MAX_RSEQ, 7, "INVITE")
    for text in ("", "1 INVITE", f"{MAX_RSEQ + 1} 1 INVITE", "1 1 A B"):
        with pytest.raises(Malformed):
            parse_rack(text)


@pytest.mark.parametrize(("status", "reliable"), [(100, False), (101, True), (199, True), (200, False)])
def test_only_provisional_responses_are_reliable(status, reliable):
    """And 100 never is."""
    assert is_reliable(respond(INVITE, status, fields=(("Require", "100rel"),))) is reliable
    assert not is_reliable(respond(INVITE, status))
