"""An rtpengine in memory, and who listens to a call."""

from __future__ import annotations

import json
from typing import Any

from tests.transports.sip.wires import Reactor

ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
    "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=mid:x\r\n"
)
SECURE = (
    "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
    "m=audio 30002 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=mid:x\r\na=rtcp-mux\r\n"
    "a=fingerprint:sha-256 AB:CD\r\na=setup:passive\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
)


class Ears:
    """A listener."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.keys: list[str] = []

    def media_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def pressed(self, digit: str) -> None:
        self.keys.append(digit)


class Engine:
    """One instance at a port of the reactor; it answers what it is told to, and keeps what it was asked."""

    def __init__(self, reactor: Reactor, index: int, address: tuple[str, int]) -> None:
        self.reactor, self.index, self.address = reactor, index, address
        self.asked: list[dict[str, Any]] = []
        self.is_alive = True
        self.booted = reactor.seconds() - 100
        self.refusals: dict[str, str] = {}
        self.calls: set[str] = set()

    def serve(self) -> list[dict[str, Any]]:
        """Answer what waits; return what was asked except for looks at its health."""
        port = self.reactor.ports[self.index]
        sent, port.sent = port.sent, []
        found = []
        for data, to in sent:
            assert to == self.address
            cookie, _, body = data.partition(b" ")
            asked = json.loads(body)
            if asked["command"] != "statistics":
                found.append(asked)
            if self.is_alive:
                reply = json.dumps(self._reply(asked)).encode()
                port.protocol.datagramReceived(cookie + b" " + reply, self.address)
        self.asked += found
        return found

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        command = asked["command"]
        if command in self.refusals:
            return {"result": "error", "error-reason": self.refusals[command]}
        if command == "statistics":
            uptime = int(self.reactor.seconds() - self.booted)
            return {"result": "ok", "statistics": {"totalstatistics": {"uptime": str(uptime)}}}
        if command == "query" and asked["call-id"] not in self.calls:
            return {"result": "error", "error-reason": "Unknown call-id"}
        if command in ("offer", "answer"):
            self.calls.add(asked["call-id"])
            return {"result": "ok", "sdp": SECURE if asked["ICE"] == "force" else ANSWER}
        return {"result": "ok"}
