"""Transactions between two ends, over a network that loses, doubles and reorders."""

from __future__ import annotations

import random
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from tests.transports.sip.samples import request
from transports.sip.agent import transactions as layer
from transports.sip.agent.routing import Hop
from transports.sip.agent.transaction import State, Timings
from transports.sip.agent.transactions import (
    Acknowledged,
    Cancelled,
    Ended,
    Failed,
    Received,
    Responded,
    Send,
    TimedOut,
    Transactions,
)
from transports.sip.wire.message import Request, Response, parse, respond, write

ANN_HOP = Hop(transport="UDP", host="192.0.2.1", port=5060)
BOB_HOP = Hop(transport="UDP", host="192.0.2.2", port=5060)
STREAM = Hop(transport="TCP", host="192.0.2.1", port=5060)


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def end(clock: Clock) -> Transactions:
    numbers = count()
    return Transactions(
        clock, lambda: f"t{next(numbers)}", b"secret", lambda hop: ("192.0.2.9", 0), Timings()
    )


def plain(method: str = "INVITE") -> Request:
    """A request as a dialog makes it, without Via."""
    return replace(request(method), via=())


def sends(ends: Transactions) -> list[Request | Response]:
    return [event.message for event in ends.events() if isinstance(event, Send)]


def run(ends: Transactions, clock: Clock, seconds: float) -> list[tuple[float, object]]:
    """Let time pass; return what happened, and when."""
    start, stop = clock.now, clock.now + seconds
    found: list[tuple[float, object]] = []
    while (deadline := ends.next_deadline()) is not None and deadline <= stop:
        clock.now = max(clock.now, deadline)
        ends.expire()
        found += [(round(clock.now - start, 3), event) for event in ends.events()]
    clock.now = stop
    return found


def served(
    method: str = "INVITE", hop: Hop = ANN_HOP, **options: object
) -> tuple[Transactions, Clock, Received]:
    """A server that has just got a request."""
    clock = Clock()
    server = end(clock)
    server.receive(request(method, **options), hop)
    [event] = server.events()
    assert isinstance(event, Received)
    return server, clock, event


@pytest.mark.spec("RFC 3261 §17.1.1.2")
def test_an_invite_that_nobody_answers_is_sent_seven_times():
    """Then the user is told, and nothing is left."""
    clock = Clock()
    client = end(clock)
    identifier = client.request(plain(), BOB_HOP)
    assert len(sends(client)) == 1
    found = run(client, clock, 100)
    assert [when for when, event in found if isinstance(event, Send)] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert found[-2:] == [(32.0, TimedOut(identifier)), (32.0, Ended(identifier))]
    assert len(client) == 0


def test_streams_repeat_nothing():
    """But they time out all the same."""
    clock = Clock()
    client = end(clock)
    for method in ("INVITE", "OPTIONS"):
        client.request(plain(method), STREAM)
    assert len(sends(client)) == 2
    assert [type(event) for _, event in run(client, clock, 100)] == [TimedOut, Ended, TimedOut, Ended]


def test_a_request_gets_an_own_branch():
    """And says where its sender is."""
    client = end(Clock())
    client.request(plain("OPTIONS"), BOB_HOP)
    client.request(plain("OPTIONS"), BOB_HOP)
    one, other = sends(client)
    assert str(one.via[0]) == "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKt0;rport"
    assert other.via[0].branch == "z9hG4bKt1"


@pytest.mark.spec("RFC 3261 §17.1.1.2")
def test_failures_of_an_invite_are_acknowledged_each_time():
    """The user hears of the first only."""
    clock = Clock()
    client = end(clock)
    identifier = client.request(plain(), BOB_HOP)
    [invite] = sends(client)
    busy = respond(invite, 486, "b2")
    client.receive(busy, BOB_HOP)
    client.receive(busy, BOB_HOP)
    events = client.events()
    assert [type(event) for event in events] == [Send, Responded, Send]
    assert events[1] == Responded(identifier, busy)
    assert {event.message.method for event in events if isinstance(event, Send)} == {"ACK"}
    assert run(client, clock, 40) == [(32.0, Ended(identifier))]


@pytest.mark.spec("RFC 6026 §7.2")
def test_every_success_of_an_invite_reaches_the_user():
    """Retransmissions and forks, until timer M; then they are strays."""
    clock = Clock()
    client = end(clock)
    client.request(plain(), BOB_HOP)
    [invite] = sends(client)
    for tag in ("b1", "b1", "b2"):
        client.receive(respond(invite, 200, tag), BOB_HOP)
    client.receive(respond(invite, 486, "b3"), BOB_HOP)
    assert [event.response.to.tag for event in client.events()] == ["b1", "b1", "b2"]
    run(client, clock, 33)
    client.receive(respond(invite, 200, "b1"), BOB_HOP)
    assert client.events() == []


