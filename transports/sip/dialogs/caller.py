"""An INVITE of ours until it is answered or over (RFC 3261 §13.2, §9.1, §14; RFC 3262 §4).

It may fork: each peer that rings is a `Leg` with an own dialog. The first that answers wins;
whoever answers later, or after we gave up, gets ACK and BYE. What is to be sent, and what the
user should know, are `events`; the responses to each `Ask` go to `receive_response`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.dialog import Ask, Dialog
from transports.sip.dialogs.early import answer_update
from transports.sip.dialogs.offer import Negotiation, OutOfTurn
from transports.sip.dialogs.reliable import OPTION, ReliableClient, is_reliable
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.reason import Reason, reason_fields
from transports.sip.wire.sdp import SDP_TYPE, Description, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed, Uri

MAX_LEGS = 16
"""Peers that may ring at once; of more, the provisional responses are left out."""
MAX_RETRIES = 5
"""Times that a call is tried again with other credentials or another session interval."""


class Leg:
    """One peer that our INVITE has reached; `preview` is what it said of its media, not yet reliably."""

    __slots__ = ("ack", "dialog", "negotiation", "preview", "reliable")

    def __init__(self, dialog: Dialog, negotiation: Negotiation) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self.reliable = ReliableClient()
        self.ack: Request | None = None
        self.preview: Description | None = None


class Acknowledge(Struct, frozen=True):
    """An ACK to be sent, without transaction."""

    request: Request
    next_hop: Uri


class Cancel(Struct, frozen=True):
    """The transaction of this INVITE is to be cancelled (see `Transactions.cancel`)."""

    request: Request
    fields: Fields


class Abandon(Struct, frozen=True):
    """The transaction of this request is to be forgotten."""

    request: Request


class Rang(Struct, frozen=True):
    """A peer is being alerted; `description` is what it may already send, as early media."""

    status: int
    leg: Leg
    description: Description | None


class Answered(Struct, frozen=True):
    """The call stands. If we offered nothing, `offer` is the peer's: it waits for `Caller.answer`."""

    leg: Leg
    response: Response
    offer: Description | None


class Unanswered(Struct, frozen=True):
    """There is no call: `status` is the peer's, or 408, 487, 488 and 503 as our own reason."""

    status: int
    response: Response | None


Event = Ask | Acknowledge | Cancel | Abandon | Rang | Answered | Unanswered


