"""Whether the trunks are there, take our passwords and can come back to us (`xmppbridge check --live`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName, load_pem_x509_certificates
from msgspec.structs import replace
from OpenSSL.SSL import Error as SslError
from twisted.internet.defer import Deferred, maybeDeferred

from bridge.errors import BridgeError, Trouble
from bridge.network import Probe
from transports.sip.agent.bound import Bound, dns_of, token
from transports.sip.agent.guard import Guard
from transports.sip.agent.locate import Locator
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.security import Certificates
from transports.sip.agent.transport import listen_all
from transports.sip.agent.user_agent import Agent, Answer
from transports.sip.config import SipConfig
from transports.sip.lines.line import Line
from transports.sip.lines.reached import doubt, mistake
from transports.sip.lines.routes import Trunk, read_trunks
from transports.sip.wire.message import Request, Response, respond
from transports.sip.wire.uri import Uri

STRANGER = "it may not know the address that we come from"
_ACCOUNT = "It does not take `username` and `password`, or the account is of another `domain`."
REMEDIES = {
    Trouble.LOGIN_FAILED: _ACCOUNT,
    Trouble.LOGIN_NEEDED: _ACCOUNT,
    Trouble.FORBIDDEN: "It refuses this account, or the address that we come from.",
    Trouble.NOT_FOUND: "It does not know the account, or its `domain`.",
}
"""What the operator looks at when a registration is refused."""


def trunk_probes(config: SipConfig, reactor: Any) -> list[Probe]:
    """Ask each trunk by OPTIONS, and for the registrations of our account; nothing is changed there.

    One with several proxies is asked by each.
    """
    trunks = [trunk for trunk in read_trunks(config).values() if trunk.config.server]
    by_one = [replace(trunk, proxies=(proxy,)) for trunk in trunks for proxy in trunk.proxies]
    return [
        Probe(
            subject=f"trunk {trunk.name} ({', '.join(map(str, trunk.proxies)) or trunk.server})",
            result=Deferred.fromCoroutine(_try(config, trunk, reactor)),
        )
        for trunk in [*(trunk for trunk in trunks if not trunk.proxies), *by_one]
    ]


async def _try(config: SipConfig, trunk: Trunk, reactor: Any) -> str:
    guard = Guard(config, reactor.seconds)
    agent = Agent(reactor, guard, Certificates(config), _refuse, token, config.max_connections)
    # a gateway that runs already has the ports; TLS and WebSockets are only dialled
    listens = [re.sub(r"[0-9]+$", "0", one) for one in config.listen if one.startswith(("udp ", "tcp "))]
    bound = Bound(config, listen_all(agent.transports, listens or ["tcp 0.0.0.0:0"]))
    agent.sent_by = bound.sent_by
    random = SystemRandom()
    locator = Locator(dns_of(config, reactor), random, bound.transports, bound.families)
    means = Means(agent, locator, guard, reactor, random, token, bound.contact)
    line = Line(trunk, means, lambda line, reason: None, config.domain)
    try:
        hops = await line.locate()
        began = reactor.seconds()
        response = await line.options(hops)
        took = (reactor.seconds() - began) * 1000
        words = f"answers OPTIONS with {response.status} over {hops[0].transport} in {took:.0f} ms"
        if trunk.config.register:
            await _try_password(line, hops)
            words += ", takes the password"
        elif response.status == 403:
            words += f": {STRANGER}"
        is_reached = bound.is_reached(hops[0])
        return words + (await _way_back(bound, locator, hops[0], response) if is_reached else "")
    finally:
        await agent.stop()


async def _try_password(line: Line, hops: list[Hop]) -> None:
    """Ask for our bindings. Raises BridgeError, with what is to be mended."""
    try:
        await line.bindings(hops)
    except BridgeError as error:
        remedy = REMEDIES.get(error.trouble)
        raise BridgeError(error.trouble, f"{error.text} {remedy}") if remedy else error from None


async def _way_back(bound: Bound, locator: Locator, hop: Hop, response: Response) -> str:
    """Return a doubt whether the trunk can come back to us. Raises BridgeError if it surely cannot."""
    told = bound.sent_by(hop)[0].strip("[]")
    try:
        # with a port: where a name is, and not its services
        found = await locator.locate(Uri(scheme="sip", host=told, port=hop.port))
    except BridgeError as error:
        if error.trouble is Trouble.TIMED_OUT:
            return f"; no nameserver tells where {told} is, to which it is told to come back"
        found = []
    addresses = list(dict.fromkeys(one.host for one in found))
    if wrong := mistake(told, addresses, hop.host):
        raise BridgeError(Trouble.UNREACHABLE, f"answers, but {wrong}")
    doubtful = doubt(told, addresses, response.via[0].params.get("received", ""))
    return f"; {doubtful}" if doubtful else ""


def certificate_probes(config: SipConfig, now: Callable[[], datetime]) -> list[Probe]:
    """Look at the certificate that is shown to who comes by TLS."""
    if not config.listens_securely:
        return []
    return [Probe(subject=f"certificate {config.certificate}", result=maybeDeferred(_judge, config, now()))]


def _judge(config: SipConfig, now: datetime) -> str:
    """Say how it stands. Raises BridgeError."""
    try:
        _ = Certificates(config).server
        certificate = load_pem_x509_certificates(Path(config.certificate).read_bytes())[0]
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
    except (OSError, ValueError, SslError, ExtensionNotFound) as error:
        raise BridgeError(Trouble.UNREACHABLE, f"cannot be used: {error}") from None
    left = (certificate.not_valid_after_utc - now).days
    if left < 0:
        raise BridgeError(Trouble.UNREACHABLE, f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    known = names.value.get_values_for_type(DNSName)
    if config.domain not in known and f"*.{config.domain.partition('.')[2]}" not in known:
        what = ", ".join(known) or "nothing"
        raise BridgeError(Trouble.UNREACHABLE, f"is for {what}, not for {config.domain} (RFC 5922 §7.1)")
    return f"is for {config.domain}, and valid for {left} days"


def _refuse(request: Request, hop: Hop, answer: Answer) -> None:
    """Nobody is to write to a probe."""
    answer(respond(request, 480, token()))
