"""A room of XMPP as a room of Matrix: who is on which side, and what each event brings about on the other.

People of Matrix who are in the room are *guests* on XMPP; the others on XMPP, its *occupants*, are seen on
Matrix as ghosts. `Portal.hear` takes an event of Matrix, `Portal.heard` one of XMPP; both return steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from msgspec import Struct
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ChangeNick,
    Decline,
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Incoming,
    Invite,
    Join,
    Kick,
    Leave,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    OccupantChange,
    Outgoing,
    Profile,
    Reaction,
    Receipt,
    Ref,
    Retraction,
    Role,
    RoomEvent,
    RoomId,
    RoomNotice,
    Sent,
    SetAffiliation,
    SetRole,
    Topic,
    Typing,
    UserId,
    VoiceRequest,
)

from . import portal_voice, translate
from .attachments import Link
from .content import Json, mapping, text
from .ids import Ids
from .levels import MODERATION
from .mirror import Links, to_matrix, to_xmpp
from .names import telling
from .portal_cast import Cast
from .portal_ids import ghost_in
from .portal_steps import (
    Act,
    Expel,
    Notice,
    Pending,
    Promote,
    Read,
    Redacted,
    Retry,
    Say,
    Seat,
    SetTopic,
    Step,
    Type,
    Unseat,
)
from .room import Bid, Room
from .session import READERS, RoomSession, Stay
from .tables import MEMBER
from .translate import Skipped

FIRST_PAUSE, LAST_PAUSE = 10.0, 600.0
"""Seconds until a guest whom a room could not take in tries again: at first, and in the end."""
NOT_DELIVERED = "Not delivered: {reason}"
LOST = "The room cannot be reached: {reason} It is tried again."
BANNED = "Banned from the room on XMPP."

_UNASKED = frozenset({Trouble.UNREACHABLE, Trouble.NOT_CONNECTED, Trouble.REMOTE_NOT_FOUND})
"""Troubles that pass, though they are not of the type ``wait``."""


class State(Enum):
    """How far somebody of Matrix has come into the room on XMPP."""

    ENTERING = "entering"
    INSIDE = "inside"
    OUTSIDE = "outside"


class Guest(Struct):
    """Somebody of Matrix; `nick` is his on XMPP, or asked for. `tries`: see `_nicks`, `avatar`: `Profile`.

    `listens`: he may not speak there; `asked` is the event by which he asked to be let.
    """

    user_id: str
    nick: str
    state: State = State.ENTERING
    tries: int = 0
    pause: float = FIRST_PAUSE
    moderates: bool = False
    listens: bool = False
    asked: str = ""
    avatar: str = ""


class Portal:
    """See the module's docstring.

    `bot` is our own user; `fresh` gives refs, `admits` tells whether a user of Matrix may be a guest here,
    `link` makes links of files.
    """

    log = Logger()

    def __init__(
        self,
        muc: RoomId,
        id: str,
        ids: Ids,
        bot: str,
        fresh: Callable[[], Ref],
        admits: Callable[[str], bool],
        link: Link,
    ) -> None:
        self.muc = muc
        self.session = RoomSession(id, Room(muc, ids, link))
        self.guests: dict[str, Guest] = {}
        self.cast = Cast(muc, ids)
        self.links = Links()
        self.seen: float | None = None
        self._ids = ids
        self._bot = bot
        self._fresh = fresh
        self._admits = admits
        self._topic: str | None = None
        self._trouble = ""
        self._pending: dict[Ref, Pending] = {}
        self._typing: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The room's id on Matrix."""
        return self.session.id

    @property
    def room(self) -> Room:
        """The room on Matrix as its state tells."""
        return self.session.room

    def is_ours(self, user_id: str) -> bool:
        """Tell whether this is a ghost, or our own user."""
        return user_id == self._bot or self._ids.is_ghost(user_id)

    def is_entering(self, user_id: str) -> bool:
        """Tell whether somebody of Matrix is on his way in: what he says has to wait."""
        guest = self.guests.get(user_id)
        return guest is not None and guest.state is State.ENTERING

    def is_inside(self, user_id: str) -> bool:
        """Tell whether somebody of Matrix is in the room on XMPP."""
        guest = self.guests.get(user_id)
        return guest is not None and guest.state is State.INSIDE

    @property
    def speaker(self) -> str | None:
        """Somebody of Matrix who is in on XMPP, and can say something there for the room on Matrix."""
        return next((one.user_id for one in self.guests.values() if one.state is State.INSIDE), None)

    def stay(self, ghost: str, nick: str) -> Stay:
        """Return the ghost's place in the room on Matrix."""
        user = self._ids.ghost_of(ghost) or UserId(ghost)
        return Stay(user=user, room=self.muc, ghost=ghost, nick=nick, id=self.id, inside=True)

    # ---- from Matrix

    def begin(self) -> list[Step]:
        """The state of the room was loaded: whoever is in goes in on XMPP, ghosts of nobody leave."""
        people = [user_id for user_id in self.room.members if not self.is_ours(user_id)]
        steps = [step for user_id in people for step in self._come(user_id)]
        return steps if self.guests else [*steps, *self._empty()]

    def hear(self, event: Json) -> list[Step] | Skipped:
        """Take in an event of the room on Matrix."""
        sender = text(event, "sender")
        bid = self.room.invited.get(text(event, "state_key"))
        read = translate.live(event, self.room)
        if isinstance(read, Skipped):
            return read
        if event.get("type") == MEMBER:
            return [*(step for one in read for step in self._moved(one, event, bid)), *self._bidden(event)]
        if self.is_ours(sender):
            return []
        return [step for one in read for step in self._told(one, sender, text(event, "event_id"))]

    def type(self, event: Json) -> list[Step]:
        """Take in who is writing."""
        self._typing, changes = translate.typing(event, self.room, self._typing)
        told: list[Step] = []
        for change in changes:
            guest = self.guests.get(self.room.user(change.nick) or "")
            if guest is not None and guest.state is State.INSIDE:
                told.append(Act(guest.user_id, Typing(room=self.muc, state=change.state)))
        return told

    def read(self, event: Json) -> list[Step]:
        """Take in who has read how far; told in small rooms only (XEP-0333 §5)."""
        if len(self.room.members) > READERS:
            return []
        return [
            Act(user_id, Receipt(room=self.muc, id=message))
            for user_id, ids in translate.readers(event).items()
            if self.is_inside(user_id)
            for message in map(self.links.message, ids)
            if message is not None
        ]

    def wear(self, user_id: str, avatar: str) -> list[Step]:
        """Somebody of Matrix has the picture whose SHA-1 is `avatar`, "" for none."""
        guest = self.guests.get(user_id)
        if guest is None or guest.avatar == avatar:
            return []
        guest.avatar = avatar
        return [Act(user_id, Profile(room=self.muc, avatar=avatar))] if self.is_inside(user_id) else []

    def _moved(self, one: RoomEvent, event: Json, bid: Bid | None) -> Iterator[Step]:
        """Somebody came, went, is called otherwise, or does not follow an invitation, `bid`."""
        who = str(event["state_key"])
        match one:
            case Join(occupant=occupant):
                if not self.is_ours(occupant.identity):
                    yield from self._come(occupant.identity)
                elif occupant.identity != self._bot and not self.cast.shown(occupant.identity):
                    # its user came in by the back door: his room is the one on XMPP
                    yield Unseat(occupant.identity)
            case NickChange(occupant=occupant):
                guest = self.guests.get(occupant.identity)
                if guest is not None and guest.state is State.INSIDE and guest.nick != occupant.nick:
                    guest.tries = 0
                    yield Act(guest.user_id, ChangeNick(room=self.muc, nick=occupant.nick))
            case Decline(reason=reason):
                if bid is not None and bid.sender == self._bot:
                    yield Act(who, Decline(room=self.muc, nick=bid.of, reason=reason))
            case Leave(reason=reason) | Kick(reason=reason):
                if who in self.guests:
                    yield from self._go(who, reason)
                elif self._ids.is_ghost(who) and not self.is_ours(str(event["sender"])):
                    yield from self._put_out(who, event, reason)

    def _come(self, user_id: str) -> Iterator[Step]:
        if user_id in self.guests:
            return
        if not self._admits(user_id):
            yield Expel(user_id, Trouble.NOT_ALLOWED.value.text)
            return
        guest = self.guests[user_id] = Guest(user_id, self.room.nick(user_id))
        yield self._entering(guest)

    def _entering(self, guest: Guest) -> Act:
        guest.state = State.ENTERING
        guest.nick = self._nicks(guest)[guest.tries]
        # who is first is told what was missed
        since = None if self._is_attended else self.seen
        return Act(guest.user_id, Enter(room=self.muc, nick=guest.nick, since=since))

    @property
    def _is_attended(self) -> bool:
        return any(one.state is State.INSIDE for one in self.guests.values())

    def enter_again(self, user_id: str) -> list[Step]:
        """Have a guest try again who could not get in."""
        guest = self.guests.get(user_id)
        return [self._entering(guest)] if guest is not None and guest.state is State.OUTSIDE else []

    def _nicks(self, guest: Guest) -> list[str]:
        """Return by which nicks somebody may be known, the best first."""
        user_id, best = guest.user_id, self.room.nick(guest.user_id)
        local = user_id[1:].partition(":")[0]
        plain = (
            "".join(each for each in local if each.isascii() and (each.isalnum() or each in "_-")) or "guest"
        )
        names = (best, telling(best, user_id), local, plain, *(f"{plain}{number}" for number in range(2, 6)))
        return list(dict.fromkeys(names))

    def _go(self, user_id: str, reason: str) -> Iterator[Step]:
        del self.guests[user_id]
        yield Act(user_id, Depart(room=self.muc, reason=reason))
        if not self.guests:
            yield from self._empty()

    def _empty(self) -> Iterator[Step]:
        """Nobody of Matrix is here any more, so nothing is known of who is there."""
        members = [user_id for user_id in self.room.members if self._ids.is_ghost(user_id)]
        ghosts = dict.fromkeys([*self.cast.ghosts.values(), *members])
        self.cast.known.clear()
        self.cast.ghosts.clear()
        for ghost in ghosts:
            yield Unseat(ghost)

    def _put_out(self, ghost: str, event: Json, reason: str) -> Iterator[Step]:
        """A moderator of Matrix put a ghost out: he has it done on XMPP, if he may."""
        nick = next((nick for nick, one in self.cast.ghosts.items() if one == ghost), None)
        if nick is None:
            return
        ref, actor = self._fresh(), str(event["sender"])
        wish: Outgoing = Kick(room=self.muc, nick=nick, reason=reason, ref=ref)
        if mapping(event.get("content")).get("membership") == "ban":
            wish = SetAffiliation(
                room=self.muc, target=nick, affiliation=Affiliation.OUTCAST, reason=reason, ref=ref
            )
        yield from self._wish(actor, wish, text(event, "event_id"), ghost)

    def _bidden(self, event: Json) -> Iterator[Step]:
        """Whoever invites a ghost invites its user into the room on XMPP."""
        content, sender = mapping(event.get("content")), text(event, "sender")
        user = self._ids.ghost_of(text(event, "state_key"))
        if content.get("membership") != "invite" or user is None or self.is_ours(sender):
            return
        if "@" in user and "/" not in user:
            wish = Invite(room=self.muc, nick=user, reason=text(content, "reason"), ref=self._fresh())
            yield from self._wish(sender, wish, text(event, "event_id"))

    def _told(self, one: RoomEvent, sender: str, event_id: str) -> Iterator[Step]:
        """Somebody of Matrix says or does something."""
        ref = self._fresh()
        match one:
            case Message() | Reaction() | Retraction():
                wish = self._about_voice(one, sender, ref) or to_xmpp(
                    one, self.muc, event_id, ref, self.links, self._nick_there
                )
                if wish is not None:
                    yield from self._wish(sender, wish, event_id)
                else:
                    self.log.info("{id} is not carried over: it is about nothing known", id=event_id)
            case Topic(text=words):
                if words != self._topic:
                    yield from self._wish(sender, Topic(room=self.muc, text=words, ref=ref), event_id)
            case RoomNotice(text=words):
                yield Notice(words)

    def _about_voice(self, said: RoomEvent, sender: str, ref: Ref) -> Outgoing | None:
        guest = self.guests.get(sender)
        nick = portal_voice.wish(said) if isinstance(said, Message) and guest is not None else None
        if guest is None or nick is None:
            return None
        if guest.listens and not nick:
            return VoiceRequest(room=self.muc, ref=ref)
        if guest.moderates and nick in self.cast.known:
            return SetRole(room=self.muc, nick=nick, role=Role.PARTICIPANT, ref=ref)
        return None

    def _nick_there(self, nick: str) -> str:
        """Return by which nick somebody is known on XMPP who has this one here."""
        user_id = self.room.user(nick)
        guest = self.guests.get(user_id or "")
        if guest is not None:
            return guest.nick
        return next((there for there, ghost in self.cast.ghosts.items() if ghost == user_id), "")

    def _wish(self, user_id: str, event: Outgoing, event_id: str, ghost: str = "") -> Iterator[Step]:
        guest = self.guests.get(user_id)
        pending = Pending(event, event_id, ghost)
        if guest is None or guest.state is not State.INSIDE:
            yield from self._undone(guest, pending, BridgeError(Trouble.NOT_IN_ROOM))
            return
        self._pending[event.ref] = pending  # type: ignore[union-attr]
        yield Act(user_id, event)

    def _undone(self, guest: Guest | None, pending: Pending, error: BridgeError) -> Iterator[Step]:
        """It was not done on XMPP, so it is as it was here too."""
        words = NOT_DELIVERED.format(reason=error.text)
        if error.trouble is Trouble.CANNOT_SPEAK and guest is not None and guest.listens:
            words += portal_voice.HOW_TO_ASK
        yield Notice(words, pending.event_id)
        nick = next((nick for nick, ghost in self.cast.ghosts.items() if ghost == pending.ghost), None)
        if nick is not None:
            yield Seat(pending.ghost, nick)
        if isinstance(pending.event, Topic) and self._topic is not None:
            yield SetTopic(self._topic)

    # ---- from XMPP

    def heard(self, user_id: str, event: Incoming) -> list[Step]:
        """Take in what a guest was told on XMPP."""
        guest = self.guests.get(user_id)
        return [] if guest is None else list(self._heard(guest, event))

    def _heard(self, guest: Guest, event: Incoming) -> Iterator[Step]:
        match event:
            case Entered():
                yield from self._entered(guest, event)
            case NotEntered(error=error):
                yield from self._not_entered(guest, error)
            case Exited(exit=how, reason=reason):
                yield from self._exited(guest, how, reason)
            case NickRefused(nick=nick):
                yield from self._kept_nick(guest, nick)
            case Sent() | Failed():
                yield from self._settled(guest, event)
            case NickChange(old=old, occupant=occupant) if old == guest.nick:
                guest.nick = occupant.nick
            case OccupantChange(occupant=occupant) if occupant.nick == guest.nick:
                yield from self._stands(guest, occupant)
            case Decline(user=user, reason=reason) if user is not None:
                yield Unseat(self._ids.ghost(user), reason)
            case VoiceRequest(nick=nick):
                # every moderator is told, the room on Matrix once
                if guest is next((one for one in self.guests.values() if one.moderates), None):
                    yield Notice(portal_voice.ASKS.format(nick=nick))
            case _:
                yield from self._happened(event)

    def _kept_nick(self, guest: Guest, refused: str) -> Iterator[Step]:
        """A guest could not have the nick that he wants: perhaps the one that tells him apart."""
        guest.tries = 1
        telling_apart = self._nicks(guest)[1]
        if telling_apart not in (guest.nick, refused):
            yield Act(guest.user_id, ChangeNick(room=self.muc, nick=telling_apart))

    def _settled(self, guest: Guest, event: Sent | Failed) -> Iterator[Step]:
        """What a guest wanted was done, or was not."""
        pending = self._pending.get(event.ref)
        if isinstance(event, Failed) or event.last:
            self._pending.pop(event.ref, None)
        if pending is None:
            return
        if isinstance(event, Failed):
            yield from self._undone(guest, pending, event.error)
        elif event.message is not None:
            self.links.join(pending.event_id, event.message.id)
        elif isinstance(pending.event, Topic):
            self._topic = pending.event.text
        elif isinstance(pending.event, VoiceRequest):
            guest.asked = pending.event_id
            yield Notice(portal_voice.ASKED, pending.event_id)
        elif isinstance(pending.event, SetRole):
            yield Notice(portal_voice.MAY_SPEAK.format(nick=pending.event.nick), pending.event_id)

    def _entered(self, guest: Guest, event: Entered) -> Iterator[Step]:
        again = guest.state is State.INSIDE
        guest.state, guest.nick, guest.tries, guest.pause = State.INSIDE, event.me.nick, 0, FIRST_PAUSE
        self._trouble = ""
        own = {one.nick for one in self.guests.values() if one.state is State.INSIDE}
        there = {nick: one for nick, one in event.occupants.items() if nick not in own}
        for nick in [nick for nick in self.cast.known if nick not in there]:
            yield from self.cast.left(nick)
        for nick, occupant in there.items():
            known = self.cast.known.get(nick)
            # another guest may see less of who somebody is, or more; what is seen anew after a gap counts
            if known is not None and again and known.identity != occupant.identity:
                yield from self.cast.left(nick)
                known = None
            if known is None:
                yield from self.cast.joined(occupant)
        taken = set(self.cast.ghosts.values())
        for ghost in [one for one in self.room.members if self._ids.is_ghost(one) and one not in taken]:
            yield Unseat(ghost)
        if event.topic is not None and event.topic.text != self._topic:
            yield from self._topped(event.topic)
        if guest.avatar:
            yield Act(guest.user_id, Profile(room=self.muc, avatar=guest.avatar))
        yield from self._stands(guest, event.me)

    def _not_entered(self, guest: Guest, error: BridgeError) -> Iterator[Step]:
        is_nick = error.trouble in (Trouble.NICK_IN_USE, Trouble.BAD_NICK)
        if is_nick and guest.tries + 1 < len(self._nicks(guest)):
            guest.tries += 1
            yield self._entering(guest)
        elif error.trouble.value.type == "wait" or error.trouble in _UNASKED:
            guest.tries = 0
            yield from self._lost(guest, error.text)
        else:
            yield from self._expelled(guest, error.text)

    def _lost(self, guest: Guest, reason: str) -> Iterator[Step]:
        guest.state = State.OUTSIDE
        if not self._is_attended:
            if self._trouble != reason:
                yield Notice(LOST.format(reason=reason))
            self._trouble = reason
        yield Retry(guest.user_id, guest.pause)
        guest.pause = min(guest.pause * 2, LAST_PAUSE)

    def _expelled(self, guest: Guest, reason: str) -> Iterator[Step]:
        del self.guests[guest.user_id]
        yield Expel(guest.user_id, reason)
        if not self.guests:
            yield from self._empty()

    def _exited(self, guest: Guest, how: Exit, reason: str) -> Iterator[Step]:
        if how in (Exit.KICKED, Exit.STRUCK, Exit.BANNED):
            # the room alone knows whom it bans: who comes back asks it again
            yield from self._expelled(guest, f"{BANNED} {reason}".strip() if how is Exit.BANNED else reason)
        elif guest.state is State.INSIDE:
            yield from self._lost(guest, reason)

    def _stands(self, guest: Guest, me: Occupant) -> Iterator[Step]:
        """Who moderates there may moderate here."""
        moderates, guest.listens = me.role is Role.MODERATOR, me.role is Role.VISITOR
        if guest.asked and not guest.listens:
            yield Notice(portal_voice.GRANTED, guest.asked)
            guest.asked = ""
        level = self.room.levels.level(guest.user_id)
        is_due = level < MODERATION if moderates else level == MODERATION
        if moderates is not guest.moderates or is_due:
            guest.moderates = moderates
            yield Promote(guest.user_id, moderates)

    def _happened(self, event: Incoming) -> Iterator[Step]:
        """Something that everybody in the room sees."""
        match event:
            case Join(occupant=occupant):
                yield from self.cast.joined(occupant)
            case Leave(nick=nick, reason=reason):
                yield from self.cast.left(nick, reason)
            case Kick(nick=nick, actor=actor, reason=reason):
                words = ": ".join(word for word in (actor, reason) if word)
                yield from self.cast.left(nick, words, by_us=True)
            case NickChange(old=old, occupant=occupant):
                yield from self.cast.renamed(old, occupant)
            case OccupantChange(occupant=occupant):
                yield from self.cast.changed(occupant)
            case Message() | Reaction() | Retraction():
                yield from self._said(event)
            case Topic():
                yield from self._topped(event)
            case RoomNotice(text=words):
                yield Notice(words)
            case Typing(nick=nick):
                ghost = self.cast.ghosts.get(nick)
                if ghost is not None:
                    yield Type(self.stay(ghost, nick), event)
            case Receipt(nick=nick, id=id):
                ghost, event_id = self.cast.ghosts.get(nick), self.links.event(id)
                if ghost in self.room.members and event_id and len(self.room.members) <= READERS:
                    yield Read(ghost, event_id)

    def _said(self, event: Message | Reaction | Retraction) -> Iterator[Step]:
        if isinstance(event, Message) and not event.nick:
            yield Notice(event.body.plain)
            return
        if isinstance(event, Message) and self.links.event(event.id) is not None:
            # an earlier run of ours had it said, and ended before it was known
            return
        told = to_matrix(event, self._fresh(), self.links)
        if told is None:
            self.log.info("what {nick} does is not carried over: it is about nothing known", nick=event.nick)
            return
        if isinstance(event, Retraction) and isinstance(told, Retraction) and event.actor:
            yield Redacted(told.id, event.reason)
            return
        ghost, is_here = self.cast.ghosts.get(event.nick), True
        if ghost is None:
            # what was said while we were away, by somebody who has left meanwhile
            identity = event.identity if isinstance(event, Message) else ""
            ghost = ghost_in(self.muc, Occupant(nick=event.nick, identity=identity), self._ids)
            is_here = self.cast.shown(ghost)
        # what has no id of the room is not known again anyway, and refs are the same in every run
        key = event.id if isinstance(event, Message) else ""
        yield Say(self.stay(ghost, event.nick), told, key)
        if not is_here:
            yield Unseat(ghost)

    def _topped(self, topic: Topic) -> Iterator[Step]:
        is_first, self._topic = self._topic is None, topic.text
        known = self.room.topic.text if self.room.topic is not None else ""
        ghost = self.cast.ghosts.get(topic.nick)
        if topic.text == known or (is_first and not topic.text):
            return
        if ghost is None or topic.time is not None:
            yield SetTopic(topic.text)
        else:
            ref = self._fresh()
            yield Say(self.stay(ghost, topic.nick), Topic(room=self.muc, text=topic.text, ref=ref))
