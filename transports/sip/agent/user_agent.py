"""The user agent: requests of ours until their final response, requests of others until our answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from transports.sip.agent.allowance import Allowances
from transports.sip.agent.connection import HandshakeRefused
from transports.sip.agent.guard import Guard
from transports.sip.agent.routing import Hop, response_hop
from transports.sip.agent.transaction import Timings
from transports.sip.agent.transactions import (
    Acknowledged,
    Cancelled,
    Ended,
    Failed,
    Received,
    Responded,
    Send,
    TimedOut,
    TransactionId,
    Transactions,
)
from transports.sip.agent.transport import MAX_PER_HOST, Security, Transports
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.message import (
    Fields,
    Refused,
    Request,
    Response,
    UnsafeMessage,
    parse,
    respond,
    write,
)
from transports.sip.wire.uri import Malformed

MAX_DATAGRAM = 1300
"""Bytes of a request that may go over UDP, where nobody knows what the way takes (RFC 3261 §18.1.1)."""
VIA_ROOM = 160
"""Bytes by which Via makes a request longer."""
UNKNOWN = "The SIP server cannot be reached."
SILENT = "The SIP server did not answer."

Answer = Callable[[Response], None]
"""Takes the response to a request; of INVITE, the provisional ones and a repeated 2xx too."""
Serve = Callable[[Request, Hop, Answer], None]
"""Who answers requests; he may do so later, but has to."""


class Asking:
    """A request of ours: where it can go next, and who is told of its responses, or that there are none.

    `heard` gets the final response; of an INVITE every response. `without_tcp` is a hop that gets even what
    is long by UDP, since it does not speak TCP (RFC 3261 §18.1.1). `unreached` says why nobody was there.
    """

    def __init__(
        self,
        request: Request,
        hops: Sequence[Hop],
        client: DigestClient | None,
        heard: Answer,
        failed: Callable[[BridgeError], None],
        is_once: bool,
    ) -> None:
        self.request = request
        self.hops = list(hops)
        self.client = client
        self.heard = heard
        self.failed = failed
        self.is_once = is_once
        self.hop = self.hops.pop(0)
        self.without_tcp: Hop | None = None
        self.transaction: TransactionId | None = None
        self.is_answered = False
        self.unreached = UNKNOWN


class Agent:
    """See the module's docstring. `sent_by` says how we are reached for what goes to a hop.

    `acknowledged` is told of the ACK of a 2xx, `cancelled` of a CANCEL whose INVITE waits for our answer,
    `gone` of a connection that is gone, `seen` of every message, with where it goes to or comes from, and
    whether it is ours.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        guard: Guard,
        security: Security,
        serve: Serve,
        token: Callable[[], str],
        max_connections: int,
    ) -> None:
        self._reactor = reactor
        self._guard = guard
        self._serve = serve
        self._token = token
        self.transports = Transports(reactor, self, security, max_connections, guard)
        self.sent_by: Callable[[Hop], tuple[str, int]] = lambda hop: ("localhost", 0)
        self.acknowledged: Callable[[Request, Hop], None] = lambda ack, hop: None
        self.cancelled: Callable[[Request], None] = lambda cancel: None
        self.gone: Callable[[Hop], None] = lambda hop: None
        self.seen: Callable[[Request | Response, Hop, bool], None] = lambda message, hop, is_ours: None
        self._transactions = Transactions(
            reactor.seconds, token, token().encode(), lambda hop: self.sent_by(hop), Timings()
        )
        self._askings: dict[TransactionId, Asking] = {}
        self._allowances = Allowances()
        self._timer: Any = None
        self._pumping = False
        self._stopped = False

    def stop(self) -> Deferred[Any]:
        """Forget what is under way and close everything."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        askings = [asking for asking in self._askings.values() if not asking.is_answered]
        self._askings.clear()
        for asking in askings:
            asking.failed(BridgeError(Trouble.SHUTTING_DOWN))
        return self.transports.stop()

    # ---- ours

    def request(
        self,
        request: Request,
        hops: Sequence[Hop],
        client: DigestClient | None = None,
        *,
        is_once: bool = False,
    ) -> Deferred[Response]:
        """Send a request without Via to the first of `hops` that takes it; fires with the final response.

        `client` answers challenges. What `is_once` is not sent again where nobody answers. Fails with
        BridgeError UNREACHABLE or TIMED_OUT.
        """
        answered: Deferred[Response] = Deferred()
        self._begin(request, hops, client, answered.callback, answered.errback, is_once)
        return answered

    def invite(
        self, request: Request, hops: Sequence[Hop], heard: Answer, failed: Callable[[BridgeError], None]
    ) -> Asking | None:
        """Send an INVITE without Via; None if it `failed` at once. Challenges are for who asked."""
        return self._begin(request, hops, None, heard, failed)

    def cancel(self, asking: Asking, fields: Fields) -> None:
        """Send the CANCEL of an INVITE, which goes to nobody else any more (RFC 3261 §9.1)."""
        self.settle(asking)
        if asking.transaction is not None:
            self._transactions.cancel(asking.transaction, fields)
            self._pump()

    def settle(self, asking: Asking) -> None:
        """Let a request go to nobody else, should the one who has it not answer."""
        asking.hops.clear()

    def abandon(self, asking: Asking) -> None:
        """Forget an INVITE; nothing more is heard of it."""
        if asking.transaction is not None:
            self._askings.pop(asking.transaction, None)
            self._transactions.abandon(asking.transaction)

    def acknowledge(self, ack: Request, hops: Sequence[Hop]) -> None:
        """Send the ACK of a 2xx, without Via, to the first hop it can (RFC 3261 §13.2.2.4)."""
        reachable = [hop for hop in hops if self._guard.may_reach(hop.host)]
        if reachable and not self._stopped:
            hop = self.transports.flow(reachable[0])
            self._send(Send(hop, replace(ack, via=(self._transactions.via(hop),)), None))

    def _begin(
        self,
        request: Request,
        hops: Sequence[Hop],
        client: DigestClient | None,
        heard: Answer,
        failed: Callable[[BridgeError], None],
        is_once: bool = False,
    ) -> Asking | None:
        hops = [hop for hop in hops if self._guard.may_reach(hop.host)]
        if not hops or self._stopped:
            failed(BridgeError(Trouble.UNREACHABLE, UNKNOWN))
            return None
        request = request if client is None else client.authorize(request)
        asking = Asking(request, hops, client, heard, failed, is_once)
        self._ask(asking)
        return asking

    def _ask(self, asking: Asking) -> None:
        request = asking.request
        asking.hop = hop = self.transports.flow(asking.hop)
        try:
            size = len(write(request)) + VIA_ROOM
        except UnsafeMessage:
            asking.failed(BridgeError(Trouble.NOT_ACCEPTABLE))
            return
        if hop.transport == "UDP" and size > MAX_DATAGRAM and hop != asking.without_tcp:
            if request.method in ("INVITE", "NOTIFY"):
                asking.without_tcp = hop
                asking.hops.insert(0, hop)
            asking.hop = hop = replace(hop, transport="TCP")
        asking.transaction = self._transactions.request(request, hop, is_once=asking.is_once)
        self._askings[asking.transaction] = asking
        self._pump()

    def _responded(self, event: Responded) -> None:
        response = event.response
        asking = self._askings.get(event.transaction)
        if asking is None:
            return
        is_invite = asking.request.method == "INVITE"
        if is_invite and response.is_success:
            asking.is_answered = True  # and is known until its transaction ends: 2xx come again, and others
        elif response.is_final:
            del self._askings[event.transaction]
        elif not is_invite:
            return
        if response.is_final and self._is_asked_again(asking, response):
            return
        asking.heard(response)

    def _is_asked_again(self, asking: Asking, response: Response) -> bool:
        """Answer a challenge, or turn to another server (RFC 3261 §22, RFC 3263 §4.3)."""
        if asking.client is not None and response.status not in (401, 407):
            asking.client.accepted()
        elif asking.client is not None:
            again = asking.client.retry(asking.request, response)
            if again is not None:
                asking.request = again
                self._ask(asking)
                return True
        if response.status == 503 and asking.hops:
            self._next(asking, Trouble.UNREACHABLE)
            return True
        return False

    def _next(self, asking: Asking, trouble: Trouble) -> None:
        """Try the next hop (RFC 3263 §4.3), or say that there is none left."""
        if not asking.hops:
            words = SILENT if trouble is Trouble.TIMED_OUT else asking.unreached
            asking.failed(BridgeError(trouble, words))
            return
        asking.hop = asking.hops.pop(0)
        self._ask(asking)

    def _gone(self, transaction: TransactionId, trouble: Trouble) -> None:
        asking = self._askings.get(transaction)
        if asking is not None and not asking.is_answered:
            del self._askings[transaction]
            self._next(asking, trouble)

    # ---- what comes in

    def arrived(self, data: bytes, hop: Hop) -> None:
        """Take a message, unless its sender is none that we speak with, or sends too much."""
        if self._stopped or not self._guard.may_reach(hop.host):
            return
        is_expected = data[:4] == b"SIP/" and self._transactions.awaits(hop.host)
        if not is_expected and not self._guard.admits(hop.host):
            return
        try:
            message = parse(data)
        except Refused as refused:
            answer = self.refusal(refused, hop)
            if answer is not None:
                self.transports.send(hop, answer, dial=False).addErrback(self._unsent)
            return
        self.seen(message, hop, False)
        self._allowances.arrived(len(data))
        self._transactions.receive(message, hop)
        self._pump()
        self._allowances.arrived(0)

    def refusal(self, refused: Refused, hop: Hop) -> bytes | None:
        """Return what the sender of something unreadable is told; the same each time."""
        tag = self._transactions.stateless_tag(hop.host, str(refused.status))
        return refused.answer(tag, is_limited=self._is_unproven(hop))

    def _is_unproven(self, hop: Hop) -> bool:
        """Tell whether somebody else may have written this address on a message."""
        return hop.transport == "UDP" and not self._guard.is_trusted(hop.host)

    def admits(self, host: str, count: int) -> bool:
        """Tell whether an address may open a connection."""
        return self._guard.is_trusted(host) or (self._guard.may_reach(host) and count < MAX_PER_HOST)

    def lost(self, hop: Hop) -> None:
        """A connection is gone: what waits for an answer on it waits in vain."""
        waiting = [
            one for one, asking in self._askings.items() if asking.hop == hop and not asking.is_answered
        ]
        for transaction in waiting:
            self._transactions.fail(transaction)
        self._pump()
        if not self._stopped:
            self.gone(hop)

    def _received(self, event: Received) -> None:
        self._allowances.begin(event.transaction, event.request)
        try:
            self._serve(event.request, event.hop, lambda response: self._answer(event.transaction, response))
        except Exception:  # whatever a stranger's message found in us, he is told
            self.log.failure("a request could not be answered")
            self._answer(event.transaction, respond(event.request, 500, self._token()))

    def _answer(self, transaction: TransactionId, response: Response) -> None:
        if not response.is_final:
            self._allowances.put(transaction)
        self._transactions.respond(transaction, response)
        self._pump()

    # ---- what goes out

    def _pump(self) -> None:
        if self._pumping or self._stopped:
            return
        self._pumping = True
        try:
            while events := self._transactions.events():
                for event in events:
                    self._take(event)
        finally:
            self._pumping = False
        self._schedule()

    def _take(self, event: object) -> None:
        """Handle an event; what one message finds in us is not to be felt by others."""
        try:
            self._handle(event)
        except Exception:
            self.log.failure("what came of a transaction was lost")

    def _handle(self, event: object) -> None:
        match event:
            case Send():
                self._send(event)
            case Received():
                self._received(event)
            case Responded():
                self._responded(event)
            case TimedOut(transaction=transaction):
                self._gone(transaction, Trouble.TIMED_OUT)
            case Failed(transaction=transaction):
                self._gone(transaction, Trouble.UNREACHABLE)
            case Ended(transaction=transaction):
                self._allowances.end(transaction)
                self._askings.pop(transaction, None)
            case Acknowledged(request=ack, hop=hop):
                self.acknowledged(ack, hop)
            case Cancelled(request=cancel):
                self.cancelled(cancel)

    def _send(self, event: Send) -> None:
        message, hop = event.message, event.hop
        is_request = isinstance(message, Request)
        try:
            data = write(message)
        except UnsafeMessage:
            self.log.failure("a message could not be written")
            return self._fail(event.transaction)
        if isinstance(message, Response) and hop.transport == "UDP":
            hop = response_hop(message, "UDP")
            if self._is_unproven(hop):
                data = self._allowances.fit(message, data, event.transaction) or b""
            if not data or not self._guard.may_reach(hop.host):
                return None
        self.seen(message, hop, True)
        sent = self.transports.send(hop, data, dial=is_request)
        sent.addErrback(self._not_sent, event.transaction)
        return None

    def _not_sent(self, failure: Failure, transaction: TransactionId | None) -> None:
        asking = self._askings.get(transaction) if transaction is not None else None
        if asking is not None and failure.check(HandshakeRefused):
            asking.unreached = f"{UNKNOWN} Why: {failure.getErrorMessage()}."
        self._fail(transaction)

    def _fail(self, transaction: TransactionId | None) -> None:
        if transaction is not None:
            self._transactions.fail(transaction)
            self._pump()

    def _unsent(self, failure: Failure) -> None:
        self.log.debug("an answer could not be sent: {reason}", reason=failure.getErrorMessage())

    def _schedule(self) -> None:
        deadline = self._transactions.next_deadline()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if deadline is not None:
            wait = max(0.0, deadline - self._reactor.seconds())
            self._timer = self._reactor.callLater(wait, self._expire)

    def _expire(self) -> None:
        self._transactions.expire()
        self._pump()


ALLOW: Fields = (("Allow", "MESSAGE, NOTIFY, OPTIONS, SUBSCRIBE"),)
"""The methods that are answered with more than 405."""


def option_refused(request: Request) -> Response | None:
    """Return 420 for a request that requires what we do not know (RFC 3261 §8.2.2.3)."""
    try:
        wanted = request.values("Require")
    except Malformed:
        return respond(request, 400)
    return respond(request, 420, fields=(("Unsupported", ", ".join(wanted)),)) if wanted else None
