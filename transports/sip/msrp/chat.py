"""One chat: its dialog of SIP, its session of MSRP, and the messages that wait for them (RFC 7573)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, DirectMessage, Failed, Kind, Sent, TypingState, UserId
from transports.sip.calls.party import Heard, Party
from transports.sip.dialogs.callee import Established
from transports.sip.dialogs.callee import Over as NotTaken
from transports.sip.dialogs.caller import Answered, Unanswered
from transports.sip.dialogs.offer import OutOfTurn
from transports.sip.dialogs.session import Asked, Offered, Over
from transports.sip.lines.way import Way
from transports.sip.messages.content import COMPOSING, PLAIN, composing, words
from transports.sip.msrp.connection import Connection
from transports.sip.msrp.cpim import reads, wrap
from transports.sip.msrp.frame import Frame
from transports.sip.msrp.session import Arrived, Delivered, Lost, Session, Transmit
from transports.sip.msrp.terms import CPIM, Terms, answer, offer, read_terms
from transports.sip.status import trouble_of_status
from transports.sip.wire.message import Request
from transports.sip.wire.sdp import Description
from transports.sip.wire.uri import Malformed, Uri

BEGIN_LIMIT = 30.0
"""Seconds in which a chat has to be there; then its messages go another way, as MESSAGE."""
MAX_WAITING = 50
"""Messages that may wait for that."""
TOO_LONG = "This message is too long for SIP: at most about {limit} bytes can be carried."


class State(Enum):
    """How far a chat is."""

    BEGINNING = "beginning"
    OPEN = "open"
    OVER = "over"


class Chats(Protocol):
    """What a chat wants of all the others' keeper."""

    limit: int
    idle: float

    @property
    def clock(self) -> Any:
        """The reactor, for its clock."""

    def token(self) -> str:
        """Make a word that nobody can guess."""

    def connect(self, terms: Terms) -> Deferred[Connection]:
        """Connect to the next hop on the path to a peer. Fails if that may not or cannot be."""

    def tell(self, user: UserId, event: Sent | Failed) -> None:
        """Tell a user what became of his message."""

    def arrived(self, chat: Chat, event: Arrived) -> None:
        """Pass on what the peer says."""

    def asked(self, chat: Chat, party: Party, request: Request) -> None:
        """Take a request in a chat's dialog."""

    def ended(self, chat: Chat, waiting: list[DirectMessage], *, is_refused: bool) -> None:
        """Forget a chat; what still waits has to go another way."""


