"""rtpengines in memory, a back end with them, and who listens to a call."""

from __future__ import annotations

import json
from typing import Any

from bridge.calls import CallId, Candidate, Endpoint, Fingerprint, Setup
from bridge.errors import BridgeError, Trouble
from tests.transports.sip.calls.test_translate import content, session
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import Reactor, tokens
from transports.sip.media.backend import Demands
from transports.sip.media.config import MediaConfig
from transports.sip.media.rtpengine import Rtpengines
from transports.sip.wire.sdp import parse_sdp

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
        self.signalled_from = ""
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


PHONE = parse_sdp(SDP)
ADDRESSES = (("192.0.2.7", 22222), ("192.0.2.8", 22222))


def candidate(protocol: str) -> Candidate:
    return Candidate(
        foundation="1",
        component=1,
        protocol=protocol,
        priority=1,
        address="198.51.100.3",
        port=40000,
        type="host",
    )


OFFER = session(
    content(
        endpoint=Endpoint(
            ufrag="u1",
            password="p1",
            candidates=(candidate("udp"), candidate("tcp")),
            fingerprint=Fingerprint(hash="sha-256", value="AB", setup=Setup.ACTPASS),
        )
    )
)


class House:
    """A back end with its instances."""

    def __init__(self, count: int = 1, **more: str) -> None:
        self.reactor = Reactor()
        config = MediaConfig(
            rtpengine=tuple(f"{host}:{port}" for host, port in ADDRESSES[:count]),
            sip_interface="int",
            xmpp_interface="pub",
            **more,
        )
        self.changes: list[str] = []
        self.backend = Rtpengines(
            config, self.reactor, tokens(), lambda: self.changes.append(self.backend.trouble)
        )
        self.backend.start()
        first = 1 if more else 0
        self.engines = [Engine(self.reactor, n + first, ADDRESSES[n]) for n in range(count)]
        self.serve()

    def serve(self) -> list[dict]:
        return [asked for engine in self.engines for asked in engine.serve()]

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.reactor.advance(0.1)
            self.serve()

    def call(self, demands: Demands | None = None, call: str = "c"):
        ears = Ears()
        return self.backend.anchor(CallId(call), demands or Demands(), ears), ears

    def result(self, deferred):
        came = []
        deferred.addBoth(came.append)
        self.serve()
        return came[0] if came else None


def failed(result: object) -> Trouble:
    return result.check(BridgeError) and result.value.trouble  # type: ignore[attr-defined, no-any-return]
