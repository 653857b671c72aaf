"""A subscription to a state, as a pure machine (RFC 6665 §4.1, RFC 3856, RFC 4575, RFC 8048 §5.2).

It lives until `leave`, or until the far side ends it for good: what fails is tried again, ever later, and
what expires is renewed. Whoever owns it hands in responses and NOTIFYs, wakes it at `deadline`, and takes
`events`. Only one dialog is made, by the first NOTIFY that comes (RFC 3856 §6.9): other forks get 481.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Generic

from msgspec import Struct

from transports.sip.dialogs.dialog import Dialog, DialogState, contact, record_route
from transports.sip.presence.package import Package, T
from transports.sip.wire.headers import NameAddr, Value, parse_value
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.request import Token, make
from transports.sip.wire.uri import Malformed, Uri

EXPIRES, LEAST, MOST = 3600, 30, 86400
"""Seconds for which we subscribe (RFC 3856 §6.4), and those that we agree to, at least and at most."""
AGAIN = 2.0
"""Seconds until we subscribe again where we are to do so at once."""
TIMER_N = 32.0
"""Seconds in which a NOTIFY has to follow a SUBSCRIBE (RFC 6665 §4.1.2.4)."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0
"""Seconds until what failed is tried again, at first and at last."""
RARELY = 6 * 3600.0
"""Seconds until somebody is asked for again of whom it was said that there is nobody."""

_REFUSALS = (403, 603)
"""The contact's own no (RFC 8048 §5.2.2)."""
_INCAPABLE = (405, 415, 420, 489, 501)
"""There is no presence there."""
_NOBODY = (404, 410, 416, 484, 485, 604)
_ENDS = (404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604)
"""What ends a subscription that stood (RFC 6665 §4.1.2.2, RFC 5057 §5.1)."""


class Phase(Enum):
    """States of the machine."""

    WAITING = "waiting"
    ASKING = "asking"
    STANDING = "standing"
    REFRESHING = "refreshing"
    LEAVING = "leaving"
    OVER = "over"


class Send(Struct, frozen=True):
    """A SUBSCRIBE that is to be sent, still without Contact; `next_hop` None is the way to the contact."""

    request: Request
    next_hop: Uri | None = None


class Shown(Struct, Generic[T], frozen=True):
    """It is like this."""

    state: T


class Ended(Struct, frozen=True):
    """It is over for good: the far side does not want it, or, where `is_refused` is False, cannot do it."""

    is_refused: bool


class Verdict(Struct, frozen=True):
    """What a NOTIFY is answered with."""

    status: int
    fields: Fields = ()


