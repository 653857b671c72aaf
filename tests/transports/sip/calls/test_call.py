"""Whole calls as bytes, over a network that loses, doubles and reorders datagrams."""

from __future__ import annotations

import random
from itertools import count

import pytest
from msgspec.structs import replace

from tests.transports.sip.samples import SDP, request
from transports.sip.agent.routing import Hop
from transports.sip.agent.transaction import Timings
from transports.sip.agent.transactions import (
    Acknowledged,
    Cancelled,
    Failed,
    Received,
    Responded,
    Send,
    TimedOut,
    TransactionId,
    Transactions,
)
from transports.sip.dialogs.callee import Callee, Established, Respond, Tags
from transports.sip.dialogs.callee import Over as CalleeOver
from transports.sip.dialogs.caller import Abandon, Acknowledge, Answered, Caller, Cancel, Unanswered
from transports.sip.dialogs.dialog import Ask
from transports.sip.dialogs.offer import hold
from transports.sip.dialogs.session import Agreed, Offered, Over, Reply, Session
from transports.sip.dialogs.session_timer import Policy
from transports.sip.wire.message import Request, parse, respond, write
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import parse_uri

ANNS = parse_sdp(SDP)
BOBS = parse_sdp(SDP.replace(b"o=ann", b"o=bob").replace(b"192.0.2.9", b"192.0.2.2"))
HOPS = {"ann": Hop("UDP", "192.0.2.1", 5060), "bob": Hop("UDP", "192.0.2.2", 5060)}


class Network:
    """Two agents and what is under way between them."""

    def __init__(self, seed: int, loss: float) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.now = 1000.0
        self.wires: list[tuple[float, str, bytes]] = []
        self.agents = {"ann": Agent(self, "ann", "bob"), "bob": Agent(self, "bob", "ann")}

    def send(self, to: str, data: bytes) -> None:
        for _ in range(1 + (self.rng.random() < self.loss / 2)):
            if self.rng.random() >= self.loss:
                self.wires.append((self.now + self.rng.random() / 5, to, data))

    def run(self, seconds: float) -> None:
        """Let everything happen that is due until then, in the order of time."""
        stop = self.now + seconds
        while True:
            arrivals = [when for when, _, _ in self.wires]
            deadlines = [deadline for agent in self.agents.values() for deadline in agent.deadlines()]
            following = min(arrivals + deadlines, default=float("inf"))
            if following > stop:
                break
            self.now = max(self.now, following)
            due = [wire for wire in self.wires if wire[0] <= self.now]
            self.wires = [wire for wire in self.wires if wire[0] > self.now]
            for _, to, data in due:
                self.agents[to].arrive(data)
            for agent in self.agents.values():
                agent.expire()
        self.now = stop