@pytest.mark.parametrize(
    "spoil",
    [
        {"call_id": "other"},
        {"cseq": request("INVITE", number=2).cseq},
        {"cseq": request("BYE").cseq},
        {"via": (*request().via, *request().via)},
        {"via": request(branch="z9hG4bKother").via},
    ],
)
@pytest.mark.spec("RFC 3261 §17.1.3")
def test_responses_to_others_are_dropped(spoil):
    """Branch, method, number, Call-ID, and one Via only."""
    client = end(Clock())
    client.request(plain(), BOB_HOP)
    [invite] = sends(client)
    response = respond(invite, 200, "b2")
    client.receive(replace(response, **spoil), BOB_HOP)
    assert client.events() == []


@pytest.mark.parametrize("hop", [BOB_HOP, STREAM])
def test_what_cannot_be_sent_fails_at_once(hop):
    """So that another server can be tried."""
    client = end(Clock())
    for method in ("INVITE", "OPTIONS"):
        identifier = client.request(plain(method), hop)
        client.fail(identifier)
        client.fail(identifier)
        assert client.events()[1:] == [Failed(identifier), Ended(identifier)]


@pytest.mark.spec("RFC 3261 §17.2.1")
def test_an_invite_gets_100_if_its_user_is_slow():
    """And a retransmission gets the last response again."""
    server, clock, event = served()
    server.receive(request("INVITE"), ANN_HOP)
    assert server.events() == []
    [(when, trying)] = run(server, clock, 10)
    assert (when, trying.message.status, trying.message.to.tag) == (0.2, 100, "")
    server.respond(event.transaction, respond(event.request, 180, "b2"))
    server.receive(request("INVITE"), ANN_HOP)
    assert [message.status for message in sends(server)] == [180, 180]


def test_an_invite_that_is_answered_quickly_gets_no_100():
    """It would only be one packet more."""
    server, clock, event = served()
    server.respond(event.transaction, respond(event.request, 180, "b2"))
    assert len(sends(server)) == 1
    assert run(server, clock, 10) == []


@pytest.mark.spec("RFC 3261 §17.2.1")
def test_a_failure_is_repeated_until_it_is_acknowledged():
    """Then the transaction waits for late ACKs, and ends."""
    server, clock, event = served()
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    server.events()
    assert [when for when, _ in run(server, clock, 4)] == [0.5, 1.5, 3.5]
    server.receive(request("ACK", to_tag="b2"), ANN_HOP)
    server.receive(request("ACK", to_tag="b2"), ANN_HOP)
    assert server.events() == []
    assert run(server, clock, 40) == [(5.0, Ended(event.transaction))]


def test_a_failure_that_nobody_acknowledges_times_out():
    """The user is told, and nothing is left."""
    server, clock, event = served()
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    found = run(server, clock, 60)
    assert len([event for _, event in found if isinstance(event, Send)]) == 11
    assert found[-2:] == [(32.0, TimedOut(event.transaction)), (32.0, Ended(event.transaction))]


@pytest.mark.spec("RFC 6026 §7.1")
def test_a_success_is_the_users_to_repeat():
    """INVITE is absorbed, ACK goes to the user, a late failure is left out."""
    server, clock, event = served()
    success = respond(event.request, 200, "b2")
    server.respond(event.transaction, success)
    server.respond(event.transaction, success)
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    server.receive(request("INVITE"), ANN_HOP)
    assert [message.status for message in sends(server)] == [200, 200]
    server.receive(request("ACK", branch="z9hG4bKnew", to_tag="b2"), ANN_HOP)
    server.receive(request("ACK", to_tag="b2"), ANN_HOP)
    assert [type(event) for event in server.events()] == [Acknowledged, Acknowledged]
    server.fail(event.transaction)
    assert server.events() == [Failed(event.transaction)]
    assert run(server, clock, 40) == [(32.0, Ended(event.transaction))]


@pytest.mark.spec("RFC 3261 §17.2.2")
def test_other_requests_are_answered_once_and_again_when_asked():
    """Nothing is repeated of itself."""
    server, clock, event = served("OPTIONS")
    server.receive(request(), ANN_HOP)
    assert server.events() == []
    server.respond(event.transaction, respond(event.request, 200, "b2"))
    server.receive(request(), ANN_HOP)
    assert [message.status for message in sends(server)] == [200, 200]
    assert run(server, clock, 40) == [(32.0, Ended(event.transaction))]


