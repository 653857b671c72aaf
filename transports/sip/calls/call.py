"""One call: its XMPP side in `bridge.calls` events, its SIP side a `Party`, its media an `Anchor`.

Whose offer waits is the call's `Turn`. Each exchange with the SIP peer goes by the anchor too, so that it
always knows where both ends are; what XMPP need not know (an address, a refresh) it is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallDigits,
    CallEnd,
    CallEvent,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallTransfer,
    CallUpdate,
    Ending,
    SessionDescription,
)
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from transports.sip.calls.ending import (
    ending_of,
    ending_of_reasons,
    ending_of_trouble,
    status_of_trouble,
    text_of,
    words_of,
)
from transports.sip.calls.keypad import Keypad
from transports.sip.calls.party import ABILITIES, ALLOW, Heard, Party, Stack
from transports.sip.calls.renegotiation import agreed, answer_as_before, is_held, is_unchanged, with_hold
from transports.sip.calls.transfers import Transfers
from transports.sip.dialogs.callee import Established
from transports.sip.dialogs.callee import Over as NotTaken
from transports.sip.dialogs.caller import Answered, Rang, Unanswered
from transports.sip.dialogs.offer import OutOfTurn, unheld
from transports.sip.dialogs.session import Agreed, Asked, Offered, OfferRefused, Over
from transports.sip.lines.routes import Trunk
from transports.sip.lines.way import Way
from transports.sip.media.backend import Anchor
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.sdp import Description, parse_sdp
from transports.sip.wire.uri import Malformed, Uri

PATIENCE = 30.0
"""Seconds in which the user's client has to answer other media of the peer's."""
BUSY_PAUSE = 1.0
"""Seconds until we try again to tell the peer of a hold, while something else is under way."""
MAX_REDIRECTS = 5
GENERIC = parse_sdp(
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 9 RTP/AVP 0 8 9 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
)
"""What a peer is taken to offer who wants our offer: telephones know it."""

T = TypeVar("T")


class Turn(Enum):
    """Whose offer waits; OURS is one of which the user need not know."""

    NOBODY = "nobody's"
    USER = "the user's"
    PEER = "the peer's"
    OURS = "ours"


class Desk(Protocol):
    """Who has all calls."""

    stack: Stack

    def tell(self, call: Call, event: CallEvent) -> None:
        """Tell the user."""

    def dialled(self, call: Call, call_id: str) -> None:
        """SIP will know the call by this Call-ID."""

    def way(self, user: UserId, contact: ContactId) -> Way:
        """Return how the user reaches a contact. Raises BridgeError."""

    def way_to(self, call: Call, uri: Uri) -> Way:
        """Return how to go on to where a peer sends us. Raises BridgeError, also for what is not allowed."""

    def other(self, call: Call, id: CallId) -> Call | None:
        """Return another call of the same user."""

    def message(self, call: Call, request: Request) -> None:
        """Take a MESSAGE in the call's dialog."""

    def ended(self, call: Call, ending: Ending, text: str) -> None:
        """The call is over."""


