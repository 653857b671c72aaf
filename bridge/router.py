"""The router: kind × type × payload × addressee → one method, or one error reply.

Services declare `Route` rows; the table built from them is the whole truth about what a domain
answers. A method returns the payload of an iq result (None for an empty one), a Deferred of it, `ANSWERED`,
or raises `BridgeError`; this is the one place that turns errors into stanzas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import Blame, BridgeError, Trouble
from bridge.network import Address, ContactAddress, GatewayAddress, Network, RoomAddress, ServerAddress
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError, spelt_domain, unescape
from bridge.xmpp.stanza import NS_COMPONENT, error_from, error_reply, result_reply

IQ_TIMEOUT = 30.0
"""Seconds a request of ours waits for its answer."""
IQ_LIMIT = 20_000
"""How many requests of ours may wait at once, per domain."""
PATHS = 8_000
"""How many decisions on messages are remembered, per domain."""


class Target(Enum):
    """What kind of thing a JID of the gateway names."""

    GATEWAY = "gateway"
    SERVER = "server"
    ROOM = "room"
    OCCUPANT = "occupant"
    CONTACT = "contact"


ANYWHERE = frozenset(Target)


class Request(Struct, frozen=True):
    """A stanza that reached a service, its addresses read."""

    element: Element
    sender: Jid
    to: Jid
    target: Target
    address: Address

    @property
    def type(self) -> str:
        """The stanza's type attribute, "" if absent."""
        return self.element.attributes.get("type", "")

    @property
    def id(self) -> str:
        """The stanza's id, "" if absent."""
        return self.element.attributes.get("id", "")

    @property
    def language(self) -> str:
        """The stanza's xml:lang, "" if absent."""
        return self.element.attributes.get("xml:lang", "")

    @property
    def payload(self) -> Element:
        """An iq's one child; the router has checked that it is there."""
        return next(self.element.elements())

    @property
    def room(self) -> RoomAddress:
        """The address, where the route admits rooms and occupants only."""
        assert isinstance(self.address, RoomAddress)
        return self.address


class Answered(Enum):
    """What a method returns that has answered by itself, since something had to follow its answer."""

    ALREADY = "already"


ANSWERED = Answered.ALREADY
Follower = Callable[[Element, Jid], None]
"""Takes a stanza and its sender."""
Answer = Element | None | Deferred[Element | None]
Method = Callable[[Request], Any]


class Route(Struct, frozen=True):
    """One row: stanzas like this, addressed to one of `targets`, go to `method`.

    `kind` is ``iq``, ``message`` or ``presence``; `type` the stanza's type, "*" for any. For an
    iq, `payload` is the (namespace, name) of its child, name "*" for any of the namespace; a message
    that has such a child goes to its row instead of the one without payload.
    """

    kind: str
    type: str
    targets: frozenset[Target]
    method: Method
    payload: tuple[str, str] = ("", "")


def iq_get(namespace: str, name: str, method: Method, *targets: Target) -> Route:
    """Row for an iq of type get; no `targets` means all."""
    return Route("iq", "get", frozenset(targets) or ANYWHERE, method, (namespace, name))


def iq_set(namespace: str, name: str, method: Method, *targets: Target) -> Route:
    """Row for an iq of type set; no `targets` means all."""
    return Route("iq", "set", frozenset(targets) or ANYWHERE, method, (namespace, name))


class Path(Struct, frozen=True):
    """Where the messages from one address to another go, as decided for the first of them."""

    sender: Jid
    to: Jid
    target: Target
    address: Address
    method: Method | None
    by_payload: Mapping[tuple[str, str], Method]
    """What takes the messages with these children."""


class Service(Protocol):
    """Something with a JID that the bridge answers itself."""

    def routes(self) -> Iterable[Route]:
        """Declare what it answers."""


class Outlet(Protocol):
    """The way out to XMPP for one domain."""

    def write(self, stanzas: bytes, domain: str) -> None:
        """Send serialised stanzas (UTF-8, no default namespace declared); bounded by the edge.

        All are for addresses of `domain`, as it is spelt in them.
        """


class Gate(Protocol):
    """The operator's policy: whom the gateway serves."""

    def admits(self, sender: Jid) -> bool:
        """Tell whether stanzas of `sender` are served."""


NOWHERE = Path(Jid.parse("invalid"), Jid.parse("invalid"), Target.GATEWAY, GatewayAddress(), None, {})
"""The path of a message whose sender nobody could answer."""