class Subscriber(Generic[T]):
    """See the module's docstring; `deadline` is when it wants to be woken, in seconds of the owner's clock.

    `jitter` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        package: Package[T],
        target: NameAddr,
        local: NameAddr,
        token: Token,
        jitter: Callable[[], float],
        begin_at: float,
    ) -> None:
        self._package = package
        self._target, self._local = target, local
        self._token, self._jitter = token, jitter
        self.phase = Phase.WAITING
        self.deadline: float | None = begin_at
        self.call_id = ""
        self._tag = ""
        self._number = 0
        self._dialog: Dialog | None = None
        self._expires = EXPIRES
        self._expires_at = begin_at
        self._failures = 0
        self._events: list[Send | Shown[T] | Ended] = []

    def events(self) -> list[Send | Shown[T] | Ended]:
        """Take what happened since the last call."""
        events, self._events = self._events, []
        return events

    # ---- time

    def expire(self, now: float) -> None:
        """The deadline has come."""
        match self.phase:
            case Phase.WAITING:
                self._ask(now)
            case Phase.ASKING:
                self._fail(now)
            case Phase.STANDING if now < self._expires_at:
                self._refresh(now)
            case Phase.STANDING | Phase.REFRESHING:
                self._wait(now, 0.0)
            case Phase.LEAVING:
                self._finish()

    def _ask(self, now: float) -> None:
        """Subscribe anew (RFC 6665 §4.1.2.1)."""
        request = make(
            "SUBSCRIBE",
            self._target.uri,
            self._local,
            NameAddr(uri=self._target.uri),
            self._token,
            fields=self._fields(self._expires),
        )
        self.call_id, self._tag = request.call_id, request.from_.tag
        self._number, self._dialog = 1, None
        self.phase, self.deadline = Phase.ASKING, now + TIMER_N
        self._expires_at = now + self._expires
        self._events.append(Send(request))

    def _refresh(self, now: float) -> None:
        self._send_inside(self._expires)
        self.phase, self.deadline = Phase.REFRESHING, min(now + TIMER_N, self._expires_at)

    def _send_inside(self, expires: int) -> None:
        if self._dialog is not None:
            ask = self._dialog.ask("SUBSCRIBE", self._fields(expires))
            self._events.append(Send(ask.request, ask.next_hop))

    def _wait(self, now: float, pause: float) -> None:
        self.phase, self.deadline, self._dialog = Phase.WAITING, now + pause, None

    def _fail(self, now: float, pause: float | None = None, *, least: float = 0.0) -> None:
        """Show that nothing is known, and try again later."""
        own = min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
        self._failures += 1
        self._show(self._package.absent)
        self._wait(now, max(pause or own * (0.8 + 0.4 * self._jitter()), least))

    def _finish(self) -> None:
        self.phase, self.deadline, self._dialog = Phase.OVER, None, None

    def _end(self, *, is_refused: bool) -> None:
        self._finish()
        self._events.append(Ended(is_refused))

    # ---- what the owner wants

    def leave(self, now: float) -> None:
        """Give it up; a NOTIFY may still come until it is over (RFC 6665 §4.1.2.3)."""
        if self._dialog is None or self.phase not in (Phase.STANDING, Phase.REFRESHING):
            self._finish()
            return
        self._send_inside(0)
        self.phase, self.deadline = Phase.LEAVING, now + TIMER_N

    def renew(self, now: float) -> None:
        """Ask now for all of the state (RFC 6665 §4.1.2.2)."""
        if self.phase is Phase.STANDING:
            self._refresh(now)

    def hurry(self, now: float) -> None:
        """The way is open again: ask now what would have been asked later."""
        if self.phase is Phase.WAITING and self.deadline is not None:
            self._failures = 0
            self.deadline = min(self.deadline, now)

    # ---- what comes

    def responded(self, call_id: str, response: Response | None, now: float) -> None:
        """Take the final response to a SUBSCRIBE of that Call-ID; None if nobody answered."""
        if call_id != self.call_id or self.phase in (Phase.WAITING, Phase.LEAVING, Phase.OVER):
            return
        if response is not None:
            self._number = max(self._number, response.cseq.number)
            if self._dialog is not None:
                self._dialog.local_cseq = max(self._dialog.local_cseq, response.cseq.number)
        if response is not None and response.is_success:
            self._granted(_seconds(response.get("Expires")), now)
        elif self.phase is Phase.ASKING:
            self._refused(response, now)
        elif response is not None and response.status in _ENDS:
            self._wait(now, 0.0)
            if response.status in (*_INCAPABLE, *_NOBODY):
                self._refused(response, now)
        elif self.phase is Phase.REFRESHING:
            self.phase = Phase.STANDING
            self.deadline = min(now + FIRST_PAUSE * (1 + self._jitter()), self._expires_at)

    def _granted(self, seconds: int | None, now: float) -> None:
        if seconds is None:
            return
        self._expires_at = now + min(max(seconds, LEAST), MOST)
        if self.phase is Phase.STANDING:
            self.deadline = _refresh_at(now, self._expires_at)

    def _refused(self, response: Response | None, now: float) -> None:
        status = 0 if response is None else response.status
        later = 0 if response is None else _seconds(response.get("Retry-After")) or 0
        least = 0 if response is None else _seconds(response.get("Min-Expires")) or 0
        if status == 423 and self._expires < least <= MOST:
            self._expires = least
            self._ask(now)
        elif status in _REFUSALS:
            self._end(is_refused=True)
        elif status in _INCAPABLE:
            self._end(is_refused=False)
        else:
            self._fail(now, RARELY if status in _NOBODY else None, least=min(later, MOST))

    def notified(self, notify: Request, now: float) -> Verdict:
        """Take a NOTIFY that names our Call-ID."""
        try:
            return self._notified(notify, now)
        except Malformed:
            return Verdict(400)

    def _notified(self, notify: Request, now: float) -> Verdict:
        event = parse_value(notify.get("Event") or "")
        if event.value.lower() != self._package.name:
            return Verdict(489, (("Allow-Events", self._package.name),))
        standing = parse_value(notify.get("Subscription-State") or "")
        if not standing.value:
            return Verdict(400)
        if notify.to.tag != self._tag or self.phase in (Phase.WAITING, Phase.OVER):
            return Verdict(481)
        if self._dialog is not None:
            if notify.from_.tag != self._dialog.remote.tag:
                return Verdict(481)
            if self._dialog.is_out_of_order(notify):
                return Verdict(500)
        body = parse_value(notify.get("Content-Type") or "").value.lower()
        if notify.body and body != self._package.type:
            return Verdict(415, (("Accept", self._package.type),))
        state = self._package.parse(notify.body) if notify.body else None
        if standing.value.lower() == "terminated":
            self._terminated(standing, state, now)
        elif self.phase is not Phase.LEAVING:
            self._stand(notify, standing, state, now)
        return Verdict(200)

    def _stand(self, notify: Request, standing: Value, state: T | None, now: float) -> None:
        """It is active, or waits for the contact's consent (RFC 6665 §4.1.3)."""
        is_new = self._dialog is None
        if self._dialog is None:
            self._dialog = self._made_by(notify)
        else:
            self._dialog.refresh_target(notify)
        self._failures = 0
        seconds = _seconds(standing.params.get("expires"))
        if seconds is not None:
            self._expires_at = now + min(max(seconds, LEAST), MOST)
        self.phase, self.deadline = Phase.STANDING, _refresh_at(now, self._expires_at)
        if standing.value.lower() != "pending" and (state is not None or is_new):
            self._show(self._package.absent if state is None else state)

    def _made_by(self, notify: Request) -> Dialog:
        """Make the dialog that a NOTIFY makes (RFC 6665 §4.4.1); its sender is where requests go."""
        return Dialog(
            state=DialogState.CONFIRMED,
            call_id=notify.call_id,
            local=self._local.with_tag(self._tag),
            remote=notify.from_,
            target=contact(notify),
            route_set=record_route(notify),
            local_cseq=self._number,
            remote_cseq=notify.cseq.number,
        )

    def _terminated(self, standing: Value, state: T | None, now: float) -> None:
        """RFC 6665 §4.1.3: what the reason says about trying again."""
        if self.phase is Phase.LEAVING:
            self._finish()
            return
        reason = standing.params.get("reason", "").lower()
        later = min(_seconds(standing.params.get("retry-after")) or 0, MOST)
        if reason == "rejected":
            self._end(is_refused=True)
        elif reason in ("noresource", "invariant"):
            self._fail(now, RARELY)
            self._show(state)
        elif reason in ("deactivated", "timeout"):
            self._wait(now, AGAIN)
            self._show(state)
        else:
            self._fail(now, least=later)

    def _show(self, state: T | None) -> None:
        if state is not None:
            self._events.append(Shown(state))

    def _fields(self, expires: int) -> Fields:
        package = self._package
        return (("Event", package.name), ("Accept", package.type), ("Expires", str(expires)))


def _refresh_at(now: float, expires_at: float) -> float:
    """Return when to refresh: well before the end, as a registration is."""
    left = expires_at - now
    return now + max(min(left - TIMER_N, left * 0.9), left / 2)


def _seconds(text: str | None) -> int | None:
    """Return a number of seconds, as delta-seconds with perhaps a comment; None if there is none."""
    digits = (text or "").partition("(")[0].partition(";")[0].strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None
