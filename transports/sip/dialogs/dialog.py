"""Dialogs (RFC 3261 §12): who talks with whom, on what way, and in what order."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.wire.headers import CSeq, NameAddr, parse_name_addr, write_list
from transports.sip.wire.message import Fields, Message, Request, Response
from transports.sip.wire.uri import Malformed, Uri

TARGET_REFRESH = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY"})
"""Methods whose Contact says where the peer is from now on (RFC 3261 §12.2, RFC 3311 §5.1, RFC 6665 §3)."""
MAX_ROUTE = 32
"""Elements of a route set."""


class DialogState(Enum):
    """States of a dialog."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class DialogId(Struct, frozen=True):
    """What names a dialog at our end (RFC 3261 §12); an old peer's tag may be ""."""

    call_id: str
    local_tag: str
    remote_tag: str


def id_of_request(request: Request) -> DialogId:
    """Return the dialog that an incoming request belongs to."""
    return DialogId(call_id=request.call_id, local_tag=request.to.tag, remote_tag=request.from_.tag)


class Ask(Struct, frozen=True):
    """A request that is to be sent in a transaction, and where to."""

    request: Request
    next_hop: Uri


class Dialog:
    """One dialog. `target` is the peer's Contact, `route_set` the proxies between, nearest first."""

    def __init__(
        self,
        state: DialogState,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        target: Uri,
        route_set: tuple[NameAddr, ...],
        local_cseq: int,
        remote_cseq: int | None,
    ) -> None:
        self.state = state
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.target = target
        self.route_set = route_set
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq

    @classmethod
    def of_client(cls, request: Request, response: Response) -> Dialog:
        """Make the dialog that a response to our request makes (RFC 3261 §12.1.2). Raises Malformed."""
        return cls(
            state=DialogState.CONFIRMED if response.is_success else DialogState.EARLY,
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            target=contact(response),
            route_set=record_route(response)[::-1],
            local_cseq=request.cseq.number,
            remote_cseq=None,
        )

    @classmethod
    def of_server(cls, request: Request, tag: str, local_cseq: int) -> Dialog:
        """Make the dialog that our answer with `tag` makes (RFC 3261 §12.1.1). Raises Malformed.

        It is early; `confirm` it with the 2xx. `local_cseq` is the number before our first request.
        """
        return cls(
            state=DialogState.EARLY,
            call_id=request.call_id,
            local=request.to.with_tag(tag),
            remote=request.from_,
            target=contact(request),
            route_set=record_route(request),
            local_cseq=local_cseq,
            remote_cseq=request.cseq.number,
        )

    @property
    def id(self) -> DialogId:
        """What names it."""
        return DialogId(call_id=self.call_id, local_tag=self.local.tag, remote_tag=self.remote.tag)

    @property
    def next_hop(self) -> Uri:
        """Where its requests are to be sent: the nearest proxy, or the peer (RFC 3261 §8.1.2)."""
        return self.route_set[0].uri if self.route_set else self.target

    def confirm(self, response: Response | None = None) -> None:
        """Make it confirmed; a client gives the 2xx, whose way holds from now on (RFC 3261 §13.2.2.4)."""
        if self.state is not DialogState.EARLY:
            return
        self.state = DialogState.CONFIRMED
        if response is not None:
            self.target = contact(response)
            self.route_set = record_route(response)[::-1]

    def terminate(self) -> None:
        """End it."""
        self.state = DialogState.TERMINATED

    def request(self, method: str, fields: Fields = (), body: bytes = b"") -> Request:
        """Make the next request (RFC 3261 §12.2.1.1); Via is the transaction's to add."""
        self.local_cseq += 1
        return self._make(CSeq(number=self.local_cseq, method=method), fields, body)

    def ask(self, method: str, fields: Fields = (), body: bytes = b"") -> Ask:
        """Make the next request, and say where it goes."""
        return Ask(self.request(method, fields, body), self.next_hop)

    def ack(self, invite: Request, fields: Fields = (), body: bytes = b"") -> Request:
        """Make the ACK of a 2xx, with the INVITE's number and credentials (RFC 3261 §13.2.2.4)."""
        credentials = [
            field for field in invite.fields if field[0] in ("Authorization", "Proxy-Authorization")
        ]
        return self._make(CSeq(number=invite.cseq.number, method="ACK"), (*fields, *credentials), body)

    def _make(self, cseq: CSeq, fields: Fields, body: bytes) -> Request:
        uri, route = self._way()
        routed = (("Route", write_list(route)),) if route else ()
        return Request(
            uri=uri,
            via=(),
            from_=NameAddr(uri=self.local.uri, display=self.local.display).with_tag(self.local.tag),
            to=NameAddr(uri=self.remote.uri, display=self.remote.display).with_tag(self.remote.tag),
            call_id=self.call_id,
            cseq=cseq,
            fields=routed + fields,
            body=body,
        )

    def _way(self) -> tuple[Uri, tuple[NameAddr, ...]]:
        """Return Request-URI and Route; a strict router gets itself as Request-URI, the target last."""
        if not self.route_set or "lr" in self.route_set[0].uri.params:
            return self.target, self.route_set
        first, *rest = self.route_set
        params = {name: value for name, value in first.uri.params.items() if name != "method"}
        return replace(first.uri, params=params, headers=()), (*rest, NameAddr(uri=self.target))

    def retried(self, request: Request) -> None:
        """Note that a request was sent again with another number, as after a challenge."""
        self.local_cseq = max(self.local_cseq, request.cseq.number)

    def is_out_of_order(self, request: Request) -> bool:
        """Tell whether a request came too late, and gets 500; else its number counts (RFC 3261 §12.2.2)."""
        if request.method in ("ACK", "CANCEL"):
            return False
        if self.remote_cseq is not None and request.cseq.number <= self.remote_cseq:
            return True
        self.remote_cseq = request.cseq.number
        return False

    def refresh_target(self, message: Message) -> None:
        """Take the peer's new Contact of a request that was accepted, or of a 2xx. Raises Malformed."""
        if message.cseq.method in TARGET_REFRESH and message.get("Contact") is not None:
            self.target = contact(message)


def ends_dialog(response: Response) -> bool:
    """Tell whether the peer does not know the dialog, or is gone (RFC 3261 §12.2.1.2)."""
    return response.status in (408, 481)


def contact(message: Message) -> Uri:
    """Return the one address of Contact, where its sender wants to get requests. Raises Malformed."""
    values = message.values("Contact")
    if len(values) != 1:
        raise Malformed("Contact is not one address")
    uri = parse_name_addr(values[0]).uri
    if not uri.is_sip:
        raise Malformed("Contact is no SIP address")
    return replace(uri, headers=())


def record_route(message: Message) -> tuple[NameAddr, ...]:
    """Return the proxies that want to stay on the way. Raises Malformed."""
    values = message.values("Record-Route")
    if len(values) > MAX_ROUTE:
        raise Malformed("Record-Route is too long")
    return tuple(parse_name_addr(value) for value in values)
