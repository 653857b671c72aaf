"""A call that stands: new offers both ways, refreshes, and its end.

RFC 3261 §14 and §15, RFC 3311, RFC 4028.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from msgspec import Struct

from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.caller import Acknowledge
from transports.sip.dialogs.dialog import Ask, Dialog, DialogState, contact, ends_dialog
from transports.sip.dialogs.offer import Negotiation, OfferState, OutOfTurn
from transports.sip.dialogs.session_timer import (
    Agreement,
    Policy,
    SessionTimer,
    TooSmall,
    agree,
    agreed,
    ask,
    raised,
    with_interval,
)
from transports.sip.dialogs.success import Success
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.reason import Reason, reason_fields, reasons
from transports.sip.wire.sdp import SDP_TYPE, Description, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

MAX_RETRIES = 5
"""Times that one request is tried again."""


class Reply(Struct, frozen=True):
    """A response to a request of the peer, to be sent in that request's transaction."""

    request: Request
    response: Response


class Offered(Struct, frozen=True):
    """The peer offers anew, or wants our offer if `description` is None: `answer` or `refuse`."""

    description: Description | None


class Agreed(Struct, frozen=True):
    """An offer was answered; what holds now is in the negotiation."""


class OfferRefused(Struct, frozen=True):
    """Our offer was refused: what was agreed before holds on."""

    status: int


class Asked(Struct, frozen=True):
    """Another request of the peer in this dialog (INFO, REFER, NOTIFY, MESSAGE…), which the user answers."""

    request: Request


class Over(Struct, frozen=True):
    """The call has ended: by the peer's BYE, with its reasons, or (not `by_peer`) because it is gone."""

    reasons: tuple[Reason, ...]
    by_peer: bool = True


Event = Ask | Acknowledge | Reply | Offered | Agreed | OfferRefused | Asked | Over


class Purpose(Enum):
    """Why we have sent a request."""

    OFFER = "offer"
    REFRESH = "refresh"


class _Sent(Struct):
    """A request of ours that waits for its final response."""

    request: Request
    purpose: Purpose
    retries: int = 0