class Router:
    """One domain's table of routes, and its requests to others."""

    log = Logger()

    def __init__(
        self, domain: str, network: Network, outlet: Outlet, gate: Gate, clock: IReactorTime
    ) -> None:
        self.domain = domain
        self._network = network
        self._outlet = outlet
        self._gate = gate
        self._clock = clock
        self._table: dict[tuple[str, str, str, str, Target], Method] = {}
        self._waiting: dict[str, tuple[Jid, Deferred[Element], IDelayedCall]] = {}
        self._paths: dict[tuple[str | None, str | None, str | None], Path] = {}
        self._followed: dict[tuple[str, str], Follower] = {}
        self._last_id = 0

    def follow(self, sender: str, to: str, follower: Follower | None) -> None:
        """Give all messages and presences from one bare JID to another to `follower`; None: no more.

        Somebody here has begun that exchange himself, so neither policy nor table is asked.
        """
        if follower is None:
            self._followed.pop((sender, to), None)
        else:
            self._followed[sender, to] = follower

    def follower(self, element: Element) -> Follower | None:
        """Return who follows what this stanza is of."""
        if not self._followed:
            return None
        try:
            sender = Jid.parse(element.attributes.get("from", ""))
            to = Jid.parse(element.attributes.get("to", ""))
        except JidError:
            return None
        return self._followed.get((sender.bare, to.bare))

    def forget(self) -> None:
        """Decide anew on everything; called when the operator's policy or the network's addresses change."""
        self._paths.clear()

    def add(self, service: Service) -> None:
        """Enter a service's rows; two rows for one case are a programming error."""
        for route in service.routes():
            for target in route.targets:
                key = (route.kind, route.type, *route.payload, target)
                if key in self._table:
                    raise ValueError(f"two routes for {key}")
                self._table[key] = route.method

    def send(self, element: Element) -> None:
        """Write one stanza."""
        domain = spelt_domain(element.attributes.get("to", ""))
        self._outlet.write(element.to_xml(NS_COMPONENT).encode(), domain)

    def write(self, stanzas: bytes, domain: str) -> None:
        """Write stanzas that are serialised already, all for addresses of one domain."""
        self._outlet.write(stanzas, domain)

    def request(self, iq: Element) -> Deferred[Element]:
        """Send an iq of ours, giving it an id; fires with the result iq, or fails with BridgeError."""
        if len(self._waiting) >= IQ_LIMIT:
            return fail(BridgeError(Trouble.OVERLOADED))
        try:
            asked = Jid.parse(iq.attributes["to"])
        except JidError:
            return fail(BridgeError(Trouble.JID_MALFORMED))
        self._last_id += 1
        ident = iq.attributes["id"] = f"xb{self._last_id:x}"
        waiting: Deferred[Element] = Deferred()
        timeout = self._clock.callLater(IQ_TIMEOUT, self._expire, ident)
        self._waiting[ident] = (asked, waiting, timeout)
        self.send(iq)
        return waiting

    def receive(self, element: Element) -> None:
        """Route one stanza that came in for this domain; never raises."""
        try:
            self._route(element)
        except BridgeError as error:
            self._refuse(element, error)
        except Exception:
            self._refuse(element, self._unexpected(Failure()))

    def _route(self, element: Element) -> None:
        follower = None if element.name == "iq" else self.follower(element)
        if follower is not None:
            return self._follow(follower, element)
        if element.name == "message":
            path = self._path(element)
            method = path.method
            for child in element.elements() if path.by_payload else ():
                method = path.by_payload.get((child.namespace, child.name), method)
            if method is not None:
                self._call(method, Request(element, path.sender, path.to, path.target, path.address))
            return None
        request = self._request(element)
        if request is not None:
            method = self._find(request)
            if method is not None:
                self._call(method, request)
        return None

    def _follow(self, follower: Follower, element: Element) -> None:
        """What cannot be understood is skipped: an error would be taken for the end of the exchange."""
        try:
            follower(element, Jid.parse(element.attributes["from"]))
        except Exception:
            self._unexpected(Failure())

    def _path(self, element: Element) -> Path:
        """Decide on a message; most are one more of a conversation, and decided already."""
        get = element.attributes.get
        key = (get("from"), get("to"), get("type"))
        path = self._paths.get(key)
        if path is None:
            request = self._request(element)
            if request is None:
                return NOWHERE
            method = self._find(request)
            if len(self._paths) >= PATHS:
                self._paths.clear()
            by_payload = self._by_payload(request)
            path = Path(request.sender, request.to, request.target, request.address, method, by_payload)
            self._paths[key] = path
        return path

    def _request(self, element: Element) -> Request | None:
        """Read the addresses; None if that is all there is to do."""
        try:
            sender = Jid.parse(element.attributes.get("from", ""))
        except JidError:
            return None  # nobody could be told: no server delivers to such an address
        try:
            to = Jid.parse(element.attributes.get("to", ""))
        except JidError:
            raise BridgeError(Trouble.JID_MALFORMED) from None
        if element.name == "iq" and element.attributes.get("type") in ("result", "error"):
            self._answered(element, sender)
            return None
        # people of the network are no users of it: by their JIDs anybody there could write to anybody
        is_ours = sender.domain == self.domain and element.attributes.get("type") != "error"
        if (is_ours or not self._gate.admits(sender)) and self.follower(element) is None:
            raise BridgeError(Trouble.NOT_SERVED)
        target, address = self._target(to)
        return Request(element, sender, to, target, address)

    def _target(self, to: Jid) -> tuple[Target, Address]:
        if not to.local:
            return Target.GATEWAY, GatewayAddress()
        address = self._network.address(unescape(to.local))
        if isinstance(address, RoomAddress):
            return (Target.OCCUPANT if to.resource else Target.ROOM), address
        if isinstance(address, ServerAddress):
            return Target.SERVER, address
        if isinstance(address, ContactAddress):
            return Target.CONTACT, address
        return Target.GATEWAY, address

    def _find(self, request: Request) -> Method | None:
        element, target = request.element, request.target
        if element.name == "iq":
            return self._find_iq(request)
        for kind in (request.type, "*"):
            method = self._table.get((element.name, kind, "", "", target))
            if method is not None:
                return method
        if element.name == "message" and request.type != "error":
            raise BridgeError(Trouble.NO_SERVICE)
        return None

    def _by_payload(self, request: Request) -> Mapping[tuple[str, str], Method]:
        """RFC 6120 §8.3.1: what an error carries is what was sent, and asks for nothing."""
        if request.type == "error":
            return {}
        return {
            (namespace, name): method
            for (kind, type_, namespace, name, target), method in self._table.items()
            if kind == "message" and namespace and type_ in (request.type, "*") and target is request.target
        }

    def _find_iq(self, request: Request) -> Method:
        """RFC 6120 §8.2.3: a get or set has exactly one child, and is always answered."""
        children = list(request.element.elements())
        if request.type not in ("get", "set") or len(children) != 1 or not request.id:
            raise BridgeError(Trouble.BAD_REQUEST)
        payload = children[0]
        for name in (payload.name, "*"):
            method = self._table.get(("iq", request.type, payload.namespace, name, request.target))
            if method is not None:
                return method
        if any(key[0] == "iq" and key[2] == payload.namespace for key in self._table):
            raise BridgeError(Trouble.UNSUPPORTED)
        raise BridgeError(Trouble.NO_SERVICE)

    def _call(self, method: Method, request: Request) -> None:
        answer = method(request)
        if isinstance(answer, Deferred):
            answer.addCallback(lambda payload: self._answer(request, payload))
            answer.addErrback(lambda failure: self._failed(request, failure))
        else:
            self._answer(request, answer)

    def _answer(self, request: Request, payload: Element | Answered | None) -> None:
        if request.element.name == "iq" and not isinstance(payload, Answered):
            self.send(result_reply(request.element, payload))

    def _failed(self, request: Request, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, BridgeError):
            error = self._unexpected(failure)
        self._refuse(request.element, error)

    def _unexpected(self, failure: Failure) -> BridgeError:
        """RFC 6120 §8.3.3.6: fixed words and a reference that the operator finds in the log."""
        self._last_id += 1
        reference = f"{self._last_id:x}"
        self.log.failure("internal error, reference {reference}", failure, reference=reference)
        return BridgeError(Trouble.INTERNAL, f"The gateway met an internal error (reference {reference}).")

    def _refuse(self, element: Element, error: BridgeError) -> None:
        if error.trouble.value.blame is Blame.PEER:
            self.log.debug(
                "refused {kind} from {sender}: {error}",
                kind=element.name,
                sender=element.get("from"),
                error=error,
            )
        reply = error_reply(element, error)
        if reply is not None:
            self.send(reply)

    def _answered(self, element: Element, sender: Jid) -> None:
        """RFC 6120 §8.1.2.1: an answer counts only from whom was asked."""
        ident = element.attributes.get("id", "")
        entry = self._waiting.get(ident)
        if entry is None or entry[0] != sender:
            return
        del self._waiting[ident]
        _, waiting, timeout = entry
        timeout.cancel()
        if element.attributes["type"] == "result":
            waiting.callback(element)
        else:
            waiting.errback(Failure(error_from(element)))

    def _expire(self, ident: str) -> None:
        _, waiting, _ = self._waiting.pop(ident)
        waiting.errback(Failure(BridgeError(Trouble.TIMED_OUT)))
