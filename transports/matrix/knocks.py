"""Rooms that one does not get into uninvited: why, asking to be let in, and not following an invitation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nio.api import Api
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import Decline, Failed, Knock, RoomId, Sent, UserId
from bridge.network import Uplink

from .client import CLIENT, Homeserver
from .content import mapping, text
from .directory import Directory
from .ids import Ids, is_room_id
from .refusal import Refusal
from .rules import Rules
from .tables import MAX_ID

RESTRICTED = "Only invited users, and members of certain other rooms of Matrix, may join."
IS_IN = "You are in this room already: leave it instead."
CAN_KNOCK = "Only invited users may join. You can ask to be let in: register with the room."


class Knocks:
    """See the module's docstring."""

    log = Logger()

    def __init__(
        self, homeserver: Homeserver, ids: Ids, directory: Directory, rules: Rules, uplink: Uplink
    ) -> None:
        self._homeserver = homeserver
        self._ids = ids
        self._directory = directory
        self._rules = rules
        self._uplink = uplink

    async def explained(self, room: RoomId, refusal: BridgeError) -> BridgeError:
        """Return why a join was refused; of a closed room whom it does let in, as far as that is known."""
        if refusal.trouble is not Trouble.INVITE_ONLY:
            return refusal
        # the homeserver has no other word for it
        if isinstance(refusal, Refusal) and "required rooms" in refusal.words:
            return BridgeError(Trouble.INVITE_ONLY, RESTRICTED)
        try:
            info = await self._directory.describe(room)
        except BridgeError:
            return refusal
        return BridgeError(Trouble.INVITE_ONLY, CAN_KNOCK) if info.knocking else refusal

    def submit(self, user: UserId, event: Knock | Decline) -> None:
        """Ask for a user to be let in, or turn down an invitation; he is told when the room knows it."""
        doing = self._knock(user, event) if isinstance(event, Knock) else self._decline(user, event)
        asking: Deferred[Any] = Deferred.fromCoroutine(doing)
        asking.addCallback(lambda _: Sent(ref=event.ref)).addErrback(self._failed, event)
        asking.addCallback(lambda answer: self._uplink.deliver(user, (answer,)))

    async def _knock(self, user: UserId, event: Knock) -> None:
        ghost, target = self._ids.ghost(user), self._ids.target(event.room)
        if not self._rules.may_enter(user, target.id):
            raise BridgeError(Trouble.NOT_ALLOWED)
        path = f"{CLIENT}/knock/{quote(target.id, safe='')}"
        query = {"via": target.via, "server_name": target.via} if target.via else None
        body = {"reason": event.reason[:MAX_ID]} if event.reason else {}
        await self._homeserver.call("POST", path, query=query, body=body, user=ghost, repeatable=True)

    async def _decline(self, user: UserId, event: Decline) -> None:
        """Have the ghost, which is invited, leave."""
        ghost, id = self._ids.ghost(user), self._ids.target(event.room).id
        if not is_room_id(id):
            found = await self._homeserver.api(Api.room_resolve_alias(id), user=ghost)
            id = text(mapping(found), "room_id")
        if id in self._uplink.memory(user):
            raise BridgeError(Trouble.CONFLICT, IS_IN)
        body = {"reason": event.reason[:MAX_ID]} if event.reason else {}
        path = f"{CLIENT}/rooms/{quote(id, safe='')}/leave"
        await self._homeserver.call("POST", path, body=body, user=ghost, room=id, repeatable=True)

    def _failed(self, failure: Failure, event: Knock | Decline) -> Any:
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("what was asked of a closed room failed", failure)
            error = BridgeError(Trouble.INTERNAL)
        return Failed(ref=event.ref, error=error)
