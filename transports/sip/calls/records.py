"""Call detail records: a line of JSON for each call that is over, in a file that the operator names.

The file is written by a thread of its own. It may be moved away at any time: then a new one is begun.
"""

from __future__ import annotations

import logging
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from queue import Full, Queue

from msgspec import Struct
from msgspec.json import encode
from twisted.logger import Logger

WAITING = 10_000
"""Records that wait to be written; more are only logged."""


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call that is over.

    `began` is in seconds since the epoch; `rang` and `answered` come so many seconds after it, None if
    never; `lasted` is the seconds from the answer to the end. `direction` is "to-sip" or "from-sip".
    """

    call: str
    direction: str
    user: str
    contact: str
    trunk: str
    began: float
    rang: float | None
    answered: float | None
    lasted: float
    ending: str
    text: str


class _Queue(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except Full:
            CallLog.log.error("a record of a call was not written: too many wait")


class CallLog:
    """See the module's docstring; "" for `path` is no file."""

    log = Logger()

    def __init__(self, path: str) -> None:
        self._path = path
        self._handler: _Queue | None = None
        self._listener: QueueListener | None = None

    def start(self) -> None:
        """Begin. Raises OSError if the file cannot be opened."""
        if self._path:
            queue: Queue[logging.LogRecord] = Queue(WAITING)
            self._handler = _Queue(queue)
            self._listener = QueueListener(queue, WatchedFileHandler(self._path, encoding="utf-8"))
            self._listener.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        listener, self._listener, self._handler = self._listener, None, None
        if listener is not None:
            listener.stop()
            for handler in listener.handlers:
                handler.close()

    def write(self, record: CallRecord) -> None:
        """Log a call, and have it written."""
        self.log.info(
            "call {record.call} {record.direction}, {record.user} and {record.contact}: {record.ending} "
            "after {record.lasted:.0f} s {record.text}",
            record=record,
        )
        if self._handler is not None:
            line = encode(record).decode()
            self._handler.emit(logging.makeLogRecord({"msg": "%s", "args": (line,), "name": "calls"}))
