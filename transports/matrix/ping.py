"""Whether the homeserver and we reach each other, both ways (MX v1.19 application-service-api/pinging)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from transports.matrix.client import Homeserver
from transports.matrix.refusal import Refusal

FIRST_PAUSE = 1.0
LAST_PAUSE = 60.0
"""Seconds between pings while something is broken: the first, doubled up to the last."""
STEADY_PAUSE = 300.0
"""Seconds between pings while all works: that nothing comes from the homeserver may also mean silence."""


class Way(Enum):
    """How it stands; the words are for the operator."""

    UNKNOWN = "not tried yet"
    BOTH = "works both ways"
    NOT_THERE = "we cannot reach the homeserver"
    NO_HOMESERVER = "what answers at the homeserver's address is no homeserver"
    NOT_KNOWN = "the homeserver does not know our as_token: is the registration in its configuration?"
    OTHER_ID = "the homeserver knows our as_token, but not by our id: is the registration an older one?"
    NO_PING = "we reach the homeserver; it cannot tell whether it reaches us"
    NO_URL = "we reach the homeserver; its registration names no url of ours"
    NO_WAY_BACK = "we reach the homeserver; it cannot reach us at the url of its registration"
    BAD_TOKEN = "we reach the homeserver; it does not use our hs_token: is the registration an older one?"
    BAD_ANSWER = "we reach the homeserver; what answers at the url of its registration is not this gateway"


REASONS = {
    "M_URL_NOT_SET": Way.NO_URL,
    "M_CONNECTION_FAILED": Way.NO_WAY_BACK,
    "M_CONNECTION_TIMEOUT": Way.NO_WAY_BACK,
    "M_UNKNOWN_TOKEN": Way.NOT_KNOWN,
    "M_MISSING_TOKEN": Way.NOT_KNOWN,
    "M_FORBIDDEN": Way.OTHER_ID,
    "M_UNRECOGNIZED": Way.NO_PING,
}
"""What the homeserver says of a ping that failed."""
WORKING = frozenset((Way.BOTH, Way.NO_PING))
"""When nothing is known to be broken."""


def ping(homeserver: Homeserver, id: str, transaction: str = "") -> Deferred[Way]:
    """Have the homeserver call us back; fires with what came of it, and never fails.

    The homeserver also sends at once what waited for us.
    """
    body = {"transaction_id": transaction} if transaction else {}
    asked = homeserver.call("POST", f"/_matrix/client/v1/appservice/{id}/ping", body=body, patience=0)
    return asked.addCallbacks(lambda _: Way.BOTH, _way)


def _way(failure: Failure) -> Way:
    failure.trap(BridgeError)
    refusal = failure.value
    if not isinstance(refusal, Refusal):
        return Way.NOT_THERE
    if refusal.errcode == "M_BAD_STATUS":
        return Way.BAD_TOKEN if refusal.said.get("status") in (401, 403) else Way.BAD_ANSWER
    if not refusal.errcode and refusal.status < 500:
        return Way.NO_HOMESERVER
    return REASONS.get(refusal.errcode, Way.NOT_THERE)


class Pings:
    """Pings for ever, oftener while something is broken.

    `way` is how it stands, `changed` is told when that changes, and the log too. `jitter` returns a random
    number from 0 to 1.
    """

    log = Logger()

    def __init__(
        self,
        homeserver: Homeserver,
        id: str,
        clock: Any,
        jitter: Callable[[], float],
        changed: Callable[[Way], None],
    ) -> None:
        self.way = Way.UNKNOWN
        self._homeserver = homeserver
        self._id = id
        self._clock = clock
        self._jitter = jitter
        self._changed = changed
        self._pause = FIRST_PAUSE
        self._waiting: IDelayedCall | None = None
        self._stopped = False

    def start(self) -> None:
        """Ping now; the homeserver also sends at once what waited for us."""
        self._waiting = None
        ping(self._homeserver, self._id).addCallback(self._learn)

    def doubt(self) -> None:
        """Something went unanswered: ping now, unless a ping is on its way or it is known."""
        if self.way in WORKING:
            self.hurry()

    def hurry(self) -> None:
        """Something says that it may stand otherwise by now: ping at once, unless a ping is on its way."""
        if self._waiting is not None:
            self._waiting.cancel()
            self.start()

    def stop(self) -> None:
        """Ping no more."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _learn(self, way: Way) -> None:
        if self._stopped:
            return
        was, self.way = self.way, way
        if way is not was:
            tell = self.log.info if way is Way.BOTH else self.log.error
            tell("the homeserver: {state}", state=way.value)
            self._changed(way)
        pause = STEADY_PAUSE
        if way in WORKING:
            self._pause = FIRST_PAUSE
        else:
            pause, self._pause = self._pause, min(self._pause * 2, LAST_PAUSE)
        self._waiting = self._clock.callLater(pause * (0.5 + self._jitter()), self.start)
