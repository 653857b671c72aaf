"""Our own messages as they come back, so that they have their place among what others say.

The homeserver answers who says something before it has pushed all that others said earlier. Each room has
one order of events, in which they are pushed: a message of ours counts as said when it is heard there. If
it is not, the homeserver's answer has to do, after a while.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from .content import Json, text
from .outbox import transaction_of
from .session import RoomSession

PATIENCE = 3.0
"""Seconds after the homeserver's answer in which a message is to be heard, as long as any are."""


class Echo(Struct, frozen=True):
    """A message that is said: the id of its event, and the event and its room if that was heard."""

    id: str
    event: Json | None = None
    session: RoomSession | None = None


class Echoes:
    """See the module's docstring; `is_pushing` is False while it is known that nothing is heard."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._expected: dict[tuple[str, str], Deferred[Echo]] = {}
        self._late: dict[tuple[str, str], IDelayedCall] = {}
        self.is_pushing = True

    def __len__(self) -> int:
        """How many messages are not heard yet; as many as are asked for, and those that are late."""
        return len(self._expected)

    def expect(
        self, ghost: str, transaction: str, answer: Deferred[str], patience: float | None = None
    ) -> Deferred[Echo]:
        """Fire when what a ghost sends under a transaction id is heard, or nobody waits for that any more.

        Fails as the homeserver's `answer` does, unless it was heard before. `patience`, in seconds, is
        another than usual.
        """
        key = ghost, transaction
        heard: Deferred[Echo] = Deferred()
        self._expected[key] = heard
        answer.addCallbacks(self._answered, self._refused, (key, patience), {}, (key,))
        return heard

    def hear(self, event: Json, session: RoomSession | None) -> None:
        """Take in an event of a room, which may be one that is expected."""
        transaction = transaction_of(event)
        if transaction:
            echo = Echo(text(event, "event_id"), event, session)
            self._end((text(event, "sender"), transaction), echo)

    def stop(self) -> None:
        """Let nothing wait any more."""
        for late in self._late.values():
            late.cancel()
        self._late.clear()

    def _answered(self, id: str, key: tuple[str, str], patience: float | None) -> None:
        if patience is None:
            patience = PATIENCE if self.is_pushing else 0.0
        if patience and key in self._expected:
            self._late[key] = self._clock.callLater(patience, self._end, key, Echo(id))
        else:
            self._end(key, Echo(id))

    def _refused(self, failure: Failure, key: tuple[str, str]) -> None:
        heard = self._expected.pop(key, None)
        if heard is not None:
            heard.errback(failure)

    def _end(self, key: tuple[str, str], echo: Echo) -> None:
        late = self._late.pop(key, None)
        if late is not None and late.active():
            late.cancel()
        heard = self._expected.pop(key, None)
        if heard is not None:
            heard.callback(echo)
