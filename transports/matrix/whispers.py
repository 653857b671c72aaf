"""What occupants of rooms on XMPP say to guests alone, and guests to them, as talk between two on Matrix.

Who writes to a guest alone does so as the occupant that he is, so a ghost of that room talks for him, not the
one of his address; answers go to the occupant, as long as he is in. `Whispers` stands between the network
and the bridge for such users: their id is the room's, a slash, and by what the room knows them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct, structs
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Failed,
    Incoming,
    Kind,
    Message,
    MessageId,
    Outgoing,
    Ref,
    RoomId,
    Sent,
    ServerNotice,
    Text,
    Typing,
    Undelivered,
    UserId,
)
from bridge.network import Uplink

from .direct import is_person
from .ids import Ids
from .portal import Portal
from .rules import Rules

AUTOMATIC = "(automatic) "
"""Begins what nobody said: it is not answered by such words, or two gateways would never end."""
NOT_DELIVERED = AUTOMATIC + "Not delivered to Matrix: {reason}"
QUOTED = 60
"""Characters of what was said by which its author knows it again."""
UNDER_WAY = 2_000
"""Words whose outcome is waited for, each way."""
WRITERS = 100
"""Occupants of one room who write to the same guest alone."""
ADDRESSEES = 10_000
"""Guests who are written to alone, of whom it is known by how many."""


Kept = TypeVar("Kept")
Whisper = DirectMessage | DirectReaction | DirectRetraction


class Letter(Struct, frozen=True):
    """What an occupant said to a guest."""

    portal: Portal
    user_id: str
    nick: str
    text: str


class Whispers:
    """See the module's docstring.

    `portal` finds rooms, `fresh` gives refs, `talk` does what a user wants, and answers by `deliver`.
    """

    log = Logger()

    def __init__(
        self,
        ids: Ids,
        uplink: Uplink,
        rules: Rules,
        portal: Callable[[RoomId], Portal | None],
        fresh: Callable[[], Ref],
        talk: Callable[[UserId, Outgoing], None],
    ) -> None:
        self._ids = ids
        self._uplink = uplink
        self._rules = rules
        self._portal = portal
        self._fresh = fresh
        self._talk = talk
        self._letters: OrderedDict[Ref, Letter] = OrderedDict()
        self._answers: OrderedDict[Ref, tuple[UserId, Undelivered]] = OrderedDict()
        self._writers: OrderedDict[tuple[RoomId, str], set[UserId]] = OrderedDict()

    # ---- whom talk is for

    def name(self, user: UserId) -> str:
        """Return what a user is called who did not say so."""
        _, nick = self._occupant(user)
        return nick or user.partition("@")[0]

    def reaches(self, person: str, user: UserId) -> bool:
        """Tell whether somebody of Matrix may talk to a user: to an occupant, as long as both are in."""
        if not is_occupant(user):
            return is_person(user) and self._rules.may_reach(person, user)
        portal, nick = self._occupant(user)
        return portal is not None and bool(nick) and portal.is_inside(person)

    def _occupant(self, user: UserId) -> tuple[Portal | None, str]:
        portal = self._portal(RoomId(user.partition("/")[0])) if is_occupant(user) else None
        return portal, "" if portal is None else portal.cast.nick_of(user)

    # ---- from XMPP

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> Iterator[Incoming]:
        """Take in what a guest was told alone; return the rest."""
        for event in events:
            match event:
                case DirectMessage(room=room) | DirectReaction(room=room) | DirectRetraction(room=room) if (
                    room is not None
                ):
                    self._said(room, self._ids.user_id(guest), guest, event)
                case Typing(room=room, contact=contact) if room is not None and contact is not None:
                    portal = self._portal(room)
                    if portal is not None:
                        self._talk(portal.cast.user_of(event.nick), Typing(contact=guest, state=event.state))
                case Failed(ref=ref, error=error) if ref in self._answers:
                    user, undelivered = self._answers.pop(ref)
                    self._talk(user, structs.replace(undelivered, error=error))
                case _:
                    yield event

    def _said(self, room: RoomId, user_id: str, guest: ContactId, event: Whisper) -> None:
        portal = self._portal(room)
        if portal is None:
            return
        words = event.body.plain if isinstance(event, DirectMessage) else ""
        user, letter = portal.cast.user_of(event.nick), Letter(portal, user_id, event.nick, words)
        if not self._may_write(room, user_id, user):
            self._sorry(letter, BridgeError(Trouble.TOO_MANY))
            return
        ref = self._fresh()
        _keep(self._letters, ref, letter)
        said = structs.replace(event, contact=guest, nick=portal.room.nick(user_id), room=None, ref=ref)
        self._talk(user, structs.replace(said, id=MessageId("")) if isinstance(said, DirectMessage) else said)

    def _may_write(self, room: RoomId, user_id: str, user: UserId) -> bool:
        writers = self._writers.setdefault((room, user_id), set())
        self._writers.move_to_end((room, user_id))
        if len(self._writers) > ADDRESSEES:
            self._writers.popitem(last=False)
        if len(writers) < WRITERS:
            writers.add(user)
        return user in writers

    # ---- from Matrix

    def deliver(self, user: UserId, events: Sequence[Incoming]) -> None:
        """Hand over what happened to `user`, an occupant or anybody; see `Uplink.deliver`."""
        if not is_occupant(user):
            self._uplink.deliver(user, events)
            return
        for event in events:
            self._tell(user, event)

    def _tell(self, user: UserId, event: Incoming) -> None:
        match event:
            case Sent(ref=ref):
                self._letters.pop(ref, None)
            case Failed(ref=ref, error=error):
                letter = self._letters.pop(ref, None)
                if letter is not None:
                    self._sorry(letter, error)
            case DirectMessage() | DirectReaction() | DirectRetraction():
                self._answer(user, event)
            case Typing(contact=contact) if contact is not None:
                portal, nick = self._occupant(user)
                if portal is not None and nick and portal.is_inside(self._ids.user_id(contact)):
                    to = ContactId(f"{portal.muc}/{nick}")
                    wish = Typing(room=portal.muc, contact=to, nick=nick, state=event.state)
                    self._uplink.act(contact, wish)
            case ServerNotice(text=words):
                portal, nick = self._occupant(user)
                if portal is not None and nick:
                    self._explain(portal, nick, AUTOMATIC + words)

    def _answer(self, user: UserId, event: Whisper) -> None:
        """Have the guest say it to the occupant; what does not get there is answered where it was said.

        Of a reaction or retraction the answer is to the message that it was about.
        """
        portal, nick = self._occupant(user)
        undelivered = Undelivered(contact=event.contact, id=event.id, error=BridgeError(Trouble.NO_SUCH_NICK))
        if portal is None or not nick or not portal.is_inside(self._ids.user_id(event.contact)):
            self._talk(user, undelivered)
            return
        ref = self._fresh()
        _keep(self._answers, ref, (user, undelivered))
        to = ContactId(f"{portal.muc}/{nick}")
        said = structs.replace(event, contact=to, nick=nick, room=portal.muc, ref=ref)
        if isinstance(said, DirectMessage):
            said = structs.replace(said, id=MessageId(""), origin=event.id, mentions=())
        self._uplink.act(event.contact, said)

    # ---- what did not get there

    def announce(self, portal: Portal, words: str) -> None:
        """Tell everybody in a room of XMPP something about Matrix."""
        speaker = portal.speaker
        if speaker is not None:
            said = Message(room=portal.muc, body=Text(plain=AUTOMATIC + words), kind=Kind.NOTICE)
            self._uplink.act(self._ids.contact(speaker), said)

    def unsaid(self, portal: Portal, nick: str, text: str, error: BridgeError) -> None:
        """Tell an occupant that what he said to everybody did not get to Matrix."""
        user_id = portal.speaker
        if user_id is not None:
            self._sorry(Letter(portal, user_id, nick, text), error)

    def _sorry(self, letter: Letter, error: BridgeError) -> None:
        self.log.info("what an occupant said is not delivered: {reason}", reason=error.text)
        if letter.text.startswith(AUTOMATIC):
            return
        quoted = letter.text[:QUOTED] + ("…" if len(letter.text) > QUOTED else "")
        words = NOT_DELIVERED.format(reason=error.text) + (f" “{quoted}”" if quoted else "")
        self._explain(letter.portal, letter.nick, words, letter.user_id)

    def _explain(self, portal: Portal, nick: str, words: str, user_id: str | None = None) -> None:
        speaker = user_id if user_id is not None and portal.is_inside(user_id) else portal.speaker
        if speaker is None:
            return
        to = ContactId(f"{portal.muc}/{nick}")
        said = DirectMessage(contact=to, nick=nick, room=portal.muc, body=Text(plain=words))
        self._uplink.act(self._ids.contact(speaker), said)


def is_occupant(user: UserId) -> bool:
    """Tell whether this is an occupant of a room, not a person by his address."""
    return "/" in user


def _keep(kept: OrderedDict[Ref, Kept], ref: Ref, value: Kept) -> None:
    """Keep it until its outcome is known, the oldest first to go."""
    kept[ref] = value
    if len(kept) > UNDER_WAY:
        kept.popitem(last=False)
