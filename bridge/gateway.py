"""One gateway domain: its network, its services and its ways to XMPP, wired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes, token_hex
from typing import Any, Protocol
from uuid import uuid4

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge import __version__
from bridge.config import Config, ContactsConfig, Domain, GatewayConfig, network_module
from bridge.errors import BridgeError, Trouble
from bridge.federation.component import ComponentLink
from bridge.federation.exchange import Exchange, Inbox
from bridge.federation.outlet import ByDomain, ByExchange, parents
from bridge.policy import Pace, Policy
from bridge.router import Outlet, Router
from bridge.services.administration import Administration
from bridge.services.calls.service import Calls
from bridge.services.commands import Commands
from bridge.services.configuration import Configuration
from bridge.services.disco import Disco
from bridge.services.gateway_prompt import GatewayPrompt
from bridge.services.greetings import greetings
from bridge.services.guests.service import Guests
from bridge.services.last import Last
from bridge.services.muc.context import Context
from bridge.services.muc.render import Renderer
from bridge.services.muc.service import Muc
from bridge.services.photos import Photos
from bridge.services.ping import Ping
from bridge.services.reports import Reports
from bridge.services.roster import Roster
from bridge.services.search import Search
from bridge.services.time import Time
from bridge.services.uplink import BridgeUplink
from bridge.services.upload import Upload
from bridge.services.vcard import VCard
from bridge.services.version import Version
from bridge.settings import UserSettings
from bridge.store import Store
from bridge.web.sharing import Sharing, Web
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.version import SoftwareVersion
from bridge.xmpp.stanza import error_reply

OWN = ""
"""The owner, in the store, of what the bridge remembers for itself."""
OCCUPANT_ID_KEY = "occupant-id-key"
OCCUPANT_ID_KEY_BYTES = 32
CONGESTED_BYTES = 6 * 1024 * 1024
"""How much may wait for a slow XMPP server before reading stops; well below what the link is cut at."""
SHUTDOWN_REASON = "Gateway shutdown"


class Surroundings(Protocol):
    """What the gateways of one bridge share."""

    config: Config
    reactor: Any
    wall: Callable[[], float]
    store: Store
    policy: Policy
    exchange: Exchange
    web: Web | None

    def changed(self) -> None:
        """A gateway's link went up or down, or its network is in trouble or out of it."""

    def reread_for_admin(self) -> Deferred[None]:
        """Read the configuration again; fails with BridgeError NOT_ACCEPTABLE and all that is wrong."""


