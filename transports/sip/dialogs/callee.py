"""An INVITE to us until it is answered and acknowledged, or over (RFC 3261 §13.3, RFC 3262 §3)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

from transports.sip.agent.transaction import Timings
from transports.sip.dialogs.dialog import Ask, Dialog
from transports.sip.dialogs.early import answer_update
from transports.sip.dialogs.offer import Negotiation, OfferState, OutOfTurn
from transports.sip.dialogs.reliable import OPTION, ReliableServer
from transports.sip.dialogs.success import Success
from transports.sip.wire.headers import parse_value
from transports.sip.wire.message import Fields, Request, Response, respond
from transports.sip.wire.reason import Reason, reason_fields
from transports.sip.wire.sdp import SDP_TYPE, Description, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

REMINDER = 60.0
"""Seconds after which we ring again, so that proxies keep the call (RFC 3261 §13.3.1.1)."""


class BadOffer(Malformed):
    """What the INVITE offers cannot be read, or never be taken: it gets 488."""


class Respond(Struct, frozen=True):
    """A response to the INVITE, to be sent in its transaction."""

    response: Response


class Established(Struct, frozen=True):
    """The call stands; what was agreed is in the negotiation."""


class Over(Struct, frozen=True):
    """There is no call: 487 it was cancelled or expired, 408 it rang too long, 488 its ACK had no proper
    answer, 500 no ACK came, 504 no PRACK came.
    """

    status: int


Event = Respond | Ask | Established | Over


class State(Enum):
    """How far the INVITE is; `HELD` is an answer of ours that waits for a PRACK."""

    RINGING = "ringing"
    HELD = "held"
    ANSWERED = "answered"
    ESTABLISHED = "established"
    OVER = "over"


class Tags(Struct, frozen=True):
    """What nobody should guess: our tag, the number before our first request, our first RSeq."""

    tag: str
    cseq: int
    rseq: int


class Callee:
    """One incoming call. `offer` is what the peer offers, None if it wants our offer.

    `fields` go with each response that makes or keeps the dialog (Contact, Allow, Supported).
    Raises Malformed for an INVITE without a proper Contact or with a bad description.
    """

    def __init__(
        self,
        invite: Request,
        tags: Tags,
        fields: Fields,
        clock: Callable[[], float],
        ring_limit: float,
        timings: Timings,
    ) -> None:
        self.invite = invite
        self.dialog = Dialog.of_server(invite, tags.tag, tags.cseq)
        self.negotiation = Negotiation()
        self.offer: Description | None = None
        if invite.body and parse_value(invite.get("Content-Type") or "").value.lower() == SDP_TYPE[1]:
            try:
                self.offer = parse_sdp(invite.body)
                self.negotiation.receive_offer(self.offer)
            except Malformed as malformed:
                raise BadOffer(str(malformed)) from malformed
        self.state = State.RINGING
        self._fields = fields + tuple(field for field in invite.fields if field[0] == "Record-Route")
        self._clock = clock
        self._timings = timings
        self._supports, self._requires = invite.supports(OPTION), invite.requires(OPTION)
        self._reliable = ReliableServer(clock, tags.rseq, timings)
        self._events: list[Event] = []
        expires = _expires(invite)
        self._late = 487 if expires is not None and expires < ring_limit else 408
        self._end_of_ringing = clock() + min(expires or ring_limit, ring_limit)
        self._reminder = float("inf")
        self._status = 0
        self._held: Response | None = None
        self._success: Success | None = None

    def events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        if self.state is State.ANSWERED and self._success is not None:
            return self._success.next_deadline
        if self.state is State.HELD:
            return self._reliable.next_deadline
        if self.state is not State.RINGING:
            return None
        return min(self._end_of_ringing, self._reminder, self._reliable.next_deadline or self._end_of_ringing)

    def ring(self, status: int, description: Description | None = None, fields: Fields = ()) -> None:
        """Send a provisional response, with early media if there is a `description`.

        It is reliable where the peer insists, or where it knows how and there is a description:
        then that is the answer. Where we are to offer, nothing but 180 and its like is sent, and
        nothing at all to a peer that insists. Raises OutOfTurn and Malformed.
        """
        if self.state is not State.RINGING or (self.offer is None and self._requires):
            return
        self._status = status
        self._reminder = self._clock() + REMINDER
        body = b""
        is_reliable = self._requires or (
            self._supports and description is not None and self.offer is not None
        )
        if description is not None and self.offer is not None:
            if is_reliable and self.negotiation.state is OfferState.ASKED:
                description = self.negotiation.answer(description)
            body = write_sdp(description)
        response = self._response(status, fields, body)
        if not is_reliable:
            self._events.append(Respond(response))
        elif (now := self._reliable.send(response)) is not None:
            self._events.append(Respond(now))

    def accept(self, description: Description | None, fields: Fields = ()) -> None:
        """Answer the call with our answer, or our offer; None if the answer was given while ringing.

        The 200 is repeated until the ACK comes. Raises OutOfTurn and Malformed.
        """
        if self.state is not State.RINGING:
            return
        body = b""
        if self.offer is None:
            if description is None:
                raise OutOfTurn(500)
            body = write_sdp(self.negotiation.offer(description))
        elif self.negotiation.state is OfferState.ASKED:
            if description is None:
                raise OutOfTurn(500)
            body = write_sdp(self.negotiation.answer(description))
        self._held = self._response(200, fields, body)
        self.state = State.HELD
        self._send_success()

    def refuse(self, status: int, fields: Fields = ()) -> None:
        """Answer with a failure. The user knows, and hears nothing more."""
        if self.state in (State.RINGING, State.HELD):
            self.state = State.OVER
            self._reliable.stop()
            self.dialog.terminate()
            self._events.append(Respond(respond(self.invite, status, self.dialog.local.tag, fields)))

    def cancelled(self) -> None:
        """The peer gave up (RFC 3261 §9.2); after our answer this is too late, and a BYE will come."""
        self._fail(487)

    def hung_up(self) -> None:
        """Note a BYE that came before the ACK did (RFC 3261 §15)."""
        if self.state is State.ANSWERED:
            self.state = State.OVER
            self.dialog.terminate()
            self._events.append(Over(487))
        else:
            self._fail(487)

    def lost(self) -> None:
        """Note that our failure was not acknowledged, or nothing could be sent: all is over anyway."""
        self._fail(500)

    def receive_prack(self, prack: Request) -> Response:
        """Return the answer to a PRACK; what it lets go on is in `events`."""
        done, following = self._reliable.acknowledge(prack)
        if following is not None:
            self._events.append(Respond(following))
        if done and self.state is State.HELD:
            self._send_success()
        return respond(prack, 200 if done else 481)

    def receive_update(self, update: Request, chance: Callable[[], float]) -> Response | None:
        """Return the answer to an UPDATE; None if the call is answered, and waits for its ACK."""
        if self.state not in (State.RINGING, State.HELD):
            return None
        return answer_update(update, self.dialog, self.negotiation, self._fields, chance)

    def receive_ack(self, ack: Request) -> None:
        """Take in the ACK of our 200, with the answer if we offered; a second one is of no account."""
        if self.state is not State.ANSWERED or ack.cseq.number != self.invite.cseq.number:
            return
        try:
            if self.negotiation.state is OfferState.OFFERED:
                self.negotiation.receive_answer(parse_sdp(ack.body))
        except Malformed:
            self._hang_up(488)
            return
        self.state = State.ESTABLISHED
        self._events.append(Established())

    def expire(self) -> None:
        """Do what is due."""
        if self.state in (State.RINGING, State.HELD):
            self._expire_ringing(self._clock())
        elif self.state is State.ANSWERED and self._success is not None:
            if self._success.is_lost:
                self._hang_up(500)
            elif (again := self._success.expire()) is not None:
                self._events.append(Respond(again))

    def _expire_ringing(self, now: float) -> None:
        if self._reliable.is_lost:
            self._fail(504)
        elif (again := self._reliable.expire()) is not None:
            self._events.append(Respond(again))
        elif self.state is State.RINGING and now >= self._end_of_ringing:
            self._fail(self._late)
        elif self.state is State.RINGING and now >= self._reminder:
            self._reminder = float("inf")
            self.ring(self._status)

    def _send_success(self) -> None:
        if self._held is None or self._reliable.holds_success:
            return
        self._reliable.stop()
        self.state = State.ANSWERED
        self.dialog.confirm()
        self._success = Success(self._held, self._clock, self._timings)
        self._events.append(Respond(self._held))

    def _fail(self, status: int) -> None:
        if self.state in (State.RINGING, State.HELD):
            self.refuse(status)
            self._events.append(Over(status))

    def _hang_up(self, status: int) -> None:
        """End a call whose answer was not acknowledged as it should (RFC 3261 §13.3.1.4)."""
        self.state = State.OVER
        self._events.append(self.dialog.ask("BYE", reason_fields(Reason("SIP", status))))
        self._events.append(Over(status))
        self.dialog.terminate()

    def _response(self, status: int, fields: Fields, body: bytes) -> Response:
        described = (SDP_TYPE,) if body else ()
        return respond(self.invite, status, self.dialog.local.tag, (*self._fields, *fields, *described), body)


def _expires(invite: Request) -> float | None:
    """Return for how many seconds the peer lets us ring (RFC 3261 §13.3.1); None if it does not say."""
    text = (invite.get("Expires") or "").strip()
    return (float(text) or None) if text.isascii() and text.isdecimal() and len(text) <= 10 else None
