"""How fast lines leave: a token bucket that learns from the server's complaints.

Lines leave in order. Urgent ones (registration, PONG, QUIT) overtake the queue and do not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from msgspec import Struct

from .tickets import Ticket

MAX_QUEUED = 1000
"""Lines that may wait."""
MAX_QUEUED_BYTES = 256_000
MAX_OUT = 256_000
"""Bytes that have been let go of and the transport has not taken."""
SLOWEST = 0.2
"""Lines per second that no complaint slows a session below."""


class QueuedLine(Struct, frozen=True, gc=False):
    """A line on its way out; `ticket` is for it, `written` is called when it has left."""

    data: bytes
    ticket: Ticket | None = None
    written: Callable[[], None] | None = None


class Pace:
    """The queue of one session; `burst` and `rate` as in `Profile`."""

    __slots__ = (
        "_burst",
        "_bytes",
        "_clock",
        "_out",
        "_out_bytes",
        "_queue",
        "_rate",
        "_since",
        "_tokens",
        "unlimited",
    )

    def __init__(self, burst: int, rate: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate = max(rate, SLOWEST)
        self._burst = max(float(burst), 1.0)
        self.unlimited = burst < 0
        self._tokens = 0.0 if burst == 0 else self._burst
        self._since = clock()
        self._queue: deque[QueuedLine] = deque()
        self._bytes = 0
        self._out: list[bytes] = []
        self._out_bytes = 0

    @property
    def waiting(self) -> int:
        """How many lines wait."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """True when no further line may wait."""
        return len(self._queue) >= MAX_QUEUED or self._bytes >= MAX_QUEUED_BYTES

    def put(self, line: QueuedLine, *, first: bool = False) -> None:
        """Have a line leave in its turn, or before all that wait."""
        if first:
            self._queue.appendleft(line)
        else:
            self._queue.append(line)
        self._bytes += len(line.data)

    def lets_go(self, data: bytes) -> bool:
        """Have a line leave if none waits before it and its turn has come; tell if it has."""
        if self._queue or self._out_bytes >= MAX_OUT or not (self.unlimited or self._take_token()):
            return False
        self._let_go(data)
        return True

    def overtake(self, data: bytes) -> None:
        """Have a line leave at once; one that comes while the transport takes nothing is lost."""
        if self._out_bytes < 2 * MAX_OUT:
            self._let_go(data)

    def _let_go(self, data: bytes) -> None:
        self._out.append(data)
        self._out_bytes += len(data)

    def released(self) -> Iterator[QueuedLine]:
        """Let go of the lines whose turn has come; those whose ticket has ended are skipped."""
        queue = self._queue
        while queue and self._out_bytes < MAX_OUT:
            line = queue[0]
            alive = line.ticket is None or not line.ticket.ended
            if alive and not self._take_token():
                return
            queue.popleft()
            self._bytes -= len(line.data)
            if alive:
                self._let_go(line.data)
                yield line

    def take(self) -> bytes:
        """Take what has been let go of."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        return data

    def delay(self) -> float | None:
        """Return in how many seconds the next line may leave; None if none waits."""
        if not self._queue:
            return None
        self._refill()
        return max(0.0, (1.0 - self._tokens) / self._rate)

    def drop_all(self) -> list[QueuedLine]:
        """Forget everything; return the lines that have not left."""
        lines = list(self._queue)
        self._queue.clear()
        self._out.clear()
        self._bytes = self._out_bytes = 0
        return lines

    def slow_down(self) -> None:
        """Take a server's complaint about a flood to heart: half the burst, half the rate."""
        self._burst = max(1.0, self._burst / 2) if not self.unlimited else 5.0
        self._rate = max(SLOWEST, self._rate / 2)
        self._tokens = min(self._tokens, 0.0)
        self.unlimited = False

    def _take_token(self) -> bool:
        if self.unlimited:
            return True
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