class Gateway:
    """The objects of one gateway domain.

    `link` is None if the gateway is no server's component, but federated only. `trouble` says what is broken
    for its network as a whole, "" if nothing is.
    """

    log = Logger()

    def __init__(self, domain: Domain, gateway: GatewayConfig, around: Surroundings) -> None:
        config, reactor, store, policy = around.config, around.reactor, around.store, around.policy
        self.domain = domain
        self.is_federated = gateway.federated
        self.is_up = False
        self.trouble = ""
        self._held = False
        self._around = around
        self._pace = Pace(config.limits.stanzas_per_second, config.limits.stanza_burst, reactor.seconds)

        self.network = network = network_module(gateway.network).build(gateway.options, reactor)
        if gateway.name:
            network.identity = msgspec.structs.replace(network.identity, name=gateway.name)
        sharing = self._share(around.web)
        self._inbox = Inbox(around.exchange, reactor, self.receive, network.burst)
        self.link = self._make_link(gateway)
        self.router = router = Router(domain, network, self._make_outlet(gateway), policy, reactor)
        settings = UserSettings(store, domain, network)
        context = Context(
            router=router,
            network=network,
            store=store,
            renderer=Renderer(domain, _occupant_id_key(store, domain)),
            clock=reactor,
            wall=around.wall,
            settings=settings,
        )
        commands = self._make_commands(settings)
        self._disco = Disco(domain, network, commands, _contacts(config), reactor, sharing)
        self._reports = Reports(domain, router, config.admins, reactor.seconds)
        self._roster = Roster(router, store, network, self._disco.caps, self._disco.person_caps, reactor)
        self._calls = Calls(router, network, reactor, lambda: str(uuid4()), self._roster.call)
        self._muc = Muc(context, self._roster.network_state, self._roster.events(), self._calls)
        self._guests = Guests(
            router, network, reactor, around.wall, self._disco.person_caps, self._muc.to_contact
        )
        for service in (
            self._disco,
            commands,
            self._roster,
            self._muc,
            self._calls,
            self._guests,
            GatewayPrompt(domain, network),
            Last(network, reactor.seconds),
            Ping(network),
            self._reports,
            Search(domain, network),
            Time(network, around.wall),
            VCard(domain, network),
            Version(network, SoftwareVersion(name="xmppbridge", version=__version__)),
            *(() if sharing is None else (Upload(sharing),)),
        ):
            router.add(service)
        network.start(self._make_uplink(settings, sharing))

    def _make_uplink(self, settings: UserSettings, sharing: Sharing | None) -> BridgeUplink:
        return BridgeUplink(
            domain=self.domain,
            muc=self._muc,
            calls=self._calls,
            guests=self._guests,
            photos=Photos(self.router),
            settings=settings,
            store=self._around.store,
            troubled=self.troubled,
            sharing=sharing,
        )

    def _share(self, web: Web | None) -> Sharing | None:
        """Put the network's files on the web, if it has any and there is a web server."""
        files = self.network.media
        return None if files is None or web is None else web.share(self.domain, files)

    def _make_commands(self, settings: UserSettings) -> Commands:
        network, around = self.network, self._around
        administration = Administration(around.reread_for_admin, network.users, network.disconnect)
        offers = (
            greetings,
            Configuration(network, settings).commands,
            network.commands,
            administration.commands,
        )
        return Commands(offers, around.policy.is_admin, around.reactor.seconds, lambda: token_hex(8))

    def _make_link(self, gateway: GatewayConfig) -> ComponentLink | None:
        if gateway.component is None:
            return None
        return ComponentLink(
            self.domain,
            gateway.component,
            self._around.reactor,
            self.receive,
            self.link_up,
            self.link_down,
            self.network.burst,
        )

    def _make_outlet(self, gateway: GatewayConfig) -> Outlet:
        """Take the shortest way that can reach everybody."""
        exchange, config = self._around.exchange, self._around.config
        if self.link is None or gateway.component is None:
            return ByExchange(self.domain, exchange)
        if gateway.federated:
            served: Sequence[str] = gateway.component.serves or parents(self.domain)
        elif config.components is None and config.federation is None:
            return self.link
        else:
            served = ("*",)
        return ByDomain(self.domain, exchange, self.link, served)

    # ---- life

    def start(self) -> None:
        """Take stanzas from the exchange, and connect to the XMPP server if there is one."""
        self._around.exchange.attach(self.domain, self._inbox)
        if self.is_federated:
            self.log.info("{domain}: can be reached by other servers", domain=self.domain)
        if self.link is None:
            self.link_up()
        else:
            self.link.startService()

    def leave(self) -> Deferred[None]:
        """Take users out of the network and its people out of XMPP; fires when clients have been told."""
        self._guests.stop(SHUTDOWN_REASON)
        self._calls.stop(SHUTDOWN_REASON)
        return self.network.stop(SHUTDOWN_REASON).addBoth(self._left)

    def _left(self, result: object) -> None:
        if isinstance(result, Failure):
            self.log.failure("the network of {domain} did not stop cleanly", result, domain=self.domain)
        self._roster.shut_down()

    def stop(self) -> Deferred[None]:
        """Take no more stanzas; fires when the XMPP server has what was for it."""
        self._around.exchange.detach(self.domain, self._inbox)
        return succeed(None) if self.link is None else maybeDeferred(self.link.stopService)

    def hold(self, store_is_full: bool) -> None:
        """While the store is full or the XMPP server slow, read nothing more (rather than drop it)."""
        is_slow = self.link is not None and self.is_up and self.link.queued_bytes > CONGESTED_BYTES
        congested = store_is_full or is_slow
        if congested == self._held:
            return
        self._held = congested
        if congested:
            self.log.warn("{domain}: held back, too much waits", domain=self.domain)
            self.network.pause()
        else:
            self.log.info("{domain}: goes on", domain=self.domain)
            self.network.resume()
        if self.link is not None:
            (self.link.pause if congested else self.link.resume)()

    def reload(self, config: Config) -> None:
        """Put in force what a new configuration changes for this gateway."""
        self._pace.rate, self._pace.burst = config.limits.stanzas_per_second, config.limits.stanza_burst
        self._disco.set_contacts(_contacts(config))
        self._reports.admins = config.admins
        self.network.reload(config.gateways[self.domain].options)
        self.router.forget()

    # ---- the way in

    def receive(self, element: Element) -> None:
        """Route a stanza, unless its sender floods; presence always passes, or there would be ghosts.

        A room in which people of our network are guests sends what it says to each of them.
        """
        sender = element.attributes.get("from", "").partition("/")[0]
        if (
            element.name != "presence"
            and self.router.follower(element) is None
            and not self._pace.admits(sender)
        ):
            reply = error_reply(element, BridgeError(Trouble.TOO_MANY))
            if reply is not None:
                self.router.send(reply)
            return
        self.router.receive(element)

    def link_up(self) -> None:
        """XMPP takes stanzas (again)."""
        self.is_up = True
        self._roster.link_up()
        self._muc.link_up()
        self._guests.link_up()
        self._around.changed()

    def troubled(self, words: str) -> None:
        """The network as a whole is broken in this way, or "" works again."""
        self.trouble = words
        self._around.changed()

    def link_down(self) -> None:
        """The XMPP server does not any more; the link tries again by itself."""
        self.is_up = False
        self._around.changed()


def _contacts(config: Config) -> Mapping[str, Sequence[str]]:
    return {kind: getattr(config.contacts, kind) for kind in ContactsConfig.__struct_fields__}


def _occupant_id_key(store: Store, domain: str) -> bytes:
    """Return the key of this domain's occupant ids (XEP-0421 §5)."""
    return own_key(store, domain, OCCUPANT_ID_KEY, OCCUPANT_ID_KEY_BYTES)


def own_key(store: Store, domain: str, name: str, length: int) -> bytes:
    """Return a secret that is the same for ever, a fresh one the first time."""
    key = store.memory(domain, OWN).get(name)
    if key is None:
        key = token_bytes(length)
        store.remember(domain, OWN, name, key)
    return key
