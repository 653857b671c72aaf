"""One user in one conference of SIP, from his join to his leaving, over broken links (RFC 7702 §5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    DirectMessage,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Incoming,
    Invite,
    Kind,
    Leave,
    Message,
    MessageId,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    RoomNotice,
    Sent,
    Text,
    Topic,
    TypingState,
    UserId,
)
from transports.sip.address import Spellings
from transports.sip.alarm import Alarm
from transports.sip.calls.ending import text_of
from transports.sip.conferences.info import Info
from transports.sip.conferences.leg import NICKNAME, NO_CONFERENCE, PRIVATE, Leg
from transports.sip.conferences.roster import Roster
from transports.sip.conferences.subscription import Subscription, Subscriptions
from transports.sip.lines.way import Way
from transports.sip.messages.content import Unsupported
from transports.sip.msrp.conversation import End
from transports.sip.msrp.cpim import Letter, open_letter
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.session import Arrived, Delivered, Event, Lost, Named
from transports.sip.status import trouble_of, trouble_of_status
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Response
from transports.sip.wire.reason import SIP, Reason
from transports.sip.wire.uri import Uri

ENTRY_LIMIT = 30.0
"""Seconds that a conference has to let somebody in."""
ROSTER_LIMIT = 5.0
"""Seconds that its focus has to tell who is in; then he is taken in without."""
REJOIN_DELAYS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds before each attempt to be in again; after the last one he is out."""
MAX_EARLY = 100
"""Messages that are kept until he is in."""
LOST = "The link to the conference broke; trying again."
NOT_PRIVATE = "This conference carries no private messages."
NO_NICKS = "This conference knows no nicknames that can be changed."
ME = "/me "
_GONE = (404, 410, 480, 500, 503)
"""Reasons for which a focus sends everybody away."""
_FINAL = frozenset({Trouble.BANNED, Trouble.BAD_PASSWORD, Trouble.NO_SUCH_ROOM})
"""What will not be otherwise in a while."""


class State(Enum):
    """Where the user is."""

    ENTERING = "entering"
    INSIDE = "inside"
    RETURNING = "returning"
    OVER = "over"


class Ports(Protocol):
    """What a stay needs of the others' keeper."""

    exchange: Exchange
    subscriptions: Subscriptions
    spellings: Spellings
    domain: str
    way: Callable[[UserId, ContactId], Way]

    def tell(self, user: UserId, *events: Incoming) -> None:
        """Tell the user."""

    def fresh_id(self) -> MessageId:
        """Return a fresh id for a message."""

    def over(self, stay: Stay) -> None:
        """Forget a stay."""


