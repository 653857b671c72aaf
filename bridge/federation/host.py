"""Hosting components (XEP-0114): who may connect, and whom each domain's stanzas go to."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from bridge.config import Domain, HostingConfig
from bridge.federation.exchange import Exchange
from bridge.federation.hosted import Hosted, HostedLink
from bridge.federation.wire import Wire
from bridge.xmpp.component import IncomingComponentStream
from bridge.xmpp.element import Element

STRANGERS = 1_000
"""Connections that have not proven their secret, or are being closed, at once."""


class ComponentHost(Service):
    """Takes the connections of the components that the configuration names.

    `new_id` makes unguessable ids of streams. Starting raises CannotListenError.
    """

    log = Logger()

    def __init__(
        self,
        config: HostingConfig,
        reactor: Any,
        exchange: Exchange,
        new_id: Callable[[], str] = token_hex,
    ) -> None:
        self._config = config
        self._reactor = reactor
        self._exchange = exchange
        self._new_id = new_id
        self._ports: list[IListeningPort] = []
        self._links: set[HostedLink] = set()
        self._hosted: dict[str, Hosted] = {}
        self._is_held = False

    @property
    def connected(self) -> frozenset[str]:
        """The domains whose components are connected."""
        return frozenset(self._hosted)

    @property
    def addresses(self) -> list[IAddress]:
        """Where components connect to."""
        return [port.getHost() for port in self._ports]

    # the life of the service

    def startService(self) -> None:
        """Listen; from now on the components' domains are ours."""
        Service.startService(self)
        self._exchange.reserve(self._config.domains)
        for endpoint in self._config.listen:
            self._ports.append(
                self._reactor.listenTCP(endpoint.port, _ComponentFactory(self), interface=endpoint.host)
            )

    def stopService(self) -> Deferred[Any]:
        """End all streams properly; fires when the connections are closed."""
        Service.stopService(self)
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        self._ports.clear()
        links = list(self._links)
        for link in links:
            link.close()
        return DeferredList([*closing, *(link.gone for link in links)])

    def reload(self, config: HostingConfig) -> None:
        """Put other domains and secrets in force; a connection stays as long as its domain does."""
        self._config = config
        self._exchange.reserve(config.domains)
        for domain in self.connected.difference(config.domains):
            self._hosted[domain].link.fail("host-gone")

    def hold(self, is_held: bool) -> None:
        """Read nothing more from components, or read again."""
        self._is_held = is_held
        for hosted in self._hosted.values():
            hosted.link.hold(is_held)

    # what the links tell

    def accept(self, address: str) -> Wire | None:
        """Take a connection; None if there are too many that nobody knows."""
        if len(self._links) - len(self._hosted) >= STRANGERS:
            self.log.warn("too many unknown connections, one of {address} is refused", address=address)
            return None
        stream = IncomingComponentStream(self._new_id(), self._secret_of, self._is_taken)
        link = HostedLink(self, stream, address, self._reactor)
        self._links.add(link)
        return link.wire

    def _secret_of(self, domain: str) -> str | None:
        component = self._config.domains.get(Domain(domain))
        return None if component is None else component.secret.reveal()

    def _is_taken(self, domain: str) -> bool:
        component = self._config.domains.get(Domain(domain))
        return domain in self._hosted and component is not None and component.second_connection == "refuse"

    def admit(self, link: HostedLink) -> None:
        """Let a link serve its domain, instead of the former one, if there is one."""
        domain = link.stream.domain
        hosted = self._hosted.get(domain)
        if domain not in self._config.domains:
            link.fail("host-gone")
        elif hosted is None:
            link.hosted = self._hosted[domain] = Hosted(link, self._exchange, self._reactor)
            self._exchange.attach(domain, link.hosted)
        else:
            former, hosted.link, link.hosted = hosted.link, link, hosted
            former.hosted = None
            former.fail("conflict")
            hosted.flush()
        if self._is_held:
            link.hold(True)

    def submit(self, stanza: Element) -> None:
        """Pass on a stanza of a component."""
        self._exchange.submit(stanza)

    def release(self, link: HostedLink) -> None:
        """Learn that a link ends; what it did not take is answered, see `Hosted.give_up`."""
        hosted, link.hosted = link.hosted, None
        if hosted is not None:
            del self._hosted[link.stream.domain]
            self._exchange.detach(link.stream.domain, hosted)
            hosted.give_up()

    def forget(self, link: HostedLink) -> None:
        """Learn that a connection is gone."""
        self._links.discard(link)


class _ComponentFactory(Factory):
    """Where connections come in."""

    noisy = False

    def __init__(self, host: ComponentHost) -> None:
        self._host = host

    def buildProtocol(self, addr: Any) -> Wire | None:
        return self._host.accept(addr.host)
