"""Entity Time (XEP-0202)."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable
from email.utils import parsedate_tz

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactTime, Network
from bridge.router import Request, Route, Target, iq_get
from bridge.services.contacts import contact_of, user_of
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import parse_time
from bridge.xmpp.payloads.time import NS_TIME, build_time

QUARTER = 15 * 60
"""Seconds; offsets from UTC are multiples of it."""
_UTC = re.compile(r"[+-]0000|\b(?:GMT|UTC?|Z)\b")
FURTHEST = 14 * 3600
"""Seconds; no offset from UTC is larger."""


class Time:
    """Tells the time: `wall` gives seconds since the epoch."""

    def __init__(self, network: Network, wall: Callable[[], float]) -> None:
        self._network = network
        self._wall = wall

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_TIME, "time", self.here, Target.GATEWAY, Target.SERVER, Target.ROOM),
            iq_get(NS_TIME, "time", self.contact, Target.CONTACT, Target.OCCUPANT),
        ]

    def here(self, _request: Request) -> Element:
        """The gateway's clock."""
        return build_time(self._wall())

    def contact(self, request: Request) -> Deferred[Element]:
        """The clock of somebody, who answers in words of his client's own."""
        asked = self._network.ask(user_of(request), ContactTime(contact_of(self._network, request)))
        return asked.addCallback(self._told)

    def _told(self, text: str) -> Element:
        read = read_clock(text, self._wall())
        if read is None:
            raise BridgeError(Trouble.UNSUPPORTED, f"The answer is no time that could be read: {text[:100]}")
        return build_time(*read)


def read_clock(text: str, now: float) -> tuple[float, int] | None:
    """Read a date in one of the usual forms: seconds since the epoch, and the offset from UTC in seconds.

    A clock that does not tell its offset is taken to be nearly right, compared with `now`.
    """
    seconds = parse_time(text)
    if seconds is not None:
        return seconds, 0
    try:
        parts = parsedate_tz(text.strip().strip(":"))
        if parts is None:
            return None
        local, offset = float(timegm(parts[:9])), parts[9] or 0
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if not offset and not _UTC.search(text):
        offset = round((local - now) / QUARTER) * QUARTER
    return (local - offset, offset) if abs(offset) <= FURTHEST else None
