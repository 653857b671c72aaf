"""One registration of an account (RFC 3261 §10): at its server, or by one proxy of several (RFC 5626 §4.2).

Over TCP and TLS the registrar is told that it may reach us by the connection of the registration, its flow,
which is kept alive, and formed anew when it is gone. What the registrar says is kept as long as the
registration: by which route requests go (Service-Route, RFC 3608) and where we are reached (GRUU, RFC 5627).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.lines.cycle import Cycle
from transports.sip.lines.location import Location
from transports.sip.lines.routes import Trunk
from transports.sip.status import trouble_of
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.headers import NameAddr, parse_name_addr, write_list
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.request import make
from transports.sip.wire.uri import Malformed, Uri, is_equivalent, parse_uri

MIN_REFRESH = 15.0
"""Seconds that a registration lasts at least, whatever a server grants."""
MAX_EXPIRES = 86400
"""Seconds that we agree to, if a server wants longer registrations (423)."""
TRANSACTION = 32.0
"""Seconds before its end at which it is renewed: a transaction's (RFC 5627 §4.2)."""
MAX_ROUTE = 16
"""Elements of a Service-Route."""

DEFAULT_FLOW_TIMER = 120.0
"""Seconds between keep-alives at most, where a server does not say (RFC 5626 §4.4.1)."""
LEAST_FLOW_TIMER = 10.0
"""Seconds between keep-alives at least, whatever a server wants."""
NO_OUTBOUND = 439
"""The status of a first hop that keeps no flows (RFC 5626 §11.6)."""

Locate = Callable[[Location], Awaitable[list[Hop]]]
"""Finds where something is, and trusts it, or raises BridgeError."""


class Granted(Struct, frozen=True, kw_only=True):
    """What a registrar said: `route` is its Service-Route, `gruu` and `passing` are our GRUUs.

    `passing` is a temporary one, by which nobody knows us. `is_by_flow` tells that it reaches us by the flow.
    """

    hop: Hop
    route: tuple[NameAddr, ...] = ()
    gruu: Uri | None = None
    passing: Uri | None = None
    is_by_flow: bool = False


