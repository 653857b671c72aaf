"""A dialog of SIP and its session of MSRP, from the INVITE to the BYE (RFC 4975 §5.4).

What is said in it is the business of its kinds: a chat between two, a user in a conference, a guest of
a room.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from msgspec import Struct
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from transports.sip.calls.party import ALLOW, Heard, Party
from transports.sip.dialogs.callee import Established
from transports.sip.dialogs.callee import Over as NotTaken
from transports.sip.dialogs.caller import Answered, Unanswered
from transports.sip.dialogs.offer import OutOfTurn
from transports.sip.dialogs.session import Asked, Offered, Over
from transports.sip.lines.way import Way
from transports.sip.msrp.connection import Connection
from transports.sip.msrp.cpim import reads
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.frame import Frame
from transports.sip.msrp.session import Event, Session, Transmit
from transports.sip.msrp.terms import Terms, answer, offer, read_terms
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Request
from transports.sip.wire.reason import Reason
from transports.sip.wire.sdp import Description
from transports.sip.wire.uri import Malformed, Uri

BEGIN_LIMIT = 30.0
"""Seconds in which it has to be there."""


class State(Enum):
    """How far a conversation is."""

    BEGINNING = "beginning"
    OPEN = "open"
    OVER = "over"


class End(Struct, frozen=True, kw_only=True):
    """How a conversation ended.

    `error` says why nobody could be asked, `is_refused` that who was asked does not take it; `reasons` are
    those of the peer's BYE, None if it was none that has ended it.
    """

    error: BridgeError | None = None
    is_refused: bool = False
    reasons: tuple[Reason, ...] | None = None


UNTROUBLED = End()


class Conversation:
    """See the module's docstring. `owner` is whom it counts for.

    `ends` are who speaks for us and who for the peer, in this order.
    """

    log = Logger()
    chatroom: str | None = None
    """What a=chatroom says of us (RFC 7701 §8); None where there is no such attribute."""

    def __init__(self, exchange: Exchange, owner: str, *, is_secure: bool) -> None:
        self.exchange, self.owner = exchange, owner
        self.id, self._uri = exchange.enrol(self, is_secure=is_secure)
        self.state = State.BEGINNING
        self.party: Party | None = None
        self.ends: tuple[Uri, Uri] = (Uri(scheme="sip"), Uri(scheme="sip"))
        self.terms: Terms | None = None
        self.session: Session | None = None
        self._connection: Connection | None = None
        self._timer: Any = self._clock.callLater(BEGIN_LIMIT, self._expire)
        self._alarm: Any = None

    @property
    def _clock(self) -> Any:
        return self.exchange.clock

    # ---- what its kinds do

    def opened(self) -> None:
        """There are a dialog and a connection: it can be talked."""

    def happened(self, event: Event) -> None:
        """Take what the session tells."""

    def asked(self, party: Party, request: Request) -> None:
        """Take a request in the dialog."""
        party.reply(request, 405, ALLOW)

    def ended(self, end: End) -> None:
        """It is over."""

    def accepts(self, answered: Answered) -> bool:
        """Tell whether who answered is what was looked for."""
        return True

    # ---- how it begins

    def place(self, way: Way, uri: Uri, sender: NameAddr) -> None:
        """Ask somebody for a conversation."""

        def made(party: Party) -> None:
            if self.state is not State.OVER:
                self.party = party
                party.dial(uri, sender, self._offer(), way.author_fields)

        self.ends = (way.sender, uri)
        self.exchange.party(self.heard, way).addCallback(made).addErrback(self._not_begun)

    def take(self, party: Party, sender: Uri, recipient: Uri) -> bool:
        """Look at what a peer offers, of whom `party` has taken the INVITE; False if it cannot be had."""
        self.party, self.ends = party, (recipient, sender)
        try:
            self.terms = read_terms(party.offered) if party.offered is not None else None
        except Malformed:
            self.terms = None
        return self.terms is not None and self.terms.is_usable

    def accept(self) -> bool:
        """Take what was offered; False if it is none that can be had."""
        assert self.party is not None
        try:
            if self.party.offered is not None:
                self.party.accept(self._answer(self.party.offered))
                return True
        except (Malformed, OutOfTurn):
            self.log.debug("an offered chat could not be answered")
        return False

    def _offer(self) -> Description:
        return offer(self._uri, self.exchange.limit, 1, self.chatroom)

    def _answer(self, offered: Description) -> Description:
        return answer(offered, self._uri, self.exchange.limit, 1, self.chatroom)

    def _not_begun(self, failure: Failure) -> None:
        if not failure.check(BridgeError):
            self.log.failure("a chat could not be begun", failure)
        error = failure.value if isinstance(failure.value, BridgeError) else BridgeError(Trouble.INTERNAL)
        self.end(End(error=error))

    def heard(self, party: Party, event: Heard) -> None:
        """Take what the dialog tells."""
        match event:
            case Answered() if self.state is State.BEGINNING:
                self._answered(event)
            case BridgeError():
                self.end(End(error=event))
            case Unanswered():
                self.unanswered(event)
            case Established():
                self._settle()
            case NotTaken():
                self.party = None
                self.end()
            case Over(reasons=reasons, by_peer=by_peer):
                self.party = None
                self.end(End(reasons=reasons if by_peer else None))
            case Offered(description=description):
                self._offered(party, description)
            case Asked(request=request):
                self.asked(party, request)

    def unanswered(self, event: Unanswered) -> None:
        """Nobody takes it."""
        self.end(End(is_refused=True))

    def _answered(self, event: Answered) -> None:
        """Whoever has offered connects (RFC 4975 §5.4)."""
        remote = event.leg.negotiation.remote
        try:
            self.terms = read_terms(remote) if remote is not None else None
        except Malformed:
            self.terms = None
        if self.terms is None or not self.terms.is_usable or not self.accepts(event):
            self.end(End(is_refused=True))
            return
        self.exchange.connect(self.terms).addCallbacks(self._connected, self._not_connected)

    def _connected(self, connection: Connection) -> None:
        if self.state is State.OVER:
            connection.end()
            return
        self._bind(connection)
        if self.session is not None and self.greets():
            self.session.greet()
        self._settle()

    def greets(self) -> bool:
        """Tell whether nothing else tells the peer whose connection this is (RFC 4975 §5.4)."""
        return True

    def _not_connected(self, failure: Failure) -> None:
        self.log.debug("a chat was not connected: {reason}", reason=failure.getErrorMessage())
        self.end(End(is_refused=True))

    def _bind(self, connection: Connection) -> None:
        assert self.terms is not None
        self._connection = connection
        connection.adopt(self)
        self.session = Session(
            self._uri, self.terms.path, self.exchange.limit, reads, self._clock.seconds, self.exchange.token
        )

    def _settle(self) -> None:
        """Begin to talk, once there are a dialog and a connection."""
        if self._connection is None or self.state is not State.BEGINNING:
            return
        if self.party is None or self.party.dialog is None:
            return
        self.state = State.OPEN
        self.touch()
        self.opened()
        self.pump()

    def _offered(self, party: Party, description: Description | None) -> None:
        """Answer an offer that changes nothing; another path to the peer would be another chat."""
        try:
            if description is None:
                party.answer(self._offer())
            elif self.terms is not None and read_terms(description).path == self.terms.path:
                party.answer(self._answer(description))
            else:
                party.refuse(488)
        except (Malformed, OutOfTurn):
            party.refuse(488)

    # ---- what is said

    def receive(self, frame: Frame, connection: Connection) -> None:
        """Take a frame of this chat; on one connection (RFC 4975 §10.10), but where relays are between."""
        if self._connection is None and self.terms is not None and self.state is State.BEGINNING:
            self._bind(connection)
            self._settle()
        has_relays = self.terms is not None and len(self.terms.path) > 1
        if self.session is None or not (connection is self._connection or has_relays):
            if frame.method:
                connection.respond(frame, 506 if self._connection is not None else 481)
            return
        self.session.receive(frame)
        self.pump(connection)

    def pump(self, connection: Connection | None = None) -> None:
        """Do what the session says; responses go where their requests came from."""
        session, connection = self.session, connection or self._connection
        while session is not None and (events := session.events()):
            for event in events:
                if not isinstance(event, Transmit):
                    self.happened(event)
                elif connection is not None:
                    connection.send(event.data)
        self._schedule()

    # ---- timers and the end

    idle: float | None = None
    """Seconds without a word after which it ends; None: it stays."""

    def touch(self) -> None:
        """Somebody has said something."""
        if self.state is not State.OPEN:
            return
        if self.idle is not None:
            self._timer.reset(self.idle)
        elif self._timer.active():
            self._timer.cancel()

    def _schedule(self) -> None:
        deadline = self.session.next_deadline if self.session is not None else None
        if deadline is None or self.state is State.OVER or (self._alarm and self._alarm.active()):
            return
        self._alarm = self._clock.callLater(max(0.0, deadline - self._clock.seconds()), self._give_up)

    def _give_up(self) -> None:
        if self.session is not None:
            self.session.expire()
            self.pump()

    def _expire(self) -> None:
        self.end(End(is_refused=self.state is State.BEGINNING))

    def disconnected(self) -> None:
        """The connection is gone: so is the session (RFC 4975 §5.4)."""
        self._connection = None
        self.end()

    def end(
        self, end: End = UNTROUBLED, *, farewell: Reason | None = None, status: int | None = None
    ) -> None:
        """End it, however far it is: by a BYE with `farewell`, or by `status` if it was only asked for."""
        if self.state is State.OVER:
            return
        self.state = State.OVER
        for timer in (self._timer, self._alarm):
            if timer is not None and timer.active():
                timer.cancel()
        if self.session is not None:
            self.session.close()
            self.pump()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disown(self)
        had_session, self.session = self.session is not None, None
        if self.party is not None and farewell is not None and self.party.dialog is not None:
            self.party.hang_up(farewell)
        elif self.party is not None:
            self.party.end(Ending.SUCCESS if had_session else Ending.INCOMPATIBLE, "", status)
        self.exchange.drop(self)
        self.ended(end)
