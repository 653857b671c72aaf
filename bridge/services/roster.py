"""Presence of the gateway, its servers and contacts in users' rosters (RFC 6121 §3 and §4, XEP-0100 §4).

Whoever subscribes is accepted, and asked for the same in return. The gateway is online while the
bridge runs, a server while the user's own link to it stands, a contact while the network says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from bridge.capabilities import CARRIED
from bridge.errors import BridgeError
from bridge.events import (
    ContactId,
    ContactPresence,
    Incoming,
    Link,
    NetworkState,
    PresenceConsent,
    PresenceRefused,
    PresenceRequest,
    ServerId,
    Show,
    Subscribe,
    Unsubscribe,
    UserId,
)
from bridge.network import Address, ContactAddress, GatewayAddress, Network, ServerAddress
from bridge.router import Request, Route, Router, Target
from bridge.store import Store, Subscription
from bridge.xmpp.element import Element
from bridge.xmpp.jid import escape, unescape
from bridge.xmpp.payloads.nick import build_nick
from bridge.xmpp.payloads.vcard import NS_UPDATE
from bridge.xmpp.stanza import NS_COMPONENT

HOSTS = frozenset({Target.GATEWAY, Target.SERVER})
PROBE_PACE = 0.02
"""Seconds between two users who are asked how they are, after a start."""


class Roster:
    """Keeps the subscriptions of one gateway domain.

    `caps` writes the ``<c/>`` of an address, `person_caps` that of every contact.
    """

    def __init__(
        self,
        router: Router,
        store: Store,
        network: Network,
        caps: Callable[[Address], Element],
        person_caps: Callable[[], Element],
        clock: IReactorTime,
    ) -> None:
        self._router = router
        self._domain = router.domain
        self._store = store
        self._network = network
        self._caps = caps
        self._person_caps = person_caps
        self._clock = clock
        self._online: dict[UserId, set[ServerId]] = {}
        self._contacts: dict[tuple[UserId, ContactId], ContactPresence] = {}
        self._is_started = False
        self._has_contacts = network.capabilities(UserId(""), None).subscriptions in CARRIED

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        shown = HOSTS | {Target.CONTACT} if self._has_contacts else HOSTS
        return [
            Route("presence", "subscribe", shown, self.subscribe),
            Route("presence", "subscribed", shown, self.subscribed),
            Route("presence", "unsubscribe", shown, self.unsubscribe),
            Route("presence", "unsubscribed", shown, self.unsubscribed),
            Route("presence", "probe", shown, self.probe),
            Route("presence", "subscribe", frozenset(Target) - shown, self.refuse),
        ]

    def events(self) -> Mapping[type[Incoming], Callable[[UserId, Any], None]]:
        """Declare which events of the network it takes."""
        return {
            ContactPresence: self.contact_presence,
            PresenceRequest: self.presence_request,
            PresenceRefused: self.presence_refused,
        }

    # ---- what users send

    def subscribe(self, request: Request) -> Deferred[None]:
        """§3.1.3: accept, show the presence, and ask for the user's (XEP-0100 §4.2.1)."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        outbound = known is not None and known.outbound
        self._keep(local, user, inbound=True, outbound=outbound)
        return self._store.flush().addCallback(lambda _: self._accept(request, local, user, outbound))

    def _accept(self, request: Request, local: str, user: str, outbound: bool) -> None:
        self._send(local, user, "subscribed", id=request.id)
        if isinstance(request.address, ContactAddress):
            self._network.submit(UserId(user), Subscribe(contact=request.address.contact))
        elif self._is_online(local, request.address, UserId(user)):
            self._available(local, request.address, user)
        if not outbound:
            self._send(local, user, "subscribe", build_nick(self._name(request.address)))

    def subscribed(self, request: Request) -> None:
        """§3.1.5: the user accepted."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        self._keep(local, user, inbound=known is not None and known.inbound, outbound=True)
        self._consent(request, granted=True)

    def unsubscribe(self, request: Request) -> None:
        """§3.3.3: the user wants the presence no longer; nor is his wanted then."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        self._store.drop_subscription(self._domain, local, user)
        if isinstance(request.address, ContactAddress):
            self._contacts.pop((UserId(user), request.address.contact), None)
            self._network.submit(UserId(user), Unsubscribe(contact=request.address.contact))
        self._send(local, user, "unavailable")
        self._send(local, user, "unsubscribed", id=request.id)
        if known is not None and known.outbound:
            self._send(local, user, "unsubscribe")
            self._consent(request, granted=False)

    def unsubscribed(self, request: Request) -> None:
        """§3.2.3: the user no longer gives his presence."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        if known is not None and known.inbound:
            self._keep(local, user, inbound=True, outbound=False)
        elif known is not None:
            self._store.drop_subscription(self._domain, local, user)
        self._consent(request, granted=False)

    def _consent(self, request: Request, *, granted: bool) -> None:
        """Tell the network whether a contact may know how the user is."""
        if isinstance(request.address, ContactAddress):
            consent = PresenceConsent(contact=request.address.contact, granted=granted)
            self._network.submit(UserId(request.sender.bare), consent)

    def probe(self, request: Request) -> None:
        """§4.3.2: the presence for who is subscribed, else the news that he is not."""
        local, user = unescape(request.to.local), request.sender.bare
        known = self._store.subscription(self._domain, local, user)
        if known is None or not known.inbound:
            self._send(local, user, "unsubscribed")
        elif isinstance(request.address, ContactAddress):
            self._probe_contact(UserId(user), request.address.contact)
        elif self._is_online(local, request.address, UserId(user)):
            self._available(local, request.address, user)
        else:
            self._send(local, user, "unavailable")

    def _probe_contact(self, user: UserId, contact: ContactId) -> None:
        last = self._contacts.get((user, contact))
        if last is None:
            self._network.submit(user, Subscribe(contact=contact))
        else:
            self._show(user, last)

    def refuse(self, request: Request) -> None:
        """Rooms have no presence of their own (§3.1.3), nor have contacts on most networks."""
        attributes = {"type": "unsubscribed", "from": request.to.bare, "to": request.sender.bare}
        self._router.send(Element("presence", NS_COMPONENT, {**attributes, "id": request.id or None}))

    # ---- what changes on this side

    def link_up(self) -> None:
        """XEP-0100 §7: tell every subscriber that the gateway is there, and which servers are and are not.

        After a start contacts are asked for, and of users whose presence is ours to know what it is.
        """
        asked: dict[str, str] = {}
        for one in self._store.subscriptions(self._domain):
            address = self._address(one)
            if isinstance(address, ContactAddress):
                self._contact_up(one, address.contact)
                if one.outbound:
                    asked[one.contact] = one.local
            elif (
                address is not None
                and one.inbound
                and self._is_online(one.local, address, UserId(one.contact))
            ):
                self._available(one.local, address, one.contact)
            elif one.inbound:
                self._send(one.local, one.contact, "unavailable")
        self._is_started = True
        for count, (user, local) in enumerate(asked.items()):
            self._clock.callLater(count * PROBE_PACE, self._send, local, user, "probe")

    def _contact_up(self, one: Subscription, contact: ContactId) -> None:
        user = UserId(one.contact)
        if one.inbound and (user, contact) in self._contacts:
            self._show(user, self._contacts[user, contact])
        elif one.inbound and not self._is_started:
            self._network.submit(user, Subscribe(contact=contact))

    def _address(self, one: Subscription) -> Address | None:
        try:
            return self._network.address(one.local) if one.local else GatewayAddress()
        except BridgeError:
            return None

    def _is_shown(self, one: Subscription) -> bool:
        """Tell whether this subscriber sees the address as available."""
        address = self._address(one)
        if isinstance(address, ContactAddress):
            last = self._contacts.get((UserId(one.contact), address.contact))
            return one.inbound and last is not None and last.available
        return (
            address is not None and one.inbound and self._is_online(one.local, address, UserId(one.contact))
        )

    def shut_down(self) -> None:
        """XEP-0100 §7: tell every subscriber that the gateway goes."""
        for one in self._store.subscriptions(self._domain):
            if self._is_shown(one):
                self._send(one.local, one.contact, "unavailable")
        self._online.clear()
        self._contacts.clear()

    def contact_presence(self, user: UserId, event: ContactPresence) -> None:
        """The network tells how a contact is: so the user sees him, if he subscribed."""
        known = self._store.subscription(self._domain, event.contact, user)
        if known is not None and known.inbound and self._contacts.get((user, event.contact)) != event:
            self._contacts[user, event.contact] = event
            self._show(user, event)

    def presence_request(self, user: UserId, event: PresenceRequest) -> None:
        """A contact wants to know how the user is: so the user is asked, unless he has said yes before."""
        known = self._store.subscription(self._domain, event.contact, user)
        if known is not None and known.outbound:
            self._network.submit(user, PresenceConsent(contact=event.contact, granted=True))
        else:
            nick = event.nick or self._network.nick(event.contact)
            self._send(event.contact, user, "subscribe", build_nick(nick))

    def presence_refused(self, user: UserId, event: PresenceRefused) -> None:
        """RFC 6121 §3.2: a contact no longer shows himself, or never did."""
        known = self._store.subscription(self._domain, event.contact, user)
        if known is None or not known.inbound:
            return
        last = self._contacts.pop((user, event.contact), None)
        if known.outbound:
            self._keep(event.contact, user, inbound=False, outbound=True)
        else:
            self._store.drop_subscription(self._domain, event.contact, user)
        if last is not None and last.available:
            self._send(event.contact, user, "unavailable")
        self._send(event.contact, user, "unsubscribed")

    def call(self, user: UserId, contact: ContactId, is_there: bool) -> None:
        """XEP-0353 §3.1: a contact calls, or is called: who is not subscribed sees him for that time."""
        known = self._store.subscription(self._domain, contact, user)
        if known is None or not known.inbound:
            payloads = (self._person_caps(),) if is_there else ()
            self._send(contact, user, None if is_there else "unavailable", *payloads)

    def _show(self, user: UserId, event: ContactPresence) -> None:
        """RFC 6121 §4.7, with XEP-0172, XEP-0153 §3.2, and XEP-0115, which says who can be called."""
        payloads = [Element("status", NS_COMPONENT, None, event.status)] if event.status else []
        if not event.available:
            self._send(event.contact, user, "unavailable", *payloads)
            return
        if event.show is not Show.AVAILABLE:
            payloads.insert(0, Element("show", NS_COMPONENT, None, event.show.value))
        if event.nick:
            payloads.append(build_nick(event.nick))
        payloads.append(self._person_caps())
        if event.avatar:
            payloads.append(Element("x", NS_UPDATE, None, Element("photo", NS_UPDATE, None, event.avatar)))
        self._send(event.contact, user, None, *payloads)

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

    def _name(self, address: Address) -> str:
        if isinstance(address, ContactAddress):
            return self._network.nick(address.contact)
        return self._network.name(address)

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
