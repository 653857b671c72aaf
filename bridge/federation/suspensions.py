"""The sessions of lost streams (XEP-0198 §5), and the lanes that wait for them.

What a lost stream may have delivered must not be overtaken, nor sent twice, as long as the peer may still
tell what it has taken: its lanes wait. Who opened the stream dials for its session, also if only the peer
has stanzas in it; who was connected to waits. Each session stands for itself: of two servers that had
dialled each other, each goes on with its own.

What remains unknown: what a peer had taken that does not come back in time (`RETURN`, `PATIENCE`), that
knows its session no more, that ends the stream by an error, or whose answer to the farewell of a stream that
it had opened was lost. It goes by another stream, or comes back to its sender, though it may have arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from bridge.errors import BridgeError, Trouble
from bridge.federation.lane import Lane
from bridge.federation.patience import PATIENCE, pause
from bridge.xmpp.dialback import Pair
from bridge.xmpp.stream_management import Session

RETURN = 10.0
"""Seconds for which a peer may come back for a stream that it opened; then its stanzas go another way."""
LOST = BridgeError(Trouble.REMOTE_TIMEOUT)
"""What senders are told when a link could not be made or kept."""


class Suspension:
    """One session that is waited for: by dialling for `pair`, or for the peer if that is None."""

    __slots__ = ("error", "lanes", "pair", "timer")

    def __init__(self, pair: Pair | None, lanes: set[Lane]) -> None:
        self.pair = pair
        self.lanes = lanes
        """Those of which it holds stanzas."""
        self.error = LOST
        """What the latest attempt has come to."""
        self.timer: IDelayedCall | None = None
        """The next attempt, or the end of waiting; None while an attempt is under way."""


class Suspensions:
    """See the module's docstring.

    `lane` finds or makes the lane of a pair; `dial` begins an attempt, which ends by `retry` or `end`, False
    if none can be begun now; `over` is told of a session that is waited for no more, its pair and why.
    """

    def __init__(
        self,
        lane: Callable[[Pair], Lane],
        dial: Callable[[Pair, Session], bool],
        over: Callable[[Session, Pair | None, BridgeError], None],
        clock: IReactorTime,
    ) -> None:
        self._lane = lane
        self._dial = dial
        self._over = over
        self._clock = clock
        self._suspended: dict[Session, Suspension] = {}
        self._dialled: dict[Pair, set[Session]] = {}
        self._troubles: WeakKeyDictionary[Session, tuple[float, int]] = WeakKeyDictionary()
        """Since when a session's streams have been lost while the peer acknowledged no more than this."""

    def sessions(self) -> list[Session]:
        """Return the sessions that are waited for."""
        return list(self._suspended)

    def are_dialled_for(self, pair: Pair) -> bool:
        """Tell whether a session is to go on whose stream would carry a pair."""
        return pair in self._dialled

    def begin(self, session: Session, pair: Pair | None, since: float) -> set[Lane]:
        """Wait for a session; returns the lanes of which it holds stanzas.

        `pair` is the one that its stream was opened for, None if it was the peer who did; `since` is when.
        """
        notes = {note for note, _ in session.outbox.pending()}
        lanes = {self._lane(note.pair) for note in notes if isinstance(note, Lane)}
        if pair is None and not lanes:
            return lanes
        for lane in lanes:
            lane.awaited += 1
        suspension = self._suspended[session] = Suspension(pair, lanes)
        if pair is None:
            suspension.timer = self._clock.callLater(RETURN, self._over, session, None, LOST)
        else:
            self._dialled.setdefault(pair, set()).add(session)
            suspension.timer = self._clock.callLater(self._delay(session, since), self._attempt, session)
        return lanes

    def _delay(self, session: Session, since: float) -> float:
        """Dial at once, unless that is where we have just been, and to no avail."""
        now, acknowledged = self._clock.seconds(), session.outbox.acknowledged
        trouble = self._troubles.get(session)
        if trouble is not None and trouble[1] == acknowledged and now - since <= PATIENCE:
            return pause(now - trouble[0])
        self._troubles[session] = now, acknowledged
        return 0.0

    def _attempt(self, session: Session) -> None:
        suspension = self._suspended[session]
        suspension.timer = None
        assert suspension.pair is not None
        if self._clock.seconds() - self._troubles[session][0] >= PATIENCE:
            self._over(session, suspension.pair, suspension.error)
        elif not self._dial(suspension.pair, session):
            self.retry(session, BridgeError(Trouble.OVERLOADED))

    def retry(self, session: Session, error: BridgeError) -> None:
        """An attempt came to nothing: try again after a while, if that is of use."""
        suspension = self._suspended.get(session)
        if suspension is None or suspension.timer is not None:
            return
        if error.trouble is Trouble.NOT_ALLOWED:
            return self._over(session, suspension.pair, error)
        suspension.error = error
        delay = pause(self._clock.seconds() - self._troubles[session][0])
        suspension.timer = self._clock.callLater(delay, self._attempt, session)

    def end(self, session: Session) -> set[Lane]:
        """Wait for a session no more; returns the lanes that may go on now."""
        suspension = self._suspended.pop(session, None)
        if suspension is None:
            return set()
        if suspension.timer is not None and suspension.timer.active():
            suspension.timer.cancel()
        lanes, pair = suspension.lanes, suspension.pair
        for lane in lanes:
            lane.awaited -= 1
        if pair is not None:
            self._dialled[pair].discard(session)
            if not self._dialled[pair]:
                del self._dialled[pair]
            lanes.add(self._lane(pair))
        return lanes

    def put_back(self, session: Session) -> set[Lane]:
        """Let what the peer did not acknowledge go by another stream, before anything else."""
        lanes = self.end(session)
        for note, stanza in reversed(session.outbox.take()):
            if isinstance(note, Lane):
                lane = self._lane(note.pair)
                lane.put_back(stanza)
                lanes.add(lane)
        return lanes
