"""Whether the trunks are there and take our passwords (`xmppbridge check --live`)."""

from __future__ import annotations

import re
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred

from bridge.network import Probe
from transports.sip.agent import Agent, Answer
from transports.sip.bound import Bound, dns_of, token
from transports.sip.config import SipConfig
from transports.sip.guard import Guard
from transports.sip.line import Line
from transports.sip.locate import Locator
from transports.sip.message import Request, respond
from transports.sip.routes import Trunk, read_trunks
from transports.sip.routing import Hop
from transports.sip.security import Certificates
from transports.sip.transport import listen_all


def trunk_probes(config: SipConfig, reactor: Any) -> list[Probe]:
    """Ask each trunk by OPTIONS, and for the registrations of our account; nothing is changed there."""
    return [
        Probe(
            subject=f"trunk {trunk.name} ({trunk.server})",
            result=Deferred.fromCoroutine(_try(config, trunk, reactor)),
        )
        for trunk in read_trunks(config).values()
    ]


async def _try(config: SipConfig, trunk: Trunk, reactor: Any) -> str:
    guard = Guard(config, reactor.seconds)
    agent = Agent(reactor, guard, Certificates(config), _refuse, token, config.max_connections)
    # a gateway that runs already has the ports; TLS is only dialled
    listens = [re.sub(r"[0-9]+$", "0", one) for one in config.listen if not one.startswith("tls")]
    bound = Bound(config, listen_all(agent.transports, listens or ["tcp 0.0.0.0:0"]))
    agent.sent_by = bound.sent_by
    random = SystemRandom()
    locator = Locator(dns_of(config, reactor), random, bound.transports, bound.families)
    line = Line(
        trunk, agent, locator, guard, reactor, token, random.random, bound.contact, lambda line, reason: None
    )
    try:
        hops = await line.locate()
        began = reactor.seconds()
        response = await line.options(hops)
        took = (reactor.seconds() - began) * 1000
        words = f"answers OPTIONS with {response.status} over {hops[0].transport} in {took:.0f} ms"
        if trunk.config.register:
            await line.bindings(hops)
            words += ", takes the password"
        return words
    finally:
        await agent.stop()


def _refuse(request: Request, hop: Hop, answer: Answer) -> None:
    """Nobody is to write to a probe."""
    answer(respond(request, 480, token()))
