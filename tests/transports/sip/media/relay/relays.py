"""A relay whose process is played by the test."""

from __future__ import annotations

import json

from msgspec.structs import replace

from bridge.calls import CallId
from tests.transports.sip.calls.test_translate import session
from tests.transports.sip.media.engines import OFFER, Ears
from tests.transports.sip.wires import Reactor
from transports.sip.media.backend import Demands
from transports.sip.media.config import MediaConfig
from transports.sip.media.relay.backend import Relay

OPENED = {
    "tell": "opened",
    "ufrag": "ru",
    "password": "rp",
    "fingerprint": "AB:CD",
    "candidates": ["1 1 udp 5 203.0.113.5 5000 typ host", "garbage"],
    "port": 30000,
}


class Pipe:
    """The transport of a process."""

    def __init__(self) -> None:
        self.written: list[dict] = []
        self.killed = self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += map(json.loads, data.splitlines())

    def closeStdin(self) -> None:
        self.is_closed = True

    def signalProcess(self, name: str) -> None:
        self.killed = name == "KILL"


class SpawningReactor(Reactor):
    """A reactor that starts processes."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[object, list[str]]] = []

    def spawnProcess(self, protocol, executable, args, env) -> None:
        protocol.makeConnection(Pipe())
        self.started.append((protocol, args))


class House:
    """A relay whose process is played by the test."""

    def __init__(self, calls: int = 9, *, is_ready: bool = True, **config: object) -> None:
        self.reactor = SpawningReactor()
        self.changes: list[str] = []
        media = MediaConfig(relay_address="203.0.113.5", relay_calls=calls, **config)
        self.relay = Relay(media, self.reactor, lambda: self.changes.append(self.relay.trouble))
        self.relay.start()
        if is_ready:
            self.tell({"tell": "ready", "call": ""})

    @property
    def process(self):
        return self.reactor.started[-1][0]

    def tell(self, line: dict) -> None:
        self.process.outReceived(json.dumps(line).encode() + b"\n")

    def said(self) -> list[dict]:
        written, self.process.transport.written = self.process.transport.written, []
        return written

    def call(self, demands: Demands | None = None):
        ears = Ears()
        return self.relay.anchor(CallId("c"), demands or Demands(), ears), ears

    def opens(self, deferred):
        """Answer that a call is opened, and return what came of it."""
        found: list[object] = []
        deferred.addBoth(found.append)
        [opening] = [line for line in self.said() if line["do"] == "open"] or [None]
        if opening is not None:
            self.tell({**OPENED, "call": opening["call"]})
        return found[0]


MUXED = session(replace(OFFER.contents[0], rtcp_mux=True))
