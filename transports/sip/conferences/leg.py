"""A user's way into a conference: the dialog with its focus, the session with its switch (RFC 7702 §5)."""

from __future__ import annotations

from typing import Protocol

from bridge.errors import BridgeError, Trouble
from transports.sip.calls.party import ALLOW, Party
from transports.sip.dialogs.caller import Answered, Unanswered
from transports.sip.messages.content import words
from transports.sip.msrp.conversation import Conversation, End
from transports.sip.msrp.cpim import wrap
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.session import Event
from transports.sip.msrp.terms import CPIM
from transports.sip.status import trouble_of, trouble_of_status
from transports.sip.wire.headers import NameAddr, parse_name_addr
from transports.sip.wire.message import Request, Response
from transports.sip.wire.uri import Malformed

CHATROOM = "nickname private-messages"
NICKNAME, PRIVATE = "nickname", "private-messages"
"""What a chat room may be able to do (RFC 7701 §8)."""
NO_CONFERENCE = "This address is no conference."
TOO_LONG = "This message is too long for the conference: at most about {limit} bytes can be carried."
_TROUBLES = {
    401: Trouble.BAD_PASSWORD,
    403: Trouble.BANNED,
    404: Trouble.NO_SUCH_ROOM,
    407: Trouble.BAD_PASSWORD,
    410: Trouble.NO_SUCH_ROOM,
    480: Trouble.ROOM_FULL,
    484: Trouble.NO_SUCH_ROOM,
    486: Trouble.ROOM_FULL,
    600: Trouble.ROOM_FULL,
    603: Trouble.BANNED,
    604: Trouble.NO_SUCH_ROOM,
}
"""What an answer means to who wants to come in (XEP-0045 §7.2)."""


class Member(Protocol):
    """Whose leg it is."""

    def opened(self) -> None:
        """He is in the session."""

    def happened(self, event: Event) -> None:
        """Take what the session tells."""

    def ended(self, leg: Leg, end: End) -> None:
        """It is over."""


class Leg(Conversation):
    """See the module's docstring."""

    chatroom = CHATROOM

    def __init__(self, member: Member, exchange: Exchange, owner: str, *, is_secure: bool) -> None:
        self._member = member
        self.error: BridgeError | None = None
        """Why it could not begin."""
        super().__init__(exchange, owner, is_secure=is_secure)

    def accepts(self, answered: Answered) -> bool:
        """Tell whether it is a conference that has answered (RFC 4579 §4)."""
        if not is_focus(answered.response):
            self.error = BridgeError(Trouble.NOT_ACCEPTABLE, NO_CONFERENCE)
            return False
        return True

    def unanswered(self, event: Unanswered) -> None:
        """The focus does not let him in, or there is none."""
        self.error = entry_error(event)
        super().unanswered(event)

    def can(self, what: str) -> bool:
        """Tell whether the room can do something."""
        return self.terms is not None and what in (self.terms.chatroom or ())

    def opened(self) -> None:
        """It can be talked."""
        self._member.opened()

    def happened(self, event: Event) -> None:
        """Take what the session tells."""
        self._member.happened(event)

    def asked(self, party: Party, request: Request) -> None:
        """What becomes of an invitation is not followed (RFC 7702 §5.7)."""
        if request.method == "NOTIFY":
            party.reply(request, 200)
        else:
            party.reply(request, 405, ALLOW)

    def ended(self, end: End) -> None:
        """It is over."""
        self._member.ended(self, end)

    def send(self, sender: NameAddr, recipient: str, text: str) -> str:
        """Say something in a message of CPIM; return what names it. Raises BridgeError."""
        session, terms = self.session, self.terms
        if session is None or terms is None:
            raise BridgeError(Trouble.NOT_CONNECTED)
        if session.is_full:
            raise BridgeError(Trouble.OVERLOADED)
        ((_, content_type),), content = words(text)
        body = wrap(str(sender), recipient, content_type, content)
        if terms.max_size is not None and len(body) > terms.max_size:
            raise BridgeError(Trouble.TOO_LONG, TOO_LONG.format(limit=terms.max_size))
        return session.send(CPIM, body, is_reported=False)


def is_focus(response: Response) -> bool:
    """Tell whether who answered is the focus of a conference."""
    try:
        return any("isfocus" in _features(value) for value in response.values("Contact"))
    except Malformed:
        return False


def _features(contact: str) -> frozenset[str]:
    """RFC 7702 §5.1 has the tag beside the URI; some put it into it."""
    address = parse_name_addr(contact)
    return frozenset((*address.params, *address.uri.params))


def entry_error(event: Unanswered) -> BridgeError:
    """Return why somebody is not let in."""
    response = event.response
    if response is None or response.status != event.status:
        return trouble_of_status(event.status)
    error, special = trouble_of(response), _TROUBLES.get(event.status)
    return BridgeError(special, error.text) if special is not None else error
