"""Moderators take messages of others back (XEP-0425 §4); authors do so with a message (speech)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.capabilities import Level
from bridge.errors import BridgeError, Trouble
from bridge.events import MessageId, Retraction
from bridge.router import Request, Route, Target, iq_set
from bridge.services.muc.context import Context
from bridge.xmpp.payloads.moderation import NS_MODERATION, parse_moderate


class ModeratedRetraction:
    """Hands the wish to the network, which decides who may; the room is told when it is done."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [iq_set(NS_MODERATION, "moderate", self.moderate, Target.ROOM)]

    def moderate(self, request: Request) -> Deferred[None]:
        """UNSUPPORTED where the network cannot, NOT_IN_ROOM from outside."""
        occupancy, _ = self._context.here(request)
        wish = parse_moderate(request.payload)
        levels = self._context.network.capabilities(occupancy.user, occupancy.room)
        if levels.moderation not in (Level.NATIVE, Level.PARTIAL):
            raise BridgeError(Trouble.UNSUPPORTED)
        return self._context.submit_for_answer(
            occupancy.user,
            lambda ref: Retraction(
                room=occupancy.room,
                id=MessageId(wish.id),
                actor=occupancy.nick,
                reason=wish.reason,
                ref=ref,
            ),
        )
