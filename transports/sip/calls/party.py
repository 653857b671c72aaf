"""The SIP end of a call: the machines of INVITE and session, wired to the user agent.

A party is made by `dial` or `take`. What the machines say to the call goes to `heard`; what they want
sent is sent here, one after the other. It goes on by itself until nothing is under way any more, also
when nobody listens to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.agent.transaction import Timings
from transports.sip.agent.user_agent import Answer, Asking
from transports.sip.calls.ending import STATUSES, reason_of
from transports.sip.calls.whereabouts import Whereabouts
from transports.sip.dialogs.callee import BadOffer, Callee, Established, Respond, Tags
from transports.sip.dialogs.callee import Over as NotTaken
from transports.sip.dialogs.callee import State as CalleeState
from transports.sip.dialogs.caller import Abandon, Acknowledge, Answered, Caller, Cancel, Rang, Unanswered
from transports.sip.dialogs.dialog import Ask, Dialog, DialogId, id_of_request
from transports.sip.dialogs.offer import Negotiation
from transports.sip.dialogs.session import Agreed, Asked, Offered, OfferRefused, Over, Reply, Session
from transports.sip.dialogs.session_timer import (
    Agreement,
    Policy,
    TooSmall,
    agree,
    agreed,
    ask,
    raised,
    with_interval,
)
from transports.sip.wire.digest import DigestClient
from transports.sip.wire.headers import CSeq, NameAddr
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.multipart import unpack
from transports.sip.wire.reason import Reason, reasons
from transports.sip.wire.request import make
from transports.sip.wire.sdp import SDP_TYPE, Description
from transports.sip.wire.uri import Malformed, Uri

RING_LIMIT = 120.0
"""Seconds for which somebody may be rung."""
METHODS = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE"),
    *("INFO", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE"),
)
"""The methods of calls, and those beside them."""
ALLOW: Fields = (("Allow", ", ".join(METHODS)),)
EXTENSIONS = ("100rel", "replaces", "timer")
"""What may be required of us in calls."""
ABILITIES: Fields = (*ALLOW, ("Supported", ", ".join(EXTENSIONS)))
"""What OPTIONS is told (RFC 3261 §11.2)."""
AGAIN: Fields = (("Retry-After", "1"),)
MAX_CANCELLED = 100
"""Cancelled INVITEs that are remembered; they are looked at within seconds."""

Heard = (
    Rang
    | Answered
    | Unanswered
    | Established
    | NotTaken
    | Offered
    | Agreed
    | OfferRefused
    | Asked
    | Over
    | BridgeError
)
"""What a call is told; a BridgeError says why nobody could be asked at all."""


class Stack:
    """What the parties of all calls speak by, and which dialogs and unanswered INVITEs are whose."""

    log = Logger()

    def __init__(self, means: Means, policy: Policy) -> None:
        self.means = means
        self.policy, self.timings = policy, Timings()
        self.dialogs: dict[DialogId, Party] = {}
        self.invited: dict[tuple[str, str], Party] = {}
        """By Call-ID and tag of From."""
        self._cancelled: deque[tuple[str, str, int]] = deque(maxlen=MAX_CANCELLED)
        """Which INVITEs were cancelled before it was known whose they are."""

    def in_dialog(self, request: Request, hop: Hop, answer: Answer) -> None:
        """Take a request in a dialog; whoever is not its peer is told that there is none."""

        def heed(party: Party | None) -> None:
            if party is None:
                answer(respond(request, 481))
            else:
                party.receive(request, answer)

        self._find(request, hop, heed)

    def acknowledged(self, ack: Request, hop: Hop) -> None:
        """Take the ACK of a 2xx."""
        self._find(ack, hop, lambda party: None if party is None else party.acknowledged(ack))

    def _find(self, request: Request, hop: Hop, heed: Callable[[Party | None], None]) -> None:
        """Pass on whose dialog a request is in, None if it is in none or does not come from its peer."""
        party = self.dialogs.get(id_of_request(request))
        if party is None or party.is_at(hop.host):
            heed(party)
            return
        looked = Deferred.fromCoroutine(party.find(hop.host))
        looked.addCallback(lambda is_there: heed(party if is_there else None))
        looked.addErrback(lambda failure: self.log.failure("a request in a dialog was lost", failure))

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL."""
        party = self.invited.get((cancel.call_id, cancel.from_.tag))
        if party is not None:
            party.cancelled(cancel)
        else:
            self._cancelled.append((*_key(cancel), cancel.cseq.number))

    def is_cancelled(self, invite: Request) -> bool:
        """Tell whether an INVITE was cancelled while its sender, or who is meant, was looked up."""
        return (*_key(invite), invite.cseq.number) in self._cancelled


