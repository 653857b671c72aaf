"""Whether the servers that the operator named can be reached, as their users would reach them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import ServerId
from bridge.network import Probe
from transports.irc.config import IrcConfig
from transports.irc.connection import Connection
from transports.irc.dialer import Dialer, Turnstile, hostname_endpoints
from transports.irc.plan import Plan
from transports.irc.settings import ServerSettings


def server_probes(config: IrcConfig, reactor: Any) -> list[Probe]:
    """Try the fixed server, or else every server that has settings of its own."""
    dialer = Dialer(reactor, hostname_endpoints(reactor))
    names = [ServerId("")] if config.fixed_server else [ServerId(name) for name in config.servers]
    return [_probe(Plan(config), name, dialer, reactor) for name in names]


def _probe(plan: Plan, server: ServerId, dialer: Dialer, reactor: Any) -> Probe:
    trial = _Trial()
    try:
        target = plan.target(server, ServerSettings())
    except BridgeError as error:
        trial.result.errback(error)
    else:
        trial.connection = Connection(target, trial)
        trial.connection.open(dialer, Turnstile(reactor, 1.0, 1))
    return Probe(subject=plan.name(server), result=trial.result)


class _Trial:
    """A `Line` that ends as soon as its server might be spoken to."""

    connection: Connection

    def __init__(self) -> None:
        self.result: Deferred[str] = Deferred()
        self._found = ""

    def connection_made(self, *, secure: bool) -> None:
        """Reached: hang up; the answer comes when that is done."""
        attempt = self.connection.attempt
        assert attempt is not None
        how = "TLS, its certificate is accepted" if attempt.secure else "not encrypted"
        self._found = f"port {attempt.port}: {how}"
        self.connection.close()

    def connection_lost(self, text: str, *, made: bool) -> None:
        """Hung up, or not reached at any port."""
        if self.result.called:
            return
        if made and self._found:
            self.result.callback(self._found)
        else:
            self.result.errback(BridgeError(Trouble.UNREACHABLE, text))

    def progress(self, text: str) -> None:
        """Nobody reads along."""

    def data_received(self, data: bytes) -> None:
        """What a server says at first does not matter."""

    def advance(self) -> None:
        """Nothing is sent."""
