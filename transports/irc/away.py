"""The user's presence as the network sees it: AWAY."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.events import Presence, Show

from .agenda import Appointment
from .core import Core
from .wire import split_text

PAUSE = 2.0
"""Seconds in which several changes become one AWAY."""
LONGEST = 300
"""Bytes of an away message where the server does not say."""
_WORDS: Mapping[Show, str] = {Show.AWAY: "Away", Show.XA: "Gone for a while", Show.DND: "Do not disturb"}
"""What is said where the user says nothing; the other shows are presence."""


class Away:
    """See the module's docstring."""

    __slots__ = ("_appointment", "_core", "_told", "_wanted")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wanted = ""
        self._told = ""
        self._appointment: Appointment | None = None

    def set(self, event: Presence) -> None:
        """The user is like this now."""
        words = _WORDS.get(event.show)
        self._wanted = (" ".join(event.status.split()) or words) if words else ""
        if self._appointment is None and self._wanted != self._told:
            self._appointment = self._core.agenda.after(PAUSE, self._tell)

    def registered(self) -> None:
        """A new link knows nothing yet."""
        self._told = ""
        if self._wanted and self._appointment is None:
            self._appointment = self._core.agenda.after(PAUSE, self._tell)

    def _tell(self) -> None:
        self._appointment = None
        core = self._core
        if not core.online or self._wanted == self._told:
            return
        self._told = self._wanted
        if self._wanted:
            core.send("AWAY", split_text(self._wanted, core.isupport.away_length or LONGEST)[0])
        else:
            core.send("AWAY")
