"""Is the server still there? PINGs after silence, and as fences behind lines that want confirming.

A fence is a PING sent after lines: as a server answers in order, its PONG says that the lines
before it were dealt with. There is one under way at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from .agenda import Appointment
from .core import Core, State
from .wire import Line

SILENCE = 45.0
"""Seconds without a word from the server after which it is asked for one."""
ANSWER = 30.0
"""Seconds that it has for that; then the link is dead, well within 90 s of the last word."""
FENCE_DELAY = 1.0
"""Seconds between the first unconfirmed line and its fence."""
FENCE_PAUSE = 10.0
"""Seconds between fences at a quiet pace, since a PING counts as a line with many servers."""
TOKEN = "xb"


class Liveness:
    """See the module's docstring; `heard_at` is set by the session whenever bytes come in."""

    __slots__ = ("_asked_at", "_core", "_fence", "_fenced_at", "_under_way", "_watch", "heard_at")

    def __init__(self, core: Core) -> None:
        self._core = core
        self.heard_at = 0.0
        self._watch: Appointment | None = None
        self._fence: Appointment | None = None
        self._fenced_at = float("-inf")
        self._under_way = 0
        self._asked_at: float | None = None

    def begin(self) -> None:
        """The connection is up."""
        self.heard_at = self._core.clock()
        self._under_way = 0
        self._asked_at = None
        self._fenced_at = float("-inf")
        self._watch_again(SILENCE)

    def end(self) -> None:
        """The connection is gone."""
        for appointment in (self._watch, self._fence):
            if appointment is not None:
                appointment.cancel()
        self._watch = self._fence = None

    def fence(self) -> None:
        """Have the lines written so far confirmed, soon."""
        core = self._core
        hurry = core.tickets.hurried
        core.tickets.unfenced = False
        if (self._fence is not None and not hurry) or self._under_way or not core.tickets.waiting:
            return
        if hurry and self._fence is not None:
            self._fence.cancel()
            self._fence = None
        if self._fence is None:
            pause = 0.0 if core.tickets.is_crowded else self._fenced_at + FENCE_PAUSE - core.clock()
            wait = max(FENCE_DELAY, pause)
            self._fence = core.agenda.after(0.0 if hurry else wait, self._send_fence)

    def _send_fence(self) -> None:
        self._fence = None
        core = self._core
        if not core.online or not core.tickets.waiting:
            return
        core.tickets.hurried = False
        core.tickets.fence += 1
        self._under_way = core.tickets.fence
        self._fenced_at = core.clock()
        core.send_now("PING", f"{TOKEN}{self._under_way}")
        self._expect()

    def on_ping(self, line: Line) -> bool:
        """Answer the server's own question."""
        self._core.send_now("PONG", *line.params[:1])
        return True

    def on_pong(self, line: Line) -> bool:
        """A fence came back, or any sign of life."""
        token = line.params[-1] if line.params else ""
        number = token.removeprefix(TOKEN)
        if token != number and number.isascii() and number.isdigit() and len(number) < 18:
            fence = int(number)
            if fence == self._under_way:
                self._under_way = 0
            if fence <= self._core.tickets.fence:
                self._core.tickets.returned(fence)
            self.fence()
        return True

    def _expect(self) -> None:
        """Something must be heard within `ANSWER` seconds."""
        if self._asked_at is None:
            self._asked_at = self._core.clock()
            self._watch_again(ANSWER)

    def _watch_again(self, delay: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._core.agenda.after(delay, self._look)

    def _look(self) -> None:
        """Find out whether the server has been silent for too long."""
        core = self._core
        self._watch = None
        if core.state not in (State.ONLINE, State.REGISTERING):
            return
        now = core.clock()
        if self._asked_at is not None:
            if self.heard_at < self._asked_at:
                core.state = State.CLOSING
                core.reason = "Ping timeout"
                core.notice(f"ERROR: {core.reason}")
                return
            self._asked_at = None
            if self._under_way and core.tickets.waiting:  # a server that answers, but no PING
                core.tickets.returned(self._under_way)
            self._under_way = 0
            self.fence()
        silent = now - self.heard_at
        if silent >= SILENCE:
            core.send_now("PING", f"{TOKEN}0")
            self._expect()
        else:
            self._watch_again(SILENCE - silent)

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {"PING": on_ping, "PONG": on_pong}
