"""What the authorities of other domains are asked about dialback keys (XEP-0220 §2.1.2)."""

from __future__ import annotations

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from bridge.federation.connection import Connection
from bridge.xmpp.dialback import Pair, Verdict
from bridge.xmpp.stream_events import Verified

QUESTION_TIMEOUT = 20.0
"""Seconds an authoritative server has to answer about a key."""


class Question(Struct, frozen=True):
    """Whether `key`, which came by our stream `stream_id`, is `pair.sender`'s."""

    pair: Pair
    stream_id: str
    key: str


class Questions:
    """The questions that are open; each is answered once, if only by a timer."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._answers: dict[tuple[Pair, str], Deferred[Verdict]] = {}
        self._waiting: dict[Pair, list[Question]] = {}
        """Those that wait for a connection, by the pair that this is dialled for."""
        self._asked: dict[Connection, dict[tuple[Pair, str], float]] = {}
        """When it was asked what on a connection."""

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, question: Question) -> Deferred[Verdict]:
        """Open a question, which must not be open; its answer comes after `ask`, `refuse` or `lost`."""
        answer = self._answers[question.pair, question.stream_id] = Deferred()
        return answer

    def wait(self, question: Question) -> None:
        """Ask it when there is a connection to the sender's server."""
        self._waiting.setdefault(question.pair.inverse, []).append(question)

    def wait_for(self, way: Pair) -> bool:
        """Tell whether questions wait for a connection that is dialled for `way`."""
        return way in self._waiting

    def ask(self, connection: Connection, question: Question) -> bool:
        """Ask it on a connection; False if that is not possible there now."""
        if not connection.stream.verify(question.pair, question.stream_id, question.key):
            return False
        now = connection.active = self._clock.seconds()
        self._asked.setdefault(connection, {})[question.pair, question.stream_id] = now
        return True

    def ask_waiting(self, way: Pair, connection: Connection) -> None:
        """There is a connection now for what waits for one."""
        for question in self._waiting.pop(way, []):
            if not self.ask(connection, question):
                self._answer((question.pair, question.stream_id), "resource-constraint")

    def refuse(self, way: Pair, condition: str) -> None:
        """There will be no connection for what waits for one."""
        for question in self._waiting.pop(way, []):
            self._answer((question.pair, question.stream_id), condition)

    def asked(self, connection: Connection) -> bool:
        """Tell whether answers are awaited on a connection."""
        return bool(self._asked.get(connection))

    def answered(self, connection: Connection, event: Verified) -> None:
        """An answer has come."""
        key = (event.pair, event.stream_id)
        if self._asked.get(connection, {}).pop(key, None) is not None:
            self._answer(key, event.verdict)

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        for key in self._asked.pop(connection, {}):
            self._answer(key, "remote-server-timeout")

    def expire(self, connection: Connection) -> None:
        """Stop waiting for what has not been answered in time."""
        now, asked = self._clock.seconds(), self._asked.get(connection, {})
        for key in [key for key, since in asked.items() if now - since > QUESTION_TIMEOUT]:
            del asked[key]
            self._answer(key, "remote-server-timeout")

    def _answer(self, key: tuple[Pair, str], verdict: Verdict | str) -> None:
        waiting = self._answers.pop(key, None)
        if waiting is not None:
            waiting.callback(verdict if isinstance(verdict, Verdict) else Verdict(False, verdict))