@pytest.mark.spec("RFC 3261 §17.2.3")
def test_old_peers_are_matched_without_branch():
    """By everything else; an ACK by the tag that it got."""
    server, clock, event = served(branch="1")
    server.receive(request("INVITE", branch="1"), ANN_HOP)
    assert server.events() == []
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    server.events()
    server.receive(request("ACK", branch="1", to_tag="other"), ANN_HOP)
    assert len(run(server, clock, 1)) == 1
    server.receive(request("ACK", branch="1", to_tag="b2"), ANN_HOP)
    assert run(server, clock, 6) == [(5.0, Ended(event.transaction))]
    server.receive(request("INVITE", branch="1", number=2), ANN_HOP)
    server.receive(request("INVITE", branch="1", number=3), ANN_HOP)
    assert [type(event) for event in server.events()] == [Received, Received]


@pytest.mark.parametrize("elsewhere", [BOB_HOP, Hop("TCP", ANN_HOP.host, ANN_HOP.port)])
def test_who_says_the_same_from_elsewhere_is_somebody_else(elsewhere):
    """He is answered himself, and has nothing sent again to whom he repeats."""
    server, _, event = served()
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    server.events()
    server.receive(request("INVITE"), elsewhere)
    [sent] = server.events()
    assert (sent.hop, sent.message.status) == (elsewhere, 482)
    server.receive(request("ACK", to_tag="b2"), elsewhere)
    assert [type(event) for event in server.events()] == [Acknowledged]


@pytest.mark.spec("RFC 3261 §9.2")
def test_cancel_reaches_the_invite_it_belongs_to():
    """It is answered here; the user ends the INVITE with 487."""
    server, _, event = served()
    server.respond(event.transaction, respond(event.request, 180, "b2"))
    server.events()
    server.receive(request("CANCEL"), ANN_HOP)
    answer, cancelled = server.events()
    assert (answer.message.status, answer.message.cseq.method, answer.message.to.tag) == (200, "CANCEL", "b2")
    assert isinstance(cancelled, Cancelled)
    assert cancelled.transaction == event.transaction
    server.respond(event.transaction, respond(event.request, 487, "b2"))
    server.events()
    server.receive(request("CANCEL"), ANN_HOP)
    assert [message.status for message in sends(server)] == [200]


@pytest.mark.parametrize(
    ("asked", "hop"), [(request("CANCEL", branch="z9hG4bKother"), ANN_HOP), (request("CANCEL"), BOB_HOP)]
)
def test_cancel_of_nothing_is_refused(asked, hop):
    """Nor may anybody else cancel."""
    server, _, _ = served()
    server.receive(asked, hop)
    assert [message.status for message in sends(server)] == [481]


@pytest.mark.parametrize(("status", "is_served"), [(401, True), (403, False)])
def test_request_that_was_challenged_may_come_again_with_its_number(status, is_served):
    """As proxies send it that answer a challenge; each is a transaction of its own."""
    server, _, event = served()
    server.respond(event.transaction, respond(event.request, status, "b2"))
    server.events()
    server.receive(request("INVITE", branch="z9hG4bKagain"), ANN_HOP)
    found = server.events()
    assert [type(one) for one in found] == ([Received] if is_served else [Send])
    server.receive(request("ACK", to_tag="b2"), ANN_HOP)
    server.receive(request("INVITE", branch="z9hG4bKmore"), ANN_HOP)
    assert [message.status for message in sends(server)] == [482]


@pytest.mark.spec("RFC 3261 §8.2.2.2")
def test_a_request_on_two_ways_is_served_once():
    """The other is a loop; within a dialog it is not looked at."""
    server, _, event = served()
    server.receive(request("INVITE", branch="z9hG4bKother"), ANN_HOP)
    assert [message.status for message in sends(server)] == [482]
    server.respond(event.transaction, respond(event.request, 200, "b2"))
    server.events()
    for branch in ("z9hG4bKx", "z9hG4bKy"):
        server.receive(request("INFO", branch=branch, to_tag="b2"), ANN_HOP)
    assert [type(event) for event in server.events()] == [Received, Received]


def test_too_many_transactions_get_503(monkeypatch):
    """Memory has a limit, and a retransmission gets the same tag."""
    monkeypatch.setattr(layer, "MAX_TRANSACTIONS", 1)
    server, clock, event = served()
    for _ in range(2):
        server.receive(request("INVITE", branch="z9hG4bKother", from_tag="x"), ANN_HOP)
    one, again = sends(server)
    assert one == again
    assert (one.status, len(server)) == (503, 1)
    server.respond(event.transaction, respond(event.request, 486, "b2"))
    run(server, clock, 40)
    server.receive(request("INVITE", branch="z9hG4bKother", from_tag="x"), ANN_HOP)
    assert isinstance(server.events()[0], Received)


def test_tag_without_state_is_of_its_words_alone():
    """What comes again is answered alike, though nothing of it is kept."""
    server = end(Clock())
    tag = server.stateless_tag("c1", "a1")
    assert server.stateless_tag("c1", "a1") == tag != server.stateless_tag("c1", "a2")


