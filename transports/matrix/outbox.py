"""What users' wishes come to: asked of the homeserver, each thing once, over crashes too.

The same thing is asked under the same transaction id (MX v1.19 client-server-api/transaction-identifiers).
COMPAT Synapse: it knows those of an application service for 30 to 60 minutes, and until it restarts. So an
event of ours names the one it was sent under, and what may have been sent before a crash is looked for in
its room before it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never
from urllib.parse import quote

from msgspec import Struct
from nio.api import Api
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble

from .actions import Action, Redact, Remove, Send, SetState
from .client import CLIENT, Homeserver, transaction_id
from .content import Json, mapping, text
from .tables import MARKER

FRESH = 1_800.0
"""Seconds after which what a crash held up is not sent any more: nobody expects it."""
TOO_LATE = "The gateway restarted before this was delivered."


class Wish(Struct, frozen=True):
    """What a ghost is to do in a room, in order, and since when, in seconds since the epoch.

    What has the same `key` is done once only. If it `is_echoed`, it is done when it is heard in the room.
    """

    ghost: str
    room: str
    key: str
    actions: tuple[Action, ...]
    time: float
    is_echoed: bool = False

    @property
    def transactions(self) -> list[str]:
        """The ids of the transactions of all actions."""
        return [
            transaction_id(self.ghost, self.room, f"{self.key} {number}")
            for number in range(len(self.actions))
        ]


class Outbox:
    """See the module's docstring. `patience` is how many seconds the homeserver may be away."""

    log = Logger()

    def __init__(self, homeserver: Homeserver, patience: float, now: Callable[[], float]) -> None:
        self._homeserver = homeserver
        self._patience = patience
        self._now = now

    def wish(
        self, ghost: str, room: str, key: str, actions: tuple[Action, ...], *, is_echoed: bool = False
    ) -> Wish:
        """Return what is wished now."""
        return Wish(ghost, room, key, actions, self._now(), is_echoed)

    def ask(self, wish: Wish) -> list[Deferred[str]]:
        """Ask for all of it, in its order; each fires with the id of the event that it made, "" if none."""
        return [self._act(wish, *one) for one in zip(wish.actions, wish.transactions, strict=True)]

    def ask_again(self, wish: Wish, sent: Mapping[str, str]) -> list[Deferred[str]]:
        """Ask for what is not among `sent`; LOST if it is too late for that."""
        asked = []
        for action, txn in zip(wish.actions, wish.transactions, strict=True):
            if txn in sent:
                asked.append(succeed(sent[txn]))
            elif self._now() > wish.time + FRESH:
                asked.append(fail(BridgeError(Trouble.LOST, TOO_LATE)))
            else:
                asked.append(self._act(wish, action, txn))
        return asked

    async def sent(self, ghost: str, room: str) -> dict[str, str]:
        """Return what a ghost sent latest in a room: ids of events by those of their transactions."""
        try:
            latest = await self._homeserver.latest(ghost, room, self._patience)
        except BridgeError as error:
            self.log.warn("what was sent before a crash is not known: {trouble}", trouble=error.text)
            return {}
        return {txn: text(event, "event_id") for event in latest if (txn := transaction_of(event))}

    def _act(self, wish: Wish, action: Action, txn: str) -> Deferred[str]:
        options: dict[str, Any] = {"user": wish.ghost, "room": wish.room, "patience": self._patience}
        match action:
            case Send(type=type, content=content):
                marked = {**content, MARKER: {**mapping(content.get(MARKER)), "txn": txn}}
                return self._homeserver.send(wish.ghost, wish.room, type, marked, txn, self._patience)
            case SetState(type=type, key=key, content=content):
                request: Any = Api.room_put_state("", wish.room, type, dict(content), key)
            case Redact(event_id=event_id, content=content):
                # nio's request has no place for what marks it as ours
                place = f"{quote(wish.room, safe='')}/redact/{quote(event_id, safe='')}/{txn}"
                done = self._homeserver.call("PUT", f"{CLIENT}/rooms/{place}", body=content, **options)
                return done.addCallback(_event_id)
            case Remove(user_id=user_id, reason=reason):
                request = Api.room_kick("", wish.room, user_id, reason or None)
            case _:
                assert_never(action)
        return self._homeserver.api(request, **options).addCallback(_event_id)


def transaction_of(event: Json) -> str:
    """Return the transaction id that an event says it was sent under, "" if it says none."""
    return text(mapping(mapping(event.get("content")).get(MARKER)), "txn")


def _event_id(answer: object) -> str:
    said: Json = mapping(answer)
    return text(said, "event_id")