class Call:
    """See the module's docstring. It is begun by `place` or `present`; whoever makes it sets its anchor."""

    log = Logger()
    anchor: Anchor

    def __init__(
        self,
        id: CallId,
        user: UserId,
        contact: ContactId,
        trunk: Trunk | None,
        is_incoming: bool,
        desk: Desk,
    ) -> None:
        self.id, self.user, self.contact = id, user, contact
        self.trunk, self.is_incoming = trunk, is_incoming
        self._desk, self._clock = desk, desk.stack.means.clock
        self._takes_early = trunk is not None and trunk.config.early_media == "answer"
        self.party: Party | None = None
        self.coming: Party | None = None
        """Who is to take the party's place."""
        self.turn = Turn.NOBODY
        self.is_over = self.is_standing = False
        self.said = self.theirs = SessionDescription(contents=())
        """What the user's client said of itself last, and what it knows of the peer."""
        self.began = self._clock.seconds()
        self.rang_at: float | None = None
        self.answered_at: float | None = None
        self._redirects = 0
        self._is_known = False
        self._anchored: Description | None = None
        self._waiting: SessionDescription | None = None
        self._proposed: SessionDescription | None = None
        self._is_sent = False
        self._wants_hold = self._is_held = self._peer_holds = False
        self._again: Any = None
        self._patience: Any = None
        self._deferred: Callable[[], None] | None = None
        self.transfers = Transfers(self, desk)
        self.keypad = Keypad(self, self._clock, trunk is not None and trunk.config.digits == "info")

    # ---- how it begins

    def place(self, offer: SessionDescription, way: Way) -> None:
        """Call the contact for the user."""
        self._is_known = True
        self.said, self.turn = offer, Turn.USER
        self.run(self._place(offer, way))

    async def _place(self, offer: SessionDescription, way: Way) -> None:
        description = await self.still(self.anchor.offer_to_sip(offer))
        self.party = await self.dial(way, description)

    async def dial(self, way: Way, offer: Description, fields: Fields = (), coming: bool = False) -> Party:
        """Begin to call somebody."""
        hops = await self.still(way.hops())
        party = Party(self._desk.stack, self.heard, way.contact(hops[0], is_call=True), way.client, hops)
        if coming:
            self.coming = party
        else:
            self.party = party
        call_id = self._desk.stack.means.token()
        self._desk.dialled(self, call_id)
        party.dial(way.uri, way.caller, offer, (*way.caller_fields, *fields), call_id)
        return party

    def present(self, party: Party, nick: str) -> None:
        """Tell the user that the contact calls."""
        self.party, self.turn = party, Turn.PEER
        self.run(self._present(party.offered or GENERIC, nick))

    async def _present(self, offer: Description, nick: str) -> None:
        self._anchored = offer
        self._waiting = await self.still(self.anchor.offer_to_xmpp(offer))
        self._is_known = True
        self.tell(CallOffer(call=self.id, contact=self.contact, nick=nick, description=self._waiting))

    # ---- what the user does

    def submit(self, event: CallEvent | CallTransfer) -> None:
        """Do what the user wants."""
        match event:
            case CallRinging() if self.party is not None and not self.is_standing:
                self.rang_at = self.rang_at or self._clock.seconds()
                self.party.ring()
            case CallAnswer(description=description) if self._waiting is not None:
                self.run(self._accept(description, self._waiting))
            case CallUpdate(description=description):
                self._propose(description)
            case CallRefused(crossed=crossed) if self._waiting is not None and self.is_standing:
                self._user_refused(crossed)
            case CallCandidates(content=content, endpoint=endpoint):
                self.anchor.candidates(content, endpoint)
            case CallHold(held=held):
                self._wants_hold = held
                self.check()
            case CallDigits():
                self.keypad.press(event.digits, event.duration)
            case CallTransfer():
                self.transfers.ask(event)
            case CallEnd(ending=ending, text=text):
                self._end(ending, text, None)

    async def _accept(self, description: SessionDescription, offered: SessionDescription) -> None:
        """Pass on the user's answer to the peer's first or later offer."""
        self._forget_offer()
        self.said, self.theirs = description, agreed(offered, description)
        answer = await self.still(self.anchor.answer_to_sip(description))
        if self.party is None:
            return
        if self.is_standing:
            self.party.answer(answer)
        else:
            self.is_standing = True
            self.party.accept(answer)
        self.turn = Turn.NOBODY
        self.check()

    def _user_refused(self, crossed: bool) -> None:
        self._forget_offer()
        self._refuse(491 if crossed else 488)

    def _forget_offer(self) -> None:
        self._waiting = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: int) -> None:
        """Refuse the peer's offer, and have the anchor forget it."""
        if self.party is not None:
            self.party.refuse(status)
        self.run(self.anchor_again())

    def _propose(self, description: SessionDescription) -> None:
        if self.turn is not Turn.NOBODY or not self.is_standing:
            self.tell(CallRefused(call=self.id, crossed=self.turn in (Turn.PEER, Turn.OURS)))
            return
        self.turn, self._proposed = Turn.USER, description
        self.run(self._update(description))

    async def _update(self, description: SessionDescription) -> None:
        try:
            offer = await self.still(self.anchor.offer_to_sip(description))
        except BridgeError as error:
            self.log.info("{call}: other media are refused: {reason}", call=self.id, reason=error.text)
            self._update_failed(crossed=False)
            return
        self._is_sent = self.party is not None and self.party.offer(offer)
        if not self._is_sent:
            self._update_failed(crossed=True)

    def _update_failed(self, crossed: bool) -> None:
        self._proposed = None
        self.tell(CallRefused(call=self.id, crossed=crossed))
        self.run(self.anchor_again())

    # ---- what the peer does

    def heard(self, party: Party, event: Heard) -> None:
        """Take what a party tells."""
        if self.is_over:
            return
        if party is self.coming:
            self.transfers.heard(party, event)
        elif party is self.party:
            self._peer_does(party, event)

    def _peer_does(self, party: Party, event: Heard) -> None:
        match event:
            case Rang():
                self._rang(event)
            case Answered():
                self._answered(event)
            case Unanswered(status=status, response=response):
                self._unanswered(status, response)
            case Established():
                self.answered_at = self._clock.seconds()
                self.check()
            case NotTaken(status=status):
                self.end(ending_of(status), text_of(party.reasons) or words_of(status, None))
            case Offered(description=description):
                self._offered(party, description)
            case Agreed():
                self._agreed()
            case OfferRefused(status=status):
                self._offer_refused(status)
            case Asked(request=request):
                self._asked(party, request)
            case Over(reasons=reasons):
                self._hung_up(*ending_of_reasons(reasons))

    def _rang(self, event: Rang) -> None:
        if self.rang_at is None:
            self.rang_at = self._clock.seconds()
            self.tell(CallRinging(call=self.id))
        if self._takes_early and event.description is not None and self._anchored is None:
            self.run(self._take_answer(event.description))

    def _answered(self, event: Answered) -> None:
        self.answered_at = self._clock.seconds()
        remote = event.leg.negotiation.remote
        if self._anchored is None and remote is not None:
            self.run(self._take_answer(remote))
        else:
            self.check()

    async def _take_answer(self, remote: Description) -> None:
        """Tell the user of the answer to his first offer."""
        self._anchored = remote
        self.theirs = await self.still(self.anchor.answer_to_xmpp(remote))
        self.turn, self.is_standing = Turn.NOBODY, True
        self.tell(CallAnswer(call=self.id, description=self.theirs))
        self.check()

    def _unanswered(self, status: int, response: Response | None) -> None:
        target = self.transfers.redirection(response) if 300 <= status < 400 and response else None
        if target is None or self._redirects >= MAX_REDIRECTS or self.is_standing:
            self.end(ending_of(status), words_of(status, response))
            return
        self._redirects += 1
        self.run(self._redirect(target))

    async def _redirect(self, target: Uri) -> None:
        way = self._desk.way_to(self, target)
        await self.dial(way, await self.still(self.anchor.offer_to_sip(self.said)))

    def _hung_up(self, ending: Ending, text: str) -> None:
        if not self.transfers.is_left():
            self.end(ending, text)

    def _asked(self, party: Party, request: Request) -> None:
        match request.method:
            case "INFO":
                self.keypad.told(party, request)
            case "REFER":
                self.transfers.referred(party, request)
            case "NOTIFY":
                self.transfers.notified(party, request)
            case "MESSAGE":
                self._desk.message(self, request)
            case "OPTIONS":
                party.reply(request, 200, ABILITIES)
            case _:
                party.reply(request, 405, ALLOW)

    # ---- offers in the call

    def _offered(self, party: Party, description: Description | None) -> None:
        negotiation = party.negotiation
        if self._is_sent:
            self._give_way(party)
        if self.turn is not Turn.NOBODY or negotiation is None:
            if not self.defer(lambda: self._offered(party, description)):
                party.refuse(491)
        elif description is None or description == negotiation.remote:
            self._repeat(party, is_offer=description is None)
        else:
            self.turn = Turn.PEER
            self.run(self._take_offer(party, description))

    def _give_way(self, party: Party) -> None:
        """Let the peer's offer go first: ours has crossed an earlier one of his, and waits."""
        party.withdraw()
        self._is_sent = False
        if self._proposed is not None:
            self._proposed = None
            self.tell(CallRefused(call=self.id, crossed=True))
        else:
            self._is_held = not self._is_held
        self.turn = Turn.NOBODY

    def _repeat(self, party: Party, is_offer: bool) -> None:
        """Say what was agreed once more; should the peer say anything new to it, `check` sees it.

        What we offer is what we want: who held, and asks for our offer, may end that by his answer.
        """
        local = party.negotiation.local if party.negotiation else None
        if local is not None and is_offer and self._peer_holds:
            local = unheld(local, self._is_held)
        try:
            if local is not None:
                party.answer(local)
        except (Malformed, OutOfTurn):
            party.refuse(488)

    async def _take_offer(self, party: Party, description: Description) -> None:
        try:
            offered = await self.still(self.anchor.offer_to_xmpp(description))
            if not is_unchanged(self.theirs, offered):
                self._anchored, self._waiting = description, offered
                self._patience = self._clock.callLater(PATIENCE, self._impatient)
                self.tell(CallUpdate(call=self.id, description=offered))
                return
            answer = answer_as_before(offered, self.said, self.theirs, self._is_held)
            party.answer(await self.still(self.anchor.answer_to_sip(answer)))
        except (BridgeError, Malformed, OutOfTurn) as error:
            self._refuse(status_of_trouble(error) if isinstance(error, BridgeError) else 488)
            return
        self._anchored, self.turn = description, Turn.NOBODY
        self._show_hold(is_held(offered))
        self.check()

    def _show_hold(self, held: bool) -> None:
        if held is not self._peer_holds:
            self._peer_holds = held
            self.tell(CallHold(call=self.id, held=held))

    def _impatient(self) -> None:
        self._patience = None
        self.end(Ending.TIMED_OUT, "The other media were not answered.")

    def _agreed(self) -> None:
        if self._is_sent:
            self._is_sent = False
            self.run(self._finish())
        else:
            self.check()

    async def _finish(self) -> None:
        """Tell of the answer to an offer of the user's, or of ours."""
        remote = self.party.negotiation.remote if self.party and self.party.negotiation else None
        if remote is None:
            return
        self._anchored = remote
        answer = await self.still(self.anchor.answer_to_xmpp(remote))
        proposed, self._proposed = self._proposed, None
        self.turn = Turn.NOBODY
        if proposed is not None:
            self.said, self.theirs = proposed, answer
            self.tell(CallAnswer(call=self.id, description=answer))
        self.check()

    def _offer_refused(self, status: int) -> None:
        if not self._is_sent:
            return
        self._is_sent = False
        if self._proposed is not None:
            self._update_failed(crossed=status == 491)
        else:
            self.run(self.anchor_again())

    def defer(self, do: Callable[[], None]) -> bool:
        """Do something as soon as nothing is under way; False if that cannot be, or something else waits."""
        if self.is_over or self.is_free or self._deferred is not None:
            return False
        self._deferred = do
        return True

    def _do_deferred(self) -> bool:
        do, self._deferred = self._deferred, None
        if do is not None:
            do()
        return do is not None

    def check(self) -> None:
        """If nothing is under way, do what was put off: tell the anchor of the peer, the peer of a hold."""
        negotiation = self.party.negotiation if self.party is not None else None
        if self.is_over or self.turn is not Turn.NOBODY or negotiation is None or not self.is_standing:
            return
        if self._do_deferred():
            return
        if negotiation.remote is not None and negotiation.remote != self._anchored:
            self.run(self.anchor_again())
        elif self._wants_hold is not self._is_held:
            self.turn = Turn.OURS
            self.run(self._hold(self._wants_hold))

    async def _hold(self, held: bool) -> None:
        offer = await self.still(self.anchor.offer_to_sip(with_hold(self.said, held)))
        self._is_sent = self.party is not None and self.party.offer(offer)
        if self._is_sent:
            self._is_held = held
        else:
            self.turn = Turn.NOBODY
            self._again = self._clock.callLater(BUSY_PAUSE, self.check)

    async def anchor_again(self) -> None:
        """Have the anchor know what holds with the peer, as if he had offered it and the user had agreed."""
        negotiation = self.party.negotiation if self.party is not None else None
        if negotiation is not None and negotiation.remote is not None:
            self.turn = Turn.OURS
            self._anchored = negotiation.remote
            offered = await self.still(self.anchor.offer_to_xmpp(negotiation.remote))
            answer = answer_as_before(offered, self.said, self.theirs, self._is_held)
            await self.still(self.anchor.answer_to_sip(answer))
            self._show_hold(is_held(offered))
        self.turn = Turn.NOBODY
        self.check()

    @property
    def is_free(self) -> bool:
        """Tell whether it stands, and nobody's offer waits."""
        return self.is_standing and self.turn is Turn.NOBODY and not self.is_over

    def take_turn(self) -> None:
        """Have nobody else offer anything for now."""
        self.turn = Turn.OURS

    def swap(self, party: Party, remote: Description) -> None:
        """Put somebody in the peer's place, of whom the anchor has been told."""
        old, self.party, self.coming = self.party, party, None
        self._anchored, self._is_held = remote, False
        if old is not None:
            old.end(Ending.SUCCESS, "")
        self.turn = Turn.NOBODY
        self._show_hold(False)
        self.check()

    # ---- how it ends

    @property
    def signalled_from(self) -> str:
        """See `Listener`."""
        party = self.coming or self.party
        return party.host if party is not None else ""

    def media_lost(self, reason: str) -> None:
        """End it: nothing can be heard any more."""
        self.end(Ending.CONNECTIVITY, reason)

    def pressed(self, digit: str) -> None:
        """Tell the user which key the peer pressed."""
        self.keypad.pressed(digit)

    def end(self, ending: Ending, text: str = "", status: int | None = None) -> None:
        """End it and tell the user; a caller who waits for an answer gets the `status`."""
        if not self.is_over:
            if self._is_known:
                self.tell(CallEnd(call=self.id, ending=ending, text=text))
            self._end(ending, text, status)

    def _end(self, ending: Ending, text: str, status: int | None) -> None:
        self.is_over = True
        self._stop_timers()
        self._do_deferred()
        for party in (self.party, self.coming):
            if party is not None:
                party.end(ending, text, status)
        self.anchor.end()
        self._desk.ended(self, ending, text)

    # ---- how things are done

    def tell(self, event: CallEvent) -> None:
        """Tell the user."""
        if not self.is_over:
            self._desk.tell(self, event)

    async def still(self, waited: Awaitable[T]) -> T:
        """Wait for something; what waits ends here if the call is over by then."""
        result = await waited
        if self.is_over:
            raise CancelledError
        return result

    def run(self, doing: Coroutine[Any, Any, Any]) -> None:
        """Do something that takes time; a failure ends the call."""
        Deferred.fromCoroutine(doing).addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        error = failure.value
        if self.is_over:
            return
        if isinstance(error, Malformed | OutOfTurn):
            error = BridgeError(Trouble.NOT_ACCEPTABLE)
        if not isinstance(error, BridgeError):
            self.log.failure("a call failed", failure)
            error = BridgeError(Trouble.INTERNAL)
        self.end(ending_of_trouble(error), error.text, status_of_trouble(error))

    def _stop_timers(self) -> None:
        self._forget_offer()
        self.transfers.stop()
        self.keypad.stop()
        if self._again is not None and self._again.active():
            self._again.cancel()
