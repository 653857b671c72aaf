"""The one thread that touches the database.

What is to be written is collected on the reactor's thread and committed by this thread, all that
has come within the commit interval in one transaction; the thread is woken once for each. Reads run
here too, after what was queued before them is committed. When a commit fails the batch is kept and
tried again with growing pauses; meanwhile the queue grows up to `QUEUE_BYTES`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Lock, Thread
from typing import Any, TypeVar

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.store.archive import Archive, SpanChange
from bridge.store.batch import Batch
from bridge.store.connection import Connection, Row
from bridge.store.tables import Table
from bridge.store.values import ArchivedMessage

QUEUE_BYTES = 32 * 1024 * 1024
"""How much may wait to be written while the database fails, about."""
QUESTIONS = 10_000
"""How many reads may wait."""
FIRST_PAUSE = 0.5
LAST_PAUSE = 30.0
"""Seconds between attempts to write to a failing database: the first pause, doubled up to the last."""

T = TypeVar("T")
Work = Callable[[Connection, Archive], T]


class Question(Struct, frozen=True):
    """A read; without `work`, the wish to know that everything is committed."""

    answer: Deferred[Any]
    work: Work[Any] | None


class Writer:
    """Owns the thread. Public methods are the reactor thread's; those named `_in_…` the own thread's."""

    log = Logger()

    def __init__(
        self,
        connect: Callable[[], Connection],
        call_from_thread: Callable[..., object],
        last_id: Callable[[], int],
        interval: float,
    ) -> None:
        self.failing = False
        self._connect = connect
        self._call_from_thread = call_from_thread
        self._last_id = last_id
        self._interval = interval
        self._thread: Thread | None = None
        self._stopped: Deferred[None] = Deferred()
        # shared, under the lock
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._pending = Batch()
        self._questions: list[Question] = []
        self._urgent = False
        self._closing = False
        self._taken_size = 0
        self._late: set[tuple[str, str, str]] = set()
        # the thread's own
        self._batch = Batch()
        self._connection: Connection | None = None
        self._archive: Archive | None = None
        self._was_failing = False
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0

    # ---- the reactor's side

    def start(self, load: Work[T]) -> Deferred[T]:
        """Open the database and fire with what `load` returns; fails with what that or the opening raised."""
        loaded: Deferred[T] = Deferred()
        self._thread = Thread(target=self._in_thread, args=(load, loaded), name="store", daemon=True)
        self._thread.start()
        return loaded

    def stop(self) -> Deferred[None]:
        """Write what is queued, or give it up with a word in the log; end the thread."""
        if self._thread is None:
            if not self._stopped.called:
                self._stopped.callback(None)
        elif not self._closing:
            with self._lock:
                self._closing = self._urgent = True
                self._changed.notify()
        return self._stopped

    @property
    def is_full(self) -> bool:
        """Whether the queue has reached its bound, or is closed."""
        return self._closing or self._pending.size + self._taken_size >= QUEUE_BYTES

    def add_message(self, domain: str, message: ArchivedMessage) -> bool:
        """Queue a message; False if full."""
        with self._lock:
            if self.is_full:
                return False
            if not self._pending.size:
                self._changed.notify()
            self._pending.add_message(domain, message)
            return True

    def add_span(self, change: SpanChange) -> bool:
        """Queue a span's beginning or end; False if full, but an end is never refused."""
        with self._lock:
            if self.is_full:
                key = (change.domain, change.room, change.owner)
                if change.opens or self._closing:
                    return False
                if key in self._late:
                    return True
                # no span can begin while full, so one end for each user and room is all there can be
                self._late.add(key)
            elif self._late:
                self._late.clear()
            if not self._pending.size:
                self._changed.notify()
            self._pending.add_span(change)
            return True

    def change(self, table: Table, key: Row, values: Row | None) -> bool:
        """Queue a row, or its deletion (None); False if full, but a deletion is never refused."""
        with self._lock:
            if self._closing or (values is not None and self.is_full):
                return False
            if not self._pending.size:
                self._changed.notify()
            self._pending.change(table, key, values)
            return True

    def ask(self, work: Work[T]) -> Deferred[T]:
        """Run `work` in the thread, after what was queued is committed; OVERLOADED, STORE_FULL."""
        answer: Deferred[T] = Deferred()
        self._put_question(Question(answer, work))
        return answer

    def flush(self) -> Deferred[None]:
        """Fire when everything queued is committed; STORE_FULL if that fails."""
        answer: Deferred[None] = Deferred()
        self._put_question(Question(answer, None))
        return answer

    def _put_question(self, question: Question) -> None:
        with self._lock:
            if self._thread is not None and not self._closing and len(self._questions) < QUESTIONS:
                self._questions.append(question)
                self._urgent = True
                self._changed.notify()
                return
        trouble = Trouble.SHUTTING_DOWN if self._closing else Trouble.OVERLOADED
        question.answer.errback(BridgeError(trouble))

    def _note_failing(self, reason: str) -> None:
        if not self.failing:
            self.log.error(
                "the database fails; what is to be written waits in memory: {reason}", reason=reason
            )
        self.failing = True

    def _note_recovered(self) -> None:
        self.log.warn("the database works again; what waited is written")
        self.failing = False

    def _note_dropped(self, count: int, reason: str) -> None:
        self.log.error("{count} rows were refused by the database: {reason}", count=count, reason=reason)

    def _note_stopped(self, lost: int) -> None:
        if lost:
            self.log.error("stopped with {count} rows that could not be written", count=lost)
        assert self._thread is not None
        self._thread.join()
        self._stopped.callback(None)

    # ---- the thread's side

    def _in_thread(self, load: Work[T], loaded: Deferred[T]) -> None:
        try:
            state = load(*self._in_connected())
        except Exception:
            self._call_from_thread(loaded.errback, Failure())
        else:
            self._call_from_thread(loaded.callback, state)
            while self._in_turn():
                continue
        if self._connection is not None:
            self._connection.close()
        self._in_end()

    def _in_end(self) -> None:
        """Refuse what came too late; the reactor's thread waits for this one to end."""
        with self._lock:
            self._closing = True
            self._batch.merge(self._pending)
            questions, self._questions = self._questions, []
        for question in questions:
            self._call_from_thread(question.answer.errback, BridgeError(Trouble.SHUTTING_DOWN))
        self._call_from_thread(self._note_stopped, len(self._batch))

    def _in_turn(self) -> bool:
        """Write and answer what has come; False when it was the last turn."""
        questions, closing = self._in_take()
        due = closing or not self._was_failing or time.monotonic() >= self._retry_at
        committed = not len(self._batch)
        if not committed and (due or any(question.work is None for question in questions)):
            committed = self._in_commit()
        for question in questions:
            self._in_answer(question, committed)
        return not closing

    def _in_take(self) -> tuple[list[Question], bool]:
        """Wait for work, then the commit interval (or until somebody is in a hurry); take what is there."""
        with self._lock:
            if len(self._batch):
                self._changed.wait_for(lambda: self._urgent, max(0.0, self._retry_at - time.monotonic()))
            else:
                self._changed.wait_for(lambda: self._urgent or self._pending.size)
                self._changed.wait_for(lambda: self._urgent, self._interval)
            self._urgent = False
            pending, self._pending = self._pending, Batch()
            questions, self._questions = self._questions, []
            if len(self._batch):
                self._batch.merge(pending)
            else:
                self._batch = pending
            self._taken_size = self._batch.size
            return questions, self._closing

    def _in_commit(self) -> bool:
        try:
            connection, archive = self._in_connected()
            try:
                self._batch.write(connection, archive, self._last_id())
                self._batch = Batch()
            except Exception as error:
                if not connection.is_bad_row(error):
                    raise
                self._in_commit_singly(connection, archive, error)
        except Exception as error:
            self._in_failed(error)
            return False
        with self._lock:
            self._taken_size = 0
        self._in_recovered()
        return True

    def _in_recovered(self) -> None:
        self._pause = FIRST_PAUSE
        if self._was_failing:
            self._was_failing = False
            self._call_from_thread(self._note_recovered)

    def _in_commit_singly(self, connection: Connection, archive: Archive, first_error: Exception) -> None:
        """Some row can never be written (text the database refuses): leave out that one alone."""
        dropped = 0
        singles = list(self._batch.singles())
        self._batch = Batch()
        for place, single in enumerate(singles):
            try:
                single.write(connection, archive, self._last_id())
            except Exception as error:
                if not connection.is_bad_row(error):
                    for rest in singles[place:]:
                        self._batch.merge(rest)
                    raise
                dropped += 1
        reason = type(first_error).__name__
        self._call_from_thread(self._note_dropped, dropped, reason)

    def _in_failed(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LAST_PAUSE)
        self._was_failing = True
        with self._lock:
            self._taken_size = self._batch.size
        self._call_from_thread(self._note_failing, f"{type(error).__name__}: {str(error)[:200]}")

    def _in_answer(self, question: Question, committed: bool) -> None:
        result: Any = None
        try:
            if question.work is not None:
                result = question.work(*self._in_connected())
                if not len(self._batch):
                    self._in_recovered()
            elif not committed:
                raise BridgeError(Trouble.STORE_FULL)
        except Exception as error:
            if self._connection is None or self._connection.is_database_error(error):
                self._in_failed(error)
                error = BridgeError(Trouble.STORE_FULL, "The gateway's database does not answer now.")
            self._call_from_thread(question.answer.errback, Failure(error))
        else:
            self._call_from_thread(question.answer.callback, result)

    def _in_connected(self) -> tuple[Connection, Archive]:
        """Return the connection, a new one if the old is broken."""
        if self._connection is not None and self._connection.broken:
            self._connection.close()
            self._connection = None
        if self._connection is None or self._archive is None:
            self._connection = self._connect()
            self._archive = Archive(self._connection)
        return self._connection, self._archive