def test_an_abandoned_request_hears_nothing_more():
    """As an INVITE after its CANCEL."""
    client = end(Clock())
    identifier = client.request(plain(), BOB_HOP)
    [invite] = sends(client)
    client.receive(respond(invite, 180, "b2"), BOB_HOP)
    assert client.cancel(identifier, (("Reason", "SIP;cause=200"),)) is not None
    ringing, sent = client.events()
    assert isinstance(ringing, Responded)
    assert isinstance(sent, Send)
    assert (sent.message.method, sent.message.via, sent.hop) == ("CANCEL", invite.via, BOB_HOP)
    assert sent.message.get("Reason") == "SIP;cause=200"
    client.abandon(identifier)
    client.abandon(identifier)
    client.receive(respond(invite, 487, "b2"), BOB_HOP)
    assert client.events() == [Ended(identifier)]
    assert client.cancel(identifier) is None


class Network(RuleBasedStateMachine):
    """Ann asks, Bob answers; in between, datagrams are lost, doubled and reordered."""

    @initialize(method=st.sampled_from(["INVITE", "OPTIONS"]))
    def begin(self, method: str) -> None:
        self.clock = Clock()
        self.ann, self.bob = end(self.clock), end(self.clock)
        self.wires: list[tuple[bool, bytes]] = []
        self.outcomes: list[object] = []
        self.asked: list[Received] = []
        self.from_bob = self.to_bob = 0
        self.identifier = self.ann.request(plain(method), BOB_HOP)
        self.method = method
        self.pump()

    def pump(self) -> None:
        for ends, is_ann in ((self.ann, True), (self.bob, False)):
            for event in ends.events():
                if isinstance(event, Send):
                    self.wires.append((is_ann, write(event.message)))
                    self.from_bob += not is_ann
                elif isinstance(event, Received):
                    self.asked.append(event)
                elif is_ann and (
                    isinstance(event, TimedOut) or (isinstance(event, Responded) and event.response.is_final)
                ):
                    self.outcomes.append(event)

    def deliver(self, is_from_ann: bool, data: bytes) -> None:
        self.to_bob += is_from_ann
        (self.bob if is_from_ann else self.ann).receive(parse(data), ANN_HOP if is_from_ann else BOB_HOP)
        self.pump()

    @precondition(lambda self: self.wires)
    @rule(which=st.integers(0, 50), keeps=st.booleans())
    def arrive(self, which: int, keeps: bool) -> None:
        """Any datagram arrives, and perhaps again later."""
        index = which % len(self.wires)
        wire = self.wires[index] if keeps else self.wires.pop(index)
        self.deliver(*wire)

    @precondition(lambda self: self.wires)
    @rule(which=st.integers(0, 50))
    def lose(self, which: int) -> None:
        self.wires.pop(which % len(self.wires))

    @precondition(lambda self: self.asked)
    @rule(status=st.sampled_from([100, 180, 200, 404, 486]))
    def answer(self, status: int) -> None:
        self.bob.respond(self.asked[0].transaction, respond(self.asked[0].request, status, "b2"))
        self.pump()

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.ann.expire()
        self.bob.expire()
        self.pump()

    @invariant()
    def bob_hears_of_one_request(self) -> None:
        """However often it arrives, as long as its transaction lives."""
        assert len(self.bob) <= 1
        assert len(self.ann) <= 1

    @invariant()
    def ann_hears_one_outcome(self) -> None:
        """But a success of INVITE as often as it arrives (RFC 6026)."""
        if not (
            self.method == "INVITE"
            and all(isinstance(event, Responded) and event.response.is_success for event in self.outcomes)
        ):
            assert len(self.outcomes) <= 1

    def teardown(self) -> None:
        """Whatever happened: once the users are done, both forget everything.

        Only an INVITE that rang, and whose answers were all lost, is its user's to give up.
        """
        rng = random.Random(1)
        for _ in range(400):
            for wire in self.wires[:]:
                self.wires.remove(wire)
                if rng.random() < 0.5:
                    self.deliver(*wire)
            for asked in self.asked:
                self.bob.respond(asked.transaction, respond(asked.request, 486, "b2"))
            self.wait(0.5)
        left = self.ann._transactions.get(self.identifier)
        if left is not None and (self.method, left.state) == ("INVITE", State.PROCEEDING):
            self.ann.abandon(self.identifier)
        self.ann.events()
        self.wires.clear()
        for _ in range(80):
            for asked in self.asked:
                self.bob.respond(asked.transaction, respond(asked.request, 486, "b2"))
            self.wait(1.0)
        assert (len(self.ann), len(self.bob)) == (0, 0)
        assert (self.ann.next_deadline(), self.bob.next_deadline()) == (None, None)
        assert (self.ann._by_key, self.bob._by_key, self.ann._keys, self.bob._keys) == ({}, {}, {}, {})


Network.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLossyNetworks = Network.TestCase