class Chat:
    """See the module's docstring. `uri` is ours in MSRP, whose last part is `id`."""

    log = Logger()

    def __init__(self, chats: Chats, id: str, uri: str, user: UserId, contact: ContactId) -> None:
        self._chats, self.id, self._uri = chats, id, uri
        self.user, self.contact = user, contact
        self.state = State.BEGINNING
        self.party: Party | None = None
        self._ends: tuple[Uri, Uri] = (Uri(scheme="sip"), Uri(scheme="sip"))
        self._terms: Terms | None = None
        self._session: Session | None = None
        self._connection: Connection | None = None
        self._waiting: deque[DirectMessage] = deque()
        self._sent: dict[str, DirectMessage] = {}
        self._is_shown = False
        self._timer: Any = self._clock.callLater(BEGIN_LIMIT, self._expire)
        self._alarm: Any = None

    @property
    def _clock(self) -> Any:
        return self._chats.clock

    # ---- how it begins

    def place(self, way: Way, uri: Uri, make: Callable[[Way], Deferred[Party]]) -> None:
        """Ask the contact for a chat; `make` makes the party when it is known where to."""

        def made(party: Party) -> None:
            if self.state is State.OVER:
                return
            self.party = party
            description = offer(self._uri, self._chats.limit, 1)
            party.dial(uri, way.author, description, way.author_fields)

        self._ends = (way.sender, uri)
        make(way).addCallback(made).addErrback(self._not_begun)

    def take(self, party: Party, sender: Uri, recipient: Uri) -> bool:
        """Accept a chat that the peer offers; False if it is none that can be had."""
        self.party, self._ends = party, (recipient, sender)
        try:
            offered = party.offered
            self._terms = read_terms(offered) if offered is not None else None
            if self._terms is None or offered is None or not self._terms.is_usable:
                return False
            party.accept(answer(offered, self._uri, self._chats.limit, 1))
        except (Malformed, OutOfTurn):
            return False
        return True

    def _not_begun(self, failure: Failure) -> None:
        if not failure.check(BridgeError):
            self.log.failure("a chat could not be begun", failure)
        self.end()

    def heard(self, party: Party, event: Heard) -> None:
        """Take what the dialog tells."""
        match event:
            case Answered(leg=leg) if self.state is State.BEGINNING:
                self._answered(leg.negotiation.remote)
            case Unanswered() | BridgeError():
                self.end(is_refused=isinstance(event, Unanswered))
            case Established():
                self._settle()
            case NotTaken() | Over():
                self.party = None
                self.end()
            case Offered(description=description):
                self._offered(party, description)
            case Asked(request=request):
                self._chats.asked(self, party, request)

    def _answered(self, remote: Description | None) -> None:
        """Whoever has offered connects (RFC 4975 §5.4)."""
        try:
            if remote is None:
                raise Malformed("there is no answer")
            self._terms = read_terms(remote)
        except Malformed:
            self._terms = None
        if self._terms is None or not self._terms.is_usable:
            self.end(is_refused=True)
            return
        self._chats.connect(self._terms).addCallbacks(self._connected, self._not_connected)

    def _connected(self, connection: Connection) -> None:
        if self.state is State.OVER:
            connection.end()
            return
        self._bind(connection)
        if self._session is not None and not self._waiting:
            self._session.greet()
        self._settle()

    def _not_connected(self, failure: Failure) -> None:
        self.log.debug("a chat was not connected: {reason}", reason=failure.getErrorMessage())
        self.end(is_refused=True)

    def _bind(self, connection: Connection) -> None:
        assert self._terms is not None
        self._connection = connection
        connection.adopt(self)
        self._session = Session(
            self._uri, self._terms.path, self._chats.limit, reads, self._clock.seconds, self._chats.token
        )

    def _settle(self) -> None:
        """Begin to talk, once there are a dialog and a connection."""
        if self._connection is None or self.state is not State.BEGINNING:
            return
        if self.party is None or self.party.dialog is None:
            return
        self.state = State.OPEN
        self._touch()
        while self._waiting and self.state is State.OPEN:
            self._send(self._waiting.popleft())
        self._pump()

    def _offered(self, party: Party, description: Description | None) -> None:
        """Answer an offer that changes nothing; another path to the peer would be another chat."""
        try:
            if description is None:
                party.answer(offer(self._uri, self._chats.limit, 1))
            elif self._terms is not None and read_terms(description).path == self._terms.path:
                party.answer(answer(description, self._uri, self._chats.limit, 1))
            else:
                party.refuse(488)
        except (Malformed, OutOfTurn):
            party.refuse(488)

    # ---- what is said

    def say(self, event: DirectMessage) -> None:
        """Send a message, or keep it until there is a session. Raises BridgeError."""
        if self.state is State.OPEN:
            self._send(event)
            self._pump()
        elif len(self._waiting) >= MAX_WAITING:
            raise BridgeError(Trouble.OVERLOADED)
        else:
            self._waiting.append(event)

    def _send(self, event: DirectMessage) -> None:
        session, terms = self._session, self._terms
        assert session is not None and terms is not None
        text = f"/me {event.body.plain}" if event.kind is Kind.EMOTE else event.body.plain
        ((_, content_type),), body = words(text)
        content_type, body = self._dressed(terms, PLAIN, content_type, body)
        if session.is_full:
            error = BridgeError(Trouble.OVERLOADED)
        elif terms.max_size is not None and len(body) > terms.max_size:
            error = BridgeError(Trouble.TOO_LONG, TOO_LONG.format(limit=terms.max_size))
        else:
            self._touch()
            self._is_shown = False
            self._sent[session.send(content_type, body)] = event
            return
        self._chats.tell(self.user, Failed(ref=event.ref, error=error))

    def _dressed(self, terms: Terms, kind: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        if terms.takes(kind):
            return content_type, body
        return CPIM, wrap(*self._ends, content_type, body)

    def type(self, state: TypingState) -> None:
        """Show that the user is writing, or no longer (RFC 7573 §6)."""
        session, terms, is_active = self._session, self._terms, state is TypingState.COMPOSING
        if self.state is not State.OPEN or session is None or terms is None or is_active is self._is_shown:
            return
        if not (terms.takes(COMPOSING) or terms.takes_wrapped(COMPOSING)):
            return
        self._is_shown = is_active
        ((_, content_type),), body = composing(state)
        session.send(*self._dressed(terms, COMPOSING, content_type, body), is_tracked=False)
        self._pump()

    def report(self, id: str, length: int, status: int) -> None:
        """Tell the peer what became of a message of his."""
        if self._session is not None and self.state is State.OPEN:
            self._session.report(id, length, status)
            self._pump()

    def receive(self, frame: Frame, connection: Connection) -> None:
        """Take a frame of this chat; on one connection (RFC 4975 §10.10), but where relays are between."""
        if self._connection is None and self._terms is not None and self.state is State.BEGINNING:
            self._bind(connection)
            self._settle()
        has_relays = self._terms is not None and len(self._terms.path) > 1
        if self._session is None or not (connection is self._connection or has_relays):
            if frame.method:
                connection.respond(frame, 506 if self._connection is not None else 481)
            return
        self._session.receive(frame)
        self._pump(connection)

    def _pump(self, connection: Connection | None = None) -> None:
        """Do what the session says; responses go where their requests came from."""
        session, connection = self._session, connection or self._connection
        while session is not None and (events := session.events()):
            for event in events:
                match event:
                    case Transmit(data=data) if connection is not None:
                        connection.send(data)
                    case Arrived():
                        self._touch()
                        self._chats.arrived(self, event)
                    case Delivered(id=id) if id in self._sent:
                        self._chats.tell(self.user, Sent(ref=self._sent.pop(id).ref))
                    case Lost(id=id, status=status) if id in self._sent:
                        error = trouble_of_status(status)
                        self._chats.tell(self.user, Failed(ref=self._sent.pop(id).ref, error=error))
        self._schedule()

    # ---- timers and the end

    def _touch(self) -> None:
        """Somebody has said something."""
        if self.state is State.OPEN:
            self._timer.reset(self._chats.idle)

    def _schedule(self) -> None:
        deadline = self._session.next_deadline if self._session is not None else None
        if deadline is None or self.state is State.OVER or (self._alarm and self._alarm.active()):
            return
        self._alarm = self._clock.callLater(max(0.0, deadline - self._clock.seconds()), self._give_up)

    def _give_up(self) -> None:
        if self._session is not None:
            self._session.expire()
            self._pump()

    def _expire(self) -> None:
        self.end(is_refused=self.state is State.BEGINNING)

    def disconnected(self) -> None:
        """The connection is gone: so is the session (RFC 4975 §5.4)."""
        self._connection = None
        self.end()

    def end(self, *, is_refused: bool = False) -> None:
        """End it, however far it is."""
        if self.state is State.OVER:
            return
        self.state = State.OVER
        for timer in (self._timer, self._alarm):
            if timer is not None and timer.active():
                timer.cancel()
        if self._session is not None:
            self._session.close()
            self._pump()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disown(self)
        had_session, self._session = self._session is not None, None
        if self.party is not None:
            self.party.end(Ending.SUCCESS if had_session else Ending.INCOMPATIBLE, "")
        self._chats.ended(self, list(self._waiting), is_refused=is_refused)
        self._waiting.clear()
