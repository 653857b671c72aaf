"""Somebody of SIP in a room of XMPP, of which the gateway is his conference (RFC 7702 §6)."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, RoomId
from transports.sip.calls.party import ALLOW, Party
from transports.sip.conferences.leg import CHATROOM
from transports.sip.messages.content import words
from transports.sip.msrp.conversation import Conversation, End, State
from transports.sip.msrp.cpim import wrap
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.frame import Frame
from transports.sip.msrp.session import Arrived, Event, NameWanted
from transports.sip.msrp.terms import CPIM
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Request

MAX_EARLY = 100
"""Messages that wait until he is in the session."""
TOO_LONG = "(A message is left out here that is longer than you take.)"
NICK_TAKEN, NICK_UNFIT = 425, 423
"""A nickname that is another's, and one that cannot be had (RFC 7701 §7.2)."""


class Host(Protocol):
    """What he wants of the room's keeper."""

    def arrived(self, attendee: Attendee, event: Arrived) -> None:
        """He says something."""

    def rename(self, attendee: Attendee, nick: str) -> None:
        """He wants another nick."""

    def asked(self, attendee: Attendee, party: Party, request: Request) -> bool:
        """Take a request in his dialog; False if it is none that is served."""

    def gone(self, attendee: Attendee) -> None:
        """He is out of the session."""


class Attendee(Conversation):
    """See the module's docstring. `nick` is his in the room, or the one that he is to have."""

    chatroom = CHATROOM

    def __init__(
        self, host: Host, exchange: Exchange, guest: ContactId, room: RoomId, nick: str, *, is_secure: bool
    ) -> None:
        super().__init__(exchange, guest, is_secure=is_secure)
        self._host = host
        self.guest, self.room, self.nick = guest, room, nick
        self.is_inside = False
        """Whether the room has let him in."""
        self.tries = 0
        """How many nicks of others he was given."""
        self._early: deque[tuple[NameAddr, NameAddr, str]] = deque(maxlen=MAX_EARLY)
        self._naming: Frame | None = None

    # ---- what he is told

    def tell(self, sender: NameAddr, recipient: NameAddr, text: str) -> None:
        """Pass on what somebody says."""
        session, terms = self.session, self.terms
        if self.state is not State.OPEN or session is None or terms is None:
            self._early.append((sender, recipient, text))
            return
        ((_, content_type),), content = words(text)
        body = wrap(str(sender), str(recipient), content_type, content)
        if terms.max_size is not None and len(body) > terms.max_size:
            body = wrap(str(sender), str(recipient), content_type, TOO_LONG.encode())
        session.send(CPIM, body, is_tracked=False)
        self.pump()

    def opened(self) -> None:
        """Tell what was said meanwhile."""
        early, self._early = list(self._early), deque(maxlen=MAX_EARLY)
        for one in early:
            self.tell(*one)

    def report(self, event: Arrived, status: int) -> None:
        """Tell him what became of his message, as far as he wants to know."""
        wanted = event.wants_success if status == 200 else event.wants_failure
        if self.session is not None and self.state is State.OPEN and wanted:
            self.session.report(event.message.id, len(event.message.body), status)
            self.pump()

    def named(self, status: int) -> None:
        """Tell him whether he has the nick that he wanted."""
        naming, self._naming = self._naming, None
        if naming is not None and self.session is not None:
            self.session.answer(naming, status)
            self.pump()

    # ---- what he does

    def happened(self, event: Event) -> None:
        """Take what the session tells."""
        match event:
            case Arrived():
                self._host.arrived(self, event)
            case NameWanted(nick=nick, request=request):
                self._rename(nick, request)

    def _rename(self, nick: str, request: Frame) -> None:
        """Nobody is without a nick in a room of XMPP; and one wish at a time."""
        assert self.session is not None
        if nick == self.nick and self.is_inside:
            self.session.answer(request, 200)
        elif not nick or self._naming is not None or not self.is_inside:
            self.session.answer(request, NICK_UNFIT)
        else:
            self._naming = request
            self._host.rename(self, nick)

    def asked(self, party: Party, request: Request) -> None:
        """Take a request in his dialog."""
        if not self._host.asked(self, party, request):
            party.reply(request, 405, ALLOW)

    def ended(self, end: End) -> None:
        """It is over."""
        self._host.gone(self)


def nick_status(error: BridgeError) -> int:
    """Return what the NICKNAME of somebody is answered whom the room does not let have it."""
    return NICK_TAKEN if error.trouble in (Trouble.NICK_IN_USE, Trouble.CONFLICT) else NICK_UNFIT
