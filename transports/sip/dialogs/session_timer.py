"""Session timers (RFC 4028): a session that nobody refreshes ends on both sides."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.wire.headers import CSeq, Value, parse_value
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.uri import Malformed

OPTION = "timer"
LEAST = 90
"""Seconds below which no interval may be (RFC 4028 §5)."""
MOST = 2**31 - 1
TOO_SMALL = 422
MARGIN = 32.0
"""Seconds before the end at which a session that was not refreshed is given up; at most a third of it."""


class Refresher(Enum):
    """Which end of the request refreshes, as Session-Expires says it."""

    UAC = "uac"
    UAS = "uas"


class Policy(Struct, frozen=True):
    """What we want: the interval of a session, and the least that we accept, in seconds."""

    interval: int = 1800
    least: int = LEAST


class Agreement(Struct, frozen=True):
    """What a 2xx says: the interval in seconds, and whether we refresh or the peer does."""

    interval: int
    is_ours: bool


class TooSmall(ValueError):
    """The interval is below our least: the request gets 422 with `fields`."""

    def __init__(self, least: int) -> None:
        super().__init__("the session interval is too small")
        self.fields: Fields = (("Min-SE", str(least)),)


def ask(policy: Policy, current: Agreement | None = None) -> Fields:
    """Make the fields of an INVITE or UPDATE (RFC 4028 §7.1, §7.4); `current` is what holds in the dialog."""
    least = (("Min-SE", str(policy.least)),) if policy.least > LEAST else ()
    if current is None:
        return (("Supported", OPTION), ("Session-Expires", str(policy.interval)), *least)
    refresher = Refresher.UAC if current.is_ours else Refresher.UAS
    expires = Value(value=str(current.interval), params={"refresher": refresher.value})
    return (("Supported", OPTION), ("Session-Expires", str(expires)), *least)


def with_interval(request: Request, policy: Policy, number: int) -> Request:
    """Make a request anew that got 422, with what `policy` asks for now (RFC 4028 §7.4)."""
    kept = [field for field in request.fields if field[0] not in ("Session-Expires", "Min-SE")]
    cseq = CSeq(number=number, method=request.method)
    return replace(request, cseq=cseq, fields=(*kept, *ask(policy)[1:]))


def raised(policy: Policy, refusal: Response) -> Policy | None:
    """Return what to ask for after a 422, None if that is not more, or cannot be read (RFC 4028 §7.3)."""
    try:
        least = _seconds(refusal.get("Min-SE"))
    except Malformed:
        return None
    if least is None or least <= policy.interval:
        return None
    return Policy(interval=least, least=max(policy.least, least))


def agree(policy: Policy, request: Request) -> tuple[Fields, Agreement]:
    """Return what the 2xx says, and what holds then (RFC 4028 §9). Raises TooSmall and Malformed.

    A peer that knows no timers is refreshed by us.
    """
    is_known = any(
        tag.lower() == OPTION for field in ("Supported", "Require") for tag in request.values(field)
    )
    expires = request.get("Session-Expires")
    asked = _seconds(expires)
    least = max(LEAST, _seconds(request.get("Min-SE")) or 0)
    if asked is not None and is_known and asked < policy.least:
        raise TooSmall(policy.least)
    interval = max(policy.interval, least) if asked is None else min(asked, max(policy.interval, least))
    refresher = _refresher(expires) if is_known else Refresher.UAS
    if refresher is None:
        refresher = Refresher.UAC if asked is not None else Refresher.UAS
    written = Value(value=str(interval), params={"refresher": refresher.value})
    require: Fields = (("Require", OPTION),) if is_known else ()
    return (*require, ("Session-Expires", str(written))), Agreement(interval, refresher is Refresher.UAS)


def agreed(response: Response) -> Agreement | None:
    """Return what a 2xx to our request says; None if there is no timer (RFC 4028 §7.2). Raises Malformed."""
    expires = response.get("Session-Expires")
    interval = _seconds(expires)
    if interval is None:
        return None
    return Agreement(max(interval, LEAST), _refresher(expires) is not Refresher.UAS)


class SessionTimer:
    """When a session is to be refreshed by us, or given up; nothing if no timer was agreed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refresh: float | None = None
        self._end: float | None = None

    def start(self, agreement: Agreement | None) -> None:
        """Begin anew with each 2xx to a refresh (RFC 4028 §10); None takes the timer away."""
        self._refresh = self._end = None
        if agreement is None:
            return
        now = self._clock()
        self._end = now + agreement.interval - min(MARGIN, agreement.interval / 3)
        if agreement.is_ours:
            self._refresh = now + agreement.interval / 2

    @property
    def next_deadline(self) -> float | None:
        """When to look again."""
        return self._end if self._refresh is None else self._refresh

    def is_refresh_due(self) -> bool:
        """Tell, once, whether to send a refresh now."""
        if self._refresh is None or self._clock() < self._refresh:
            return False
        self._refresh = None
        return True

    @property
    def is_over(self) -> bool:
        """Tell whether the session is to end with BYE, since nobody refreshed it."""
        return self._end is not None and self._clock() >= self._end


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    value = parse_value(text).value
    if not (value.isdecimal() and value.isascii()) or len(value) > 10 or not 0 < int(value) <= MOST:
        raise Malformed("a session interval is malformed")
    return int(value)


def _refresher(text: str | None) -> Refresher | None:
    named = parse_value(text).params.get("refresher", "").lower() if text else ""
    return Refresher(named) if named in ("uac", "uas") else None
