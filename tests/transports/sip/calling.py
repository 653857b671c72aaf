"""Two gateways that call each other, in memory, with media that are only described."""

from __future__ import annotations

import random
from collections.abc import Callable
from random import Random
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallEnd,
    CallId,
    CallOffer,
    CallRinging,
    Codec,
    Content,
    Endpoint,
    Fingerprint,
    Flow,
    MediaKind,
    SessionDescription,
    Setup,
)
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from tests.transports.sip.wires import Bridge, Names, Reactor
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.media.backend import Demands, Listener
from transports.sip.network import SipNetwork
from transports.sip.wire.sdp import Description, Media, Origin

HOSTS = {"a": "192.0.2.1", "b": "198.51.100.7"}
ROMEO, JULIET = UserId("romeo@a.example"), UserId("juliet@b.example")
TO_JULIET, TO_ROMEO = ContactId("juliet@b.example@b.gw"), ContactId("romeo@a.example@a.gw")
CODEC = Codec(payload=0, name="PCMU", clock=8000)
KINDS = {"audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}


def described(*names: str, flow: Flow = Flow.BOTH, ufrag: str = "user") -> SessionDescription:
    """Describe contents that are called by their kind, as a client does."""
    finger = Fingerprint(hash="sha-256", value=f"AA:{ufrag}", setup=Setup.ACTPASS)
    end = Endpoint(ufrag=ufrag, password=ufrag * 6, fingerprint=finger)
    contents = [
        Content(name=name, kind=KINDS[name.rstrip("0123456789")], codecs=(CODEC,), endpoint=end, flow=flow)
        for name in names
    ]
    return SessionDescription(contents=tuple(contents))


AUDIO, BOTH = described("audio"), described("audio", "video")


class MemoryAnchor:
    """Says what is said on one side on the other, from an address of its own."""

    def __init__(self, backend: MemoryBackend, call: CallId, demands: Demands, listener: Listener) -> None:
        self.backend, self.call, self.demands, self.listener = backend, call, demands, listener
        self.names: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.pressed: list[tuple[str, int]] = []
        self.heard: list[str] = []
        self.ended = False

    def _after(self, what: str, result: Any) -> Deferred[Any]:
        assert not self.ended
        self.asked.append(what)
        if what in self.backend.refused:
            self.backend.refused.remove(what)
            return fail(BridgeError(Trouble.NOT_ACCEPTABLE))
        if not self.backend.is_slow:
            return succeed(result)
        later: Deferred[Any] = Deferred()
        self.backend.reactor.callLater(0.3, later.callback, result)
        return later

    def _sdp(self, description: SessionDescription) -> Description:
        known = {one.name: one for one in description.contents}
        for one in description.contents:
            if one.name not in [name for name, _ in self.names]:
                self.names.append((one.name, one.kind.value))
        media = []
        for place, (name, kind) in enumerate(self.names):
            flow = known[name].flow.value if name in known else "inactive"
            port = 40000 + 2 * place if name in known else 0
            media.append(Media(kind, port, "RTP/AVP", ("0",), attributes=((flow, ""),)))
        return Description(Origin("gw", 1, 1, "192.0.2.50"), tuple(media), address=self.backend.host)

    def _description(self, sdp: Description) -> SessionDescription:
        for place in range(len(self.names), len(sdp.media)):
            self.names.append((f"{sdp.media[place].kind}{place}", sdp.media[place].kind))
        found = []
        for (name, _), media in zip(self.names, sdp.media, strict=False):
            if media.port:
                flow = Flow(sdp.direction(media).value)
                found.append(replace(described(name, ufrag="gw").contents[0], flow=flow))
        return SessionDescription(contents=tuple(found))

    def offer_to_sip(self, offer: SessionDescription) -> Deferred[Description]:
        return self._after("offer_to_sip", self._sdp(offer))

    def answer_to_xmpp(self, answer: Description) -> Deferred[SessionDescription]:
        return self._after("answer_to_xmpp", self._description(answer))

    def offer_to_xmpp(self, offer: Description) -> Deferred[SessionDescription]:
        return self._after("offer_to_xmpp", self._description(offer))

    def answer_to_sip(self, answer: SessionDescription) -> Deferred[Description]:
        return self._after("answer_to_sip", self._sdp(answer))

    def candidates(self, content: str, endpoint: Endpoint) -> None:
        self.heard.append(content)

    def press(self, digit: str, duration: int) -> None:
        self.pressed.append((digit, duration))

    def end(self) -> None:
        self.ended = True


class MemoryBackend:
    """Makes anchors; `refused` are what they cannot do next, `trouble` what it says of itself."""

    def __init__(self, reactor: Reactor, host: str = "192.0.2.50") -> None:
        self.reactor, self.host = reactor, host
        self.anchors: list[MemoryAnchor] = []
        self.refused: set[str] = set()
        self.is_slow = False
        self.is_full = False
        self.trouble = ""
        self.changed: Callable[[], None] = lambda: None
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> Deferred[None]:
        self.running = False
        return succeed(None)

    def anchor(self, call: CallId, demands: Demands, listener: Listener) -> MemoryAnchor:
        if self.is_full:
            raise BridgeError(Trouble.OVERLOADED)
        self.anchors.append(MemoryAnchor(self, call, demands, listener))
        return self.anchors[-1]

    @property
    def held(self) -> int:
        """How many are not let go of."""
        return sum(not one.ended for one in self.anchors)


class Gateway:
    """One gateway, what its users were told, and what they do."""

    def __init__(self, name: str, peer: str, trunk: dict[str, Any], config: dict[str, Any]) -> None:
        self.reactor, self.bridge, self.names = Reactor(), Bridge(), Names()
        self.backend = MemoryBackend(self.reactor)
        self.user = ROMEO if name == "a" else JULIET
        usual = {"server": f"sip:{HOSTS[peer]}", "domain": f"{peer}.gw", "users": ("*",), "numbers": ("+1*",)}
        trunks = {"peer": TrunkConfig(**{**usual, **trunk})}
        self.config = SipConfig(
            domain=f"{name}.gw", listen=(f"udp {HOSTS[name]}:5060",), trunks=trunks, **config
        )
        self.network = SipNetwork(
            self.config,
            self.reactor,
            self.names,
            Random(1),
            self._made,
            lambda: 1_700_000_000.0,
        )
        self.network.start(self.bridge)

    def _made(self, changed: Callable[[], None]) -> MemoryBackend:
        self.backend.changed = changed
        return self.backend

    def do(self, event: Any, user: UserId | None = None) -> None:
        self.network.submit(user or self.user, event)

    def told(self) -> list[Any]:
        """What the users were told of calls since the last time."""
        return [event for _, event in self.bridge.taken() if hasattr(event, "call")]

    @property
    def calls(self) -> Any:
        return self.network._calls

    @property
    def is_forgotten(self) -> bool:
        """Tell whether nothing of a call is left."""
        stack = self.calls.stack
        return not (len(self.calls) or stack.dialogs or stack.invited or self.backend.held)


class Pair:
    """Two gateways and what is under way between them; a share of all datagrams is lost."""

    def __init__(
        self, trunk: dict[str, Any] | None = None, loss: float = 0.0, seed: int = 1, **config: Any
    ) -> None:
        self.rng, self.loss = random.Random(seed), loss
        self.a = Gateway("a", "b", trunk or {}, config)
        self.b = Gateway("b", "a", trunk or {}, config)
        self.seen: list[bytes] = []
        self.run(1)
        self.seen.clear()

    def _deliver(self) -> bool:
        moved = False
        for source, sink, host in ((self.a, self.b, HOSTS["a"]), (self.b, self.a, HOSTS["b"])):
            sent, source.reactor.ports[0].sent = source.reactor.ports[0].sent, []
            for data, _ in sent:
                moved = True
                self.seen.append(data)
                if self.rng.random() >= self.loss:
                    sink.reactor.arrive(data, host)
        return moved

    def settle(self) -> None:
        """Let all arrive that is under way."""
        while self._deliver():
            pass

    def run(self, seconds: float) -> None:
        """Let time pass on both sides."""
        self.settle()
        left = seconds
        while left > 0:
            due = [one.getTime() for end in (self.a, self.b) for one in end.reactor.getDelayedCalls()]
            now = self.a.reactor.seconds()
            step = min([left, *(max(one - now, 0.0) for one in due)])
            left -= max(step, 1e-6)
            for end in (self.a, self.b):
                end.reactor.advance(max(step, 1e-6))
            self.settle()

    def offer(self, description: SessionDescription = AUDIO, call: str = "c1") -> CallOffer:
        """Have Romeo call Juliet; return what she is told."""
        self.a.do(CallOffer(call=CallId(call), contact=TO_JULIET, description=description))
        self.run(1)
        [offer] = self.b.told()
        assert isinstance(offer, CallOffer)
        return offer

    def connect(self, description: SessionDescription = AUDIO, answer: Any = None) -> CallId:
        """Have Juliet ring and answer too; return the call's id on her side."""
        offer = self.offer(description)
        self.b.do(CallRinging(call=offer.call))
        names = [one.name for one in offer.description.contents]
        self.b.do(CallAnswer(call=offer.call, description=answer or described(*names)))
        self.run(1)
        assert [type(event) for event in self.a.told()] == [CallRinging, CallAnswer]
        return offer.call

    def lines(self) -> list[str]:
        """Return the first lines of all messages since the last time."""
        seen, self.seen = self.seen, []
        return [data.partition(b"\r\n")[0].decode() for data in seen]


def ends(events: list[Any]) -> list[CallEnd]:
    return [event for event in events if isinstance(event, CallEnd)]


def trickled(call: CallId) -> CallCandidates:
    return CallCandidates(call=call, content="audio", endpoint=Endpoint(complete=True))
