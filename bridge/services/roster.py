"""Presence of the gateway and its servers in users' rosters (RFC 6121 §3 and §4, XEP-0100 §4).

Whoever subscribes is accepted, and asked for the same in return. The gateway is online while the
bridge runs, a server while the user's own link to it stands.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BridgeError
from bridge.events import Link, NetworkState, ServerId, UserId
from bridge.network import Address, GatewayAddress, Network, ServerAddress
from bridge.router import Request, Route, Router, Target
from bridge.store import Store, Subscription
from bridge.xmpp.element import Element
from bridge.xmpp.jid import escape, unescape
from bridge.xmpp.payloads.nick import build_nick
from bridge.xmpp.stanza import NS_COMPONENT

HOSTS = frozenset({Target.GATEWAY, Target.SERVER})
OTHERS = frozenset({Target.ROOM, Target.OCCUPANT, Target.CONTACT})


class Roster:
    """Keeps the subscriptions of one gateway domain; `caps` writes the ``<c/>`` of an address."""

    def __init__(
        self, router: Router, store: Store, network: Network, caps: Callable[[Address], Element]
    ) -> None:
        self._router = router
        self._domain = router.domain
        self._store = store
        self._network = network
        self._caps = caps
        self._online: dict[UserId, set[ServerId]] = {}

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            Route("presence", "subscribe", HOSTS, self.subscribe),
            Route("presence", "subscribed", HOSTS, self.subscribed),
            Route("presence", "unsubscribe", HOSTS, self.unsubscribe),
            Route("presence", "unsubscribed", HOSTS, self.unsubscribed),
            Route("presence", "probe", HOSTS, self.probe),
            Route("presence", "subscribe", OTHERS, self.refuse),
        ]

    # ---- what users send

    def subscribe(self, request: Request) -> None:
        """§3.1.3: accept, show the presence, and ask for the user's (XEP-0100 §4.2.1)."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        outbound = known is not None and known.outbound
        self._keep(local, user, inbound=True, outbound=outbound)
        self._send(local, user, "subscribed", id=request.id)
        if self._is_online(local, request.address, UserId(user)):
            self._available(local, request.address, user)
        if not outbound:
            self._send(local, user, "subscribe", build_nick(self._network.name(request.address)))

    def subscribed(self, request: Request) -> None:
        """§3.1.5: the user accepted."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        self._keep(local, user, inbound=known is not None and known.inbound, outbound=True)

    def unsubscribe(self, request: Request) -> None:
        """§3.3.3: the user wants the presence no longer; nor is his wanted then."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        self._store.drop_subscription(self._domain, local, user)
        self._send(local, user, "unavailable")
        self._send(local, user, "unsubscribed", id=request.id)
        if known is not None and known.outbound:
            self._send(local, user, "unsubscribe")

    def unsubscribed(self, request: Request) -> None:
        """§3.2.3: the user no longer gives his presence."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        if known is not None and known.inbound:
            self._keep(local, user, inbound=True, outbound=False)
        elif known is not None:
            self._store.drop_subscription(self._domain, local, user)

    def probe(self, request: Request) -> None:
        """§4.3.2: the presence for who is subscribed, else the news that he is not."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        if known is None or not known.inbound:
            self._send(local, user, "unsubscribed")
        elif self._is_online(local, request.address, UserId(user)):
            self._available(local, request.address, user)
        else:
            self._send(local, user, "unavailable")

    def refuse(self, request: Request) -> None:
        """Rooms and contacts have no presence of their own (§3.1.3)."""
        attributes = {"type": "unsubscribed", "from": request.to.bare, "to": request.sender.bare}
        self._router.send(Element("presence", NS_COMPONENT, {**attributes, "id": request.id or None}))

    # ---- what changes on this side

    def link_up(self) -> None:
        """XEP-0100 §7: tell every subscriber that the gateway is there, and which servers are and are not."""
        for one in self._store.subscriptions(self._domain):
            address = self._shown(one)
            if address is not None:
                self._available(one.local, address, one.contact)
            elif one.inbound:
                self._send(one.local, one.contact, "unavailable")

    def _shown(self, one: Subscription) -> Address | None:
        """The address whose availability this subscriber sees; None if it is not available."""
        try:
            address = self._network.address(one.local) if one.local else GatewayAddress()
        except BridgeError:
            return None
        online = one.inbound and self._is_online(one.local, address, UserId(one.contact))
        return address if online else None

    def shut_down(self) -> None:
        """XEP-0100 §7: tell every subscriber that the gateway goes."""
        for one in self._store.subscriptions(self._domain):
            if self._shown(one) is not None:
                self._send(one.local, one.contact, "unavailable")
        self._online.clear()

    def network_state(self, user: UserId, event: NetworkState) -> None:
        """A user's link to a server changed: so does its presence in his roster."""
        servers = self._online.setdefault(user, set())
        was = event.server in servers
        if event.link is Link.CONNECTED:
            servers.add(event.server)
        else:
            servers.discard(event.server)
        if not servers:
            del self._online[user]
        local = str(event.server)
        known = self._store.subscription(self._domain, local, user) if local else None
        if known is None or not known.inbound:
            return
        if event.link is Link.CONNECTED and not was:
            self._available(local, ServerAddress(event.server), user)
        elif was and event.link is not Link.CONNECTED:
            self._send(local, user, "unavailable", *_status(event.text))

    # ---- presences

    def _is_online(self, local: str, address: Address, user: UserId) -> bool:
        if not local or not isinstance(address, ServerAddress):
            return not local
        return address.server in self._online.get(user, ())

    def _available(self, local: str, address: Address, user: str) -> None:
        self._send(local, user, None, self._caps(address))

    def _send(self, local: str, user: str, type: str | None, *payload: Element, id: str = "") -> None:
        sender = f"{escape(local)}@{self._domain}" if local else self._domain
        attributes = {"type": type, "from": sender, "to": user, "id": id or None}
        self._router.send(Element("presence", NS_COMPONENT, attributes, *payload))

    def _keep(self, local: str, user: str, *, inbound: bool, outbound: bool) -> None:
        kept = Subscription(
            domain=self._domain, local=local, contact=user, inbound=inbound, outbound=outbound
        )
        self._store.put_subscription(kept)


def _status(text: str) -> list[Element]:
    return [Element("status", NS_COMPONENT, None, text)] if text else []