class Party:
    """See the module's docstring.

    `contact` is where we are reached; `hops` are where the INVITE goes, or came from.
    `is_focus` tells the peer that we are a conference (RFC 4579 §4).
    """

    log = Logger()

    def __init__(
        self,
        stack: Stack,
        heard: Callable[[Party, Heard], None],
        contact: Uri,
        client: DigestClient | None,
        hops: list[Hop],
        *,
        is_focus: bool = False,
    ) -> None:
        self._stack, self._heard = stack, heard
        self._client, self.hops = client, hops
        feature = ";isfocus" if is_focus else ""
        self.contact: Fields = (("Contact", f"<{contact}>{feature}"),)
        self.reasons: tuple[Reason, ...] = ()
        """Why the peer gave up."""
        self._policy = stack.policy
        self._caller: Caller | None = None
        self._callee: Callee | None = None
        self._session: Session | None = None
        self._agreement: Agreement | None = None
        self._timer_fields: Fields = ()
        self._asking: Asking | None = None
        self._invite_answer: Answer | None = None
        self._answers: dict[CSeq, Answer] = {}
        self._dialogs: dict[DialogId, Dialog] = {}
        self._whereabouts = Whereabouts(stack.means)
        self._outbox: deque[Ask | Acknowledge] = deque()
        self._is_sending = self._is_pumping = False
        self._end_owed: tuple[Ending, str] | None = None
        self._timer: Any = None
        self._deadline: float | None = None

    @property
    def host(self) -> str:
        """The address that it is heard from."""
        return (self._asking.hop if self._asking is not None else self.hops[0]).host

    def is_at(self, host: str) -> bool:
        """Tell whether the peer is known to be there."""
        return self._whereabouts.has(host, (self.host, *(hop.host for hop in self.hops)))

    async def find(self, host: str) -> bool:
        """Look whether the peer is there."""
        return await self._whereabouts.find(host, list(self._dialogs.values()))

    # ---- how it begins

    def dial(
        self, uri: Uri, sender: NameAddr, offer: Description, fields: Fields = (), call_id: str = ""
    ) -> None:
        """Call somebody; by a Call-ID of its own if none is given."""
        stack = self._stack
        supported = (("Supported", "replaces"),)
        fields = (*self.contact, *ALLOW, *supported, *ask(self._policy), *fields)
        invite = make(
            "INVITE", uri, sender, NameAddr(uri=uri), stack.means.token, fields=fields, call_id=call_id
        )
        if self._client is not None:
            invite = self._client.authorize(invite)
        self._caller = Caller(
            invite, uri, offer, stack.means.clock.seconds, self._retry, RING_LIMIT, stack.timings
        )
        self._pump()

    def take(self, invite: Request, answer: Answer) -> bool:
        """Take somebody's call, whom `ring`, `accept` or `end` answers; False if it was answered already."""
        stack, token = self._stack, self._stack.means.token()
        if stack.is_cancelled(invite):
            answer(respond(invite, 487, token))
            return False
        try:
            self._timer_fields, self._agreement = agree(self._policy, invite)
            tags = Tags(token, stack.means.random.randrange(1, 2**20), stack.means.random.randrange(1, 2**20))
            fields = (*self.contact, *ABILITIES)
            clock = stack.means.clock.seconds
            self._callee = Callee(invite, tags, fields, clock, RING_LIMIT, stack.timings)
        except TooSmall as small:
            answer(respond(invite, 422, token, small.fields))
            return False
        except BadOffer:
            answer(respond(invite, 488, token))
            return False
        except Malformed:
            answer(respond(invite, 400, token))
            return False
        self._invite_answer = answer
        stack.invited[_key(invite)] = self
        self._register(self._callee.dialog)
        self._schedule()
        return True

    # ---- what is known

    @property
    def offered(self) -> Description | None:
        """What an INVITE that we have taken offers; None if it wants our offer."""
        return self._callee.offer if self._callee is not None else None

    @property
    def dialog(self) -> Dialog | None:
        """The dialog of a call that stands."""
        return self._session.dialog if self._session is not None else None

    @property
    def negotiation(self) -> Negotiation | None:
        """What a call that stands has agreed on."""
        return self._session.negotiation if self._session is not None else None

    # ---- what the call wants

    def ring(self) -> None:
        """Say that the user is alerted."""
        if self._callee is not None:
            self._callee.ring(180)
            self._pump()

    def accept(self, description: Description) -> None:
        """Take the call. Raises OutOfTurn and Malformed."""
        if self._callee is not None:
            self._callee.accept(description, self._timer_fields)
            self._pump()

    def offer(self, description: Description) -> bool:
        """Offer anew; False if something else is under way. Raises Malformed."""
        if self._session is None or not self._session.is_quiet:
            return False
        self._session.offer(description)
        self._pump()
        return True

    def withdraw(self) -> None:
        """Forget our offer that crossed the peer's and was to be made again."""
        if self._session is not None:
            self._session.withdraw()

    def answer(self, description: Description) -> None:
        """Answer the peer's offer. Raises OutOfTurn and Malformed."""
        if self._session is not None:
            self._session.answer(description)
            self._pump()

    def refuse(self, status: int) -> None:
        """Refuse the peer's offer."""
        if self._session is not None:
            self._session.refuse(status)
            self._pump()

    def taken(self, request: Request) -> Answer:
        """Return what answers a request that was `Asked`, in place of `reply`."""
        return self._answers.pop(request.cseq, lambda response: None)

    def reply(self, request: Request, status: int, fields: Fields = ()) -> None:
        """Answer what was `Asked`."""
        self.taken(request)(respond(request, status, "", fields))

    def ask(self, method: str, fields: Fields = (), body: bytes = b"") -> Deferred[Response]:
        """Send a request in the dialog, which has to stand; fires with the final response, or BridgeError."""
        if self._session is None or self._session.is_over:
            raise BridgeError(Trouble.CONFLICT)
        return Deferred.fromCoroutine(self._ask(self._session.dialog.ask(method, fields, body)))

    def end(self, ending: Ending, text: str, status: int | None = None) -> None:
        """End it, however far it is: by CANCEL, a final response (of that `status`) or BYE."""
        reason = reason_of(ending, text)
        if self._session is not None:
            self.hang_up(reason)
        elif self._caller is not None:
            self._caller.cancel(reason)
            if self._asking is not None:
                self._stack.means.agent.settle(self._asking)
        elif self._callee is not None:
            self._callee.refuse(status or STATUSES[ending])
            self._end_owed = (ending, text)
        self._pump()

    def hang_up(self, reason: Reason | None) -> None:
        """End a call that stands."""
        if self._session is not None:
            self._session.hang_up(reason)
            self._unregister()
            self._pump()

    def refuse_call(self, status: int, fields: Fields = ()) -> None:
        """Answer an INVITE by a status of its own."""
        if self._callee is not None:
            self._callee.refuse(status, fields)
            self._pump()

    # ---- what the peer wants

    def receive(self, request: Request, answer: Answer) -> None:
        """Take a request in a dialog of ours."""
        if request.method == "PRACK" and self._callee is not None:
            answer(self._callee.receive_prack(request))
        elif self._session is not None:
            self._answers[request.cseq] = answer
            self._session.receive_request(request)
        elif request.method == "BYE" and self._callee is not None:
            answer(respond(request, 200))
            self._callee.hung_up()
        elif request.method == "OPTIONS":
            answer(respond(request, 200, "", ABILITIES))
        else:
            updated = self._update(request) if request.method == "UPDATE" else None
            answer(updated or respond(request, 500, "", AGAIN))
        self._pump()

    def _update(self, request: Request) -> Response | None:
        chance = self._stack.means.random.random
        if self._callee is not None:
            return self._callee.receive_update(request, chance)
        fields = (*self.contact, *ALLOW)
        return self._caller.receive_update(request, fields, chance) if self._caller is not None else None

    def acknowledged(self, ack: Request) -> None:
        """Take the ACK of a 2xx."""
        ack = unpack(ack, SDP_TYPE[1:])
        if self._session is not None:
            self._session.receive_request(ack)
            self._answers.pop(CSeq(number=ack.cseq.number, method="INVITE"), None)
        elif self._callee is not None:
            self._callee.receive_ack(ack)
        self._pump()

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL."""
        if self._callee is not None:
            self.reasons = tuple(reasons(cancel))
            self._callee.cancelled()
            self._pump()

    def _responded(self, response: Response) -> None:
        response = unpack(response, SDP_TYPE[1:])
        if self._client is not None and response.is_final and response.status not in (401, 407):
            self._client.accepted()
        if self._caller is not None:
            self._caller.receive_response(response)
        if self._session is not None:
            self._session.receive_response(response)
        self._pump()

    # ---- what is sent

    def _retry(self, request: Request, response: Response) -> Request | None:
        """Make a request anew after 401, 407 and 422, if there is use."""
        if response.status in (401, 407):
            return self._client.retry(request, response) if self._client is not None else None
        more = raised(self._policy, response) if response.status == 422 else None
        if more is None:
            return None
        self._policy = more
        return with_interval(request, more, request.cseq.number + 1)

    def _send(self, event: Ask | Acknowledge) -> None:
        self._outbox.append(event)
        if not self._is_sending:
            sending = Deferred.fromCoroutine(self._drain())
            sending.addErrback(lambda failure: self.log.failure("a call's request was lost", failure))

    async def _drain(self) -> None:
        """Send what waits, in its order, though names may have to be looked up."""
        self._is_sending = True
        try:
            while self._outbox:
                event = self._outbox.popleft()
                if isinstance(event, Acknowledge):
                    self._stack.means.agent.acknowledge(event.request, await self._located(event.next_hop))
                elif event.request.method == "INVITE":
                    await self._invite(event)
                else:
                    Deferred.fromCoroutine(self._ask(event)).addErrback(self._unanswered)
        finally:
            self._is_sending = False

    async def _invite(self, event: Ask) -> None:
        request = event.request
        is_first = not request.to.tag
        hops = self.hops if is_first else await self._located(event.next_hop)
        failed = self._failed if is_first else lambda error: self._session_failed(request)
        asking = self._stack.means.agent.invite(request, hops, self._responded, failed)
        if is_first:
            self._asking = asking

    async def _ask(self, event: Ask) -> Response:
        hops = await self._located(event.next_hop)
        response = await self._stack.means.agent.request(event.request, hops, self._client)
        if self.dialog is not None:
            self.dialog.local_cseq = max(self.dialog.local_cseq, response.cseq.number)
        return response

    async def _located(self, uri: Uri) -> list[Hop]:
        """Return where the peer is; should that be nowhere, he is asked where the call was begun.

        The connection by which it was begun is used on, as long as he is at its other end.
        """
        try:
            found = await self._stack.means.locator.locate(uri)
        except BridgeError:
            return self.hops
        first = self.hops[0]
        is_there = any((one.transport, one.host) == (first.transport, first.host) for one in found)
        return [*self.hops, *found] if first.is_reliable and is_there else [*found, *self.hops]

    def _unanswered(self, failure: Failure) -> None:
        self.log.debug("no answer in a call: {reason}", reason=failure.getErrorMessage())

    def _failed(self, error: BridgeError) -> None:
        if self._caller is not None:
            self._caller.fail(408 if error.trouble is Trouble.TIMED_OUT else 503)
            self._pump()

    def _session_failed(self, request: Request) -> None:
        if self._session is not None:
            self._session.fail(request)
            self._pump()

    # ---- the machines

    def _pump(self) -> None:
        """Do what the machines say until they say nothing more."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while events := self._events():
                for event in events:
                    self._do(event)
        finally:
            self._is_pumping = False
        self._schedule()

    def _events(self) -> list[Any]:
        machines = (self._caller, self._callee, self._session)
        return [event for machine in machines if machine is not None for event in machine.events()]

    def _do(self, event: object) -> None:
        match event:
            case Ask() | Acknowledge():
                self._send(event)
            case Cancel(fields=fields) if self._asking is not None:
                self._stack.means.agent.cancel(self._asking, fields)
            case Abandon() if self._asking is not None:
                self._stack.means.agent.abandon(self._asking)
            case Respond(response=response):
                self._respond(response)
            case Reply(request=request, response=response):
                self._reply(request, response)
            case Rang(leg=leg):
                self._register(leg.dialog)
                self._heard(self, event)
            case Answered():
                self._stand(event)
                self._heard(self, event)
            case Established():
                self._established()
            case Unanswered() | NotTaken() | Over():
                self._unregister()
                self._heard(self, event)
            case Offered() | Agreed() | OfferRefused() | Asked():
                self._heard(self, event)

    def _respond(self, response: Response) -> None:
        if self._invite_answer is not None:
            self._invite_answer(response)
        if response.is_final and self._callee is not None:
            self._stack.invited.pop(_key(self._callee.invite), None)
            if not response.is_success:
                self._unregister()

    def _reply(self, request: Request, response: Response) -> None:
        """A 2xx to INVITE may be repeated until its ACK comes."""
        is_kept = response.is_success and request.method == "INVITE"
        answer = self._answers.get(request.cseq) if is_kept else self._answers.pop(request.cseq, None)
        if answer is not None:
            answer(response)

    def _stand(self, event: Answered) -> None:
        if self._asking is not None:
            self.hops = [self._asking.hop]
        try:
            found = agreed(event.response)
        except Malformed:
            found = None
        # whoever knows no timers is asked now and then whether he is still there (RFC 4028 §7.2)
        agreement = found or Agreement(self._policy.interval, is_ours=True)
        self._unregister()
        self._begin(event.leg.dialog, event.leg.negotiation, agreement, is_owner=True)

    def _established(self) -> None:
        if self._callee is None:
            return
        self._begin(self._callee.dialog, self._callee.negotiation, self._agreement, is_owner=False)
        if self._end_owed is not None:
            self.end(*self._end_owed)
        else:
            self._heard(self, Established())

    def _begin(
        self, dialog: Dialog, negotiation: Negotiation, agreement: Agreement | None, is_owner: bool
    ) -> None:
        stack = self._stack
        self._register(dialog)
        self._session = Session(
            dialog,
            negotiation,
            agreement,
            (*self.contact, *ALLOW, ("Supported", "replaces")),
            self._policy,
            stack.means.clock.seconds,
            self._retry,
            is_owner,
            stack.means.random.random,
            stack.timings,
        )

    @property
    def is_ringing(self) -> bool:
        """Tell whether it is a call to us that nobody has answered."""
        return self._callee is not None and self._callee.state is CalleeState.RINGING

    def _register(self, dialog: Dialog) -> None:
        self._dialogs[dialog.id] = dialog
        self._stack.dialogs[dialog.id] = self

    def _unregister(self) -> None:
        for id in self._dialogs:
            self._stack.dialogs.pop(id, None)
        self._dialogs.clear()

    def _schedule(self) -> None:
        machines = (self._caller, self._callee, self._session)
        deadlines = [machine.next_deadline for machine in machines if machine is not None]
        deadline = min((one for one in deadlines if one is not None), default=None)
        if deadline == self._deadline:
            return
        self._deadline = deadline
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if deadline is not None:
            wait = max(0.0, deadline - self._stack.means.clock.seconds())
            self._timer = self._stack.means.clock.callLater(wait, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        for machine in (self._caller, self._callee, self._session):
            if machine is not None:
                machine.expire()
        self._pump()


def _key(invite: Request) -> tuple[str, str]:
    return invite.call_id, invite.from_.tag
