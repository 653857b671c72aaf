"""The sessions of lost streams (XEP-0198 §5), and the lanes that wait for them."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from bridge.federation.lane import Lane
from bridge.xmpp.dialback import Pair
from bridge.xmpp.stream_management import Session

RETURN = 10.0
"""Seconds for which a peer may come back for a stream that it opened; then its stanzas go another way."""


class Suspensions:
    """What a lost stream may have delivered must not be overtaken, nor sent twice: its lanes wait.

    `lane` finds or makes the lane of a pair; `expired` is told of a session whose peer has not come back.
    """

    def __init__(
        self, lane: Callable[[Pair], Lane], expired: Callable[[Session], None], clock: IReactorTime
    ) -> None:
        self._lane = lane
        self._expired = expired
        self._clock = clock
        self._lanes: dict[Session, set[Lane]] = {}
        self._ends: dict[Session, IDelayedCall] = {}

    def sessions(self) -> list[Session]:
        """Return the sessions that are waited for."""
        return list(self._lanes)

    def begin(self, session: Session, pair: Pair | None) -> set[Lane]:
        """Have the lanes whose stanzas a session holds wait for it; returns them.

        `pair` is the one to dial for to go on with it, None if it is the peer's to come back.
        """
        notes = {note for note, _ in session.outbox.pending()}
        lanes = {self._lane(note.pair) for note in notes if isinstance(note, Lane)}
        if pair is not None:
            lanes.add(self._lane(pair))
        elif lanes:
            self._ends[session] = self._clock.callLater(RETURN, self._expired, session)
        for lane in lanes:
            lane.session, lane.is_waiting = session, lane.pair != pair
        if lanes:
            self._lanes[session] = lanes
        return lanes

    def end(self, session: Session) -> set[Lane]:
        """Let the lanes of a session go on; returns them."""
        end = self._ends.pop(session, None)
        if end is not None and end.active():
            end.cancel()
        lanes = self._lanes.pop(session, set())
        for lane in lanes:
            lane.session, lane.is_waiting = None, False
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
