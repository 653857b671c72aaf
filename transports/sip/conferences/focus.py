"""The gateway as the conference of people of SIP who are in rooms of XMPP (RFC 7702 §6).

Each of them is a guest there (`bridge.network`); what everybody in a room sees is told to one of them, and
passed on to all. Who subscribes to a room has to be in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Incoming,
    Invite,
    Kind,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    Reaction,
    Ref,
    RoomId,
    RoomNotice,
    Sent,
    Text,
    Typing,
    TypingState,
    UserId,
)
from transports.sip.address import user_of
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Answer
from transports.sip.calls.party import Party
from transports.sip.common import Common
from transports.sip.conferences.attendee import NICK_UNFIT, Attendee, nick_status
from transports.sip.conferences.audience import Audience
from transports.sip.conferences.hall import ME, Hall
from transports.sip.conferences.info import PACKAGE
from transports.sip.conferences.roster import clean
from transports.sip.dialogs.dialog import id_of_request
from transports.sip.dialogs.transfer import FRAGMENT
from transports.sip.lines.errands import Errands
from transports.sip.lines.routes import Route, Trunk
from transports.sip.messages.content import Unsupported
from transports.sip.messages.pager import Pager
from transports.sip.msrp.cpim import Letter, open_letter
from transports.sip.msrp.exchange import Exchange
from transports.sip.msrp.session import Arrived
from transports.sip.msrp.terms import PROTOCOLS, chat_of
from transports.sip.status import status_of
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.message import Request, respond
from transports.sip.wire.reason import SIP, Reason
from transports.sip.wire.sdp import parse_sdp
from transports.sip.wire.uri import Malformed

HALLS = 1_000
"""Rooms in which people of SIP are at a time."""
LOOKS = 100
"""Addresses at a time of which it is asked whether they are rooms."""
LOOK_LIMIT = 5.0
"""Seconds in which that is answered; then it counts as a person's."""
NICKS = 5
"""Nicks that are tried for who comes in."""
INVITED = "{who} invites you to the conference {uri}"
_STATUSES = {Trouble.NICK_IN_USE: 486, Trouble.ROOM_FULL: 486, Trouble.BAD_NICK: 406, Trouble.TIMED_OUT: 408}
_CAUSES = {
    Exit.KICKED: Reason(SIP, 603, "Kicked"),
    Exit.BANNED: Reason(SIP, 403, "Banned"),
    Exit.DISCONNECTED: Reason(SIP, 410, "The room is gone"),
    Exit.SHUTDOWN: Reason(SIP, 503, "Shutdown"),
    Exit.REPLACED: Reason(SIP, 410, "The room is elsewhere"),
}
"""What somebody's BYE says of why he is out."""
_AGAIN = Reason(SIP, 200, "In again by another device")


def knows_rooms(request: Request) -> bool:
    """Tell whether an INVITE's sender knows of chat rooms (RFC 7701 §8)."""
    medium = chat_of(parse_sdp(request.body))
    return medium is not None and medium.get("chatroom") is not None


class _Place:
    """A room, and who is told of it."""

    def __init__(self, hall: Hall, audience: Audience) -> None:
        self.hall, self.audience = hall, audience


