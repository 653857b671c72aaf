"""Transfers of one call: the peer sends us to somebody else, is replaced, or is sent on by the user.

RFC 3515 and RFC 3891. A peer's REFER is followed here: the new call takes the place of the old one once it
is answered, and XMPP sees nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.calls import CallRefused, CallTransfer, Ending
from bridge.errors import BridgeError, Trouble
from transports.sip.calls.ending import ending_of, status_of_trouble, words_of
from transports.sip.calls.renegotiation import answer_as_before, is_unchanged
from transports.sip.dialogs.callee import Over as NotTaken
from transports.sip.dialogs.caller import Answered, Rang, Unanswered
from transports.sip.dialogs.dialog import DialogId
from transports.sip.dialogs.offer import OutOfTurn
from transports.sip.dialogs.transfer import (
    FRAGMENT,
    Referral,
    Replaces,
    fragment,
    parse_referral,
    refer_fields,
    status_of,
)
from transports.sip.lines.way import Way
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.sdp import Description
from transports.sip.wire.uri import Malformed, Uri

if TYPE_CHECKING:
    from transports.sip.calls.call import Call, Desk
    from transports.sip.calls.party import Heard, Party

PATIENCE = 60.0
"""Seconds in which a peer has to tell whether it could follow our REFER."""


class Transfers:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, call: Call, desk: Desk) -> None:
        self._call, self._desk = call, desk
        self._referrer: tuple[Party, int] | None = None
        """Whose REFER we follow, and its number."""
        self._is_left = False
        self._asked: Any = None
        """The timer of our own REFER."""

    def stop(self) -> None:
        """Forget what is under way."""
        if self._asked is not None and self._asked.active():
            self._asked.cancel()
        self._asked = None

    # ---- the user sends the peer on

    def ask(self, event: CallTransfer) -> None:
        """Have the peer call somebody else (REFER)."""
        call, party = self._call, self._call.party
        try:
            if not call.is_standing or party is None or party.dialog is None or self._asked is not None:
                raise BridgeError(Trouble.CONFLICT)
            asked = party.ask("REFER", (*party.contact, *self._refer_fields(event, party)))
        except BridgeError as error:
            self._not_sent_on(error.text)
            return
        self._asked = self._desk.stack.means.clock.callLater(PATIENCE, self._not_sent_on, "no answer")
        asked.addCallbacks(self._referred, self._failed)

    def _refer_fields(self, event: CallTransfer, party: Party) -> Fields:
        call = self._call
        way = self._desk.way(call.user, event.contact)
        if event.replaces is None:
            return refer_fields(Referral(target=way.uri), way.caller.uri)
        other = self._desk.other(call, event.replaces)
        dialog = other.party.dialog if other is not None and other.party is not None else None
        if dialog is None:
            raise BridgeError(Trouble.NOT_FOUND)
        theirs = DialogId(dialog.call_id, local_tag=dialog.remote.tag, remote_tag=dialog.local.tag)
        return refer_fields(Referral(target=dialog.target, replaces=Replaces(theirs)), way.caller.uri)

    def _referred(self, response: Response) -> None:
        if not response.is_success:
            self._not_sent_on(words_of(response.status, response))

    def _failed(self, failure: Failure) -> None:
        self._not_sent_on(failure.getErrorMessage())

    def _not_sent_on(self, reason: str) -> None:
        self.stop()
        self.log.info("{call}: the peer was not sent on: {reason}", call=self._call.id, reason=reason)
        self._call.tell(CallRefused(call=self._call.id))

    def notified(self, party: Party, request: Request) -> None:
        """Take a NOTIFY, which tells how the peer fares whom we sent on."""
        if self._asked is None:
            party.reply(request, 481)
            return
        party.reply(request, 200)
        try:
            status = status_of(request)
        except Malformed:
            return
        if 200 <= status < 300:
            self.stop()
            self._call.end(Ending.SUCCESS)
        elif status >= 300:
            self._not_sent_on(words_of(status, None))

    # ---- the peer sends us on

    def redirection(self, response: Response) -> Uri | None:
        """Return the first place that a 3xx names."""
        try:
            found = [parse_name_addr(one).uri for one in response.values("Contact")]
        except Malformed:
            return None
        return replace(found[0], headers=()) if found else None

    def referred(self, party: Party, request: Request) -> None:
        """Follow a REFER, if the user may call whom it names."""
        call = self._call
        if not call.is_free or self._referrer is not None:
            if self._referrer is not None or not call.defer(lambda: self.referred(party, request)):
                party.reply(request, 491)
            return
        try:
            referral = parse_referral(request)
            way = self._desk.way_to(call, referral.target)
        except Malformed:
            party.reply(request, 400)
            return
        except BridgeError as error:
            party.reply(request, status_of_trouble(error))
            return
        party.reply(request, 202, party.contact)
        self._referrer = (party, request.cseq.number)
        self._is_left = False
        self._notify(100)
        fields: Fields = (("Referred-By", by),) if (by := request.get("Referred-By")) else ()
        if referral.replaces is not None:
            fields = (*fields, ("Require", "replaces"), ("Replaces", str(referral.replaces)))
        call.take_turn()
        call.run(self._follow(way, fields))

    async def _follow(self, way: Way, fields: Fields) -> None:
        call = self._call
        try:
            offer = await call.still(call.anchor.offer_to_sip(call.said))
            await call.dial(way, offer, fields, coming=True)
        except BridgeError as error:
            self._not_followed(status_of_trouble(error))

    def _notify(self, status: int) -> None:
        if self._referrer is None:
            return
        party, number = self._referrer
        state = "terminated;reason=noresource" if status >= 200 else "active;expires=180"
        fields: Fields = (
            *party.contact,
            ("Event", f"refer;id={number}"),
            ("Subscription-State", state),
            ("Content-Type", FRAGMENT),
        )
        try:
            party.ask("NOTIFY", fields, fragment(status)).addErrback(self._unheard)
        except BridgeError:  # he has hung up already, as he may
            self.log.debug("{call}: nobody is told of {status}", call=self._call.id, status=status)

    def _unheard(self, failure: Failure) -> None:
        self.log.debug("{call}: not told: {reason}", call=self._call.id, reason=failure.getErrorMessage())

    def is_left(self) -> bool:
        """Note that the peer has hung up; tell whether somebody is to take its place."""
        self._is_left = self._call.party is not None and self._referrer is not None
        return self._is_left

    def heard(self, party: Party, event: Heard) -> None:
        """Take what is heard of who is to take the peer's place."""
        match event:
            case Rang(status=status):
                self._notify(status)
            case Answered(leg=leg) if leg.negotiation.remote is not None:
                self._call.run(self._followed(party, leg.negotiation.remote))
            case Unanswered(status=status):
                self._not_followed(status)
            case NotTaken():
                self._call.coming = None

    async def _followed(self, party: Party, remote: Description) -> None:
        call = self._call
        await call.still(call.anchor.answer_to_xmpp(remote))
        self._notify(200)
        self._referrer = None
        call.swap(party, remote)

    def _not_followed(self, status: int) -> None:
        self._notify(status)
        call, self._referrer = self._call, None
        call.coming = None
        if self._is_left:
            call.end(ending_of(status), words_of(status, None))
        else:
            call.run(call.anchor_again())

    # ---- the peer is replaced

    def replace(self, party: Party, generic: Description) -> None:
        """Put somebody in the peer's place who has sent an INVITE with Replaces (RFC 3891 §3)."""
        call = self._call
        if not call.is_free or call.coming is not None:
            party.refuse_call(491)
            return
        call.take_turn()
        call.coming = party
        call.run(self._take_over(party, party.offered or generic))

    async def _take_over(self, party: Party, offer: Description) -> None:
        call = self._call
        try:
            offered = await call.still(call.anchor.offer_to_xmpp(offer))
            if not is_unchanged(call.theirs, offered) or not party.is_ringing:
                raise BridgeError(Trouble.NOT_ACCEPTABLE)
            answer = answer_as_before(offered, call.said, call.theirs, held=False)
            party.accept(await call.still(call.anchor.answer_to_sip(answer)))
        except (BridgeError, Malformed, OutOfTurn):
            party.refuse_call(488)
            call.coming = None
            await call.anchor_again()
            return
        call.swap(party, offer)
