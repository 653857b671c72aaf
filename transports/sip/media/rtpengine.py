"""Media over rtpengine: several instances, of which each call has one for its life.

A call goes to the instance that its id points to among those that answer. One that stops answering, or
was started anew, has lost its calls; others begin elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import count
from math import ceil, isfinite, nan
from typing import Annotated, Any

import msgspec
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from bridge.calls import CallId
from bridge.errors import BridgeError, Trouble
from transports.sip.media.anchorage import SIP, RtpengineAnchor
from transports.sip.media.backend import Anchor, Demands, Listener
from transports.sip.media.config import MediaConfig
from transports.sip.media.ng import Ng, NgRefused, Reply, parse_address

HEALTH_EVERY = 2.0
"""Seconds between two looks at an instance."""
CALL_EVERY = 30.0
"""Seconds in which each call is looked at once: an instance forgets a call whose media have stopped."""
UPTIME_SLACK = 1.5
"""Seconds by which the time that an instance started may seem to change."""
MAX_CALLS = 20_000
"""Calls at a time."""
STOP_TIMEOUT = 4.5
"""Seconds that instances get to let go of their calls."""
DIGITS = "0123456789*#ABCD"
"""Keys by their event numbers (RFC 4733 §3.2)."""


class Instance:
    """One rtpengine: whether it answers, and the calls that it has, the one looked at longest ago first."""

    log = Logger()

    def __init__(self, reactor: Any, ng: Ng, changed: Callable[[], None]) -> None:
        self.ng = ng
        self.is_up: bool | None = None
        self.anchors: dict[str, RtpengineAnchor] = {}
        self._reactor, self._changed = reactor, changed
        self._started_at: float | None = None
        self._timer: Any = None

    def start(self) -> None:
        """Look at it from now on."""
        self.ng.start()
        self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.ng.stop()

    def _look(self) -> None:
        self.ng.ask("statistics", {}).addCallbacks(self._answered, self._silent)
        for anchor in list(self.anchors.values())[: ceil(len(self.anchors) * HEALTH_EVERY / CALL_EVERY)]:
            self.anchors[anchor.id] = self.anchors.pop(anchor.id)
            anchor.look()

    def _answered(self, reply: Reply) -> None:
        try:
            uptime = float(reply["statistics"]["totalstatistics"]["uptime"])
        except (KeyError, TypeError, ValueError, OverflowError):
            uptime = nan
        if isfinite(uptime):
            started_at = self._reactor.seconds() - uptime
            if self._started_at is not None and started_at > self._started_at + UPTIME_SLACK:
                self._lose("was started anew")
            self._started_at = started_at
        self._set(is_up=True)

    def _silent(self, failure: Any) -> None:
        if failure.check(BridgeError) and failure.value.trouble is Trouble.SHUTTING_DOWN:
            return
        if failure.check(NgRefused):
            self._set(is_up=True)
            return
        self._set(is_up=False)
        self._lose("does not answer")

    def _set(self, is_up: bool) -> None:
        self._timer = self._reactor.callLater(HEALTH_EVERY, self._look)
        if self.is_up is not is_up:
            before, self.is_up = self.is_up, is_up
            if is_up and before is False:
                self.log.info("rtpengine at {address} answers again", address=self.ng.address)
            elif not is_up:
                self.log.warn("rtpengine at {address} does not answer", address=self.ng.address)
            self._changed()

    def _lose(self, what: str) -> None:
        for anchor in list(self.anchors.values()):
            anchor.lose(f"The media relay {what}.")


class Rtpengines:
    """The back end; `changed` is called when its trouble is another."""

    log = Logger()

    def __init__(
        self, config: MediaConfig, reactor: Any, token: Callable[[], str], changed: Callable[[], None]
    ) -> None:
        self._config, self._reactor = config, reactor
        self._instances = [
            Instance(reactor, Ng(reactor, address, token), changed) for address in config.rtpengine
        ]
        self._numbers = count(1)
        self._keys: Any = None

    def start(self) -> None:
        """Look at the instances. Raises CannotListenError."""
        if self._config.dtmf_listen:
            host, port = parse_address(self._config.dtmf_listen)
            self._keys = self._reactor.listenUDP(port, Keys(self._anchor_of), interface=host)
        for instance in self._instances:
            instance.start()

    def stop(self) -> Deferred[None]:
        """End every anchor; fires within five seconds."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        anchors = [anchor for instance in self._instances for anchor in instance.anchors.values()]
        deleted = DeferredList([anchor.let_go() for anchor in anchors], consumeErrors=True)
        await deleted.addTimeout(STOP_TIMEOUT, self._reactor, lambda result, timeout: None)
        for instance in self._instances:
            instance.stop()
        if self._keys is not None:
            self._keys.stopListening()

    def anchor(self, call: CallId, demands: Demands, listener: Listener) -> Anchor:
        """Return a new anchor. Raises BridgeError OVERLOADED and UNREACHABLE."""
        if sum(len(instance.anchors) for instance in self._instances) >= MAX_CALLS:
            raise BridgeError(Trouble.OVERLOADED)
        id = f"{call}-{next(self._numbers)}"
        return RtpengineAnchor(self._config, self._order(id), id, demands, listener)

    def _order(self, id: str) -> list[Instance]:
        """Return the instances that may answer, the one that the id points to first. Raises UNREACHABLE."""
        found = [instance for instance in self._instances if instance.is_up is not False]
        if not found:
            raise BridgeError(Trouble.UNREACHABLE)
        return sorted(found, key=lambda one: sha256(f"{one.ng.address} {id}".encode()).digest())

    def _anchor_of(self, host: str, id: str) -> RtpengineAnchor | None:
        for instance in self._instances:
            if parse_address(instance.ng.address)[0] == host and id in instance.anchors:
                return instance.anchors[id]
        return None

    @property
    def trouble(self) -> str:
        """Which instances do not answer."""
        down = [instance.ng.address for instance in self._instances if instance.is_up is False]
        return f"rtpengine does not answer at {', '.join(down)}" if down else ""


class Report(msgspec.Struct):
    """A key of somebody in a call."""

    callid: str
    source_tag: str
    event: Annotated[int, msgspec.Meta(ge=0, lt=len(DIGITS))]


class Keys(DatagramProtocol):
    """Where instances tell which keys were pressed: a datagram of JSON for each."""

    log = Logger()

    def __init__(self, anchor_of: Callable[[str, str], RtpengineAnchor | None]) -> None:
        self._anchor_of = anchor_of

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Tell the call's listener; what is no key, or of no call, is dropped."""
        try:
            told = msgspec.json.decode(datagram, type=Report, strict=False)
        except (ValueError, RecursionError):
            self.log.debug("a report of a key cannot be read")
            return
        anchor = self._anchor_of(addr[0], told.callid)
        if anchor is not None and told.source_tag == SIP:
            anchor.listener.pressed(DIGITS[told.event])
