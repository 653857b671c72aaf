"""The composition root: from a configuration to wired objects; the one place that names the reactor."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from secrets import token_bytes, token_hex
from typing import Any, cast

import msgspec
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList, fail, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge import __version__
from bridge.config import Config, ConfigError, ContactsConfig, GatewayConfig, network_module
from bridge.config.declarations import Domain
from bridge.errors import BridgeError, Trouble
from bridge.federation.component import ComponentLink
from bridge.policy import Pace, Policy
from bridge.process import Reactor
from bridge.router import Router
from bridge.services.administration import Administration
from bridge.services.commands import Commands
from bridge.services.configuration import Configuration
from bridge.services.disco import Disco
from bridge.services.gateway_prompt import GatewayPrompt
from bridge.services.greetings import greetings
from bridge.services.last import Last
from bridge.services.muc.context import Context
from bridge.services.muc.render import Renderer
from bridge.services.muc.service import Muc
from bridge.services.ping import Ping
from bridge.services.roster import Roster
from bridge.services.time import Time
from bridge.services.uplink import BridgeUplink
from bridge.services.vcard import VCard
from bridge.services.version import Version
from bridge.settings import UserSettings
from bridge.store import Durability, Store
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.version import SoftwareVersion
from bridge.xmpp.stanza import error_reply

OWN = ""
"""The owner, in the store, of what the bridge remembers for itself."""
OCCUPANT_ID_KEY = "occupant-id-key"
OCCUPANT_ID_KEY_BYTES = 32
PRUNE_INTERVAL = 600.0
"""Seconds between two looks for messages that have been archived long enough."""
PRUNE_SLICE = 1_000
"""Messages removed at once, so that other work of the store is not kept waiting."""
DAY = 86_400 * 1_000_000
"""Microseconds, the unit of message ids."""
CONGESTED_BYTES = 6 * 1024 * 1024
"""How much may wait for a slow XMPP server before reading stops; well below what the link is cut at."""
CONGESTION_INTERVAL = 0.25
"""Seconds between two looks at how much waits."""
SHUTDOWN_REASON = "Gateway shutdown"


def the_reactor() -> Reactor:
    """Return the reactor of this process, whichever its runner chose."""
    from twisted.internet import reactor

    return cast(Reactor, reactor)


def make_service(config: Config, reactor: Reactor) -> BridgeService:
    """Wire the bridge that `config` describes; nothing is opened before it starts."""
    return BridgeService(config, reactor, time.time)


class Gateway:
    """The objects of one gateway domain."""

    log = Logger()

    def __init__(self, domain: Domain, gateway: GatewayConfig, bridge: BridgeService) -> None:
        config, reactor, store, policy = bridge.config, bridge.reactor, bridge.store, bridge.policy
        self.domain = domain
        self.is_up = False
        self._held = False
        self._bridge = bridge
        self._pace = Pace(config.limits.stanzas_per_second, config.limits.stanza_burst, reactor.seconds)

        self.network = network = network_module(gateway.network).build(gateway.options, reactor)
        if gateway.name:
            network.identity = msgspec.structs.replace(network.identity, name=gateway.name)
        self.link = ComponentLink(
            domain, gateway.component, reactor, self.receive, self.link_up, self.link_down, network.burst
        )
        self.router = router = Router(domain, network, self.link, policy, reactor)
        settings = UserSettings(store, domain, network)
        context = Context(
            router=router,
            network=network,
            store=store,
            renderer=Renderer(domain, _occupant_id_key(store, domain)),
            clock=reactor,
            wall=bridge.wall,
            settings=settings,
        )
        administration = Administration(bridge.reread_for_admin, network.users, network.disconnect)
        offers = (
            greetings,
            Configuration(network, settings).commands,
            network.commands,
            administration.commands,
        )
        commands = Commands(offers, policy.is_admin, reactor.seconds, lambda: token_hex(8))
        self._disco = Disco(domain, network, commands, _contacts(config), reactor)
        self._roster = Roster(router, store, network, self._disco.caps)
        self._muc = Muc(context, self._roster.network_state)
        for service in (
            self._disco,
            commands,
            self._roster,
            self._muc,
            GatewayPrompt(domain, network),
            Last(network, reactor.seconds),
            Ping(network),
            Time(network, bridge.wall),
            VCard(network),
            Version(network, SoftwareVersion(name="xmppbridge", version=__version__)),
        ):
            router.add(service)
        network.start(BridgeUplink(domain, self._muc, settings, store))

    # ---- life

    def start(self) -> None:
        """Connect to the XMPP server."""
        self.link.startService()

    def leave(self) -> Deferred[None]:
        """Take every user out of the network; fires when the rooms' clients have been told."""
        return self.network.stop(SHUTDOWN_REASON).addBoth(self._left)

    def _left(self, result: object) -> None:
        if isinstance(result, Failure):
            self.log.failure("the network of {domain} did not stop cleanly", result, domain=self.domain)
        self._roster.shut_down()

    def hold(self, store_is_full: bool) -> None:
        """While the store is full or the XMPP server slow, read nothing more (rather than drop it)."""
        congested = store_is_full or (self.is_up and self.link.queued_bytes > CONGESTED_BYTES)
        if congested == self._held:
            return
        self._held = congested
        if congested:
            self.log.warn("{domain}: held back, too much waits", domain=self.domain)
            self.network.pause()
            self.link.pause()
        else:
            self.log.info("{domain}: goes on", domain=self.domain)
            self.network.resume()
            self.link.resume()

    def reload(self, config: Config) -> None:
        """Put in force what a new configuration changes for this gateway."""
        self._pace.rate, self._pace.burst = config.limits.stanzas_per_second, config.limits.stanza_burst
        self._disco.set_contacts(_contacts(config))
        self.network.reload(config.gateways[self.domain].options)
        self.router.forget()

    # ---- the way in

    def receive(self, element: Element) -> None:
        """Route a stanza, unless its sender floods; presence always passes, or there would be ghosts."""
        sender = element.attributes.get("from", "").partition("/")[0]
        if element.name != "presence" and not self._pace.admits(sender):
            reply = error_reply(element, BridgeError(Trouble.TOO_MANY))
            if reply is not None:
                self.router.send(reply)
            return
        self.router.receive(element)

    def link_up(self) -> None:
        """The XMPP server takes stanzas (again)."""
        self.is_up = True
        self._roster.link_up()
        self._muc.link_up()
        self._bridge.changed()

    def link_down(self) -> None:
        """It does not any more; the link tries again by itself."""
        self.is_up = False
        self._bridge.changed()


