"""Who may do what in a room, who is let in and who is kept out: asked for in the name of a moderator."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, assert_never
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    Configure,
    ContactId,
    Failed,
    Incoming,
    Invite,
    Role,
    Sent,
    SetAffiliation,
    SetRole,
    UserId,
)
from bridge.network import ListedUser
from transports.matrix.client import CLIENT, Homeserver
from transports.matrix.configuration import Configurations
from transports.matrix.content import Json, mapping, text
from transports.matrix.ids import Ids, is_user_id
from transports.matrix.levels import PowerLevels, power_levels
from transports.matrix.order import InOrder
from transports.matrix.refusal import Refusal
from transports.matrix.rights import level_for, with_level
from transports.matrix.session import RoomSession, Stay
from transports.matrix.tables import MAX_ID, MEMBER, POWER_LEVELS

ROOM_QUEUE = 100
QUEUE = 5_000
"""Changes that may wait in one room, and in all."""
LISTED = 1_000
"""Rows of a list of affiliations."""
IS_IN = "Whom you invite is in the room already."
ONESELF = "You cannot ban yourself."

Measure = SetRole | SetAffiliation | Configure | Invite
"""The outgoing events that are done here."""


class Moderation:
    """See the module's docstring; `answer` is told what the user is to hear of it.

    Power levels are read, changed and written: of one room one change at a time, lest one undoes another.
    """

    log = Logger()

    def __init__(self, homeserver: Homeserver, ids: Ids, answer: Callable[[UserId, Incoming], None]) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._answer = answer
        self.configurations = Configurations(homeserver)
        self._changes = InOrder(ROOM_QUEUE, QUEUE)

    def submit(self, stay: Stay, session: RoomSession, event: Measure) -> None:
        """Do what a user wants in a room that he is in; the answer comes by itself."""

        def begin() -> Deferred[None]:
            return Deferred.fromCoroutine(self._measure(stay, session, event))

        doing: Deferred[None] = self._changes.run(session.id, begin)
        doing.addCallback(lambda _: self._answer(stay.user, Sent(ref=event.ref)))
        doing.addErrback(self._failed, stay, event)

    def _failed(self, failure: Failure, stay: Stay, event: Measure) -> None:
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a moderator's wish failed", failure)
            error = BridgeError(Trouble.INTERNAL)
        self._answer(stay.user, Failed(ref=event.ref, error=error))

    def _measure(self, stay: Stay, session: RoomSession, event: Measure) -> Coroutine[Any, Any, None]:
        match event:
            case SetRole(nick=nick, role=role):
                return self._set_level(stay, session, self._who(session, nick), role)
            case SetAffiliation():
                return self._affiliate(stay, session, event)
            case Configure(changes=changes):
                return self.configurations.change(stay, session, changes)
            case Invite():
                who = self._who(session, event.nick, event.contact, event.user)
                return self._invite(stay, session, who, event.reason)
        assert_never(event)

    def _who(
        self, session: RoomSession, nick: str, contact: ContactId | None = None, user: UserId | None = None
    ) -> str:
        """Return whom of Matrix is meant; BridgeError if there can be nobody such."""
        if user is not None:
            return self._ids.ghost(user)
        if contact is not None:
            return self._ids.user_id(contact)
        found = session.room.user(nick)
        if found is None:
            raise BridgeError(Trouble.NO_SUCH_NICK)
        return found

    # ---- affiliations

    async def _affiliate(self, stay: Stay, session: RoomSession, event: SetAffiliation) -> None:
        who, wanted = self._who(session, event.target, event.contact, event.user), event.affiliation
        if wanted is Affiliation.OUTCAST:
            if who == stay.ghost:
                raise BridgeError(Trouble.CONFLICT, ONESELF)
            await self._move("ban", stay, session, who, event.reason)
            return
        is_here = who in session.room.members
        membership = "join" if is_here else await self._membership(stay, session, who)
        if membership == "ban":
            await self._move("unban", stay, session, who, event.reason)
        if wanted is Affiliation.NONE:
            await self._strike(stay, session, who, membership, event.reason)
        elif wanted is Affiliation.MEMBER and session.room.is_closed and not is_here:
            if membership != "invite":
                await self._invite(stay, session, who, event.reason)
        else:
            await self._set_level(stay, session, who, wanted)

    async def _strike(self, stay: Stay, session: RoomSession, who: str, membership: str, reason: str) -> None:
        """Leave somebody nothing but what everybody has; in a closed room not even to be in (§9.4)."""
        await self._set_level(stay, session, who, Affiliation.NONE)
        if membership in ("invite", "knock") or (membership == "join" and session.room.is_closed):
            await self._move("kick", stay, session, who, reason)

    async def _membership(self, stay: Stay, session: RoomSession, who: str) -> str:
        path = f"{_path(session)}/state/{MEMBER}/{quote(who, safe='')}"
        return text(mapping(await self._state(path, stay)), "membership")

    async def _state(self, path: str, stay: Stay) -> Json | None:
        """Return the content of a piece of state, None if there is none."""
        try:
            return mapping(await self._homeserver.call("GET", path, user=stay.ghost))
        except Refusal as refusal:
            if refusal.errcode == "M_NOT_FOUND":
                return None
            raise

    async def _move(self, how: str, stay: Stay, session: RoomSession, who: str, reason: str) -> None:
        """Change somebody's membership: ban, unban, kick, invite."""
        body = {"user_id": who, **({"reason": reason[:MAX_ID]} if reason else {})}
        await self._homeserver.call(
            "POST", f"{_path(session)}/{how}", body=body, user=stay.ghost, room=session.id, repeatable=True
        )

    async def _invite(self, stay: Stay, session: RoomSession, who: str, reason: str) -> None:
        if who in session.room.members:
            raise BridgeError(Trouble.CONFLICT, IS_IN)
        if self._ids.is_ghost(who):
            await self._homeserver.register(who)
        try:
            await self._move("invite", stay, session, who, reason)
        except Refusal as refusal:
            raise (
                refusal.meaning(Trouble.NO_SUCH_NICK) if refusal.errcode == "M_NOT_FOUND" else refusal
            ) from None

    # ---- levels

    async def _set_level(
        self, stay: Stay, session: RoomSession, who: str, wanted: Affiliation | Role
    ) -> None:
        room, path = session.room, f"{_path(session)}/state/{POWER_LEVELS}/"
        content = await self._state(path, stay)
        levels = power_levels(content, room.levels.creation)
        if self._is_so(levels, who, wanted, closed=room.is_closed):
            return
        level = level_for(wanted, levels, closed=room.is_closed)
        changed = with_level(content, levels, stay.ghost, who, level)
        await self._homeserver.call("PUT", path, body=changed, user=stay.ghost, room=session.id)

    async def _levels(self, stay: Stay, session: RoomSession) -> PowerLevels:
        """Return the levels as they are now; what the room was told of them may be older."""
        content = await self._state(f"{_path(session)}/state/{POWER_LEVELS}/", stay)
        return power_levels(content, session.room.levels.creation)

    def _is_so(self, levels: PowerLevels, who: str, wanted: Affiliation | Role, *, closed: bool) -> bool:
        if wanted is Affiliation.NONE:
            return who not in levels.special
        return wanted in levels.standing(levels.level(who), closed=closed)

    # ---- lists

    async def listed(self, stay: Stay, session: RoomSession, wanted: Affiliation) -> Sequence[ListedUser]:
        """Return who has an affiliation, also of those who are not in (§9.5, §9.8, §10.5, §10.8)."""
        if wanted is Affiliation.OUTCAST:
            return await self._with_membership("ban", stay, session, wanted)
        room = session.room
        levels = await self._levels(stay, session)
        is_everybody = wanted is Affiliation.MEMBER and room.is_closed
        candidates = room.members if is_everybody else levels.special
        found = [
            self._row(session, user_id, wanted)
            for user_id in sorted(candidates)
            if levels.standing(levels.level(user_id), closed=room.is_closed)[0] is wanted
        ]
        if is_everybody:
            found += await self._with_membership("invite", stay, session, wanted)
        return found[:LISTED]

    async def _with_membership(
        self, membership: str, stay: Stay, session: RoomSession, affiliation: Affiliation
    ) -> list[ListedUser]:
        query = {"membership": membership}
        answer = mapping(
            await self._homeserver.call("GET", f"{_path(session)}/members", query=query, user=stay.ghost)
        )
        chunk = answer.get("chunk")
        events = [mapping(each) for each in chunk[:LISTED]] if isinstance(chunk, list) else []
        return [
            self._row(session, user_id, affiliation, text(mapping(event.get("content")), "reason")[:MAX_ID])
            for event in events
            if is_user_id(user_id := text(event, "state_key"))
        ]

    def _row(
        self, session: RoomSession, user_id: str, affiliation: Affiliation, reason: str = ""
    ) -> ListedUser:
        user = self._ids.ghost_of(user_id)
        member = session.room.members.get(user_id)
        return ListedUser(
            address=self._address(user_id) if user is None else "",
            user=user,
            affiliation=affiliation,
            nick="" if member is None else member.nick,
            reason=reason,
        )

    def _address(self, user_id: str) -> str:
        try:
            return self._ids.contact(user_id)
        except BridgeError:
            return ""


def _path(session: RoomSession) -> str:
    return f"{CLIENT}/rooms/{quote(session.id, safe='')}"
