"""One room as its state events tell: who is in it by which nick, who may do what, what it is called.

`Room.apply` takes one raw state event and returns what a MUC would say of it. A room of twenty
thousand members is built by `Room.load`, which can be spread over turns of the reactor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct, structs

from bridge.errors import BridgeError
from bridge.events import (
    ContactId,
    Decline,
    Entered,
    Join,
    Kick,
    Knock,
    Leave,
    NickChange,
    Occupant,
    OccupantChange,
    RoomConfig,
    RoomEvent,
    RoomId,
    RoomNotice,
    Topic,
)

from .attachments import Link, no_link
from .content import Json, Malformed, mapping, text, time_of
from .ids import Ids, RoomTarget, is_room_id, is_user_id
from .levels import Creation, PowerLevels, Standing, creation, power_levels
from .names import Names, key_of, name_of, telling
from .polls import Polls
from .tables import (
    ALIAS,
    AVATAR,
    CREATE,
    ENCRYPTION,
    JOIN_RULES,
    KNOCKING,
    MARKER,
    MAX_ID,
    MEMBER,
    NAME,
    POWER_LEVELS,
    TOMBSTONE,
    TOPIC,
)
from .timeline import Timeline

MAX_INVITED = 1_000
"""Invitations of ours that it is known of who was not invited by Matrix."""
MAX_MEMBERS = 50_000
"""Members of a room that are kept; those beyond are not shown."""
SLICE = 500
"""Events that `Room.load` looks at before it lets others work."""
REPLACED = "This room has been replaced by another one."
ENCRYPTED = "This room is end-to-end encrypted from now on: what is said here cannot be read over XMPP."

NO_PICTURES: Mapping[str, str] = MappingProxyType({})

Events = list[RoomEvent]


class Member(Struct, gc=False):
    """Somebody who is in the room; `name` is what he is called, `nick` how he is told apart."""

    user_id: str
    name: str
    avatar: str
    nick: str = ""
    away: str | None = None


class Bid(Struct, frozen=True):
    """An invitation by one of ours; `of` is who on XMPP had it sent, if the sender does not say."""

    sender: str
    of: str = ""


class Room:
    """See the module's docstring. Events carry `room`; whoever came by another address has it replaced.

    `link` makes links to the files of messages, `pictures` has the hashes of avatars as far as they are known
    (see `pictures.Pictures`).
    """

    def __init__(
        self, room: RoomId, ids: Ids, link: Link = no_link, pictures: Mapping[str, str] = NO_PICTURES
    ) -> None:
        self.room = room
        self.ids = ids
        self.link = link
        self.timeline = Timeline()
        self.polls = Polls()
        self.name = ""
        self.alias = ""
        self.avatar = ""
        self.topic: Topic | None = None
        self.join_rule = "invite"
        self.is_encrypted = False
        self.replacement: RoomTarget | None = None
        self.predecessor = ""
        self.malformed = 0
        self.levels = PowerLevels()
        self.members: dict[str, Member] = {}
        self.invited: dict[str, Bid] = {}
        self._pictures = pictures
        self._creation = Creation()
        self._power: Json | None = None
        self._names = Names(ids.is_ghost)
        self._nicks: dict[str, str] = {}
        self._standings: dict[float, Standing] = {}
        self._occupants: dict[str, Occupant] = {}
        self._is_lent = False
        self._read = {
            ALIAS: self._on_alias,
            AVATAR: self._on_avatar,
            CREATE: self._on_create,
            ENCRYPTION: self._on_encryption,
            JOIN_RULES: self._on_join_rules,
            MEMBER: self._on_member,
            NAME: self._on_name,
            POWER_LEVELS: self._on_power_levels,
            TOMBSTONE: self._on_tombstone,
            TOPIC: self._on_topic,
        }

    # ---- read

    @property
    def occupants(self) -> Mapping[str, Occupant]:
        """Everybody by nick; what was given out is never changed."""
        self._is_lent = True
        return self._occupants

    @property
    def power(self) -> Json:
        """The content of the power levels, empty if there are none."""
        return self._power or {}

    @property
    def is_closed(self) -> bool:
        """Whether nobody joins uninvited."""
        return self.join_rule != "public"

    @property
    def is_knocking(self) -> bool:
        """Whether one can ask to be invited."""
        return self.join_rule in KNOCKING

    def entered(self, user_id: str) -> Entered | None:
        """Return the room as this member sees it, None if he is not in it."""
        member = self.members.get(user_id)
        if member is None:
            return None
        return Entered(
            room=self.room,
            me=self._occupants[member.nick],
            occupants=self.occupants,
            topic=self.topic,
            moderated=self.levels.moderated,
        )

    def nick(self, user_id: str) -> str:
        """Return the nick of a user, also of one who is no longer here."""
        member = self.members.get(user_id)
        return telling(name_of("", user_id), user_id) if member is None else member.nick

    def user(self, nick: str) -> str | None:
        """Return who has this nick, None if nobody."""
        return self._nicks.get(nick)

    def is_free(self, nick: str, user_id: str) -> bool:
        """Tell whether nobody else has this nick or a name like it."""
        return self._names.is_free(nick, user_id)

    # ---- change

    def load(self, state: Iterable[object]) -> Iterator[int]:
        """Take in the whole state, which is gone through three times; between two steps others may work.

        It yields how many events were looked at; those that cannot be understood are counted only.
        """
        looked = 0
        for is_turn in (_is_rule, _is_member, _is_other):
            for event in map(mapping, state):
                if looked % SLICE == 0:
                    yield looked
                looked += 1
                if not is_turn(event):
                    continue
                try:
                    self.apply(event)
                except Malformed:
                    self.malformed += 1

    def apply(self, event: Json) -> Events:
        """Take in one state event and return what it means to those in the room; may raise Malformed."""
        kind = event.get("type")
        read = self._read.get(kind) if isinstance(kind, str) else None
        key = event.get("state_key")
        if read is None or not isinstance(key, str) or (key and kind != MEMBER):
            return []
        sender = event.get("sender")
        if not isinstance(sender, str) or not is_user_id(sender):
            raise Malformed("no sender")
        return read(event)

    def _on_create(self, event: Json) -> Events:
        self._creation = creation(event)
        predecessor = text(mapping(mapping(event.get("content")).get("predecessor")), "room_id")
        self.predecessor = predecessor if is_room_id(predecessor) else ""
        return self._levels_changed()

    def _on_power_levels(self, event: Json) -> Events:
        self._power = mapping(event.get("content"))
        return self._levels_changed()

    def _on_join_rules(self, event: Json) -> Events:
        self.join_rule = text(mapping(event.get("content")), "join_rule") or "invite"
        return [*self._stand_anew(self.members), self._configured()]

    def _on_name(self, event: Json) -> Events:
        self.name = " ".join(text(mapping(event.get("content")), "name").split())
        return [self._configured()]

    def _on_alias(self, event: Json) -> Events:
        self.alias = text(mapping(event.get("content")), "alias")[:MAX_ID]
        return [self._configured()]

    def _on_avatar(self, event: Json) -> Events:
        self.avatar = text(mapping(event.get("content")), "url")[: 2 * MAX_ID]
        return [self._configured()]

    def _on_encryption(self, event: Json) -> Events:
        was_encrypted, self.is_encrypted = self.is_encrypted, True
        return [] if was_encrypted else [RoomNotice(room=self.room, text=ENCRYPTED), self._configured()]

    def _on_tombstone(self, event: Json) -> Events:
        content = mapping(event.get("content"))
        replacement = text(content, "replacement_room")
        # the server of whoever replaced the room knows the other one
        via = (str(event["sender"]).partition(":")[2],)
        self.replacement = RoomTarget(replacement, via) if is_room_id(replacement) else None
        return [RoomNotice(room=self.room, text=text(content, "body") or REPLACED)]

    def _on_topic(self, event: Json) -> Events:
        words, nick = text(mapping(event.get("content")), "topic"), self.nick(str(event["sender"]))
        self.topic = Topic(room=self.room, text=words, nick=nick, time=time_of(event))
        return [Topic(room=self.room, text=words, nick=nick)]

    def _configured(self) -> RoomConfig:
        return RoomConfig(room=self.room, moderated=self.levels.moderated)

    # ---- who is in

    def _on_member(self, event: Json) -> Events:
        user_id, content = str(event["state_key"]), mapping(event.get("content"))
        membership = content.get("membership")
        if not is_user_id(user_id) or not isinstance(membership, str):
            raise Malformed("no membership")
        member = self.members.get(user_id)
        bid = self.invited.pop(user_id, None)
        if membership in ("invite", "knock"):
            if membership == "invite" and member is None:
                self._note(user_id, event)
            # nobody who is in can be invited: it is from before he came
            return [self._knock(user_id, content)] if membership == "knock" and member is None else []
        if membership != "join":
            if member is not None:
                return self._leave(member, event, text(content, "reason"))
            return self._decline(user_id, bid, event) if bid is not None else []
        avatar = text(content, "avatar_url")[: 2 * MAX_ID]
        name = name_of(content.get("displayname"), user_id)
        if member is not None:
            member.avatar = avatar
            return self.pictured(user_id) if member.name == name else self._rename(member, name)
        if len(self.members) >= MAX_MEMBERS:
            return []
        return self._join(Member(user_id, name, avatar))

    def _note(self, user_id: str, event: Json) -> None:
        """Remember an invitation of ours: who sent it is told if it is turned down."""
        sender = str(event["sender"])
        of = text(mapping(mapping(event.get("content")).get(MARKER)), "inviter")
        if not of and not self.ids.is_ghost(sender):
            return
        self.invited[user_id] = Bid(sender, of[: 4 * MAX_ID])
        if len(self.invited) > MAX_INVITED:
            del self.invited[next(iter(self.invited))]

    def _decline(self, user_id: str, bid: Bid, event: Json) -> Events:
        content, user = mapping(event.get("content")), self.ids.ghost_of(user_id)
        if content.get("membership") != "leave" or event["sender"] != user_id:
            return []
        contact = ContactId(self._address(user_id)) if user is None else None
        reason = " ".join(text(content, "reason").split())[:MAX_ID]
        nick = bid.of or self.nick(bid.sender)
        return [Decline(room=self.room, nick=nick, contact=contact, user=user, reason=reason)]

    def _knock(self, user_id: str, content: Json) -> Knock:
        user = self.ids.ghost_of(user_id)
        return Knock(
            room=self.room,
            nick=name_of(content.get("displayname"), user_id),
            contact=ContactId(self._address(user_id)) if user is None else None,
            user=user,
            reason=" ".join(text(content, "reason").split())[:MAX_ID],
        )

    def _join(self, member: Member) -> Events:
        self.members[member.user_id] = member
        renamed = self._settle(self._names.take(member.user_id, member.name))
        return [*renamed, Join(room=self.room, occupant=self._seat(member))]

    def _leave(self, member: Member, event: Json, reason: str) -> Events:
        del self.members[member.user_id]
        self._unseat(member.nick)
        heir = self._names.release(member.user_id, member.name)
        left: RoomEvent = Leave(room=self.room, nick=member.nick, reason=reason)
        sender = str(event["sender"])
        if sender != member.user_id:
            is_ban = mapping(event.get("content")).get("membership") == "ban"
            left = Kick(
                room=self.room,
                nick=member.nick,
                actor=self.nick(sender),
                reason=reason,
                banned=is_ban,
                # he does not come back uninvited
                struck=self.is_closed and not is_ban,
            )
        return [left, *self._settle(heir)]

    def _rename(self, member: Member, name: str) -> Events:
        """Give a member another name: who had to give way does so before, who inherits comes after."""
        heir = loser = None
        if key_of(name) == key_of(member.name):
            member.name = name
        else:
            heir = self._names.release(member.user_id, member.name)
            member.name = name
            loser = self._names.take(member.user_id, name)
        return [*self._settle(loser), *self._settle(member.user_id), *self._settle(heir)]

    def _settle(self, user_id: str | None) -> Events:
        """Give a member the nick that is his now."""
        member = self.members.get(user_id) if user_id is not None else None
        if member is None or self._names.nick(member.user_id, member.name) == member.nick:
            return []
        old = member.nick
        self._unseat(old)
        return [NickChange(room=self.room, old=old, occupant=self._seat(member))]

    def _seat(self, member: Member) -> Occupant:
        member.nick = self._names.nick(member.user_id, member.name)
        self._nicks[member.nick] = member.user_id
        affiliation, role = self._standing(member.user_id)
        occupant = Occupant(
            nick=member.nick,
            affiliation=affiliation,
            role=role,
            address=self._address(member.user_id),
            user=self.ids.ghost_of(member.user_id),
            identity=member.user_id,
            away=member.away,
            avatar=self._picture(member, None),
        )
        self._owned()[member.nick] = occupant
        return occupant

    def _picture(self, member: Member, shown: str | None) -> str | None:
        """Return the hash of a member's picture; of who never had one nothing is said."""
        if member.avatar:
            return self._pictures.get(member.avatar)
        return "" if shown else shown

    def unseen(self, user_id: str) -> str:
        """Return the URL of a member's picture whose hash nobody was told; "" for nothing."""
        member = self.members.get(user_id)
        return member.avatar if member is not None and self._occupants[member.nick].avatar is None else ""

    def pictured(self, user_id: str) -> Events:
        """Show a member's picture as it is known now."""
        member = self.members.get(user_id)
        shown = None if member is None else self._occupants[member.nick]
        if member is None or shown is None or shown.avatar == self._picture(member, shown.avatar):
            return []
        occupant = structs.replace(shown, avatar=self._picture(member, shown.avatar))
        self._owned()[member.nick] = occupant
        return [OccupantChange(room=self.room, occupant=occupant)]

    def _unseat(self, nick: str) -> None:
        del self._nicks[nick]
        del self._owned()[nick]

    def _address(self, user_id: str) -> str:
        if self.ids.is_ghost(user_id):
            return ""
        try:
            return self.ids.contact(user_id)
        except BridgeError:
            return ""

    def _owned(self) -> dict[str, Occupant]:
        if self._is_lent:
            self._occupants, self._is_lent = dict(self._occupants), False
        return self._occupants

    def show(self, user_id: str, away: str | None) -> Events:
        """Take in that a member is there, or how he is away."""
        member = self.members.get(user_id)
        if member is None or member.away == away:
            return []
        member.away = away
        occupant = structs.replace(self._occupants[member.nick], away=away)
        self._owned()[member.nick] = occupant
        return [OccupantChange(room=self.room, occupant=occupant)]

    # ---- who may do what

    def _standing(self, user_id: str) -> Standing:
        level = self.levels.level(user_id)
        found = self._standings.get(level)
        if found is None:
            found = self._standings[level] = self.levels.standing(level, closed=self.is_closed)
        return found

    def _levels_changed(self) -> Events:
        before, self.levels = self.levels, power_levels(self._power, self._creation)
        is_same_for_most = _rules(before) == _rules(self.levels)
        concerned: Iterable[str] = before.special | self.levels.special if is_same_for_most else self.members
        changes = self._stand_anew(concerned)
        return [*changes, self._configured()] if before.moderated != self.levels.moderated else changes

    def _stand_anew(self, user_ids: Iterable[str]) -> Events:
        """Look again at what these members may do."""
        self._standings.clear()
        changes: Events = []
        for user_id in user_ids:
            member = self.members.get(user_id)
            if member is None:
                continue
            shown = self._occupants[member.nick]
            affiliation, role = self._standing(user_id)
            if affiliation is not shown.affiliation or role is not shown.role:
                occupant = structs.replace(shown, affiliation=affiliation, role=role)
                self._owned()[member.nick] = occupant
                changes.append(OccupantChange(room=self.room, occupant=occupant))
        return changes


def _rules(levels: PowerLevels) -> PowerLevels:
    """Leave only what concerns everybody."""
    return structs.replace(levels, users={}, creation=Creation())


_RULES = (CREATE, POWER_LEVELS, JOIN_RULES)


def _is_rule(event: Json) -> bool:
    return event.get("type") in _RULES


def _is_member(event: Json) -> bool:
    return event.get("type") == MEMBER


def _is_other(event: Json) -> bool:
    return not _is_rule(event) and not _is_member(event)
