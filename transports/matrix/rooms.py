"""The ways into rooms and out of them, and what is heard inside.

Each ghost goes through one door at a time, so that a leave and the next join cannot overtake each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from nio.api import Api
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Enter,
    Exit,
    Exited,
    Invite,
    NotEntered,
    RoomId,
    UserId,
)
from transports.matrix.actions import membership
from transports.matrix.client import CLIENT
from transports.matrix.common import Common
from transports.matrix.content import mapping, text
from transports.matrix.faces import Faces
from transports.matrix.ids import RoomTarget, is_room_id, is_user_id
from transports.matrix.names import is_nick, name_of
from transports.matrix.order import InOrder
from transports.matrix.reactions import Reactions
from transports.matrix.recall import Recall
from transports.matrix.room import Room
from transports.matrix.session import WATCHED, RoomSession, Stay
from transports.matrix.stays import Stays
from transports.matrix.tables import MAX_ID, MEMBER, PROFILE, REACTION, REDACTION, TOMBSTONE
from transports.matrix.translate import Skipped
from transports.matrix.upgrades import Upgrades, relocated

ECHO_TIMEOUT = 30.0
"""Seconds in which the homeserver tells us of a membership that it agreed to."""
OVERLAP = 60.0
"""Seconds after the state was loaded in which older events may still come."""
RESTORING = 60.0
"""Seconds after the start in which events wait for users who are restored to their rooms."""
AWAY_AFTER = 10.0
"""Seconds after which users are told that the homeserver is away; a restart is shorter."""
DOOR_QUEUE = 600
DOORS = 50_000
"""Ways in and out that may wait, of one user and of all."""
ENCRYPTED = "This room is end-to-end encrypted; that cannot be carried over XMPP."
MAX_UPGRADES = 20
"""Replacements of replacements that are followed."""
ROUND = "This room has been replaced again and again."
AWAY = "The homeserver cannot be reached. What you say waits for it a while."
BACK = "The homeserver can be reached again."
BY_ANOTHER = "You are in this room already, by another of its addresses."

Explain = Callable[[RoomId, BridgeError], Awaitable[BridgeError]]


class Rooms:
    """See the module's docstring.

    `explain` puts into words why a room could not be joined, `echo` is told of what is heard in rooms.
    """

    log = Logger()

    def __init__(
        self,
        common: Common,
        stays: Stays,
        explain: Explain,
        elsewhere: Callable[[str], RoomId | None],
        away: Callable[[str], str | None],
        echo: Callable[[Mapping[str, Any], RoomSession | None], None],
    ) -> None:
        self._homeserver = common.homeserver
        self._recall = Recall(common.homeserver)
        self._reactions = Reactions(common.uplink, common.clock)
        self._ids = common.ids
        self._clock = common.clock
        self._uplink = common.uplink
        self._rules = common.rules
        self._pictures = common.pictures
        self._stays = stays
        self._explain = explain
        self._elsewhere = elsewhere
        self._presence_of = away
        self._echo = echo
        self._faces = Faces(common.pictures, common.uplink.deliver)
        self._doors = InOrder(DOOR_QUEUE, DOORS)
        self._upgrades = Upgrades(common, stays, self._doors, self._unseat, self._go_in, self.leave)
        self._loads = InOrder(DOORS, DOORS)
        self._waiting: dict[str, Deferred[None]] = {}
        self._moves: dict[tuple[str, str], Deferred[None]] = {}
        self._restoring = common.clock.callLater(RESTORING, self._restored)
        self._settling: dict[str, Any] = {}
        self._away: IDelayedCall | None = None

    def stop(self) -> None:
        """Let nothing wait any more."""
        self._upgrades.stop()
        self._reactions.stop()
        for call in (self._restoring, self._away, *self._settling.values()):
            if call is not None and call.active():
                call.cancel()

    # ---- in

    def enter(self, user: UserId, event: Enter) -> None:
        """Take a user in; who is in already is shown the room again."""
        stay = self._stays.get(user, event.room)
        if stay is not None:
            session = self._stays.session_of(stay)
            found = session.entered(stay) if session is not None and stay.inside else None
            if found is not None:
                self._uplink.deliver(user, (found,))
            return
        stay = Stay(user, event.room, self._ids.ghost(user), event.nick)
        self._stays.add(stay)
        self._doors.do(_door(stay), lambda: self._enter(stay)).addErrback(self._refuse, stay)

    def _refuse(self, failure: Failure, stay: Stay) -> None:
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a room could not be entered", failure)
            error = BridgeError(Trouble.INTERNAL)
        if not stay.gone:
            self._stays.forget(stay)
            self._uplink.deliver(stay.user, (NotEntered(room=stay.room, nick=stay.nick, error=error),))

    async def _enter(self, stay: Stay) -> None:
        if stay.gone:
            return
        target = self._ids.target(stay.room)
        if not self._rules.may_enter(stay.user, target.id):
            raise BridgeError(Trouble.NOT_ALLOWED)
        self._send_on(target.id)
        if not target.via and target.id.partition(":")[2] in ("", self._ids.server):

            async def come_in() -> None:
                if not stay.gone:
                    await self._go_in(stay, await self._join(stay, target))

            await self._doors.do(stay.ghost, come_in)
        else:
            # another server may take its time; the user's other rooms do not wait for it
            id = await self._join(stay, target)
            await self._doors.do(stay.ghost, lambda: self._go_in(stay, id))

    async def _join(self, stay: Stay, target: RoomTarget) -> str:
        await self._introduce(stay)
        try:
            return await self._homeserver.join(stay.ghost, target.id, target.via, stay.nick)
        except BridgeError as refusal:
            raise await self._explain(stay.room, refusal) from None

    async def _go_in(self, stay: Stay, id: str) -> None:
        """Go on from a room that the ghost joined to the one that it is shown in."""
        for _ in range(MAX_UPGRADES):
            replacement = await self._settle_in(stay, id)
            if replacement is None:
                return
            id = await self._homeserver.join(stay.ghost, replacement.id, replacement.via, stay.nick)
        raise BridgeError(Trouble.REFUSED, ROUND)

    async def _settle_in(self, stay: Stay, id: str) -> RoomTarget | None:
        """Show a room to the user, or return by which it has been replaced."""
        stay.id = id
        self._send_on(id)
        session = self._stays.sessions.get(id)
        if session is None:
            room = Room(stay.room, self._ids, self._uplink.link, self._pictures.known)
            session = self._stays.sessions[id] = RoomSession(id, room)
        elif stay.ghost in session.stays:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, BY_ANOTHER)
        self._stays.seat(stay, session)
        replacement = None
        try:
            replacement = await self._arrive(stay, session)
        finally:
            self.release(id)
            if replacement is not None:
                self._unseat(stay, session)
            elif not stay.inside:
                await self._turn_back(stay, session)
        return replacement

    async def _turn_back(self, stay: Stay, session: RoomSession) -> None:
        try:
            await self._withdraw(stay, session, "")
        except BridgeError as error:
            self._stuck(Failure(error))

    async def _arrive(self, stay: Stay, session: RoomSession) -> RoomTarget | None:
        """Wait until the ghost is seen in the room, and show it to the user unless he left meanwhile.

        Return by which room it has been replaced, if it has.
        """
        await self._loads.do(stay.id, lambda: self._load(session, stay.ghost))
        if stay.ghost not in session.room.members:
            self.release(stay.id)
            await self._until(session, stay.ghost, present=True)
        if session.room.replacement is not None and not stay.gone:
            return session.room.replacement
        if session.room.is_encrypted:
            raise BridgeError(Trouble.REFUSED, ENCRYPTED)
        if not self._is_allowed(stay, session):
            raise BridgeError(Trouble.NOT_ALLOWED)
        if stay.id not in self._uplink.memory(stay.user) and stay.seen is None:
            # a nick that was his before stays his
            membership(stay.nick, session.room, stay.ghost)
        found = session.entered(stay)
        if stay.gone:
            return None
        if found is None:
            raise BridgeError(Trouble.REFUSED)
        self._uplink.remember(stay.user, stay.id, stay.nick.encode())
        stay.inside = True
        self._uplink.deliver(stay.user, (found,) if stay.seen is None else relocated(found, stay))
        stay.seen = None
        if session.room.members[stay.ghost].name != stay.nick:
            self._name(stay, session)
        return None

    def _send_on(self, target: str) -> None:
        """Send who wants into a room of XMPP that is on Matrix too to the room itself."""
        room = self._elsewhere(target)
        if room is not None:
            raise BridgeError(Trouble.MOVED, uri=f"xmpp:{room}?join")

    def _is_allowed(self, stay: Stay, session: RoomSession) -> bool:
        """Tell whether the operator lets the user into the room, by all the names it has."""
        names = (session.id, session.room.alias) if session.room.alias else (session.id,)
        return self._rules.may_enter(stay.user, self._ids.target(stay.room).id, *names)

    def enforce(self) -> None:
        """Put out who may not be in any more by the rules as they are now."""
        for stay in self._stays.all():
            session = self._stays.session_of(stay)
            if session is not None and stay.inside and not self._is_allowed(stay, session):
                self.leave(stay, Trouble.NOT_ALLOWED.value.text, Exit.KICKED)

    def _keep_name(self, stay: Stay, session: RoomSession) -> None:
        """Name a ghost anew that lost its name in this room.

        COMPAT Synapse: when a profile changes it writes all of it into all rooms, the name too.
        """
        member = session.room.members.get(stay.ghost)
        if member is not None and member.name != stay.nick:
            self._name(stay, session)

    def _name(self, stay: Stay, session: RoomSession) -> None:
        """Have the ghost called in this room as its user wants; his profile has another name."""
        try:
            content = dict(membership(stay.nick, session.room, stay.ghost))
        except BridgeError:
            return
        asked = Api.room_put_state("", session.id, MEMBER, content, stay.ghost)
        self._homeserver.api(asked, user=stay.ghost, room=session.id).addErrback(self._unnamed)

    def _unnamed(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.warn("a ghost keeps its other name: {trouble}", trouble=str(failure.value))

    async def _introduce(self, stay: Stay) -> None:
        """See to it that the nick can be had, as far as is known, and that a new ghost has it as its name."""
        if not is_nick(stay.nick):
            raise BridgeError(Trouble.BAD_NICK)
        session = self._stays.by_address.get(stay.room)
        if session is not None and session.ready and stay.ghost not in session.room.members:
            membership(stay.nick, session.room, stay.ghost)
        if PROFILE not in self._uplink.memory(stay.user):
            await self._homeserver.set_profile(stay.ghost, stay.nick)
            self._uplink.remember(stay.user, PROFILE, stay.ghost.encode())

    async def _load(self, session: RoomSession, ghost: str) -> None:
        if session.ready:
            return
        # what is said from now on will be heard
        session.heard = self._clock.seconds()
        for _ in session.load(await self._homeserver.room_state(session.id, ghost)):
            await deferLater(self._clock, 0)
        session.ready = True
        for user_id in list(session.room.members) if len(session.room.members) <= WATCHED else ():
            session.show(user_id, self._presence_of(user_id))
        self._reactions.load(session)
        self._recall.begin(session, ghost)
        self._faces.loaded(session)
        self._settling[session.id] = self._clock.callLater(OVERLAP, session.settle)

    async def _until(self, session: RoomSession, ghost: str, *, present: bool) -> None:
        """Wait until a ghost is seen in the room, or out of it; TIMED_OUT."""
        end = self._clock.seconds() + ECHO_TIMEOUT
        while (
            self._stays.sessions.get(session.id) is session and (ghost in session.room.members) is not present
        ):
            moved = self._moves[session.id, ghost] = Deferred()
            moved.addTimeout(max(end - self._clock.seconds(), 0), self._clock)
            try:
                await moved
            except TimeoutError:
                raise BridgeError(Trouble.TIMED_OUT) from None
            finally:
                self._moves.pop((session.id, ghost), None)

    # ---- out

    def leave(
        self,
        stay: Stay,
        reason: str,
        exit: Exit = Exit.LEFT,
        *,
        stays: bool = False,
        alternate: RoomId | None = None,
    ) -> Deferred[None]:
        """Take a user out; fires, and never fails, when the homeserver knows.

        `stays`: his ghost does not go. `alternate`: where the room went on.
        """
        session = self._stays.session_of(stay)
        nick = stay.nick if session is None or not stay.inside else session.room.nick(stay.ghost)
        was_inside, stay.inside, stay.gone = stay.inside, False, True
        self._stays.forget(stay)
        exited = Exited(room=stay.room, nick=nick, exit=exit, reason=reason, alternate=alternate)
        self._uplink.deliver(stay.user, (exited,))

        async def go() -> None:
            if session is not None and was_inside and not stays:
                await self._withdraw(stay, session, reason)

        async def turn() -> None:
            await self._doors.do(stay.ghost, go)

        # who is still on the way in turns round by himself
        return self._doors.do(_door(stay), turn).addErrback(self._stuck)

    def _stuck(self, failure: Failure) -> None:
        """The ghost stays in a room that its user left; the next time he is in, he can leave again."""
        failure.trap(BridgeError)
        self.log.warn("a ghost did not get out of its room: {trouble}", trouble=str(failure.value))

    async def _withdraw(self, stay: Stay, session: RoomSession, reason: str) -> None:
        self._unseat(stay, session)
        path, body = leave_path(session.id), {"reason": reason} if reason else {}
        options: Mapping[str, Any] = {"user": stay.ghost, "room": session.id, "repeatable": True}
        await self._homeserver.call("POST", path, body=body, **options)
        self._uplink.remember(stay.user, session.id, None)
        if session.ready:
            await self._until(session, stay.ghost, present=False)
        before = self._stays.sessions.get(session.room.predecessor)
        if session.room.predecessor and (before is None or stay.ghost not in before.stays):
            # he was taken along from there; who was not is not in it
            path = leave_path(session.room.predecessor)
            await self._homeserver.call("POST", path, body=body, user=stay.ghost, patience=0)

    def _unseat(self, stay: Stay, session: RoomSession) -> None:
        """Take a stay out of its room; nobody waits for what happens in a room that is forgotten."""
        if self._stays.unseat(stay, session):
            settling = self._settling.pop(session.id, None)
            if settling is not None and settling.active():
                settling.cancel()
            for key in [key for key in self._moves if key[0] == session.id]:
                self._moves[key].callback(None)
            self.release(session.id)

    # ---- what is heard

    def hear(self, event: Mapping[str, Any]) -> Deferred[None] | None:
        """Take in an event; the next of the room waits while its state is being loaded."""
        id = text(event, "room_id")
        session = self._stays.sessions.get(id)
        self._invited(id, event)
        # who comes back loads the state; what changed it need not wait for him, nor keep others waiting
        is_expected = session is None and self._restoring.active() and "state_key" not in event
        if is_expected or (session is not None and not session.ready):
            waiting = self._waiting[id] = Deferred()
            return waiting.addCallback(lambda _: self._know(id, event))
        return self._know(id, event)

    def _know(self, id: str, event: Mapping[str, Any]) -> Deferred[None] | None:
        """Take in an event when what it refers to is known."""
        session = self._stays.sessions.get(id)
        looked = self._recall.incoming(session, event) if session is not None and session.ready else None
        if looked is None:
            self._hear(id, event)
            return None
        return looked.addCallback(lambda is_told: self._hear(id, event) if is_told else None)

    def _invited(self, id: str, event: Mapping[str, Any]) -> None:
        """Tell a user that his ghost is invited."""
        content, inviter = mapping(event.get("content")), text(event, "sender")
        if event.get("type") != MEMBER or content.get("membership") != "invite":
            return
        user = self._ids.ghost_of(text(event, "state_key"))
        if self._upgrades.is_hoped_for(id, text(event, "state_key")):
            return
        if user is not None and is_room_id(id) and is_user_id(inviter):
            if not self._ids.is_ghost(inviter) and not self._rules.may_reach(inviter, user):
                self.log.info("an invitation is kept back: the rules do not let {inviter}", inviter=inviter)
                return
            room, nick = self._way_in(id, inviter)
            words = text(content, "reason")[:MAX_ID]
            self._uplink.deliver(user, (Invite(room=room, nick=nick, reason=words),))

    def _way_in(self, id: str, inviter: str) -> tuple[RoomId, str]:
        """Return a room's address and who invites to it; an address that led others there is told again."""
        session = self._stays.sessions.get(id)
        if session is None or not session.addresses:
            # the server of who invites knows the room
            return self._ids.room(id, (inviter.partition(":")[2],)), name_of("", inviter)
        host = session.stays.get(inviter)
        room = next(iter(session.addresses)) if host is None else host.room
        return room, session.room.nick(inviter)

    def _hear(self, id: str, event: Mapping[str, Any]) -> None:
        session = self._stays.sessions.get(id)
        self._echo(event, session)
        if session is None or not session.ready:
            return
        key = text(event, "state_key") if event.get("type") == MEMBER else ""
        own = session.stays.get(key)
        heard = session.hear(event)
        if isinstance(heard, Skipped):
            self.log.warn(
                "the event {id} is skipped: {reason}", id=event.get("event_id"), reason=heard.reason
            )
            return
        for user, events in heard:
            self._uplink.deliver(user, events)
        if event.get("type") in (REACTION, REDACTION):
            self._reactions.changed(session)
        if event.get("type") == TOMBSTONE and session.room.replacement is not None:
            for stay in session.listeners:
                self._upgrades.follow(stay, session)
        if own is not None and own.gone:
            self._uplink.remember(own.user, id, None)
            self._stays.forget(own)
            self._unseat(own, session)
        self._faces.heard(session, event)
        if own is not None and own.inside:
            self._keep_name(own, session)
        moved = self._moves.pop((id, key), None)
        if moved is not None:
            moved.callback(None)

    def overhear(self, event: Mapping[str, Any]) -> None:
        """Take in what is not kept: who is writing, and who has read how far."""
        session = self._stays.sessions.get(text(event, "room_id"))
        if session is not None and session.ready and event.get("type") == "m.typing":
            for user, events in session.type(event):
                self._uplink.deliver(user, events)
        if session is not None and session.ready and event.get("type") == "m.receipt":
            for user, events in session.read(event):
                self._uplink.deliver(user, events)

    def outage(self, is_away: bool) -> None:
        """Tell all who are in a room that the homeserver is away, if it stays so, and when it is back."""
        if is_away and self._away is None:
            self._away = self._clock.callLater(AWAY_AFTER, self._announce, AWAY)
        elif not is_away and self._away is not None:
            call, self._away = self._away, None
            if call.active():
                call.cancel()
            else:
                self._announce(BACK)

    def _announce(self, words: str) -> None:
        for session in self._stays.sessions.values():
            for user, events in session.announce(words):
                self._uplink.deliver(user, events)

    def show(self, user_id: str, away: str | None) -> None:
        """Take in how somebody is, in all rooms that he is in."""
        for session in self._stays.sessions.values():
            if user_id in session.room.members:
                for user, events in session.show(user_id, away):
                    self._uplink.deliver(user, events)

    def release(self, id: str) -> None:
        """Let the events of a room go on: nobody is expected to come in any more."""
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            waiting.callback(None)

    def _restored(self) -> None:
        """Who is not in his room by now is not expected any more."""
        for id in [id for id in self._waiting if id not in self._stays.sessions]:
            self.release(id)
        self._reactions.forget_others(self._stays.sessions)


def _door(stay: Stay) -> str:
    """Return in which order a user comes and goes; what is done with all his rooms is in his ghost's too."""
    return f"{stay.ghost} {stay.room}"


def leave_path(id: str) -> str:
    """Return where a ghost leaves a room."""
    return f"{CLIENT}/rooms/{quote(id, safe='')}/leave"