class Stay:
    """See the module's docstring."""

    def __init__(self, ports: Ports, user: UserId, wish: Enter) -> None:
        self._ports = ports
        self.user, self.room = user, wish.room
        self._nick = wish.nick
        self.state = State.ENTERING
        self._way: Way
        self._uri: Uri
        self._roster: Roster
        self._shown: Roster | None = None
        """As he was last shown it, while he is to be in again."""
        self._leg: Leg | None = None
        self._subscription: Subscription | None = None
        self._sent: dict[str, Message | DirectMessage] = {}
        self._early: deque[Incoming] = deque(maxlen=MAX_EARLY)
        self._attempts = 0
        self._wanted = ""
        self._alarm = Alarm(ports.exchange.clock, self._expire)

    @property
    def _now(self) -> float:
        return float(self._ports.exchange.clock.seconds())

    # ---- in

    def begin(self) -> None:
        """Ask the focus for a session. Raises BridgeError."""
        contact = ContactId(self.room)
        self._way = self._ports.way(self.user, contact)
        self._uri = self._ports.spellings.spelt(contact, self._way.uri)
        self._roster = Roster(self.room, self._way.sender, self._ports.domain)
        trunk = self._way.trunk
        is_secure = trunk is not None and trunk.config.chat == "msrps"
        self._alarm.set(self._now + ENTRY_LIMIT)
        self._leg = Leg(self, self._ports.exchange, self.user, is_secure=is_secure)
        self._leg.place(self._way, self._uri, self._sender)

    @property
    def _sender(self) -> NameAddr:
        return NameAddr(uri=self._way.sender, display=self._nick)

    def opened(self) -> None:
        """He is in the session: now he wants his nick (RFC 7702 §5.2)."""
        assert self._leg is not None and self._leg.session is not None
        if self._leg.can(NICKNAME):
            self._leg.session.name(self._nick)
        else:
            self._subscribe(is_named=False)

    def _subscribe(self, *, is_named: bool) -> None:
        """Ask who else is in (RFC 7702 §5.3); in a dialog of its own, as RFC 6665 §4.5.2 wants it."""
        self._roster.called(self._nick, is_unique=is_named)
        self._alarm.set(self._now + ROSTER_LIMIT)
        ports = self._ports
        self._subscription = Subscription(ports.subscriptions, self, self._way, self._uri)

    def informed(self, info: Info) -> None:
        """Take what the focus tells of who is in."""
        if self._leg is None:
            return
        changes = self._roster.apply(info)
        if changes is None:
            if self._subscription is not None:
                self._subscription.renew()
        elif self.state is State.INSIDE:
            self._tell(*changes)
        elif info.is_full:
            self._enter()

    def uninformed(self) -> None:
        """The focus does not tell."""
        if self._leg is not None and self.state in (State.ENTERING, State.RETURNING):
            self._enter()

    def _enter(self) -> None:
        """He is in."""
        shown, self._shown = self._shown, None
        if shown is not None:
            there = self._roster.occupants
            gone = [nick for nick in shown.occupants if nick not in there and nick != self._nick]
            self._tell(*(Leave(room=self.room, nick=nick) for nick in gone))
        self._attempts = 0
        self.state = State.INSIDE
        self._alarm.set(None)
        self._tell(self.snapshot())
        early, self._early = list(self._early), deque(maxlen=MAX_EARLY)
        self._tell(*early)

    @property
    def _me(self) -> Occupant:
        return Occupant(nick=self._nick, identity=f"{self._way.sender};", user=self.user)

    @property
    def is_inside(self) -> bool:
        """Tell whether he is in, be it that his link is broken for now."""
        return self.state is State.INSIDE or self._shown is not None

    def snapshot(self) -> Entered:
        """Return the conference as he sees it."""
        roster = self._roster if self._shown is None else self._shown
        topic = Topic(room=self.room, text=roster.subject) if roster.subject else None
        return Entered(room=self.room, me=self._me, occupants=roster.occupants, topic=topic)

    def _tell(self, *events: Incoming) -> None:
        if events:
            self._ports.tell(self.user, *events)

    def _expire(self) -> None:
        """Nothing came in time."""
        match self.state:
            case State.RETURNING if self._leg is None:
                self._return()
            case State.ENTERING | State.RETURNING if self._subscription is not None:
                self._enter()
            case State.ENTERING | State.RETURNING if self._leg is not None:
                self._leg.error = BridgeError(Trouble.TIMED_OUT)
                self._leg.end()

    # ---- out

    def depart(self, reason: str) -> None:
        """He goes (RFC 7702 §5.8)."""
        nick = self._nick
        self._close(BridgeError(Trouble.NOT_IN_ROOM))
        self._tell(Exited(room=self.room, nick=nick, exit=Exit.LEFT, reason=reason))

    def shut_down(self, reason: str) -> None:
        """The gateway ends."""
        self._close(BridgeError(Trouble.SHUTTING_DOWN))
        self._tell(Exited(room=self.room, nick=self._nick, exit=Exit.SHUTDOWN, reason=reason))

    def _close(self, error: BridgeError) -> None:
        self.state = State.OVER
        self._alarm.set(None)
        self._drop()
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.end()
        self._fail_all(error)
        self._ports.over(self)

    def _drop(self) -> None:
        """Give the subscription up."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.leave()

    def _fail_all(self, error: BridgeError) -> None:
        sent, self._sent = self._sent, {}
        self._tell(*(Failed(ref=one.ref, error=error) for one in sent.values() if one.ref))

    def ended(self, leg: Leg, end: End) -> None:
        """His session is over."""
        if leg is not self._leg:
            return
        self._leg = None
        self._drop()
        if self._wanted and self.state is State.INSIDE:
            self._tell(NickRefused(room=self.room, nick=self._wanted, error=BridgeError(Trouble.LOST)))
            self._wanted = ""
        self._fail_all(BridgeError(Trouble.LOST))
        error = leg.error or end.error or BridgeError(Trouble.NOT_ACCEPTABLE, NO_CONFERENCE)
        if end.reasons is not None and self.state is not State.RETURNING:
            self._sent_away(end.reasons)
        elif self.state is State.ENTERING:
            self._close(error)
            self._tell(NotEntered(room=self.room, nick=self._nick, error=error))
        elif self.state is State.INSIDE:
            self.state, self._shown = State.RETURNING, self._roster
            self._tell(RoomNotice(room=self.room, text=LOST))
            self._pause()
        elif self._attempts < len(REJOIN_DELAYS) and error.trouble not in _FINAL:
            self._pause()
        else:
            self._give_up(error)

    def _pause(self) -> None:
        self._alarm.set(self._now + REJOIN_DELAYS[self._attempts])
        self._attempts += 1

    def _return(self) -> None:
        try:
            self.begin()
        except BridgeError as error:
            self._give_up(error)

    def _give_up(self, error: BridgeError) -> None:
        self._close(error)
        self._tell(Exited(room=self.room, nick=self._nick, exit=Exit.DISCONNECTED, reason=error.text))

    def _sent_away(self, reasons: Sequence[Reason]) -> None:
        """The focus has ended it: because of him, or for all (XEP-0045 §8.2, status 332)."""
        causes = [one.cause for one in reasons if one.protocol == SIP]
        exit = Exit.SHUTDOWN if any(cause in _GONE for cause in causes) else Exit.KICKED
        text, state = text_of(reasons), self.state
        self._close(BridgeError(Trouble.NOT_IN_ROOM))
        if state is State.ENTERING:
            error = BridgeError(Trouble.REFUSED, text)
            self._tell(NotEntered(room=self.room, nick=self._nick, error=error))
        else:
            self._tell(Exited(room=self.room, nick=self._nick, exit=exit, reason=text))

    # ---- what he does

    def change_nick(self, wish: ChangeNick) -> None:
        """He wants another nick (RFC 7702 §5.6). Raises BridgeError."""
        leg = self._inside()
        if wish.nick == self._nick:
            self._tell(NickChange(room=self.room, old=self._nick, occupant=self._me))
            return
        if not leg.can(NICKNAME) or leg.session is None:
            raise BridgeError(Trouble.UNSUPPORTED, NO_NICKS)
        if self._wanted:
            raise BridgeError(Trouble.OUT_OF_ORDER)
        self._wanted = wish.nick
        leg.session.name(wish.nick)
        leg.pump()

    def _inside(self) -> Leg:
        if self.state is State.INSIDE and self._leg is not None:
            return self._leg
        raise BridgeError(Trouble.NOT_CONNECTED if self.state is State.RETURNING else Trouble.NOT_IN_ROOM)

    def say(self, event: Message) -> None:
        """He says something to everybody (RFC 7702 §5.5.1). Raises BridgeError."""
        self._send(event, f"<{self._uri}>")

    def whisper(self, event: DirectMessage) -> None:
        """He says something to one (RFC 7702 §5.5.2). Raises BridgeError."""
        if not self._inside().can(PRIVATE):
            raise BridgeError(Trouble.UNSUPPORTED, NOT_PRIVATE)
        uri = self._roster.uri(event.nick)
        if uri is None:
            raise BridgeError(Trouble.NO_SUCH_NICK)
        self._send(event, f"<{uri}>")

    def _send(self, event: Message | DirectMessage, recipient: str) -> None:
        leg = self._inside()
        text = (ME if event.kind is Kind.EMOTE else "") + event.body.plain
        self._sent[leg.send(self._sender, recipient, text)] = event
        leg.pump()

    def invite(self, event: Invite, target: Uri) -> None:
        """He invites somebody: the focus asks him (RFC 7702 §5.7). Raises BridgeError."""
        leg = self._inside()
        if leg.party is None:
            raise BridgeError(Trouble.NOT_CONNECTED)
        fields = (("Refer-To", f"<{target}>"), ("Referred-By", f"<{self._way.sender}>"))
        leg.party.ask("REFER", fields).addCallbacks(
            self._referred, self._not_referred, callbackArgs=(event,), errbackArgs=(event,)
        )

    def _referred(self, response: Response, event: Invite) -> None:
        error = None if response.is_success else trouble_of(response)
        self._tell(Sent(ref=event.ref) if error is None else Failed(ref=event.ref, error=error))

    def _not_referred(self, failure: Failure, event: Invite) -> None:
        error = failure.value if isinstance(failure.value, BridgeError) else BridgeError(Trouble.INTERNAL)
        self._tell(Failed(ref=event.ref, error=error))

    # ---- what happens

    def happened(self, event: Event) -> None:
        """Take what the session tells."""
        match event:
            case Named(nick=nick, status=status):
                self._named(nick, status)
            case Arrived():
                self._arrived(event)
            case Delivered(id=id) if id in self._sent:
                self._delivered(self._sent.pop(id))
            case Lost(id=id, status=status) if id in self._sent:
                self._lost(self._sent.pop(id), status)

    def _named(self, nick: str, status: int) -> None:
        """RFC 7701 §7.2: 425 is a name that is somebody's; who knows no names takes him without."""
        if self.state is not State.INSIDE:
            if status == 200 or status in (405, 501):
                self._subscribe(is_named=status == 200)
            elif self._leg is not None:
                self._leg.error = _nick_error(status)
                self._leg.end()
            return
        self._wanted = ""
        if status == 200:
            old, self._nick = self._nick, nick
            moved = self._roster.called(nick, is_unique=True)
            self._tell(*moved, NickChange(room=self.room, old=old, occupant=self._me))
        else:
            self._tell(NickRefused(room=self.room, nick=nick, error=_nick_error(status)))

    def _arrived(self, event: Arrived) -> None:
        """Somebody says something, to all or to him alone (RFC 7702 §5.5)."""
        message, leg = event.message, self._leg
        status = 200
        try:
            letter = open_letter(message.content_type, message.body)
        except Unsupported as unsupported:
            status = unsupported.status
        else:
            self._heard(letter)
        wanted = event.wants_success if status == 200 else event.wants_failure
        if leg is not None and leg.session is not None and wanted:
            leg.session.report(message.id, len(message.body), status)

    def _heard(self, letter: Letter) -> None:
        said = letter.said
        if isinstance(said, TypingState) or not said.strip() or self._roster.is_own(letter.sender):
            return
        kind = Kind.EMOTE if said.startswith(ME) else Kind.TEXT
        body, nick = Text(plain=said.removeprefix(ME)), self._roster.author(letter.sender)
        told: Incoming = RoomNotice(room=self.room, text=said)
        if nick and self._is_for_all(letter):
            told = Message(room=self.room, nick=nick, body=body, kind=kind, id=self._ports.fresh_id())
        elif nick:
            told = DirectMessage(
                contact=ContactId(self.room),
                nick=nick,
                body=body,
                kind=kind,
                room=self.room,
                id=self._ports.fresh_id(),
            )
        if self.state is State.INSIDE:
            self._tell(told)
        else:
            self._early.append(told)

    def _is_for_all(self, letter: Letter) -> bool:
        """What is for the conference is for all; some leave out to whom it is."""
        to = letter.recipient
        if to is None or (to.params.get("gr") or to.uri.params.get("gr")):
            return to is None
        return (to.uri.user.lower(), to.uri.host) == (self._uri.user.lower(), self._uri.host)

    def _delivered(self, event: Message | DirectMessage) -> None:
        """The switch reflects nothing, so we do (RFC 7702 §5.5.1)."""
        seen = None
        if isinstance(event, Message):
            seen = Message(
                room=self.room,
                nick=self._nick,
                body=event.body,
                kind=event.kind,
                id=self._ports.fresh_id(),
                origin=event.origin,
            )
        self._tell(Sent(ref=event.ref, message=seen))

    def _lost(self, event: Message | DirectMessage, status: int) -> None:
        """RFC 7701 §6.2: 404 is that nobody is called so, 428 that nothing private is carried."""
        error = trouble_of_status(status)
        if isinstance(event, DirectMessage) and status in (404, 428):
            error = BridgeError(Trouble.NO_SUCH_NICK if status == 404 else Trouble.UNSUPPORTED)
        elif status == 403:
            error = BridgeError(Trouble.CANNOT_SPEAK)
        self._tell(Failed(ref=event.ref, error=error))


def _nick_error(status: int) -> BridgeError:
    """RFC 7701 §7.2: 423 is a nickname that cannot be had, 425 one that is another's."""
    troubles = {408: Trouble.TIMED_OUT, 425: Trouble.NICK_IN_USE}
    return BridgeError(troubles.get(status, Trouble.BAD_NICK))