@implementer(IService)
class BridgeService(Service):
    """All gateways of one configuration, and the store they share.

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
        self.ready: Deferred[None] = Deferred()
        self.on_status: Callable[[str], None] | None = None
        self.reread: Callable[[], None] | None = None
        self.gateways: dict[str, Gateway] = {}
        assert config.store.url is not None
        self.store = Store(
            config.store.url.reveal(),
            reactor.callFromThread,
            wall,
            commit_interval=config.store.commit_interval,
            durability=Durability(config.store.durability),
        )
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
        for domain, gateway in self.config.gateways.items():
            self.gateways[domain] = Gateway(domain, gateway, self)
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
        yield DeferredList([maybeDeferred(gateway.link.stopService) for gateway in self.gateways.values()])

    def _closed(self, result: object) -> Deferred[None]:
        if isinstance(result, Failure):
            self.log.failure("the gateways did not close cleanly", result)
        return self.store.stop()

    def reload(self, config: Config) -> None:
        """Put a configuration in force that differs only in what needs no restart."""
        self.config = config
        self.policy.apply(config)
        for gateway in self.gateways.values():
            gateway.reload(config)

    def status(self) -> str:
        """Say how many of the gateways are connected."""
        up = sum(gateway.is_up for gateway in self.gateways.values())
        return f"{up} of {len(self.gateways)} gateways connected to their XMPP servers"

    def changed(self) -> None:
        """A gateway's link went up or down."""
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
        for gateway in self.gateways.values():
            gateway.hold(self.store.is_full)

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


def _contacts(config: Config) -> Mapping[str, Sequence[str]]:
    return {kind: getattr(config.contacts, kind) for kind in ContactsConfig.__struct_fields__}


def _occupant_id_key(store: Store, domain: str) -> bytes:
    """Return the key of this domain's occupant ids, a fresh one the first time (XEP-0421 §5)."""
    key = store.memory(domain, OWN).get(OCCUPANT_ID_KEY)
    if key is None:
        key = token_bytes(OCCUPANT_ID_KEY_BYTES)
        store.remember(domain, OWN, OCCUPANT_ID_KEY, key)
    return key
