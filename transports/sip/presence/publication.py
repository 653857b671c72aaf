"""How a user is, published for his account, as a pure machine (RFC 3903).

Its owner sends the requests of `events` one at a time, hands in the responses and wakes it at `deadline`.
"""

from __future__ import annotations

from collections.abc import Callable

from transports.sip.presence.pidf import TYPE, State, write_pidf
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.request import Token, make
from transports.sip.wire.uri import Uri

EXPIRES, MOST = 3600, 86400
"""Seconds for which we publish, and that we agree to at most."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0
"""Seconds until what failed is tried again, at first and at last."""


class Publication:
    """See the module's docstring; `jitter` gives numbers from 0 to 1."""

    def __init__(self, account: Uri, token: Token, jitter: Callable[[], float]) -> None:
        self._account, self._token, self._jitter = account, token, jitter
        self.deadline: float | None = None
        self._wanted: State | None = None
        self._there: State | None = None
        self._etag = ""
        self._expires = EXPIRES
        self._failures = 0
        self._sent: State | None = None
        self._is_busy = False
        self._requests: list[Request] = []

    def events(self) -> list[Request]:
        """Take the requests to send."""
        requests, self._requests = self._requests, []
        return requests

    def show(self, state: State | None, now: float) -> None:
        """The user is like this; None withdraws what was published."""
        self._wanted = state
        if not self._is_busy and self._failures == 0 and state != self._there:
            self._publish()

    def expire(self, now: float) -> None:
        """The deadline has come: renew, or try again."""
        self.deadline = None
        if not self._is_busy and (self._wanted is not None or self._etag):
            self._publish()

    def _publish(self) -> None:
        """RFC 3903 §4.1, table 1: what is new, the same as before, changed or withdrawn."""
        state = self._wanted
        fields: Fields = (("Event", "presence"), ("Expires", str(0 if state is None else self._expires)))
        if self._etag:
            fields = (*fields, ("SIP-If-Match", self._etag))
        body = b""
        if state is not None and not (self._etag and state == self._there):
            fields, body = (*fields, ("Content-Type", TYPE)), write_pidf(str(self._account), state)
        account = NameAddr(uri=self._account)
        request = make("PUBLISH", self._account, account, account, self._token, fields=fields, body=body)
        self._requests.append(request)
        self._is_busy, self._sent, self.deadline = True, state, None

    def responded(self, response: Response | None, now: float) -> None:
        """Take the final response; None if nobody answered."""
        self._is_busy = False
        if response is not None and response.is_success:
            self._taken(response, now)
        elif response is not None and response.status == 412 and self._etag:
            self._lost()
        elif (
            response is not None
            and response.status == 423
            and _number(response, "Min-Expires") > self._expires
        ):
            self._expires = min(_number(response, "Min-Expires"), MOST)
            self._publish()
        else:
            self._fail(response, now)

    def _taken(self, response: Response, now: float) -> None:
        self._failures = 0
        self._there = self._sent
        self._etag = (response.get("SIP-ETag") or "").strip() if self._sent is not None else ""
        if self._wanted != self._there:
            self._publish()
        elif self._there is not None:
            left = min(_number(response, "Expires") or self._expires, MOST)
            self.deadline = now + max(left * 0.8, 30.0)

    def _lost(self) -> None:
        """The server knows nothing of it any more (RFC 3903 §4.4)."""
        self._etag, self._there = "", None
        if self._wanted is not None:
            self._publish()

    def _fail(self, response: Response | None, now: float) -> None:
        self._etag, self._there = "", None
        pause = min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
        later = min(_number(response, "Retry-After"), MOST) if response else 0
        self._failures += 1
        self.deadline = now + max(pause * (0.8 + 0.4 * self._jitter()), later)


def _number(response: Response, name: str) -> int:
    text = (response.get(name) or "").partition(";")[0].strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
