"""The network itself: rooms with members, messages, nothing kept, nothing slow.

Addresses are ``#room%server`` and ``nick%server``. The first to enter a room is its admin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import structs
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from bridge.capabilities import Capabilities
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    NO_REF,
    Affiliation,
    CallEvent,
    CallTransfer,
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
    Presence,
    Ref,
    Role,
    RoomId,
    Sent,
    ServerId,
    SetRole,
    Topic,
    UserId,
    VoiceRequest,
)
from bridge.forms import Command, Settings
from bridge.network import (
    Address,
    AffiliationList,
    CallQuery,
    ContactAddress,
    ContactInfo,
    ContactQuery,
    GatewayAddress,
    Identity,
    ListedUser,
    Query,
    RoomAddress,
    RoomInfo,
    RoomList,
    RoomPage,
    RoomQuery,
    Scope,
    ServerAddress,
    Uplink,
)
from transports.loopback.calls import Talks
from transports.loopback.capabilities import CARRIED
from transports.loopback.config import LoopbackConfig
from transports.loopback.settings import GatewaySettings, RoomSettings, ServerSettings


class Room:
    """A room: who is in it, by user, and its topic."""

    def __init__(self, room: RoomId) -> None:
        self.id = room
        self.members: dict[UserId, Occupant] = {}
        self.topic: Topic | None = None

    def find(self, nick: str) -> UserId | None:
        """Return who has this nick, None if nobody."""
        return next((user for user, one in self.members.items() if one.nick == nick), None)


class LoopbackNetwork:
    """See the module's docstring."""

    identity = Identity(type="xmpp", name="Loopback network", brand="Loopback")
    single_server = False
    keeps_history = False
    media = None
    settings: Mapping[Scope, type[Settings]] = {
        Scope.GATEWAY: GatewaySettings,
        Scope.SERVER: ServerSettings,
        Scope.ROOM: RoomSettings,
    }

    def __init__(self, config: LoopbackConfig) -> None:
        self._server = ServerId(config.server)
        self._rooms: dict[RoomId, Room] = {}
        self._uplink: Uplink
        self._talks = Talks(self._tell, self._find)
        self._on: dict[type[Outgoing], Callable[[UserId, Any], None]] = {
            Enter: self._enter,
            Depart: self._depart,
            ChangeNick: self._change_nick,
            Kick: self._kick,
            SetRole: self._set_role,
            VoiceRequest: self._ask_for_voice,
            Topic: self._set_topic,
            Message: self._say,
            DirectMessage: self._whisper,
            Presence: self._show,
        }

    # ---- the contract

    def start(self, uplink: Uplink) -> None:
        """Begin."""
        self._uplink = uplink

    def stop(self, reason: str) -> Deferred[None]:
        """Put everybody out."""
        self._talks.stop(reason)
        for room in list(self._rooms.values()):
            for user, one in list(room.members.items()):
                self._tell(user, Exited(room=room.id, nick=one.nick, exit=Exit.SHUTDOWN, reason=reason))
        self._rooms.clear()
        return succeed(None)

    def address(self, local: str) -> Address:
        """Read a local part."""
        name, percent, server = local.lower().rpartition("%")
        if not local:
            return GatewayAddress()
        if server != self._server:
            raise BridgeError(Trouble.JID_MALFORMED)
        if not percent:
            return ServerAddress(self._server)
        if name.startswith("#"):
            return RoomAddress(RoomId(local.lower()), self._server)
        return ContactAddress(ContactId(local.lower()), self._server)

    def meant(self, text: str) -> str:
        """Return what people write as an address: it is the local part."""
        return text

    def contact(self, room: RoomId, nick: str) -> ContactId:
        """Return who a nick is."""
        return ContactId(f"{nick.lower()}%{self._server}")

    def nick(self, contact: ContactId) -> str:
        """Return the nick of a contact."""
        return contact.rpartition("%")[0]

    def name(self, address: Address) -> str:
        """Return what people call it."""
        return address.room if isinstance(address, RoomAddress) else self._server

    def pause(self) -> None:
        """Nothing comes in by itself."""

    def resume(self) -> None:
        """Nothing was held back."""

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        """Everything is carried."""
        return CARRIED

    def submit(self, user: UserId, event: Outgoing) -> None:
        """Do what the user wants, or say that it cannot be done."""
        if isinstance(event, CallEvent | CallTransfer):
            self._talks.hear(user, event)
            return
        try:
            method = self._on.get(type(event))
            if method is None:
                raise BridgeError(Trouble.UNSUPPORTED)
            method(user, event)
        except BridgeError as error:
            ref: Ref = getattr(event, "ref", NO_REF)
            if ref:
                self._tell(user, Failed(ref=ref, error=error))

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Nobody is a guest on XMPP."""

    def burst(self) -> AbstractContextManager[None]:
        """Nothing is worth waiting for."""
        return nullcontext()

    def ask(self, user: UserId, query: Query) -> Deferred[Any]:
        """Answer from memory."""
        if isinstance(query, CallQuery):
            return maybeDeferred(self._talks.may, query.contact)
        if isinstance(query, RoomQuery) and query.room in self._rooms:
            return succeed(self._info(self._rooms[query.room]))
        if isinstance(query, RoomList):
            rooms = [self._info(self._rooms[one]) for one in sorted(self._rooms)]
            return succeed(RoomPage(rooms=rooms, first_index=0, total=len(rooms), complete=True))
        if isinstance(query, AffiliationList) and query.room in self._rooms:
            return succeed(self._listed(self._rooms[query.room], query.affiliation))
        if isinstance(query, ContactQuery):
            return succeed(ContactInfo(nick=self.nick(query.contact)))
        return fail(BridgeError(Trouble.NOT_FOUND))

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return the room as everybody sees it."""
        found = self._rooms.get(room)
        if found is None or user not in found.members:
            return None
        occupants = {one.nick: one for one in found.members.values()}
        return Entered(room=room, me=found.members[user], occupants=occupants, topic=found.topic)

    def users(self) -> Sequence[UserId]:
        """Return who is in any room."""
        return list(dict.fromkeys(user for room in self._rooms.values() for user in room.members))

    def disconnect(self, user: UserId, reason: str) -> bool:
        """Take the user out of every room."""
        rooms = [room.id for room in self._rooms.values() if user in room.members]
        for room in rooms:
            self.submit(user, Depart(room=room, reason=reason))
        return bool(rooms)

    def commands(self, address: Address) -> Sequence[Command]:
        """There are none."""
        return ()

    def reload(self, config: Any) -> None:
        """There is nothing that could change."""

    # ---- what users do

    def _tell(self, user: UserId, *events: Incoming) -> None:
        self._uplink.deliver(user, events)

    def _tell_others(self, room: Room, user: UserId, *events: Incoming) -> None:
        for other in list(room.members):
            if other != user:
                self._uplink.deliver(other, events)

    def _inside(self, user: UserId, room: RoomId) -> Room:
        found = self._rooms.get(room)
        if found is None or user not in found.members:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        return found

    def _enter(self, user: UserId, event: Enter) -> None:
        room = self._rooms.setdefault(event.room, Room(event.room))
        if room.find(event.nick) not in (None, user):
            error = BridgeError(Trouble.NICK_IN_USE)
            return self._tell(user, NotEntered(room=event.room, nick=event.nick, error=error))
        first = not room.members
        me = Occupant(
            nick=event.nick,
            affiliation=Affiliation.ADMIN if first else Affiliation.NONE,
            role=Role.MODERATOR if first else Role.PARTICIPANT,
            identity=f"u:{user}",
        )
        room.members[user] = me
        self._tell_others(room, user, Join(room=room.id, occupant=me))
        seen = self.snapshot(user, room.id)
        assert seen is not None
        return self._tell(user, seen)

    def _depart(self, user: UserId, event: Depart) -> None:
        room = self._rooms.get(event.room)
        me = None if room is None else room.members.pop(user, None)
        if room is not None and me is not None:
            self._tell_others(room, user, Leave(room=room.id, nick=me.nick, reason=event.reason))
        nick = "" if me is None else me.nick
        self._tell(user, Exited(room=event.room, nick=nick, exit=Exit.LEFT, reason=event.reason))

    def _change_nick(self, user: UserId, event: ChangeNick) -> None:
        room = self._inside(user, event.room)
        if room.find(event.nick) is not None:
            error = BridgeError(Trouble.NICK_IN_USE)
            return self._tell(user, NickRefused(room=room.id, nick=event.nick, error=error))
        old = room.members[user].nick
        me = room.members[user] = structs.replace(room.members[user], nick=event.nick)
        for member in list(room.members):
            self._tell(member, NickChange(room=room.id, old=old, occupant=me))
        return None

    def _kick(self, user: UserId, event: Kick) -> None:
        room = self._inside(user, event.room)
        victim = room.find(event.nick)
        if victim is None:
            raise BridgeError(Trouble.NO_SUCH_NICK)
        actor = room.members[user]
        if actor.role is not Role.MODERATOR:
            raise BridgeError(Trouble.NO_PRIVILEGE)
        del room.members[victim]
        self._tell(
            victim,
            Exited(room=room.id, nick=event.nick, exit=Exit.KICKED, actor=actor.nick, reason=event.reason),
        )
        self._tell_others(
            room, victim, Kick(room=room.id, nick=event.nick, actor=actor.nick, reason=event.reason)
        )
        self._sent(user, event.ref)

    def _set_role(self, user: UserId, event: SetRole) -> None:
        room = self._inside(user, event.room)
        target = room.find(event.nick)
        if target is None:
            raise BridgeError(Trouble.NO_SUCH_NICK)
        if room.members[user].role is not Role.MODERATOR:
            raise BridgeError(Trouble.NO_PRIVILEGE)
        changed = room.members[target] = structs.replace(room.members[target], role=event.role)
        for member in list(room.members):
            self._tell(member, OccupantChange(room=room.id, occupant=changed))
        self._sent(user, event.ref)

    def _ask_for_voice(self, user: UserId, event: VoiceRequest) -> None:
        room = self._inside(user, event.room)
        for other, one in list(room.members.items()):
            if one.role is Role.MODERATOR:
                self._tell(other, VoiceRequest(room=room.id, nick=room.members[user].nick))
        self._sent(user, event.ref)

    def _set_topic(self, user: UserId, event: Topic) -> None:
        room = self._inside(user, event.room)
        room.topic = structs.replace(event, nick=room.members[user].nick, ref=Ref(0))
        for member in list(room.members):
            self._tell(member, room.topic)
        self._sent(user, event.ref)

    def _say(self, user: UserId, event: Message) -> None:
        room = self._inside(user, event.room)
        me = room.members[user]
        said = structs.replace(
            event, nick=me.nick, identity=me.identity, id=self._uplink.message_id(), ref=Ref(0)
        )
        self._uplink.archive(said)
        self._tell(user, Sent(ref=event.ref, message=said))
        self._tell_others(room, user, said)

    def _find(self, user: UserId, contact: ContactId) -> tuple[UserId, ContactId] | None:
        """Return which user a contact is, and who `user` is to him; None unless they share a room."""
        for room in self._rooms.values():
            other = next(
                (who for who, one in room.members.items() if one.nick.lower() == self.nick(contact)), None
            )
            if other is not None and user in room.members:
                return other, self.contact(room.id, room.members[user].nick)
        return None

    def _whisper(self, user: UserId, event: DirectMessage) -> None:
        author = next(
            (one.nick for room in self._rooms.values() for who, one in room.members.items() if who == user),
            "",
        )
        nick = self.nick(event.contact)
        if event.body.plain == "call me":
            self._talks.call(user, event.contact, nick)
            return self._sent(user, event.ref)
        for room in self._rooms.values():
            for other, one in room.members.items():
                if one.nick.lower() == nick:
                    letter = DirectMessage(
                        contact=self.contact(room.id, author), nick=author, body=event.body
                    )
                    self._tell(other, letter)
                    return self._sent(user, event.ref)
        raise BridgeError(Trouble.NO_SUCH_NICK)

    def _show(self, user: UserId, event: Presence) -> None:
        away = None if not event.show.value else event.status
        for room in self._rooms.values():
            if user in room.members:
                changed = room.members[user] = structs.replace(room.members[user], away=away)
                for member in list(room.members):
                    self._tell(member, OccupantChange(room=room.id, occupant=changed))

    def _sent(self, user: UserId, ref: Ref) -> None:
        self._tell(user, Sent(ref=ref))

    # ---- what users ask

    def _info(self, room: Room) -> RoomInfo:
        topic = "" if room.topic is None else room.topic.text
        return RoomInfo(room=room.id, name=room.id, description=topic, occupants=len(room.members))

    def _listed(self, room: Room, affiliation: Affiliation) -> list[ListedUser]:
        return [
            ListedUser(address=self.contact(room.id, one.nick), affiliation=affiliation, nick=one.nick)
            for one in room.members.values()
            if one.affiliation is affiliation
        ]