class Session:
    """One call, from its ACK to its BYE; `fields` go with what makes the peer know where we are (Contact).

    `retry` makes a request anew after 401 and 407. `is_owner` tells whether the Call-ID is ours,
    `chance` gives numbers from 0 to 1: both part the ends when their offers cross.
    """

    def __init__(
        self,
        dialog: Dialog,
        negotiation: Negotiation,
        agreement: Agreement | None,
        fields: Fields,
        policy: Policy,
        clock: Callable[[], float],
        retry: Callable[[Request, Response], Request | None],
        is_owner: bool,
        chance: Callable[[], float],
        timings: Timings,
    ) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self._fields = fields
        self._policy = policy
        self._clock = clock
        self._retry = retry
        self._is_owner = is_owner
        self._chance = chance
        self._timings = timings
        self._agreement = agreement
        self._timer = SessionTimer(clock)
        self._timer.start(agreement)
        self._sent: _Sent | None = None
        self._again: tuple[float, Description, Purpose] | None = None
        self._is_refresh_owed = False
        self._asked: Request | None = None
        self._success: Success | None = None
        self._acks: dict[int, Acknowledge] = {}
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def is_over(self) -> bool:
        """Tell whether the call has ended."""
        return self.dialog.state is DialogState.TERMINATED

    @property
    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        if self.is_over:
            return None
        deadlines = [
            self._timer.next_deadline,
            self._again[0] if self._again and not self._is_confirming else None,
            self._success.next_deadline if self._success else None,
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def offer(self, description: Description) -> None:
        """Offer anew, with a re-INVITE. Raises OutOfTurn and Malformed."""
        if not self.is_quiet:
            raise OutOfTurn(491)
        self._send(description, Purpose.OFFER)

    @property
    def is_quiet(self) -> bool:
        """Tell whether an offer of ours may be sent now."""
        return self._is_quiet() and self._again is None and not self.is_over

    def withdraw(self) -> None:
        """Forget our offer that crossed the peer's and was to be made again."""
        self._again = None

    def answer(self, description: Description) -> None:
        """Answer the peer's offer, or offer where it wants ours. Raises OutOfTurn and Malformed."""
        if self._asked is None or self._success is not None:
            raise OutOfTurn(500)
        if self.negotiation.state is OfferState.ASKED:
            body = write_sdp(self.negotiation.answer(description))
        else:
            body = write_sdp(self.negotiation.offer(description))
        self._accept(self._asked, body)

    def refuse(self, status: int = 488) -> None:
        """Refuse the peer's offer; the call goes on as it was."""
        if self._asked is not None and self._success is None:
            asked, self._asked = self._asked, None
            self.negotiation.refuse()
            self._reply(asked, status)
            self._refresh()

    def hang_up(self, reason: Reason | None = None) -> None:
        """End the call."""
        if not self.is_over:
            self._events.append(self.dialog.ask("BYE", reason_fields(reason)))
            self._end()

    def expire(self) -> None:
        """Do what is due."""
        if self.is_over:
            return
        if self._timer.is_over:
            self._give_up(Reason("SIP", 408, "session timer"))
        elif self._success is not None and self._success.is_lost:
            self._give_up(Reason("SIP", 500, "no ACK"))
        else:
            self._expire_quietly()

    def _expire_quietly(self) -> None:
        if self._asked is not None and self._success is not None:
            again = self._success.expire()
            if again is not None:
                self._events.append(Reply(self._asked, again))
        if self._again is not None and self._clock() >= self._again[0] and not self._is_confirming:
            self._offer_again(*self._again[1:])
        if self._timer.is_refresh_due():
            self._is_refresh_owed = True
            self._refresh()

    def _offer_again(self, description: Description, purpose: Purpose) -> None:
        """Offer after a 491, unless the peer has an offer under way, or has added media since."""
        self._again = None
        with suppress(Malformed, OutOfTurn):
            self._send(description, purpose)
            return
        if purpose is Purpose.OFFER:
            self._events.append(OfferRefused(491))

    def _refresh(self) -> None:
        """Refresh the session, if that is owed and nothing else is under way that would do it too."""
        if self._is_refresh_owed and self._is_quiet() and self.negotiation.local is not None:
            self._is_refresh_owed = False
            self._send(self.negotiation.local, Purpose.REFRESH)

    @property
    def _is_confirming(self) -> bool:
        """Tell whether our answer awaits its ACK: until then nothing new is offered (RFC 3261 §14.1)."""
        return self._success is not None

    def _is_quiet(self) -> bool:
        return self._sent is None and self._asked is None and self.negotiation.state is OfferState.STABLE

    def receive_request(self, request: Request) -> None:
        """Take in a request of the dialog."""
        if request.method == "ACK":
            self._receive_ack(request)
        elif self.is_over:
            self._reply(request, 481)
        elif self.dialog.is_out_of_order(request):
            self._reply(request, 500)
        elif request.method == "BYE":
            self._reply(request, 200)
            self._end()
            self._events.append(Over(tuple(reasons(request))))
        elif request.method in ("INVITE", "UPDATE"):
            self._receive_offer(request)
        else:
            self._events.append(Asked(request))

    def _receive_offer(self, request: Request) -> None:
        """Two at a time are refused, with a pause if the first was the peer's too (RFC 3261 §14.2)."""
        if self._asked is not None:
            self._reply(request, 500, (("Retry-After", str(int(self._chance() * 10))),))
            return
        is_offer = bool(request.body) or request.method == "INVITE"
        if is_offer and (self._sent is not None or self.negotiation.state is not OfferState.STABLE):
            self._reply(request, 491)
            return
        try:
            agree(self._policy, request)
            if request.get("Contact") is not None:
                contact(request)
        except TooSmall as small:
            self._reply(request, 422, small.fields)
            return
        except Malformed:
            self._reply(request, 400)
            return
        self._asked = request
        if is_offer:
            self._take_offer(request)
        else:
            self._accept(request, b"")

    def _take_offer(self, request: Request) -> None:
        description: Description | None = None
        try:
            if request.body:
                description = parse_sdp(request.body)
                self.negotiation.receive_offer(description)
        except Malformed:
            self._asked = None
            self._reply(request, 488)
            return
        self._events.append(Offered(description))

    def _accept(self, request: Request, body: bytes) -> None:
        self.dialog.refresh_target(request)
        timer, agreement = agree(self._policy, request)
        described = (SDP_TYPE,) if body else ()
        response = respond(request, 200, "", (*self._fields, *timer, *described), body)
        self._events.append(Reply(request, response))
        self._start_timer(agreement)
        if request.method == "INVITE":
            self._success = Success(response, self._clock, self._timings)
            return
        self._asked = None
        if request.body:
            self._events.append(Agreed())

    def _start_timer(self, agreement: Agreement | None) -> None:
        self._agreement = agreement
        self._is_refresh_owed = False
        self._timer.start(agreement)

    def _receive_ack(self, ack: Request) -> None:
        if self._success is None or self._asked is None or ack.cseq.number != self._asked.cseq.number:
            return
        self._success = self._asked = None
        try:
            if self.negotiation.state is OfferState.OFFERED:
                self.negotiation.receive_answer(parse_sdp(ack.body))
        except Malformed:
            self._give_up(Reason("SIP", 488))
            return
        self._events.append(Agreed())

    def receive_response(self, response: Response) -> None:
        """Take in a response to a request of ours; a repeated 2xx gets its ACK again."""
        if response.is_success and (ack := self._acks.get(response.cseq.number)) is not None:
            self._events.append(ack)
            return
        sent = self._sent
        if sent is None or response.cseq != sent.request.cseq or not response.is_final or self.is_over:
            return
        self._sent = None
        if response.is_success:
            self._succeed(sent, response)
        elif not self._try_again(sent, response):
            self._fail(sent, response.status)
            if ends_dialog(response):
                self._give_up(Reason("SIP", response.status))

    def fail(self, request: Request) -> None:
        """Note that a request of ours timed out or could not be sent: the peer is gone."""
        if self._sent is not None and self._sent.request.cseq == request.cseq and not self.is_over:
            self._give_up(Reason("SIP", 408))

    def _succeed(self, sent: _Sent, response: Response) -> None:
        before = self.negotiation.remote
        try:
            self.dialog.refresh_target(response)
            agreement = agreed(response)
            ack = Acknowledge(self.dialog.ack(sent.request), self.dialog.next_hop)
            self._acks = {response.cseq.number: ack}
            self._events.append(ack)
            self.negotiation.receive_answer(parse_sdp(response.body))
        except (Malformed, OutOfTurn):
            self._give_up(Reason("SIP", 488))
            return
        self._start_timer(agreement)
        if sent.purpose is Purpose.OFFER or self.negotiation.remote != before:
            self._events.append(Agreed())

    def _try_again(self, sent: _Sent, response: Response) -> bool:
        """After a challenge or 422 at once; after 491 in a while (RFC 3261 §14.1)."""
        if sent.retries >= MAX_RETRIES:
            return False
        if response.status == 491:
            self.negotiation.refuse()
            pause = 2.1 + 1.9 * self._chance() if self._is_owner else 2.0 * self._chance()
            self._again = (self._clock() + pause, parse_sdp(sent.request.body), sent.purpose)
            return True
        again = None
        if response.status in (401, 407):
            again = self._retry(sent.request, response)
        elif response.status == 422 and (more := raised(self._policy, response)) is not None:
            self._policy = more
            again = with_interval(sent.request, more, self.dialog.local_cseq + 1)
        if again is None:
            return False
        self.dialog.retried(again)
        self._sent = _Sent(again, sent.purpose, sent.retries + 1)
        self._events.append(Ask(again, self.dialog.next_hop))
        return True

    def _fail(self, sent: _Sent, status: int) -> None:
        self.negotiation.refuse()
        if sent.purpose is Purpose.OFFER:
            self._events.append(OfferRefused(status))
        self._refresh()

    def _send(self, description: Description, purpose: Purpose) -> None:
        body = write_sdp(self.negotiation.offer(description))
        asked = self.dialog.ask(
            "INVITE", (*self._fields, *ask(self._policy, self._agreement), SDP_TYPE), body
        )
        self._sent = _Sent(asked.request, purpose)
        self._events.append(asked)

    def _reply(self, request: Request, status: int, fields: Fields = ()) -> None:
        self._events.append(Reply(request, respond(request, status, "", fields)))

    def _give_up(self, reason: Reason) -> None:
        self.hang_up(reason)
        self._events.append(Over((reason,), by_peer=False))

    def _end(self) -> None:
        if self._asked is not None and self._success is None:
            self._reply(self._asked, 487)
        self.dialog.terminate()
        self._sent = self._asked = self._success = self._again = None
