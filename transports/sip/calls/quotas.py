"""How much each user telephones in a day by the operator's trunks; counted over restarts."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import Uplink
from transports.sip.address import digits_of, is_extension, is_number
from transports.sip.lines.routes import Trunk

KEY = "sip-usage"
"""Under what name the store keeps what a user has telephoned."""
SPENT = "You have telephoned as much as you may today."
NO_CALLS = "Calls to numbers are not allowed by this way."


class Usage(Struct, frozen=True):
    """A day (UTC), and of each trunk how many calls there were, and their seconds."""

    day: str = ""
    trunks: dict[str, tuple[int, float]] = {}


class Quotas:
    """See the module's docstring. `wall` is the time of day in seconds since the epoch."""

    def __init__(self, uplink: Uplink, wall: Callable[[], float]) -> None:
        self._uplink, self._wall = uplink, wall

    def left(self, user: UserId, contact: ContactId, trunk: Trunk | None) -> float | None:
        """Return for how many seconds a user may talk; None for as long as he likes. Raises BridgeError.

        Only numbers at trunks of the operator's are counted: what they cost is his.
        """
        if not _is_counted(contact, trunk):
            return None
        assert trunk is not None
        calls, minutes = trunk.config.calls_per_day, trunk.config.minutes_per_day
        if not (calls and minutes):
            raise BridgeError(Trouble.NOT_ALLOWED, NO_CALLS)
        made, talked = self._usage(user).trunks.get(trunk.name, (0, 0.0))
        if made >= calls or talked >= minutes * 60:
            raise BridgeError(Trouble.TOO_MANY, SPENT)
        return minutes * 60 - talked

    def begun(self, user: UserId, contact: ContactId, trunk: Trunk | None) -> None:
        """A call of his began."""
        self._count(user, contact, trunk, 1, 0.0)

    def ended(self, user: UserId, contact: ContactId, trunk: Trunk | None, seconds: float) -> None:
        """It is over, after so many seconds of talk."""
        if seconds:
            self._count(user, contact, trunk, 0, seconds)

    def _count(
        self, user: UserId, contact: ContactId, trunk: Trunk | None, calls: int, seconds: float
    ) -> None:
        if trunk is None or not _is_counted(contact, trunk):
            return
        usage = self._usage(user)
        made, talked = usage.trunks.get(trunk.name, (0, 0.0))
        trunks = {**usage.trunks, trunk.name: (made + calls, round(talked + seconds, 3))}
        self._uplink.remember(user, KEY, msgspec.json.encode(Usage(usage.day, trunks)))

    def _usage(self, user: UserId) -> Usage:
        """Return what he has telephoned today."""
        today = time.strftime("%Y-%m-%d", time.gmtime(self._wall()))
        kept = self._uplink.memory(user).get(KEY)
        usage = Usage() if kept is None else msgspec.json.decode(kept, type=Usage)
        return usage if usage.day == today else Usage(today)


def _is_counted(contact: ContactId, trunk: Trunk | None) -> bool:
    if trunk is None or trunk.is_personal:
        return False
    number = digits_of(contact)
    return is_number(contact) or (number != "" and not is_extension(number))