class Focus:
    """See the module's docstring."""

    log = Logger()

    def __init__(
        self, exchange: Exchange, common: Common, pager: Pager, domain: str, levels: Capabilities
    ) -> None:
        self._exchange, self._common, self._pager = exchange, common, pager
        self._domain, self._levels = domain, levels
        self._uplink, self._errands = common.uplink, Errands(common)
        self._places: dict[RoomId, _Place] = {}
        self._pending: dict[Ref, tuple[Attendee, Arrived]] = {}
        self._last_ref = 0
        self._looks = 0

    def __len__(self) -> int:
        return len(self._places)

    def stop(self) -> None:
        """Send everybody away."""
        for place in list(self._places.values()):
            for attendee in list(place.hall.attendees.values()):
                attendee.end(farewell=_CAUSES[Exit.SHUTDOWN])
            place.audience.stop()

    # ---- who comes in

    def receive(
        self,
        request: Request,
        hop: Hop,
        trunk: Trunk | None,
        user: UserId,
        contact: ContactId,
        answer: Answer,
        otherwise: Callable[[], None],
    ) -> None:
        """Take an INVITE that knows of chat rooms; if its address is none, do something else."""

        def admit(_: object) -> None:
            self._admit(request, hop, trunk, RoomId(user), contact, answer)

        def failed(failure: Failure) -> None:
            if not isinstance(failure.value, BridgeError | TimeoutError):
                self.log.debug("{room} is no room: {reason}", room=user, reason=failure.getErrorMessage())
            otherwise()

        def unserved(failure: Failure) -> None:
            self.log.failure("an INVITE could not be answered", failure)
            answer(respond(request, 500, self._common.token()))

        def looked(result: object) -> object:
            self._looks -= 1
            return result

        if RoomId(user) in self._places:
            admit(None)
        elif self._looks >= LOOKS:
            answer(respond(request, 503, self._common.token()))
        else:
            self._looks += 1
            looking: Deferred[object] = self._uplink.look(RoomId(user))  # type: ignore[assignment]
            looking.addTimeout(LOOK_LIMIT, self._common.clock).addBoth(looked)
            looking.addCallbacks(admit, failed).addErrback(unserved)

    def _admit(
        self,
        request: Request,
        hop: Hop,
        trunk: Trunk | None,
        room: RoomId,
        guest: ContactId,
        answer: Answer,
    ) -> None:
        """Ask the room to let him in; his INVITE is answered when it has (RFC 7702 §6.1)."""
        medium = chat_of(parse_sdp(request.body))
        is_secure = medium is not None and PROTOCOLS[medium.protocol]
        status = self._exchange.full(guest) if self._exchange.takes(is_secure=is_secure) else 488
        if room not in self._places and len(self._places) >= HALLS:
            status = 503
        if status is not None:
            answer(respond(request, status, self._common.token()))
            return
        nick = clean(request.from_.display) or clean(request.from_.uri.user) or guest
        attendee = Attendee(self, self._exchange, guest, room, nick, is_secure=is_secure)
        way = self._common.through(UserId(room), Route(uri=request.from_.uri, trunk=trunk))
        stack = self._exchange.stack
        party = Party(stack, attendee.heard, way.contact(hop), way.client, [hop], is_focus=True)
        if not (party.take(request, answer) and attendee.take(party, request.from_.uri, way.sender)):
            attendee.end()
            return
        place = self._place(room)
        before = place.hall.attendees.get(guest)
        place.hall.attendees[guest] = attendee
        if before is not None:
            before.end(farewell=_AGAIN)
        self._common.spellings.learn(guest, request.from_)
        self._uplink.act(guest, Enter(room=room, nick=nick))

    def _place(self, room: RoomId) -> _Place:
        found = self._places.get(room)
        if found is None:
            hall = Hall(room, self._domain, self._levels)
            found = _Place(hall, Audience(self._errands, self._common, hall.uri))
            self._places[room] = found
        return found

    # ---- who wants to know (RFC 7702 §6.2)

    def subscribe(
        self, request: Request, hop: Hop, user: UserId, guest: ContactId, answer: Answer, is_stranger: bool
    ) -> None:
        """Take a SUBSCRIBE to a room's state."""
        place = self._places.get(RoomId(user))
        attendee = None if place is None else place.hall.attendees.get(guest)
        if place is None or attendee is None or not attendee.is_inside:
            answer(respond(request, 403, self._common.token()))
            return
        state = place.hall.conference
        place.audience.subscribe(request, hop, guest, state, answer, is_stranger=is_stranger)

    def renewed(self, request: Request, hop: Hop, answer: Answer) -> bool:
        """Take a SUBSCRIBE of a subscription that stands; False if it is none of ours."""
        id = id_of_request(request)
        place = next((one for one in self._places.values() if id in one.audience), None)
        if place is not None:
            place.audience.refresh(id, request, hop, answer, is_shared=False)
        return place is not None

    # ---- what people of SIP do

    def arrived(self, attendee: Attendee, event: Arrived) -> None:
        """Somebody says something, to all or to one (RFC 7702 §6.3)."""
        hall = self._places[attendee.room].hall
        try:
            letter = open_letter(event.message.content_type, event.message.body)
        except Unsupported as unsupported:
            attendee.report(event, unsupported.status)
            return
        nick = hall.nick_of(letter.recipient)
        if nick is None or not attendee.is_inside:
            attendee.report(event, 404 if nick is None else 403)
        elif isinstance(letter.said, TypingState):
            if not nick:
                self._uplink.act(attendee.guest, Typing(room=attendee.room, state=letter.said))
        elif letter.said.strip():
            self._say(attendee, event, letter, nick)

    def _say(self, attendee: Attendee, event: Arrived, letter: Letter, nick: str) -> None:
        assert isinstance(letter.said, str)
        kind = Kind.EMOTE if letter.said.startswith(ME) else Kind.TEXT
        body, room = Text(plain=letter.said.removeprefix(ME)), attendee.room
        self._last_ref += 1
        ref = Ref(self._last_ref)
        self._pending[ref] = (attendee, event)
        if nick:
            to = ContactId(f"{room}/{nick}")
            said = DirectMessage(contact=to, nick=nick, room=room, body=body, kind=kind, ref=ref)
            self._uplink.act(attendee.guest, said)
        else:
            self._uplink.act(attendee.guest, Message(room=room, body=body, kind=kind, ref=ref))

    def rename(self, attendee: Attendee, nick: str) -> None:
        """Somebody wants another nick (RFC 7702 §6.4)."""
        if clean(nick) == nick:
            self._uplink.act(attendee.guest, ChangeNick(room=attendee.room, nick=nick))
        else:
            attendee.named(NICK_UNFIT)

    def asked(self, attendee: Attendee, party: Party, request: Request) -> bool:
        """Take a request in his dialog: an invitation, or a subscription (RFC 7702 §6.1, §6.5)."""
        if request.method == "REFER":
            self._refer(attendee, party, request)
            return True
        event = (request.get("Event") or "").partition(";")[0].strip().lower()
        if request.method != "SUBSCRIBE" or event != PACKAGE or party.dialog is None:
            return False
        place, id, answer = self._places[attendee.room], party.dialog.id, party.taken(request)
        if id in place.audience:
            place.audience.refresh(id, request, party.hops[0], answer, is_shared=True)
        else:
            place.audience.subscribe(
                request,
                party.hops[0],
                attendee.guest,
                place.hall.conference,
                answer,
                is_stranger=False,
                dialog=party.dialog,
            )
        return True

    def _refer(self, attendee: Attendee, party: Party, request: Request) -> None:
        """Nobody knows what comes of an invitation, so that is told at once (RFC 7702 §6.5)."""
        try:
            target = parse_name_addr(request.get("Refer-To") or "").uri
            user = user_of(target) if target.host == self._domain else None
        except Malformed:
            party.reply(request, 400)
            return
        if user is None or not attendee.is_inside:
            party.reply(request, 403)
            return
        party.reply(request, 202)
        self._uplink.act(attendee.guest, Invite(room=attendee.room, user=user))
        fields = (
            ("Event", "refer"),
            ("Subscription-State", "terminated;reason=noresource"),
            ("Content-Type", f"{FRAGMENT};version=2.0"),
        )
        party.ask("NOTIFY", fields, b"SIP/2.0 100 Trying\r\n").addErrback(self._untold)

    def _untold(self, failure: Failure) -> None:
        self.log.debug("not told of an invitation: {reason}", reason=failure.getErrorMessage())

    def gone(self, attendee: Attendee) -> None:
        """Somebody's session is over: so is his stay (RFC 7702 §6.6)."""
        place = self._places.get(attendee.room)
        if place is None or place.hall.attendees.get(attendee.guest) is not attendee:
            return
        self._forget(place, attendee)
        self._uplink.act(attendee.guest, Depart(room=attendee.room))

    def _forget(self, place: _Place, attendee: Attendee) -> None:
        del place.hall.attendees[attendee.guest]
        place.audience.dismiss(attendee.guest)
        if place.hall.attendees:
            place.audience.show(place.hall.conference)
        else:
            del self._places[attendee.room]

    # ---- what happens in rooms

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Take what happened to somebody who is in a room, or is told for all; see `bridge.network`."""
        for event in events:
            if isinstance(event, Sent | Failed):
                self._settled(event)
            elif isinstance(event, Invite):
                self._invited(guest, event)
            else:
                place = self._places.get(getattr(event, "room", None) or RoomId(""))
                if place is not None:
                    self._heard(place, guest, event)

    def _heard(self, place: _Place, guest: ContactId, event: Incoming) -> None:
        hall, attendee = place.hall, place.hall.attendees.get(guest)
        if isinstance(event, Entered | NotEntered | Exited | NickRefused | DirectMessage):
            if attendee is not None:
                self._concerned(place, attendee, event)
            return
        if isinstance(event, Message | Reaction | RoomNotice):
            hall.broadcast(event)
            return
        if isinstance(event, NickChange) and attendee is not None and event.old == attendee.nick:
            attendee.nick = event.occupant.nick
            attendee.named(200)
        else:
            hall.take(event)
        place.audience.show(hall.conference)

    def _concerned(
        self,
        place: _Place,
        attendee: Attendee,
        event: Entered | NotEntered | Exited | NickRefused | DirectMessage,
    ) -> None:
        """Take what concerns one alone."""
        match event:
            case Entered(me=me):
                attendee.nick = me.nick
                place.hall.enter(event)
                self._entered(place, attendee)
            case NotEntered(error=error):
                self._not_entered(place, attendee, error)
            case Exited(exit=exit, actor=actor, reason=reason):
                self._forget(place, attendee)
                attendee.end(farewell=_farewell(exit, actor, reason))
            case NickRefused(error=error):
                attendee.named(nick_status(error))
            case DirectMessage(nick=nick):
                hall = place.hall
                attendee.tell(hall.address(nick), hall.address(attendee.nick), hall.text(event))

    def _entered(self, place: _Place, attendee: Attendee) -> None:
        if not attendee.is_inside:
            attendee.is_inside = True
            if not attendee.accept():
                attendee.end(status=488)
                return
        place.audience.show(place.hall.conference)

    def _not_entered(self, place: _Place, attendee: Attendee, error: BridgeError) -> None:
        """Somebody else has his nick, or he may not come in."""
        if error.trouble is Trouble.NICK_IN_USE and attendee.tries < NICKS and not attendee.is_inside:
            attendee.tries += 1
            nick = f"{attendee.nick} ({attendee.tries + 1})"
            # the visit that has just failed is not quite over yet
            wish = Enter(room=attendee.room, nick=nick)
            self._common.clock.callLater(0, self._enter_again, place, attendee, wish)
            return
        self._forget(place, attendee)
        status = _STATUSES.get(error.trouble) or status_of(error)
        attendee.end(farewell=Reason(SIP, status, error.text), status=status)

    def _enter_again(self, place: _Place, attendee: Attendee, wish: Enter) -> None:
        if place.hall.attendees.get(attendee.guest) is attendee:
            self._uplink.act(attendee.guest, wish)

    def _settled(self, event: Sent | Failed) -> None:
        """What somebody said is in the room, or is not: he is told, and so are the others of SIP."""
        found = self._pending.pop(event.ref, None)
        if found is None:
            return
        attendee, said = found
        attendee.report(said, status_of(event.error) if isinstance(event, Failed) else 200)
        place = self._places.get(attendee.room)
        if isinstance(event, Sent) and event.message is not None and place is not None:
            place.hall.broadcast(event.message, attendee.guest)

    def _invited(self, guest: ContactId, event: Invite) -> None:
        """Somebody on XMPP asks a person of SIP in: by a short message, which all phones show.

        It is the room's, whose users' trunks carry it, unless he asks by himself: any room can name anybody.
        """
        bare, _, nick = event.nick.partition("/")
        text = INVITED.format(who=nick or bare, uri=Hall(event.room, self._domain, self._levels).uri)
        words = Text(plain=f"{text}: {event.reason}" if event.reason else text)
        try:
            self._pager.say(event.user or UserId(event.room), DirectMessage(contact=guest, body=words))
        except BridgeError as error:
            self.log.info("{guest} is not told of an invitation: {error}", guest=guest, error=error.text)


def _farewell(exit: Exit, actor: str, reason: str) -> Reason | None:
    """Return what the BYE of somebody says who is put out of a room."""
    cause = _CAUSES.get(exit)
    if cause is None:
        return None
    words = [cause.text, actor and f"by {actor}", reason and f"({reason})"]
    return Reason(cause.protocol, cause.cause, " ".join(word for word in words if word))
