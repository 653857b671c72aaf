"""The composition root: from a configuration to wired objects; the one place that names the reactor."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, cast

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList, fail, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge.config import Config, ConfigError
from bridge.errors import BridgeError, Trouble
from bridge.federation.exchange import Exchange
from bridge.federation.host import ComponentHost
from bridge.federation.service import Federation
from bridge.gateway import Gateway, own_key
from bridge.policy import Policy
from bridge.process import Reactor
from bridge.store import Durability, Store
from bridge.web.sharing import KEY_BYTES, Web

PRUNE_INTERVAL = 600.0
"""Seconds between two looks for messages that have been archived long enough."""
PRUNE_SLICE = 1_000
"""Messages removed at once, so that other work of the store is not kept waiting."""
DAY = 86_400 * 1_000_000
"""Microseconds, the unit of message ids."""
LINK_KEY = "link-key"
"""Under which name the store has what signs links to files."""
CONGESTION_INTERVAL = 0.25
"""Seconds between two looks at how much waits."""


def the_reactor() -> Reactor:
    """Return the reactor of this process, whichever its runner chose."""
    from twisted.internet import reactor

    return cast(Reactor, reactor)


def make_service(config: Config, reactor: Reactor) -> BridgeService:
    """Wire the bridge that `config` describes; nothing is opened before it starts."""
    return BridgeService(config, reactor, time.time)


@implementer(IService)
class BridgeService(Service):
    """All gateways and hosted components of one configuration, the store and the exchange they share.

    `ready` fires when the store is loaded and the gateways connect, or fails with StoreError.
    `on_status` is told how things are whenever that changes; `reread` is what an administrator's
    command for reading the configuration again does: it may raise ConfigError.
    """

    log = Logger()

    def __init__(self, config: Config, reactor: Any, wall: Callable[[], float]) -> None:
        self.config = config
        self.reactor = reactor
        self.wall = wall
        self.policy = Policy(config)
        self.exchange = Exchange()
        self.ready: Deferred[None] = Deferred()
        self.on_status: Callable[[str], None] | None = None
        self.reread: Callable[[], None] | None = None
        self.gateways: dict[str, Gateway] = {}
        self.host: ComponentHost | None = None
        self.federation: Federation | None = None
        self.web: Web | None = None
        assert config.store.url is not None
        self.store = Store(
            config.store.url.reveal(),
            reactor.callFromThread,
            wall,
            commit_interval=config.store.commit_interval,
            durability=Durability(config.store.durability),
        )
        self._is_held = False
        self._pruning = LoopingCall(self._prune)
        self._watching = LoopingCall(self._watch)
        self._pruning.clock = self._watching.clock = reactor

    def startService(self) -> None:
        """Load the store, then open the gateways; see `ready`."""
        Service.startService(self)
        self.store.start().addCallback(self._open).chainDeferred(self.ready)

    def _open(self, _loaded: None) -> None:
        if not self.running:
            return
        if self.config.web is not None:
            key = own_key(self.store, "", LINK_KEY, KEY_BYTES)
            self.web = Web(self.config.web, self.reactor, key, self.wall)
            self.web.server.start()
        for domain, gateway in self.config.gateways.items():
            self.gateways[domain] = Gateway(domain, gateway, self)
        if self.config.components is not None:
            self.host = ComponentHost(self.config.components, self.reactor, self.exchange)
            self.host.startService()
        if self.config.federation is not None:
            domains = _federated(self.config)
            self.federation = Federation(self.config.federation, domains, self.reactor, self.exchange)
            self.federation.startService()
        for opened in self.gateways.values():
            opened.start()
        self._pruning.start(PRUNE_INTERVAL, now=False)
        self._watching.start(CONGESTION_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        """Leave all networks, tell the users, store everything; fires when that is done."""
        Service.stopService(self)
        for call in (self._pruning, self._watching):
            if call.running:
                call.stop()
        return self._leave().addBoth(self._closed)

    @inlineCallbacks
    def _leave(self) -> Generator[Deferred[Any], Any, None]:
        yield DeferredList([gateway.leave() for gateway in self.gateways.values()])
        edges = [edge for edge in (self.host, self.federation) if edge is not None]
        yield DeferredList([maybeDeferred(edge.stopService) for edge in edges])
        yield DeferredList([gateway.stop() for gateway in self.gateways.values()])
        if self.web is not None:
            yield self.web.server.stop()

    def _closed(self, result: object) -> Deferred[None]:
        if isinstance(result, Failure):
            self.log.failure("the gateways did not close cleanly", result)
        return self.store.stop()

    def reload(self, config: Config) -> None:
        """Put a configuration in force that differs only in what needs no restart."""
        self.config = config
        self.policy.apply(config)
        if self.host is not None and config.components is not None:
            self.host.reload(config.components)
        if self.federation is not None and config.federation is not None:
            self.federation.reload(config.federation, _federated(config))
        for gateway in self.gateways.values():
            gateway.reload(config)

    def status(self) -> str:
        """Say how many gateways are connected, how many need no server, and which networks are broken."""
        linked = [gateway for gateway in self.gateways.values() if gateway.link is not None]
        alone = len(self.gateways) - len(linked)
        words = []
        if linked:
            up = sum(gateway.is_up for gateway in linked)
            words.append(f"{up} of {len(linked)} gateways connected to their XMPP servers")
        if alone:
            words.append(f"{alone} gateways federated")
        broken = [f"{domain}: {one.trouble}" for domain, one in self.gateways.items() if one.trouble]
        return "; ".join([", ".join(words) or "no gateways", *broken])

    def changed(self) -> None:
        """A gateway's link went up or down, or its network is in trouble or out of it."""
        if self.on_status is not None:
            self.on_status(self.status())

    def reread_for_admin(self) -> Deferred[None]:
        """Read the configuration again; fails with BridgeError NOT_ACCEPTABLE and all that is wrong."""
        if self.reread is None:
            return fail(BridgeError(Trouble.UNSUPPORTED))
        try:
            self.reread()
        except ConfigError as error:
            return fail(BridgeError(Trouble.NOT_ACCEPTABLE, str(error)))
        return succeed(None)

    def _watch(self) -> None:
        is_full = self.store.is_full
        for gateway in self.gateways.values():
            gateway.hold(is_full)
        if is_full != self._is_held:
            self._is_held = is_full
            self.exchange.hold(is_full)
            if self.host is not None:
                self.host.hold(is_full)

    def _prune(self) -> Deferred[Any] | None:
        """Forget archived messages that are old enough, slice by slice."""
        days = self.config.store.archive_days
        if not days:
            return None
        before = int(self.wall() * 1_000_000) - days * DAY
        return self._prune_slice(before).addErrback(self._not_pruned)

    def _prune_slice(self, before: int) -> Deferred[Any]:
        pruned = self.store.prune(before, PRUNE_SLICE)
        return pruned.addCallback(lambda count: self._prune_slice(before) if count == PRUNE_SLICE else None)

    def _not_pruned(self, failure: Failure) -> None:
        self.log.failure("old messages could not be removed from the archive", failure)


def _federated(config: Config) -> frozenset[str]:
    """Return the domains that other servers reach."""
    hosted = () if config.components is None else config.components.domains
    return frozenset(domain for domain, gateway in config.gateways.items() if gateway.federated).union(hosted)
