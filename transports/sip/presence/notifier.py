"""A subscription to a state of ours, as a pure machine (RFC 6665 §4.2, RFC 3856, RFC 4575, RFC 8048 §5.3).

Its owner answers SUBSCRIBEs, says whether the subscriber may know it and what it is, sends the NOTIFYs of
`events`, one at a time, and wakes it at `deadline`.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic

from transports.sip.dialogs.dialog import Ask, Dialog
from transports.sip.presence.package import T, Writer
from transports.sip.wire.headers import Value, parse_value
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.uri import Malformed

EXPIRES, LEAST, MOST = 3600, 60, 7200
"""Seconds of a subscription: if nothing is said, and at least (but 0, once) and at most."""
PACE = 5.0
"""Seconds between two notifications of changes (RFC 3856 §6.10, RFC 4575 §3.10)."""

_GONE = (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604)
"""What ends the subscription of who answers so (RFC 6665 §4.2.2)."""


def begun(request: Request, tag: str) -> Dialog:
    """Return the dialog that a SUBSCRIBE makes. Raises Malformed."""
    dialog = Dialog.of_server(request, tag, 0)
    dialog.confirm()
    return dialog


def expires_of(request: Request) -> int:
    """Return for how long somebody subscribes, in seconds. Raises Malformed."""
    text = request.get("Expires")
    if text is None:
        return EXPIRES
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Malformed("Expires is malformed")
    return int(text)


def refusal(request: Request, package: str, type: str) -> tuple[int, Fields]:
    """Return why a SUBSCRIBE to a package cannot be served, and what is told besides; 0 if it can."""
    try:
        event = parse_value(request.get("Event") or "").value.lower()
        accepted = {parse_value(one).value.lower() for one in request.values("Accept")}
        expires = expires_of(request)
    except Malformed:
        return 400, ()
    if event != package:
        return 489, (("Allow-Events", package),)
    if accepted and not accepted & {type, "application/*", "*/*"}:
        return 406, (("Accept", type),)
    if 0 < expires < LEAST:
        return 423, (("Min-Expires", str(LEAST)),)
    return 0, ()


class Consent(Enum):
    """Whether the user lets the watcher know how he is."""

    PENDING = "pending"
    GRANTED = "active"


class Notifier(Generic[T]):
    """See the module's docstring; `deadline` is in seconds of the owner's clock."""

    def __init__(self, writer: Writer[T], dialog: Dialog, expires: int, now: float) -> None:
        """Begin in the dialog of the SUBSCRIBE that was accepted."""
        self._dialog = dialog
        self._writer = writer
        self._consent = Consent.PENDING
        self._state: T | None = None
        self._expires_at = now + expires
        self._reason = "" if expires else "timeout"
        self._changed_at = -PACE
        self._due: float | None = None
        self._is_busy = self._is_dirty = self._has_begun = False
        self._is_full = True
        self.is_over = False
        self._asks: list[Ask] = []

    @property
    def id(self) -> object:
        """What its SUBSCRIBEs name it by."""
        return self._dialog.id

    @property
    def deadline(self) -> float | None:
        """When it wants to be woken."""
        if self.is_over or self._reason:
            return None
        return self._expires_at if self._due is None else min(self._due, self._expires_at)

    def events(self) -> list[Ask]:
        """Take the NOTIFYs to send, still without Contact."""
        asks, self._asks = self._asks, []
        return asks

    def expire(self, now: float) -> None:
        """The deadline has come."""
        if now >= self._expires_at:
            self.end("timeout")
        elif self._due is not None and now >= self._due:
            self._due, self._changed_at = None, now
            self._notify(now)

    # ---- what the watcher wants

    def refresh(self, request: Request, expires: int, now: float, *, is_in_order: bool = False) -> int:
        """Take a SUBSCRIBE in the dialog; return its status. Raises Malformed.

        `is_in_order` tells that who shares the dialog has seen to that.
        """
        if not is_in_order and self._dialog.is_out_of_order(request):
            return 500
        if self.is_over or self._reason:
            return 481
        self._dialog.refresh_target(request)
        self._expires_at = now + expires
        if expires:
            self._is_full = True
            self._notify(now)
        else:
            self.end("timeout")
        return 200

    def responded(self, response: Response | None, now: float) -> None:
        """Take the answer to a NOTIFY; None if nobody answered: then there is nobody to tell."""
        if response is None or response.status in _GONE or (self._reason and not self._is_dirty):
            self.is_over = True
            return
        self._dialog.local_cseq = max(self._dialog.local_cseq, response.cseq.number)
        self._is_busy = False
        if self._is_dirty:
            self._notify(now)

    # ---- what the user wants

    def consent(self, consent: Consent, now: float) -> None:
        """The user has decided that the watcher may know."""
        if consent is not self._consent:
            self._consent = consent
            if self._has_begun:
                self._notify(now)

    def begin(self, state: T | None, consent: Consent, now: float) -> None:
        """Tell how it stands, and, if he may know, how the user is; None if that is not known."""
        self._state, self._consent, self._has_begun = state, consent, True
        self._notify(now)

    def show(self, state: T, now: float) -> None:
        """The user is like this now."""
        if state == self._state:
            return
        self._state = state
        if self._consent is not Consent.GRANTED or self._due is not None:
            return
        if now - self._changed_at >= PACE:
            self._changed_at = now
            self._notify(now)
        else:
            self._due = self._changed_at + PACE

    def end(self, reason: str) -> None:
        """End it: ``rejected``, ``timeout``, ``deactivated`` and the like."""
        if not (self._reason or self.is_over):
            self._reason = reason
            self._state = self._writer.last(self._state) if reason != "deactivated" else self._state
            self._notify(self._expires_at)

    def _notify(self, now: float) -> None:
        """Send the next NOTIFY when the one before is answered (RFC 6665 §4.2.2)."""
        if self._is_busy:
            self._is_dirty = True
            return
        self._is_busy, self._is_dirty = True, False
        body = b""
        fields: Fields = (("Event", self._writer.package), ("Subscription-State", self._standing(now)))
        if self._consent is Consent.GRANTED and self._state is not None:
            body = self._writer.write(self._state, is_full=self._is_full)
            self._is_full = False
        if body:
            fields = (*fields, ("Content-Type", self._writer.type))
        self._asks.append(self._dialog.ask("NOTIFY", fields, body))

    def _standing(self, now: float) -> str:
        if self._reason:
            return str(Value(value="terminated", params={"reason": self._reason}))
        left = str(max(int(self._expires_at - now), 0))
        return str(Value(value=self._consent.value, params={"expires": left}))
