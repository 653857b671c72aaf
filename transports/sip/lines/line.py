"""The line to one trunk: where its server is, our registrations there, and whether it answers.

A trunk without registration is asked by OPTIONS now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import ALLOW, UNKNOWN
from transports.sip.lines.cycle import Cycle
from transports.sip.lines.location import Location
from transports.sip.lines.registration import Granted, Registration
from transports.sip.lines.routes import Trunk
from transports.sip.status import trouble_of
from transports.sip.wire.digest import Account, DigestClient
from transports.sip.wire.headers import NameAddr, write_list
from transports.sip.wire.message import Fields, Response
from transports.sip.wire.request import make
from transports.sip.wire.uri import Uri, is_equivalent

ASK_INTERVAL = 120.0
"""Seconds between questions to a trunk where we are not registered."""

ANONYMOUS = "anonymous"
NOWHERE = "This SIP server only calls: nobody knows where it is."
_OF_NO_USE = (408, 502, 503, 504)
"""Statuses of a proxy behind which nothing is."""


class Line:
    """See the module's docstring. `changed` is told when it goes up or down, with the reason or "".

    `home` is our SIP domain: by it and its account a registration is known for the same after a restart.
    `allow` are the methods that our account takes: some registrars send it no others.
    """

    log = Logger()

    def __init__(
        self,
        trunk: Trunk,
        means: Means,
        changed: Callable[[Line, str], None],
        home: str,
        allow: Fields = ALLOW,
    ) -> None:
        config = trunk.config
        self.trunk = trunk
        self._agent, self._locator, self._guard = means.agent, means.locator, means.guard
        self._token, self._contact_of, self._changed = means.token, means.contact_of, changed
        accounts = (Account(config.username, config.password),) if config.password else ()
        self.client = DigestClient(accounts, self._token)
        self.is_up: bool | None = None
        self._hosts: dict[str, frozenset[str]] = {}
        self._is_stopped = False
        instance = uuid5(NAMESPACE_URL, f"{trunk.account} {trunk.contact_user}@{home}").urn
        count = max(len(trunk.proxies), 1) if config.register else 0
        self._registrations = [
            Registration(trunk, means, self.client, self._locate, instance, number, allow, self._registered)
            for number in range(1, count + 1)
        ]
        self._questions = Cycle(self._knock, self._tell, means)

    def start(self) -> None:
        """Begin; goes on until `stop`. Of a trunk that only comes to us nothing is known."""
        for registration in self._registrations:
            registration.cycle.start()
        if self.trunk.config.server and not self._registrations:
            self._questions.start()

    async def stop(self) -> None:
        """End, and take the registrations back."""
        self._is_stopped = True
        self._questions.stop()
        leaving = [Deferred.fromCoroutine(one.stop()) for one in self._registrations]
        for leaving_one in leaving:
            leaving_one.addErrback(self._not_unregistered)
        await DeferredList(leaving)

    def _not_unregistered(self, failure: Failure) -> None:
        reason = failure.getErrorMessage()
        self.log.info("{trunk}: not unregistered: {reason}", trunk=self.trunk.name, reason=reason)

    # ---- how requests go

    async def hops(self) -> list[Hop]:
        """Return where requests go. Raises BridgeError."""
        return await (self._chosen.hops() if self._registrations else self._locate(self.trunk.server))

    @property
    def route(self) -> Fields:
        """The route of requests outside of dialogs, as a field; none where there is none."""
        route = self._chosen.route if self._registrations else ()
        return (("Route", write_list(route)),) if route else ()

    def contact(self, user: str, hop: Hop, *, is_private: bool = False) -> Uri:
        """Return under which URI a dialog's peer reaches us who goes by `hop`.

        It is our GRUU where the operator trusts the registrar to know it in dialogs, too; else it leads to
        us, over the flow if there is one (RFC 5626 §4.3). A private one tells nobody who we are.
        """
        granted = self._granted
        found = granted and (granted.passing if is_private else granted.gruu)
        if found and self.trunk.config.gruu:
            return found
        contact = self._contact_of(ANONYMOUS if is_private else user, hop)
        is_by_flow = granted is not None and granted.is_by_flow
        return replace(contact, params={**contact.params, "ob": ""}) if is_by_flow else contact

    def is_ours(self, uri: Uri) -> bool:
        """Tell whether a URI is a GRUU of ours (RFC 5627 §4.4.1)."""
        known = [one.granted for one in self._registrations if one.granted is not None]
        gruus = [gruu for one in known for gruu in (one.gruu, one.passing) if gruu is not None]
        return any(is_equivalent(uri, one) and one.params.get("gr") == uri.params.get("gr") for one in gruus)

    @property
    def _chosen(self) -> Registration:
        """The registration by which requests go: one that has its connection, or that stands at least."""
        all_ = self._registrations
        return next((one for one in all_ if one.has_flow), next((one for one in all_ if one.is_up), all_[0]))

    @property
    def _granted(self) -> Granted | None:
        return self._chosen.granted if self._registrations else None

    # ---- where it is

    async def locate(self) -> list[Hop]:
        """Return where it is now. Raises BridgeError."""
        return await self._locate(self._registrations[0].place if self._registrations else self.trunk.server)

    @property
    def _places(self) -> set[str]:
        """Where it is: the places of its registrations, and where their routes begin now."""
        routes = [one.route for one in self._registrations if one.route]
        places = [*(one.place for one in self._registrations), *(Location(route[0].uri) for route in routes)]
        return {str(one) for one in (*places, self.trunk.server)}

    async def _locate(self, place: Location) -> list[Hop]:
        """Return where a place of its is now; its addresses are trusted from now on. Raises BridgeError."""
        if not self.trunk.config.server:
            raise BridgeError(Trouble.UNREACHABLE, NOWHERE)
        found = await self._locator.locate(place.uri)
        hops = [replace(hop, path=place.path) if hop.is_websocket else hop for hop in found]
        name, is_personal = self.trunk.name, self.trunk.is_personal
        if is_personal:  # a user does not decide which private addresses we speak with
            hops = [hop for hop in hops if self._guard.may_reach(hop.host, besides=name)]
        if not self._is_stopped:
            self._hosts = {key: hosts for key, hosts in self._hosts.items() if key in self._places}
            self._hosts[str(place)] = frozenset(hop.host for hop in hops)
            is_limited = is_personal or self.trunk.logs_in
            self._guard.trust(name, frozenset().union(*self._hosts.values()), is_limited=is_limited)
        if not hops:
            raise BridgeError(Trouble.UNREACHABLE, UNKNOWN)
        return hops

    def lost(self, hop: Hop) -> None:
        """A connection is gone."""
        for registration in self._registrations:
            registration.lost(hop)

    # ---- whether it is up

    def _registered(self, registration: Registration, reason: str) -> None:
        """One of several may be down while others are up."""
        states = [one.is_up for one in self._registrations]
        if len(states) > 1 and not self._is_stopped:
            told = {"trunk": self.trunk.name, "proxy": registration.place, "reason": reason}
            if registration.is_up:
                self.log.info("{trunk}: registered by {proxy}", **told)
            else:
                self.log.warn("{trunk}: not registered by {proxy}: {reason}", **told)
        if any(states) or None not in states:
            self._tell(any(states), reason)

    def _tell(self, is_up: bool, reason: str) -> None:
        if is_up is not self.is_up and not self._is_stopped:
            self.is_up = is_up
            self._changed(self, reason)

    async def _knock(self) -> float:
        await self.options(await self.locate())
        return ASK_INTERVAL

    async def options(self, hops: list[Hop]) -> Response:
        """Ask what the server can do: BridgeError if it is not there; a refusal says that it is."""
        trunk = self.trunk
        uri = Uri(scheme="sip", host=trunk.domain)
        asker = NameAddr(uri=self._contact_of(trunk.contact_user, hops[0]))
        request = make("OPTIONS", uri, asker, NameAddr(uri=uri), self._token, fields=self.route)
        response = await self._agent.request(request, hops, self.client)
        if response.status in _OF_NO_USE:
            raise trouble_of(response)
        return response

    async def bindings(self, hops: list[Hop]) -> Response:
        """Ask where our account is registered, which changes nothing. Raises BridgeError."""
        return await self._registrations[0].bindings(hops)