class Agent:
    """One end: it wires the machines together as a user agent does."""

    def __init__(self, network: Network, name: str, peer: str) -> None:
        numbers = count()
        self.network, self.name, self.peer = network, name, peer
        self.contact = (("Contact", f"<sip:{name}@{HOPS[name].host}>"),)
        self.transactions = Transactions(
            self.clock,
            lambda: f"{name}{next(numbers)}",
            b"secret",
            lambda hop: (HOPS[name].host, 0),
            Timings(),
        )
        self.caller: Caller | None = None
        self.callee: Callee | None = None
        self.session: Session | None = None
        self.served: list[tuple[Request, TransactionId]] = []
        self.asked: dict[TransactionId, Request] = {}
        self.media = ANNS if name == "ann" else BOBS
        self.heard: list[str] = []

    def clock(self) -> float:
        return self.network.now

    def machines(self) -> list:
        return [machine for machine in (self.caller, self.callee, self.session) if machine is not None]

    def deadlines(self) -> list[float]:
        found = [self.transactions.next_deadline(), *(machine.next_deadline for machine in self.machines())]
        return [deadline for deadline in found if deadline is not None]

    def expire(self) -> None:
        self.transactions.expire()
        for machine in self.machines():
            machine.expire()
        self.pump()

    def arrive(self, data: bytes) -> None:
        self.transactions.receive(parse(data), HOPS[self.peer])
        self.pump()

    def call(self) -> None:
        invite = replace(request("INVITE", fields=(*self.contact, ("Supported", "timer"))), via=())
        hop = parse_uri("sip:192.0.2.2")
        self.caller = Caller(
            invite, hop, self.media, self.clock, lambda asked, response: None, 60.0, Timings()
        )
        self.pump()

    def pump(self) -> None:
        """Take what all machines say until they say nothing more."""
        while True:
            events = self.transactions.events()
            for event in events:
                self.transaction_event(event)
            spoken = [event for machine in self.machines() for event in machine.events()]
            for event in spoken:
                self.machine_event(event)
            if not events and not spoken:
                return

    def transaction_event(self, event: object) -> None:
        if isinstance(event, Send):
            self.network.send(self.peer, write(event.message))
        elif isinstance(event, Received):
            self.served.append((event.request, event.transaction))
            self.serve(event.request)
        elif isinstance(event, Acknowledged):
            for machine in (self.callee, self.session):
                if isinstance(machine, Callee):
                    machine.receive_ack(event.request)
                elif machine is not None:
                    machine.receive_request(event.request)
        elif isinstance(event, Cancelled) and self.callee is not None:
            self.callee.cancelled()
        elif isinstance(event, Responded):
            for machine in (self.caller, self.session):
                if machine is not None:
                    machine.receive_response(event.response)
        elif isinstance(event, TimedOut | Failed):
            self.fail(self.asked.get(event.transaction))

    def fail(self, asked: Request | None) -> None:
        if asked is not None and asked.to.tag and self.session is not None:
            self.session.fail(asked)
        elif asked is not None and self.caller is not None:
            self.caller.fail(408)

    def serve(self, asked: Request) -> None:
        if asked.method == "PRACK" and self.callee is not None:
            self.respond(asked, self.callee.receive_prack(asked))
        elif asked.to.tag and self.session is not None:
            self.session.receive_request(asked)
        elif asked.to.tag:
            self.respond(asked, respond(asked, 481))
        else:
            self.callee = Callee(asked, Tags("b2", 100, 7), self.contact, self.clock, 60.0, Timings())
            self.callee.ring(183, self.media)

    def respond(self, asked: Request, response: object) -> None:
        [identifier] = [identifier for found, identifier in self.served if found is asked]
        self.transactions.respond(identifier, response)

    def machine_event(self, event: object) -> None:
        if isinstance(event, Ask):
            self.asked[self.transactions.request(event.request, HOPS[self.peer])] = event.request
        elif isinstance(event, Acknowledge):
            via = replace(event.request, via=request("ACK", branch=f"z9hG4bKack{self.network.now}").via)
            self.network.send(self.peer, write(via))
        elif isinstance(event, Cancel | Abandon):
            [identifier] = [found for found, asked in self.asked.items() if asked is event.request]
            if isinstance(event, Cancel):
                self.transactions.cancel(identifier, event.fields)
            else:
                self.transactions.abandon(identifier)
        elif isinstance(event, Respond):
            self.respond(self.callee.invite, event.response)
        elif isinstance(event, Reply):
            self.respond(event.request, event.response)
        elif isinstance(event, Answered):
            self.stand(event.leg.dialog, event.leg.negotiation, is_owner=True)
        elif isinstance(event, Established):
            self.stand(self.callee.dialog, self.callee.negotiation, is_owner=False)
        elif isinstance(event, Offered):
            self.session.answer(self.media)
        elif isinstance(event, Agreed | Over | CalleeOver | Unanswered):
            self.heard.append(type(event).__name__)

    def stand(self, dialog: object, negotiation: object, is_owner: bool) -> None:
        self.heard.append("stands")
        self.session = Session(
            dialog,
            negotiation,
            None,
            self.contact,
            Policy(),
            self.clock,
            lambda asked, response: None,
            is_owner,
            self.network.rng.random,
            Timings(),
        )


def is_forgotten(network: Network) -> bool:
    return all(len(agent.transactions) == 0 and agent.deadlines() == [] for agent in network.agents.values())


@pytest.mark.parametrize("seed", range(12))
def test_a_call_over_a_bad_network_is_made_held_and_ended(seed):
    """A fifth of all datagrams is lost; both ends hear the same, and keep nothing."""
    network = Network(seed, 0.2)
    ann, bob = network.agents["ann"], network.agents["bob"]
    ann.call()
    network.run(8)
    bob.callee.accept(None if bob.callee.negotiation.remote else bob.media)
    bob.pump()
    network.run(20)
    assert (ann.heard, bob.heard) == (["stands"], ["stands"])
    bob.session.offer(hold(bob.media))
    bob.pump()
    network.run(20)
    assert (ann.heard, bob.heard) == (["stands", "Agreed"], ["stands", "Agreed"])
    assert ann.session.negotiation.remote == bob.session.negotiation.local
    assert not bob.session.negotiation.local.direction(bob.session.negotiation.local.media[0]).receives
    ann.session.hang_up()
    ann.pump()
    network.run(100)
    assert bob.heard[-1] == "Over"
    assert is_forgotten(network)


@pytest.mark.parametrize("seed", range(8))
def test_a_call_that_is_given_up_ends_on_both_sides(seed):
    """Whether or not the answer crosses the CANCEL."""
    network = Network(seed, 0.2)
    ann, bob = network.agents["ann"], network.agents["bob"]
    ann.call()
    network.run(8)
    ann.caller.cancel(None)
    ann.pump()
    network.run(seed / 20)
    bob.callee.accept(None if bob.callee.negotiation.remote else bob.media)
    bob.pump()
    network.run(200)
    assert ann.heard == ["Unanswered"]
    assert bob.heard in (["Over"], ["stands", "Over"])
    assert is_forgotten(network)


@pytest.mark.parametrize("seed", range(4))
def test_a_peer_that_vanishes_leaves_nothing(seed):
    """When the network dies, all timers run out."""
    network = Network(seed, 0.0)
    ann, bob = network.agents["ann"], network.agents["bob"]
    ann.call()
    network.run(1 + seed)
    network.loss = 1.0
    bob.callee.accept(None if bob.callee.negotiation.remote else bob.media)
    bob.pump()
    network.run(200)
    assert is_forgotten(network)
    assert (ann.heard, bob.heard) == (["Unanswered"], ["Over"])