class State(Enum):
    """How far the INVITE is."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    ANSWERED = "answered"
    OVER = "over"


class Caller:
    """One outgoing call. `retry` makes the request anew after 401, 407 and 422, or returns None.

    `ring_limit` is for how many seconds it may ring. With an `offer` the peer may answer in
    reliable provisional responses; without, only the 2xx has its offer.
    """

    def __init__(
        self,
        invite: Request,
        next_hop: Uri,
        offer: Description | None,
        clock: Callable[[], float],
        retry: Callable[[Request, Response], Request | None],
        ring_limit: float,
        timings: Timings,
    ) -> None:
        self._next_hop = next_hop
        self._clock = clock
        self._retry = retry
        self._timings = timings
        self._offer = offer
        self._legs: dict[str, Leg] = {}
        self._retries = 0
        self._reason: Reason | None = None
        self._is_given_up = False
        self._deadline: float | None = clock() + ring_limit
        self._status = 487
        self._winner: Leg | None = None
        self.state = State.CALLING
        self.invite = self._with_offer(invite)
        self._events: list[Event] = [Ask(self.invite, next_hop)]

    def _with_offer(self, invite: Request) -> Request:
        if self._offer is None:
            return invite
        fields = (*invite.fields, ("Supported", OPTION), SDP_TYPE)
        return replace(invite, fields=fields, body=write_sdp(self._offer))

    def events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        return self._deadline

    def expire(self) -> None:
        """Give up what rings for too long, and forget what does not even answer that (RFC 3261 §9.1)."""
        if self._deadline is None or self._clock() < self._deadline:
            return
        if self.state is State.CANCELLING:
            self._events.append(Abandon(self.invite))
            self._end(self._status, None)
        else:
            self._deadline = None
            self._status = 408
            self.cancel(None)

    def cancel(self, reason: Reason | None) -> None:
        """Give the call up. CANCEL waits for the first provisional response (RFC 3261 §9.1).

        After the answer this does nothing: then BYE is to be sent.
        """
        if self._is_given_up or self.state in (State.ANSWERED, State.OVER):
            return
        self._is_given_up = True
        self._reason = reason
        if self.state is State.PROCEEDING:
            self._send_cancel()

    def _send_cancel(self) -> None:
        self.state = State.CANCELLING
        self._deadline = self._clock() + 64 * self._timings.t1
        self._events.append(Cancel(self.invite, reason_fields(self._reason)))

    def fail(self, status: int) -> None:
        """Note that the INVITE timed out (408) or could not be sent (503)."""
        if self.state is not State.ANSWERED:
            self._end(self._status if self._is_given_up else status, None)

    def receive_response(self, response: Response) -> None:
        """Take in a response to the INVITE; those to PRACK, CANCEL and BYE say nothing that matters here."""
        if response.cseq != self.invite.cseq:
            return
        if response.is_success:
            self._succeed(response)
        elif self.state in (State.ANSWERED, State.OVER):
            return
        elif response.is_final:
            self._fail(response)
        else:
            self._proceed(response)

    def _proceed(self, response: Response) -> None:
        if self.state is State.CALLING:
            self.state = State.PROCEEDING
            if self._is_given_up:
                self._send_cancel()
        if response.status == 100 or not response.to.tag or self.state is State.CANCELLING:
            return
        try:
            leg = self._leg(response)
            reliable = is_reliable(response)
            if leg is None or (reliable and not self._acknowledge_provisional(leg, response)):
                return
            description = self._early_description(leg, response, reliable)
        except (Malformed, OutOfTurn):
            return
        self._events.append(Rang(response.status, leg, description))

    def _leg(self, response: Response) -> Leg | None:
        leg = self._legs.get(response.to.tag)
        if leg is None and len(self._legs) < MAX_LEGS:
            leg = self._legs[response.to.tag] = self._new_leg(response)
        return leg

    def _new_leg(self, response: Response) -> Leg:
        negotiation = Negotiation()
        if self._offer is not None:
            negotiation.offer(self._offer)
        return Leg(Dialog.of_client(self.invite, response), negotiation)

    def _acknowledge_provisional(self, leg: Leg, response: Response) -> bool:
        rack = leg.reliable.receive(response)
        if rack is not None:
            self._events.append(leg.dialog.ask("PRACK", (("RAck", str(rack)),)))
        return rack is not None

    def _early_description(self, leg: Leg, response: Response, reliable: bool) -> Description | None:
        """Return early media. What is reliable is the answer, the rest its preview (RFC 3262 §5)."""
        if not response.body or self._offer is None:
            return None
        description = parse_sdp(response.body)
        if reliable and leg.negotiation.remote is None:
            leg.negotiation.receive_answer(description)
        leg.preview = leg.preview or description
        return description

    def _succeed(self, response: Response) -> None:
        tag = response.to.tag
        known = self._legs.get(tag)
        if known is not None and known.ack is not None:
            self._events.append(Acknowledge(known.ack, known.dialog.next_hop))
            return
        if known is self._winner if known else len(self._legs) >= 2 * MAX_LEGS:
            return  # the 2xx again, while our user has not yet answered its offer; or one too many
        try:
            leg = known or self._new_leg(response)
            leg.dialog.confirm(response)
        except Malformed:
            if self.state is not State.ANSWERED:
                self._end(488, response)
            return
        self._legs[tag] = leg
        if self._is_given_up or self.state in (State.ANSWERED, State.OVER):
            self._hang_up(leg)
            self._end(self._status, response)
            return
        self._answered(leg, response)

    def _answered(self, leg: Leg, response: Response) -> None:
        offer: Description | None = None
        try:
            if leg.negotiation.remote is None:
                # COMPAT carriers: some think that an unreliable 183 has answered, and say it no more
                previewed = leg.preview if not response.body else None
                description = previewed or parse_sdp(response.body)
                if self._offer is None:
                    leg.negotiation.receive_offer(description)
                    offer = description
                else:
                    leg.negotiation.receive_answer(description)
        except (Malformed, OutOfTurn):
            self._hang_up(leg)
            self._end(488, response)
            return
        self.state = State.ANSWERED
        self._winner = leg
        self._deadline = None
        if offer is None:
            self._acknowledge(leg, (), b"")
        self._events.append(Answered(leg, response, offer))

    def answer(self, leg: Leg, description: Description) -> None:
        """Answer the offer of the 2xx in its ACK. Raises OutOfTurn and Malformed."""
        body = write_sdp(leg.negotiation.answer(description))
        self._acknowledge(leg, (SDP_TYPE,), body)

    def _acknowledge(self, leg: Leg, fields: Fields, body: bytes) -> None:
        leg.ack = leg.dialog.ack(self.invite, fields, body)
        self._events.append(Acknowledge(leg.ack, leg.dialog.next_hop))

    def _hang_up(self, leg: Leg) -> None:
        """End a call that nobody here wants (RFC 3261 §13.2.2.4, §15)."""
        self._acknowledge(leg, (), b"")
        self._events.append(leg.dialog.ask("BYE", reason_fields(self._reason)))
        leg.dialog.terminate()

    def receive_update(self, update: Request, fields: Fields, chance: Callable[[], float]) -> Response | None:
        """Return the answer to an UPDATE of a peer that rings; None if none of them has sent it.

        `fields` say where we are.
        """
        leg = self._legs.get(update.from_.tag)
        return answer_update(update, leg.dialog, leg.negotiation, fields, chance) if leg is not None else None

    def _fail(self, response: Response) -> None:
        again = (
            None if self._is_given_up or self._retries >= MAX_RETRIES else self._retry(self.invite, response)
        )
        if again is None:
            self._end(self._status if self._is_given_up else response.status, response)
            return
        self._retries += 1
        self._terminate_legs()
        self._legs.clear()
        self.state = State.CALLING
        self.invite = again
        self._events.append(Ask(again, self._next_hop))

    def _end(self, status: int, response: Response | None) -> None:
        """Tell the user once; an answer that another peer gave before stands."""
        if self.state in (State.ANSWERED, State.OVER):
            return
        self.state = State.OVER
        self._deadline = None
        self._events.append(Unanswered(status, response))
        self._terminate_legs()

    def _terminate_legs(self) -> None:
        for leg in self._legs.values():
            leg.dialog.terminate()
