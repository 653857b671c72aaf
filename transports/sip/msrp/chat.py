"""One chat between a user and a contact: the messages that wait for it, and those in it (RFC 7573)."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from bridge import degrade
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, DirectMessage, Failed, Kind, Sent, TypingState, UserId
from transports.sip.calls.party import Party
from transports.sip.messages.content import COMPOSING, PLAIN, composing, words
from transports.sip.msrp.conversation import Conversation, End, State
from transports.sip.msrp.cpim import wrap
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.session import Arrived, Delivered, Event, Lost
from transports.sip.msrp.terms import CPIM, Terms
from transports.sip.status import trouble_of_status
from transports.sip.wire.message import Request

MAX_WAITING = 50
"""Messages that may wait for a chat to begin; if it does not, they go another way, as MESSAGE."""
TOO_LONG = "This message is too long for SIP: at most about {limit} bytes can be carried."


class Chats(Protocol):
    """What a chat wants of all the others' keeper."""

    def tell(self, user: UserId, event: Sent | Failed) -> None:
        """Tell a user what became of his message."""

    def arrived(self, chat: Chat, event: Arrived) -> None:
        """Pass on what the peer says."""

    def asked(self, chat: Chat, party: Party, request: Request) -> None:
        """Take a request in a chat's dialog."""

    def ended(self, chat: Chat, waiting: list[DirectMessage], end: End) -> None:
        """Forget a chat; what still waits has to go another way."""


class Chat(Conversation):
    """See the module's docstring."""

    def __init__(
        self, chats: Chats, exchange: Exchange, user: UserId, contact: ContactId, *, is_secure: bool
    ) -> None:
        super().__init__(exchange, user, is_secure=is_secure)
        self._chats = chats
        self.user, self.contact = user, contact
        self.idle = exchange.idle
        self._waiting: deque[DirectMessage] = deque()
        self._sent: dict[str, DirectMessage] = {}
        self._is_shown = False
        self._is_left = False
        self._thread = ""

    @property
    def thread(self) -> str:
        """The user's own name for it, or what it is called on SIP (RFC 7573 §4)."""
        dialog = self.party.dialog if self.party is not None else None
        return self._thread or (dialog.call_id if dialog is not None else "")

    def greets(self) -> bool:
        """A message tells whose connection this is as well."""
        return not self._waiting

    def opened(self) -> None:
        """Say what waits."""
        while self._waiting and self.state is State.OPEN:
            self._send(self._waiting.popleft())

    def asked(self, party: Party, request: Request) -> None:
        """Take a request in the dialog."""
        self._chats.asked(self, party, request)

    def ended(self, end: End) -> None:
        """It is over."""
        self._chats.ended(self, list(self._waiting), end)
        self._waiting.clear()

    # ---- what is said

    def say(self, event: DirectMessage) -> None:
        """Send a message, or keep it until there is a session. Raises BridgeError."""
        self._is_left = False
        self._thread = event.thread or self._thread
        if self.state is State.OPEN:
            self._send(event)
            self.pump()
        elif len(self._waiting) >= MAX_WAITING:
            raise BridgeError(Trouble.OVERLOADED)
        else:
            self._waiting.append(event)

    def _send(self, event: DirectMessage) -> None:
        session, terms = self.session, self.terms
        assert session is not None and terms is not None
        said = degrade.titled(event).body.plain
        text = f"/me {said}" if event.kind is Kind.EMOTE else said
        ((_, content_type),), body = words(text)
        content_type, body = self._dressed(terms, PLAIN, content_type, body)
        if session.is_full:
            error = BridgeError(Trouble.OVERLOADED)
        elif terms.max_size is not None and len(body) > terms.max_size:
            error = BridgeError(Trouble.TOO_LONG, TOO_LONG.format(limit=terms.max_size))
        else:
            self.touch()
            self._is_shown = False
            self._sent[session.send(content_type, body)] = event
            return
        self._chats.tell(self.user, Failed(ref=event.ref, error=error))

    def _dressed(self, terms: Terms, kind: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        if terms.takes(kind):
            return content_type, body
        sender, recipient = self.ends
        return CPIM, wrap(f"<{sender}>", f"<{recipient}>", content_type, body)

    def type(self, state: TypingState) -> None:
        """Show that the user is writing, or no longer (RFC 7573 §6)."""
        session, terms, is_active = self.session, self.terms, state is TypingState.COMPOSING
        if self.state is not State.OPEN or session is None or terms is None or is_active is self._is_shown:
            return
        if not (terms.takes(COMPOSING) or terms.takes_wrapped(COMPOSING)):
            return
        self._is_shown = is_active
        ((_, content_type),), body = composing(state)
        session.send(*self._dressed(terms, COMPOSING, content_type, body), is_tracked=False)
        self.pump()

    def leave(self) -> None:
        """The user is gone: end it when all that he said has its outcome (RFC 7573 §6.1)."""
        self._is_left = True
        if self.state is State.OPEN and not self._sent:
            self.end()

    def report(self, id: str, length: int, status: int) -> None:
        """Tell the peer what became of a message of his."""
        if self.session is not None and self.state is State.OPEN:
            self.session.report(id, length, status)
            self.pump()

    def happened(self, event: Event) -> None:
        """Take what the session tells."""
        match event:
            case Arrived():
                self.touch()
                self._chats.arrived(self, event)
            case Delivered(id=id) if id in self._sent:
                self._chats.tell(self.user, Sent(ref=self._sent.pop(id).ref))
            case Lost(id=id, status=status) if id in self._sent:
                error = trouble_of_status(status)
                self._chats.tell(self.user, Failed(ref=self._sent.pop(id).ref, error=error))
        if self._is_left:
            self.leave()
