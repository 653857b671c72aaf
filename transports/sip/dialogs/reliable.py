"""Provisional responses that arrive: 100rel and PRACK, both ends (RFC 3262)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.agent.transaction import Timings
from transports.sip.wire.message import Request, Response
from transports.sip.wire.uri import Malformed

OPTION = "100rel"
MAX_RSEQ = 2**32 - 1
MAX_FIRST_RSEQ = 2**31 - 1
MAX_WAITING = 16
"""Responses that wait for the acknowledgement of the one before; more are left out."""

_RACK = re.compile(r"\s*([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+)\s*")


class RAck(Struct, frozen=True):
    """What a PRACK acknowledges: RSeq of the response, CSeq of its request (RFC 3262 §7.2)."""

    rseq: int
    cseq: int
    method: str

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def parse_rack(text: str) -> RAck:
    """Read RAck. Raises Malformed."""
    found = _RACK.fullmatch(text)
    if found is None or int(found[1]) > MAX_RSEQ:
        raise Malformed("RAck is malformed")
    return RAck(rseq=int(found[1]), cseq=int(found[2]), method=found[3])


class ReliableServer:
    """Sends the provisional responses of one INVITE one after the other, each until it is acknowledged.

    `first` is the first RSeq, from 1 to `MAX_FIRST_RSEQ`.
    """

    def __init__(self, clock: Callable[[], float], first: int, timings: Timings) -> None:
        self._clock = clock
        self._timings = timings
        self._next = first
        self._current: Response | None = None
        self._waiting: deque[Response] = deque()
        self._begun = self._due = 0.0
        self._pause = 0.0

    @property
    def holds_success(self) -> bool:
        """Tell whether a 2xx has to wait, since a description is not yet acknowledged (RFC 3262 §3)."""
        unacknowledged = [*([self._current] if self._current else []), *self._waiting]
        return any(response.body for response in unacknowledged)

    @property
    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        return self._due if self._current else None

    def send(self, response: Response) -> Response | None:
        """Return the response as it is to be sent now, None if it has to wait for the one before."""
        if self._current is not None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(response)
            return None
        fields = (*response.fields, ("Require", OPTION), ("RSeq", str(self._next)))
        self._current = replace(response, fields=fields)
        self._begun = self._clock()
        self._pause = self._timings.t1
        self._due = self._begun + self._pause
        return self._current

    def acknowledge(self, prack: Request) -> tuple[bool, Response | None]:
        """Return whether a PRACK gets 200, not 481, and the response that is to be sent next."""
        current = self._current
        try:
            rack = parse_rack(prack.get("RAck") or "")
        except Malformed:
            return False, None
        if current is None or rack != RAck(self._next, current.cseq.number, current.cseq.method):
            return False, None
        self._current = None
        self._next += 1
        return True, self.send(self._waiting.popleft()) if self._waiting else None

    def expire(self) -> Response | None:
        """Return the response that is to be sent again; None if there is none, or if nobody acknowledges it.

        In the latter case `is_lost`, and the INVITE should get a 5xx.
        """
        if self._current is None or self._clock() < self._due or self.is_lost:
            return None
        self._pause *= 2
        self._due = min(self._clock() + self._pause, self._begun + 64 * self._timings.t1)
        return self._current

    @property
    def is_lost(self) -> bool:
        """Tell whether a response was repeated for 64 T1 and nobody acknowledged it (RFC 3262 §3)."""
        return self._current is not None and self._clock() >= self._begun + 64 * self._timings.t1

    def stop(self) -> None:
        """Repeat nothing any more, since the final response was sent; a PRACK that comes still gets 200."""
        self._due = float("inf")
        self._begun = float("inf")
        self._waiting.clear()


class ReliableClient:
    """Tells which provisional responses of one dialog are new, and what to acknowledge them with."""

    def __init__(self) -> None:
        self._last: int | None = None

    def receive(self, response: Response) -> RAck | None:
        """Return what PRACK is to say; None if the response was seen already, or one before it was not.

        Raises Malformed if the response is not reliable. What is None is not to be looked at (RFC 3262 §4).
        """
        rseq = response.get("RSeq") or ""
        if not (rseq.isdecimal() and rseq.isascii() and len(rseq) <= 10 and 0 < int(rseq) <= MAX_RSEQ):
            raise Malformed("RSeq is malformed")
        number = int(rseq)
        if self._last is not None and number != self._last + 1:
            return None
        self._last = number
        return RAck(rseq=number, cseq=response.cseq.number, method=response.cseq.method)


def is_reliable(response: Response) -> bool:
    """Tell whether a response wants a PRACK. Raises Malformed."""
    return response.requires(OPTION) and 100 < response.status < 200