class Registration:
    """See the module's docstring.

    `number` tells it from others of the same account (reg-id), `instance` our account here from others'
    devices; `told` hears when it stands, or does not any more, with the reason or "".
    """

    log = Logger()

    def __init__(
        self,
        trunk: Trunk,
        means: Means,
        client: DigestClient,
        locate: Locate,
        instance: str,
        number: int,
        allow: Fields,
        told: Callable[[Registration, str], None],
    ) -> None:
        self._trunk, self._client, self._locate = trunk, client, locate
        self._agent, self._token, self._contact_of = means.agent, means.token, means.contact_of
        self._jitter = means.random.random
        self._instance, self._number, self._allow, self._told = instance, number, allow, told
        self._proxy = trunk.proxies[number - 1] if trunk.proxies else None
        self._expires = trunk.config.expires
        self._call_id, self._cseq = self._token(), 0
        self._wants_flow = True
        self._flow: Hop | None = None
        self._bound: Hop | None = None
        self.is_up: bool | None = None
        self.granted: Granted | None = None
        """What holds while it stands; None before, and if it was refused."""
        self.cycle = Cycle(self._renew, self._tell, means)

    @property
    def place(self) -> Location:
        """Where it is made."""
        return self._proxy if self._proxy is not None else self._trunk.server

    @property
    def has_flow(self) -> bool:
        """Tell whether requests can go out by it now: it stands, and its connection does."""
        return bool(self.is_up and self.granted and (self._flow or not self.granted.hop.is_reliable))

    @property
    def route(self) -> tuple[NameAddr, ...]:
        """The route of requests: the configured proxy, then what the registrar wants (RFC 3608 §6.1)."""
        said = self.granted.route if self.granted is not None else ()
        if self._proxy is None or (said and _is_same_place(said[0].uri, self._proxy.uri)):
            return said
        return (_loose(self._proxy.uri), *said)

    async def hops(self) -> list[Hop]:
        """Return where requests go, first by the way that the registration went. Raises BridgeError.

        A server that is not its domain's is a proxy, by which all goes; else the route says where to go.
        """
        trunk, route = self._trunk, self.route
        is_by_proxy = self._proxy is not None or trunk.domain != trunk.server.uri.host
        found = await self._locate(Location(route[0].uri) if route and not is_by_proxy else self.place)
        used = self.granted.hop if self.granted is not None else None
        if used is None or not any((one.host, one.port) == (used.host, used.port) for one in found):
            return found
        return [used, *(one for one in found if one != used)]

    def lost(self, hop: Hop) -> None:
        """Form another flow if it was this one that is gone (RFC 5626 §4.5)."""
        if hop == self._flow and not self.cycle.is_stopped:
            name, host = self._trunk.name, hop.host
            self.log.info(
                "{trunk}: the connection to {host} port {port} is lost", trunk=name, host=host, port=hop.port
            )
            self._flow = None
            self.cycle.hurry()

    async def stop(self) -> None:
        """End, and take it back. Raises BridgeError if nobody hears of that."""
        self.cycle.stop()
        hop, self._bound, self.granted = self._bound, None, None
        if hop is not None:
            await self._agent.request(self._request(hop, 0), [hop], self._client)

    async def bindings(self, hops: list[Hop]) -> Response:
        """Ask where our account is registered, which changes nothing (RFC 3261 §10.2.3)."""
        request = self._request(hops[0], 0)
        fields = tuple(field for field in request.fields if field[0] == "Route")
        asked = make("REGISTER", request.uri, request.from_, request.to, self._token, fields=fields)
        response = await self._agent.request(asked, hops, self._client)
        if not response.is_success:
            raise trouble_of(response)
        return response

    def _tell(self, is_up: bool, reason: str) -> None:
        if not is_up:  # RFC 3608 §6.1: a route is dropped with its registration
            self.granted = None
        if is_up is not self.is_up:
            self.is_up = is_up
            self._told(self, reason)

    async def _renew(self) -> float:
        """Register, and return after how many seconds to do so again (RFC 3261 §10.2)."""
        hops = await self._locate(self.place)
        for _ in range(3):
            request = self._request(hops[0], self._expires)
            response = await self._agent.request(request, hops, self._client)
            self._cseq = max(self._cseq, response.cseq.number)
            if response.status == 423 and (least := _least(response)) > self._expires:
                self._expires = least
                continue
            if response.status == NO_OUTBOUND and self._wants_flow:
                self._wants_flow = False
                continue
            if response.is_success:
                return self._take(hops[0], request, response)
            raise trouble_of(response)
        raise BridgeError(Trouble.REFUSED, "The SIP server does not agree on how long to register.")

    def _take(self, hop: Hop, request: Request, response: Response) -> float:
        ours = self._binding(request, response)
        self._bound, self._flow = hop, hop if hop.is_reliable else None
        is_by_flow = self._flow is not None and _requires(response, "outbound")
        self.granted = Granted(
            hop=hop,
            route=_service_route(response),
            gruu=_uri_of(ours.params.get("pub-gruu", "")),
            passing=_uri_of(ours.params.get("temp-gruu", "")),
            is_by_flow=is_by_flow,
        )
        if is_by_flow:
            said = _number(response.get("Flow-Timer"))
            seconds = DEFAULT_FLOW_TIMER if said is None else max(float(said), LEAST_FLOW_TIMER)
            self._agent.transports.keep_alive(hop, seconds * (0.8 + 0.2 * self._jitter()))
        known = [_number(ours.params.get("expires")), _number(response.get("Expires")), self._expires]
        granted = float(min(next(one for one in known if one is not None), self._expires))
        left = min(granted - TRANSACTION, granted * 0.9) if granted > 2 * TRANSACTION else granted / 2
        return max(left, MIN_REFRESH / 2)

    def _binding(self, request: Request, response: Response) -> NameAddr:
        """Return what the response says of our contact; the contact alone if it says nothing."""
        contact = parse_name_addr(request.get("Contact") or "")
        try:
            found = [parse_name_addr(one) for one in response.values("Contact")]
        except Malformed:
            found = []
        ours = [one for one in found if is_equivalent(one.uri, contact.uri)]
        number = contact.params.get("reg-id")
        of_flow = [one for one in ours if one.params.get("reg-id") == number]
        return next(iter(of_flow or ours), NameAddr(uri=contact.uri))

    def _request(self, hop: Hop, expires: int) -> Request:
        self._cseq += 1
        trunk = self._trunk
        account = NameAddr(uri=trunk.account)
        has_flow = hop.is_reliable and self._wants_flow
        contact = f"<{self._contact_of(trunk.contact_user, hop)}>;expires={expires}"
        contact += f';+sip.instance="<{self._instance}>"' + (f";reg-id={self._number}" if has_flow else "")
        extensions = ("path", *(("outbound",) if has_flow else ()), *(("gruu",) if trunk.config.gruu else ()))
        route = (_loose(self._proxy.uri),) if self._proxy is not None else ()
        fields: Fields = (
            *((("Route", write_list(route)),) if route else ()),
            ("Contact", contact),
            ("Expires", str(expires)),
            ("Supported", write_list(extensions)),
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
            number=self._cseq,
        )


def _loose(proxy: Uri) -> NameAddr:
    return NameAddr(uri=replace(proxy, params={**proxy.params, "lr": ""}))


def _is_same_place(one: Uri, other: Uri) -> bool:
    return (one.host, one.port) == (other.host, other.port)


def _service_route(response: Response) -> tuple[NameAddr, ...]:
    """Return it as far as it makes sense; one that does not is none."""
    try:
        route = tuple(parse_name_addr(one) for one in response.values("Service-Route"))
    except Malformed:
        return ()
    is_route = len(route) <= MAX_ROUTE and all(one.uri.is_sip and "lr" in one.uri.params for one in route)
    return route if is_route else ()


def _requires(response: Response, option: str) -> bool:
    try:
        return response.requires(option)
    except Malformed:
        return False


def _uri_of(text: str) -> Uri | None:
    try:
        uri = parse_uri(text)
    except Malformed:
        return None
    return uri if uri.is_sip and not uri.headers else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 9 else None


def _least(response: Response) -> int:
    return min(_number(response.get("Min-Expires")) or 0, MAX_EXPIRES)
