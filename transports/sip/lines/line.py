"""The line to one trunk: where its server is, our registration there, and whether it answers.

A trunk without registration is asked by OPTIONS now and then. What fails is tried again, ever later.
Over TCP, TLS and WebSockets it is told that it may reach us by the connection of the registration, its
flow, which is kept alive, and formed anew when it is gone (RFC 5626).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import ALLOW, UNKNOWN
from transports.sip.lines.routes import Trunk
from transports.sip.status import trouble_of
from transports.sip.wire.digest import Account, DigestClient
from transports.sip.wire.headers import NameAddr, parse_name_addr
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.request import make
from transports.sip.wire.uri import Malformed, Uri, is_equivalent

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds until what failed is tried again, at first and at last."""
ASK_INTERVAL = 120.0
"""Seconds between questions to a trunk where we are not registered."""
MIN_REFRESH = 15.0
"""Seconds that a registration lasts at least, whatever a server grants."""
MAX_EXPIRES = 86400
"""Seconds that we agree to, if a server wants longer registrations (423)."""

DEFAULT_FLOW_TIMER = 120.0
"""Seconds between keep-alives at most, where a server does not say (RFC 5626 §4.4.1)."""
LEAST_FLOW_TIMER = 10.0
"""Seconds between keep-alives at least, whatever a server wants."""
NO_OUTBOUND = 439
"""The status of a first hop that keeps no flows (RFC 5626 §11.6)."""

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
        self._reactor, self._token, self._jitter = means.clock, means.token, means.random.random
        self._contact_of, self._changed, self._allow = means.contact_of, changed, allow
        accounts = (Account(config.username, config.password),) if config.password else ()
        self.client = DigestClient(accounts, self._token)
        self.is_up: bool | None = None
        self._expires = config.expires
        self._call_id = self._token()
        self._number = 0
        self._failures = 0
        self._timer: Any = None
        self._registered: Hop | None = None
        self._instance = uuid5(NAMESPACE_URL, f"{trunk.account} {trunk.contact_user}@{home}").urn
        self._wants_flow = True
        self._flow: Hop | None = None
        self._is_turning = False
        self._stopped = False

    def start(self) -> None:
        """Begin; goes on until `stop`. Of a trunk that only comes to us nothing is known."""
        if not self.trunk.config.server:
            return
        turn = Deferred.fromCoroutine(self._turn())
        turn.addErrback(lambda failure: self.log.failure("the line to a trunk failed", failure))

    async def stop(self) -> None:
        """End, and take the registration back."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        hop, self._registered = self._registered, None
        if hop is not None:
            try:
                await self._agent.request(self._register(hop, 0), [hop], self.client)
            except BridgeError as error:
                self.log.info("{trunk}: not unregistered: {reason}", trunk=self.trunk.name, reason=error.text)

    async def locate(self) -> list[Hop]:
        """Return where it is now; its addresses are trusted from now on. Raises BridgeError."""
        if not self.trunk.config.server:
            raise BridgeError(Trouble.UNREACHABLE, NOWHERE)
        server = self.trunk.server
        found = await self._locator.locate(server.uri)
        hops = [replace(hop, path=server.path) if hop.is_websocket else hop for hop in found]
        name, is_personal = self.trunk.name, self.trunk.is_personal
        if is_personal:  # a user does not decide which private addresses we speak with
            hops = [hop for hop in hops if self._guard.may_reach(hop.host, besides=name)]
        if not self._stopped:
            is_limited = is_personal or self.trunk.logs_in
            self._guard.trust(name, frozenset(hop.host for hop in hops), is_limited=is_limited)
        if not hops:
            raise BridgeError(Trouble.UNREACHABLE, UNKNOWN)
        return hops

    def lost(self, hop: Hop) -> None:
        """Form another flow if it was this one that is gone (RFC 5626 §4.5)."""
        if hop != self._flow or self._is_turning or self._stopped:
            return
        self._flow = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(FIRST_PAUSE * (0.5 + 0.5 * self._jitter()), self.start)

    async def _turn(self) -> None:
        self._is_turning = True
        try:
            hops = await self.locate()
            wait = await (self._renew(hops) if self.trunk.config.register else self._knock(hops))
        except BridgeError as error:
            wait = min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
            self._failures += 1
            self._tell(False, error.text)
        else:
            self._failures = 0
            self._tell(True, "")
        self._is_turning = False
        if not self._stopped:
            self._timer = self._reactor.callLater(wait * (0.8 + 0.2 * self._jitter()), self.start)

    def _tell(self, is_up: bool, reason: str) -> None:
        if is_up is not self.is_up and not self._stopped:
            self.is_up = is_up
            self._changed(self, reason)

    async def _renew(self, hops: list[Hop]) -> float:
        """Register, and return after how many seconds to do so again (RFC 3261 §10.2)."""
        for _ in range(3):
            request = self._register(hops[0], self._expires)
            response = await self._agent.request(request, hops, self.client)
            self._number = max(self._number, response.cseq.number)
            if response.status == 423 and (least := _least(response)) > self._expires:
                self._expires = least
                continue
            if response.status == NO_OUTBOUND and self._wants_flow:
                self._wants_flow = False
                continue
            if response.is_success:
                self._registered = hops[0]
                self._keep(hops[0], response)
                granted = _granted(response, _contact(request), self._expires)
                return max(min(granted - 30.0, granted * 0.9), MIN_REFRESH / 2)
            raise trouble_of(response)
        raise BridgeError(Trouble.REFUSED, "The SIP server does not agree on how long to register.")

    def _keep(self, hop: Hop, response: Response) -> None:
        """Keep the flow alive, if the registrar says that it uses it (RFC 5626 §4.2.1, §4.4.1)."""
        self._flow = hop if hop.is_reliable else None
        try:
            is_used = "outbound" in (one.lower() for one in response.values("Require"))
        except Malformed:
            is_used = False
        if self._flow is None or not is_used:
            return
        text = response.get("Flow-Timer") or ""
        is_said = text.isascii() and text.isdecimal() and len(text) < 9
        seconds = max(float(text), LEAST_FLOW_TIMER) if is_said else DEFAULT_FLOW_TIMER
        self._agent.transports.keep_alive(hop, seconds * (0.8 + 0.2 * self._jitter()))

    def _register(self, hop: Hop, expires: int) -> Request:
        self._number += 1
        trunk = self.trunk
        account = NameAddr(uri=trunk.account)
        contact = self._contact_of(trunk.contact_user, hop)
        has_flow = hop.is_reliable and self._wants_flow
        params = f'expires={expires};+sip.instance="<{self._instance}>"' + (";reg-id=1" if has_flow else "")
        fields: Fields = (
            ("Contact", f"<{contact}>;{params}"),
            ("Expires", str(expires)),
            ("Supported", "path, outbound" if has_flow else "path"),
            *self._allow,
        )
        return make(
            "REGISTER",
            Uri(scheme="sip", host=trunk.domain),
            account,
            account,
            self._token,
            fields=fields,
            call_id=self._call_id,
            number=self._number,
        )

    async def _knock(self, hops: list[Hop]) -> float:
        await self.options(hops)
        return ASK_INTERVAL

    async def options(self, hops: list[Hop]) -> Response:
        """Ask what the server can do: BridgeError if it is not there; a refusal says that it is."""
        trunk = self.trunk
        uri = Uri(scheme="sip", host=trunk.domain)
        asker = NameAddr(uri=self._contact_of(trunk.contact_user, hops[0]))
        request = make("OPTIONS", uri, asker, NameAddr(uri=uri), self._token)
        response = await self._agent.request(request, hops, self.client)
        if response.status in _OF_NO_USE:
            raise trouble_of(response)
        return response

    async def bindings(self, hops: list[Hop]) -> Response:
        """Ask where our account is registered, which changes nothing (RFC 3261 §10.2.3)."""
        request = self._register(hops[0], 0)
        asked = make("REGISTER", request.uri, request.from_, request.to, self._token, call_id=self._token())
        response = await self._agent.request(asked, hops, self.client)
        if not response.is_success:
            raise trouble_of(response)
        return response


def _contact(request: Request) -> Uri:
    return parse_name_addr(request.get("Contact") or "").uri


def _least(response: Response) -> int:
    text = response.get("Min-Expires") or ""
    return min(int(text), MAX_EXPIRES) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def _granted(response: Response, contact: Uri, asked: int) -> float:
    """Return how long the registration lasts: what is said of our contact, or of all, or what we asked."""
    texts = [response.get("Expires") or ""]
    try:
        found = [parse_name_addr(one) for one in response.values("Contact")]
    except Malformed:
        found = []
    texts = [one.params.get("expires", "") for one in found if is_equivalent(one.uri, contact)] + texts
    known = [int(one) for one in texts if one.isascii() and one.isdecimal() and len(one) < 9]
    return float(min(known[0], asked) if known else asked)
