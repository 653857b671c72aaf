"""The relay as a back end: it starts the process, starts it again when it ends, and speaks with it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from bridge.calls import CallId
from bridge.errors import BridgeError, Trouble
from transports.sip.media.backend import Anchor, Demands, Listener, Protection
from transports.sip.media.config import MediaConfig
from transports.sip.media.relay.anchor import RelayAnchor

RESTART = 1.0
"""Seconds until a process that has ended is started again."""
ANSWER, FIRST_ANSWER = 5.0, 9.0
"""Seconds in which the process opens a call, and in which it does while it is being started."""
STOP_TIMEOUT = 3.0
"""Seconds until a process that does not end is killed."""


class RelayProcess(ProcessProtocol):
    """The pipe to the process."""

    log = Logger()

    def __init__(self, said: Callable[[dict[str, Any]], None], ended: Callable[[], None]) -> None:
        self._said, self._ended = said, ended
        self._rest = b""

    def say(self, line: dict[str, object]) -> None:
        """Write a line."""
        if self.transport is not None:
            self.transport.write(json.dumps(line).encode() + b"\n")

    def outReceived(self, data: bytes) -> None:
        """Take in lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._said(json.loads(line))

    def errReceived(self, data: bytes) -> None:
        """Log what it complains of."""
        self.log.error("the media relay says: {words}", words=data.decode("utf-8", "replace")[-2000:])

    def processEnded(self, reason: Any) -> None:
        """Tell so."""
        self._ended()


class Relay:
    """The back end; `changed` is called when its trouble is another."""

    log = Logger()

    def __init__(self, config: MediaConfig, reactor: Any, changed: Callable[[], None]) -> None:
        self._config, self._reactor, self._changed = config, reactor, changed
        self._anchors: dict[str, RelayAnchor] = {}
        self._opening: dict[str, Deferred[dict[str, Any]]] = {}
        self._numbers = count(1)
        self._process: RelayProcess | None = None
        self._is_ready = self._is_stopping = False
        self._stopped: Deferred[None] | None = None
        self._timer: Any = None
        self.trouble = ""

    # ---- the process

    def start(self) -> None:
        """Start the process."""
        self._process = RelayProcess(self._said, self._ended)
        ports = map(str, self._config.relay_ports)
        module = "transports.sip.media.relay.process"
        command = [sys.executable, "-m", module, self._config.relay_address, *ports]
        self._reactor.spawnProcess(self._process, sys.executable, command, env=os.environ)

    def stop(self) -> Deferred[None]:
        """End every call, and the process; fires within five seconds."""
        self._is_stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for anchor in list(self._anchors.values()):
            anchor.end()
        if self._process is None or self._process.transport is None:
            return succeed(None)
        self._stopped = Deferred()
        self._process.transport.closeStdin()
        self._timer = self._reactor.callLater(STOP_TIMEOUT, self._process.transport.signalProcess, "KILL")
        return self._stopped

    def _ended(self) -> None:
        self._process, self._is_ready = None, False
        waiting, self._opening = self._opening, {}
        for anchor in list(self._anchors.values()):
            anchor.lose("The media relay has ended.")
        for opening in waiting.values():
            opening.errback(BridgeError(Trouble.UNREACHABLE))
        if self._is_stopping:
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            if self._stopped is not None:
                self._stopped.callback(None)
            return
        self._tell("the media relay does not run")
        self._timer = self._reactor.callLater(RESTART, self.start)

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            if trouble:
                self.log.error("{trouble}", trouble=trouble)
            self._changed()

    def _said(self, line: dict[str, Any]) -> None:
        id, event = line["call"], line["tell"]
        if event == "ready":
            self._is_ready = True
            self.log.info("the media relay runs")
            self._tell("")
        elif event in ("opened", "refused"):
            opening = self._opening.pop(id, None)
            if opening is not None and event == "opened":
                opening.callback(line)
            elif opening is not None:
                self.log.warn("the media relay refuses a call: {reason}", reason=line["reason"])
                opening.errback(BridgeError(Trouble.OVERLOADED))
        elif (anchor := self._anchors.get(id)) is not None:
            if event == "pressed":
                anchor.listener.pressed(line["digit"])
            elif event == "lost":
                anchor.lose(line["reason"])

    # ---- calls

    def anchor(self, call: CallId, demands: Demands, listener: Listener) -> Anchor:
        """Return a new anchor. Raises BridgeError OVERLOADED, UNREACHABLE, and NOT_ACCEPTABLE."""
        if demands.protection is not Protection.NONE:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "The media relay speaks plain RTP only.")
        if self._process is None:
            raise BridgeError(Trouble.UNREACHABLE)
        if len(self._anchors) >= self._config.relay_calls:
            raise BridgeError(Trouble.OVERLOADED)
        id = f"{call}-{next(self._numbers)}"
        self._anchors[id] = anchor = RelayAnchor(id, self._config.relay_address, self, demands, listener)
        return anchor

    def open(self, id: str, is_controlling: bool) -> Deferred[dict[str, Any]]:
        """Have ports opened for a call; a process that is being started does it as soon as it runs."""
        if self._process is None:
            return fail(BridgeError(Trouble.UNREACHABLE))
        opening: Deferred[dict[str, Any]] = Deferred()
        self._opening[id] = opening
        self.say("open", id, is_controlling=is_controlling)
        patience = ANSWER if self._is_ready else FIRST_ANSWER
        return opening.addTimeout(patience, self._reactor).addErrback(_late)

    def say(self, name: str, id: str, **values: object) -> None:
        """Tell the process what to do with a call."""
        if self._process is not None:
            self._process.say({"do": name, "call": id, **values})

    def forget(self, id: str) -> bool:
        """Take a call out; return whether it was there."""
        self._opening.pop(id, None)
        return self._anchors.pop(id, None) is not None


def _late(failure: Any) -> Any:
    if failure.check(TimeoutError):
        raise BridgeError(Trouble.TIMED_OUT)
    return failure
