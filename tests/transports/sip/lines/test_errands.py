"""Requests with a Contact."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.samples import request
from tests.transports.sip.wires import Names
from transports.sip.agent.guard import Guard
from transports.sip.agent.locate import Locator
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.config import SipConfig
from transports.sip.lines.errands import Errands
from transports.sip.wire.message import Response, respond
from transports.sip.wire.uri import Uri, parse_uri

FAR = Hop("UDP", "192.0.2.9", 5070)


class Agent:
    """Answers by what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []

    def request(self, asked: Any, hops: Any, client: Any, *, is_once: bool) -> Deferred[Response]:
        self.asked.append((asked, hops, client))
        return fail(self.answer) if isinstance(self.answer, BridgeError) else succeed(self.answer)


def contact_of(user: str, hop: Hop) -> Uri:
    return Uri(scheme="sip", user=user, host="gw.example")


def means(agent: Any) -> Means:
    locator = Locator(Names(), Random(1), frozenset({"UDP"}), frozenset({4}))
    clock = Clock()
    guard = Guard(SipConfig(domain="gw.example"), clock.seconds)
    return Means(agent, locator, guard, clock, Random(1), lambda: "token", contact_of)


def errands(agent: Any) -> Errands:
    return Errands(means(agent))


def contact(hop: Hop) -> Uri:
    return contact_of("romeo@a.example", hop)


def test_request_tells_where_its_user_is_reached_and_goes_where_it_should() -> None:
    """By a URI that is looked up, or by a way that is found."""
    asked = request("SUBSCRIBE", fields=(("Event", "presence"),))
    agent = Agent(respond(asked, 200))
    heard: list[Any] = []
    errands(agent).run(asked, contact, parse_uri("sip:192.0.2.9:5070")).addCallback(heard.append)

    async def find() -> list[Hop]:
        return [FAR]

    errands(agent).run(asked, contact, find).addCallback(heard.append)
    assert [one.status for one in heard] == [200, 200]
    for sent, hops, _ in agent.asked:
        assert (sent.get("Contact"), hops) == ("<sip:romeo%40a.example@gw.example>", [FAR])


def test_nobody_who_answers_is_none() -> None:
    """Whether nothing was found, or nothing was heard."""
    heard: list[Any] = []
    silent = errands(Agent(BridgeError(Trouble.TIMED_OUT)))
    silent.run(request("NOTIFY"), contact, parse_uri("sip:192.0.2.9")).addCallback(heard.append)
    silent.run(request("NOTIFY"), contact, parse_uri("sip:nowhere.example")).addCallback(heard.append)
    assert heard == [None, None]


def test_contact_of_a_user_leads_to_us() -> None:
    """For those whom he writes to by no trunk."""
    assert errands(Agent(None)).contact_for("romeo@a.example")(FAR) == contact(FAR)
