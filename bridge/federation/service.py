"""Federation as a whole: everything that talks to other servers, wired together."""

from __future__ import annotations

from random import SystemRandom
from secrets import token_bytes, token_hex
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from bridge.config import FederationConfig
from bridge.federation.acceptor import Acceptor
from bridge.federation.arrivals import Arrivals
from bridge.federation.connection import CLOSE_TIMEOUT
from bridge.federation.dial import Means
from bridge.federation.dns import Dns, system_hosts
from bridge.federation.exchange import Exchange
from bridge.federation.guard import Guard
from bridge.federation.policy import PeerPolicies
from bridge.federation.pool import Pool
from bridge.federation.posh import Posh
from bridge.federation.resolver import Resolver
from bridge.federation.tls import TlsContexts, Verifier
from bridge.xmpp.dialback import Keys
from bridge.xmpp.xml import Limits

WATCH_INTERVAL = 1.0
"""Seconds between two looks at what takes too long."""
CLOSE_INTERVAL = 0.05
"""Seconds between two looks at whether all peers have said goodbye."""
SKIPPED = 16
"""How many times larger than the largest stanza that is taken one may be to be read past."""
SECRET_BYTES = 32
BACKLOG = 1_024
"""Connections that the kernel holds until they are accepted."""


class Federation(Service):
    """The streams to and from other servers, for those of our domains that they may reach.

    Implements `exchange.Remote`. Raises CertificateError for files that cannot be used.
    """

    log = Logger()

    def __init__(
        self, config: FederationConfig, domains: frozenset[str], reactor: Any, exchange: Exchange
    ) -> None:
        self._config = config
        self._domains = domains
        self._reactor = reactor
        self._exchange = exchange
        self._guard = Guard(config.limits, reactor.seconds)
        self._policies = PeerPolicies(config)
        self._contexts = TlsContexts(config, lambda: self._domains)
        nameservers = [(endpoint.host, endpoint.port) for endpoint in config.nameservers]
        dns = Dns(reactor, nameservers, config.dnssec)
        resolver = Resolver(dns.ask, SystemRandom(), system_hosts())
        posh = Posh(reactor, resolver, lambda: self._contexts.authorities) if config.posh else None
        secret = config.dialback_secret
        means = Means(
            reactor=reactor,
            resolver=resolver,
            contexts=self._contexts,
            verifier=Verifier(posh),
            policies=self._policies,
            keys=Keys(token_bytes(SECRET_BYTES) if secret is None else secret.reveal().encode()),
            hosts=self._hosts,
            limits=_limits(config),
        )
        arrivals = Arrivals(exchange, self._guard, reactor)
        self._pool = Pool(means, arrivals, exchange.bounce, config.limits, reactor)
        self._acceptor = Acceptor(
            means, arrivals, self._pool, self._guard, config.limits, reactor, lambda: token_hex(16)
        )
        self._ports: list[IListeningPort] = []
        self._watching = LoopingCall(self._watch)
        self._watching.clock = reactor

    # ---- life

    def startService(self) -> None:
        """Listen for other servers; raises CannotListenError."""
        Service.startService(self)
        self._exchange.remote = self
        for endpoint in self._config.listen:
            self._ports.append(self._reactor.listenTCP(endpoint.port, self._acceptor, BACKLOG, endpoint.host))
            self.log.info("listening for servers on {endpoint}", endpoint=endpoint)
        self._watching.start(WATCH_INTERVAL, now=False)

    def stopService(self) -> Deferred[Any]:
        """End all streams properly; fires when the peers have answered, or had time to."""
        Service.stopService(self)
        if self._watching.running:
            self._watching.stop()
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        self._ports.clear()
        self._acceptor.stop()
        self._pool.stop()
        return DeferredList([*closing, self._parted(self._reactor.seconds() + CLOSE_TIMEOUT)])

    def _parted(self, deadline: float) -> Deferred[None]:
        return Deferred.fromCoroutine(self._part(deadline))

    async def _part(self, deadline: float) -> None:
        while (self._acceptor.count or self._pool.count) and self._reactor.seconds() < deadline:
            await deferLater(self._reactor, CLOSE_INTERVAL)
        self._acceptor.abort()
        self._pool.abort()

    def _hosts(self, domain: str) -> bool:
        return domain in self._domains

    def reload(self, config: FederationConfig, domains: frozenset[str]) -> None:
        """Put in force what needs no restart; established streams go on, unless they are forbidden now."""
        self._config, self._domains = config, domains
        self._guard.apply(config.limits)
        self._policies.apply(config)
        self._pool.apply(config.limits)
        self._acceptor.apply(config.limits)
        self._contexts.reload(config)
        self._acceptor.review()
        self._pool.review()

    def _watch(self) -> None:
        self._pool.watch()
        self._acceptor.watch()

    # ---- the exchange's way out

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        """Send whole stanzas; see `exchange.Remote`."""
        self._pool.send(local, domain, stanzas)

    def pause(self) -> None:
        """Read nothing more from other servers for now."""
        self._acceptor.hold(True)
        self._pool.hold(True)

    def resume(self) -> None:
        """Read again."""
        self._acceptor.hold(False)
        self._pool.hold(False)


def _limits(config: FederationConfig) -> Limits:
    """A stanza that is too large is answered; only one that is far too large ends the stream."""
    size = config.limits.stanza_bytes
    return Limits(stanza_bytes=size, skip_bytes=SKIPPED * size)
