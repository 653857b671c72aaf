"""The link of a component: queue, reconnection, keep-alive."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from bridge.config import ComponentConfig
from bridge.federation import component
from bridge.federation.component import ComponentLink
from bridge.secret import Secret
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.federation.sockets import Socket

HEADER = (
    b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
)
END = b"</stream:stream>"
REFUSED = b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" + END


class Reactor(MemoryReactorClock):
    """Resolves every name to one address, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self

    def resolveHostName(self, receiver: IResolutionReceiver, name: str, portNumber: int) -> None:
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", portNumber))
        receiver.resolutionComplete()


class Scene:
    """A link, and the server it finds."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.happened: list[object] = []
        self.on_up: Callable[[], None] = lambda: None
        self.link = ComponentLink(
            "gw.test",
            ComponentConfig(host="xmpp.test", port=5347, secret=Secret("s")),
            self.reactor,
            self.happened.append,
            self._up,
            lambda: self.happened.append("down"),
            jitter=lambda: 0.5,
        )

    def _up(self) -> None:
        self.happened.append("up")
        self.on_up()

    @property
    def attempts(self) -> int:
        return len(self.reactor.tcpClients)

    def accept(self) -> Socket:
        """The server accepts the last attempt."""
        socket = Socket()
        socket.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        socket.protocol.makeConnection(socket)
        return socket

    def refuse(self) -> None:
        """Nothing listens."""
        connector = self.reactor.connectors[-1]
        self.reactor.tcpClients[-1][2].clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
        self.reactor.advance(0.3)  # the endpoint looks for other addresses first

    def up(self) -> Socket:
        """Start, connect and authenticate; what was written so far is forgotten."""
        if not self.link.running:
            self.link.startService()
        socket = self.accept()
        socket.protocol.dataReceived(HEADER)
        socket.protocol.dataReceived(b"<handshake/>")
        socket.written, socket.sends = b"", []
        return socket

    def next_call(self) -> float:
        """Seconds until the next timer."""
        return self.reactor.getDelayedCalls()[0].getTime() - self.reactor.seconds()

    def wait(self, seconds: float) -> None:
        """Time passes, in steps as timers come."""
        until = self.reactor.seconds() + seconds
        for call in iter(
            lambda: min((c.getTime() for c in self.reactor.getDelayedCalls()), default=until + 1), None
        ):
            if call > until:
                break
            self.reactor.advance(max(0, call - self.reactor.seconds()))
        self.reactor.advance(until - self.reactor.seconds())


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def logged():
    """What the link logs."""
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_started_link_authenticates(scene: Scene):
    """Header, handshake, then it is up; the socket delays nothing."""
    scene.link.startService()
    assert scene.reactor.tcpClients[0][:2] == ("192.0.2.1", 5347)
    socket = scene.accept()
    assert socket.nodelay and socket.keepalive
    assert b"to='gw.test'" in socket.written
    socket.protocol.dataReceived(HEADER)
    assert socket.written.endswith(b"</handshake>")
    assert not scene.link.is_up
    socket.protocol.dataReceived(b"<handshake/>")
    assert scene.link.is_up
    assert scene.happened == ["up"]


def test_stanza_received_is_passed_on(scene: Scene):
    """In the form the router knows."""
    socket = scene.up()
    socket.protocol.dataReceived(b"<presence from='a@b' to='gw.test'/>")
    assert scene.happened == ["up", Element("presence", NS_COMPONENT, {"from": "a@b", "to": "gw.test"})]


def test_writes_of_one_turn_leave_together(scene: Scene):
    """One system call for all."""
    socket = scene.up()
    scene.link.write(b"<a/>")
    scene.link.write(b"<b/>")
    assert socket.sends == []
    assert scene.link.queued_bytes == 8
    scene.reactor.advance(0)
    assert socket.sends == [b"<a/><b/>"]
    assert scene.link.queued_bytes == 0


def test_answers_leave_when_the_chunk_is_done(scene: Scene):
    """What is written while stanzas are received leaves together, without another turn."""
    socket = scene.up()
    scene.happened = Answering(scene.link)  # type: ignore[assignment]
    scene.link._on_stanza = scene.happened.append
    socket.protocol.dataReceived(b"<iq/><iq/>")
    assert socket.sends == [b"<x/><x/>"]


class Answering(list):
    """Answers every stanza."""

    def __init__(self, link: ComponentLink) -> None:
        super().__init__()
        self.link = link

    def append(self, _: object) -> None:
        self.link.write(b"<x/>")


def test_writes_while_down_are_sent_after_on_up(scene: Scene):
    """They keep their order, before what on_up writes; nothing leaves before it has returned."""
    scene.link.write(b"<a/>")
    scene.link.startService()
    scene.link.write(b"<b/>")
    socket = scene.accept()
    seen: list[bytes] = []

    def on_up() -> None:
        seen.append(socket.written)
        scene.link.write(b"<c/>")

    scene.on_up = on_up
    socket.protocol.dataReceived(HEADER)
    socket.written = b""
    socket.protocol.dataReceived(b"<handshake/>")
    assert seen == [b""]
    assert socket.written == b"<a/><b/><c/>"


def test_too_much_while_down_drops_the_oldest(scene: Scene, logged: list[dict[str, object]], monkeypatch):
    """With one line in the log, and the number of writes lost."""
    monkeypatch.setattr(component, "DOWN_LIMIT", 30)
    scene = Scene()
    for number in range(10):
        scene.link.write(b"<n%d/>" % number)
    assert scene.link.queued_bytes == 30
    assert [event["log_format"] for event in logged].count(
        "{domain}: too much waits for the server, dropping the oldest"
    ) == 1
    scene.link.startService()
    socket = scene.accept()
    socket.protocol.dataReceived(HEADER + b"<handshake/>")
    assert socket.written.endswith(b"<n4/><n5/><n6/><n7/><n8/><n9/>")
    assert b"<n3/>" not in socket.written
    assert [event["dropped"] for event in logged if "dropped" in event] == [4]


def test_server_that_reads_slowly_is_waited_for(scene: Scene):
    """What the socket does not take waits, in order, and goes on when it does."""
    socket = scene.up()
    socket.room = 6
    scene.link.write(b"<a/><b/>")
    scene.reactor.advance(0)
    assert (socket.written, socket.value()) == (b"<a/><b", b"/>")
    scene.link.write(b"<c/>")
    scene.reactor.advance(0)
    assert (socket.value(), scene.link.queued_bytes) == (b"/>", 4)
    socket.drain()
    assert socket.written == b"<a/><b/><c/>"
    assert scene.link.queued_bytes == 0


def test_server_that_never_reads_is_cut(scene: Scene, monkeypatch):
    """The queue is bounded while the link is up, too."""
    monkeypatch.setattr(component, "UP_LIMIT", 100)
    monkeypatch.setattr(component, "DOWN_LIMIT", 50)
    socket = scene.up()
    socket.room = 0
    for _ in range(30):
        scene.link.write(b"<aa/>")
        scene.reactor.advance(0)
    assert not socket.is_open
    assert scene.happened == ["up", "down"]
    assert scene.link.queued_bytes <= 50


def test_lost_link_comes_back(scene: Scene):
    """First after half a second, and rooms may be made whole again."""
    socket = scene.up()
    scene.wait(component.STABLE)
    socket.lose()
    assert scene.happened == ["up", "down"]
    assert not scene.link.is_up
    scene.link.write(b"<a/>")
    scene.wait(0.4)
    assert scene.attempts == 1
    scene.wait(0.2)
    assert scene.attempts == 2
    again = scene.accept()
    again.protocol.dataReceived(HEADER + b"<handshake/>")
    assert scene.happened == ["up", "down", "up"]
    assert again.written.endswith(b"<a/>")


def test_unreachable_server_is_tried_ever_more_rarely(scene: Scene):
    """The delays grow to half a minute, and stay there."""
    scene.link.startService()
    waits = []
    for _ in range(14):
        before = scene.attempts
        scene.refuse()
        waits.append(scene.next_call())
        scene.wait(waits[-1])
        assert scene.attempts == before + 1
    assert waits[:3] == pytest.approx([0.5, 0.75, 1.125])
    assert waits == pytest.approx(sorted(waits))
    assert waits[-1] == pytest.approx(component.LONGEST_DELAY)


def test_jitter_varies_the_delay():
    """Many bridges do not come back at the same moment."""
    for jitter, delay in ((0.0, 0.375), (1.0, 0.625)):
        scene = Scene()
        scene.link._jitter = lambda jitter=jitter: jitter
        scene.link.startService()
        scene.refuse()
        assert scene.next_call() == pytest.approx(delay)


def test_stable_link_shortens_the_delay_again(scene: Scene):
    """A link that broke at once does not."""
    scene.link.startService()
    for _ in range(6):
        scene.refuse()
        scene.wait(30)
    scene.up().lose()
    assert scene.next_call() > 5
    scene.wait(30)
    socket = scene.up()
    scene.wait(component.STABLE)
    socket.lose()
    assert scene.next_call() == pytest.approx(component.FIRST_DELAY)


@pytest.mark.parametrize("answer", [REFUSED, b""])
def test_wrong_secret_is_not_tried_often(scene: Scene, logged: list[dict[str, object]], answer: bytes):
    """One clear line in the log, then half a minute of rest."""
    scene.link.startService()
    socket = scene.accept()
    socket.protocol.dataReceived(HEADER)
    if answer:
        socket.protocol.dataReceived(answer)
    socket.lose()
    assert not socket.is_open
    errors = [event for event in logged if event["log_level"].name == "error"]
    assert [event["condition"] for event in errors] == ["not-authorized"]
    assert not any("secret" in str(value) for event in logged for value in event.values() if value == "s")
    scene.wait(29)
    assert scene.attempts == 1
    scene.wait(2)
    assert scene.attempts == 2
    assert scene.happened == []


def test_silent_server_is_pinged_and_found_dead(scene: Scene):
    """A half-open link is found within 90 seconds."""
    socket = scene.up()
    scene.wait(59)
    assert socket.written == b""
    scene.wait(2)
    assert b"<ping xmlns='urn:xmpp:ping'/>" in socket.written
    scene.wait(29)
    assert not socket.is_open
    assert scene.reactor.seconds() <= 90
    assert scene.happened == ["up", "down"]


def test_answered_ping_keeps_the_link(scene: Scene):
    """So does anything else that comes."""
    socket = scene.up()
    for _ in range(5):
        socket.written = b""
        scene.wait(61)
        assert b"<ping" in socket.written
        socket.protocol.dataReceived(socket.written)
    for _ in range(10):
        scene.wait(50)
        socket.protocol.dataReceived(b" ")
    assert socket.is_open
    assert scene.happened == ["up"]


def test_server_that_does_not_answer_the_handshake_is_left(scene: Scene):
    """A port that only accepts is no server."""
    scene.link.startService()
    socket = scene.accept()
    scene.wait(component.CONNECT_TIMEOUT)
    assert not socket.is_open
    scene.wait(1)
    assert scene.attempts == 2


def test_paused_link_does_not_read(scene: Scene):
    """Nor is the server's silence then held against it; a new connection stays paused."""
    socket = scene.up()
    scene.link.pause()
    assert socket.producerState == "paused"
    scene.wait(300)
    assert socket.is_open
    socket.lose()
    scene.wait(1)
    again = scene.up()
    assert again.producerState == "paused"
    scene.link.resume()
    assert again.producerState == "producing"


def test_unreadable_stream_is_answered_and_left(scene: Scene):
    """The error is on the wire before the connection closes."""
    socket = scene.up()
    socket.protocol.dataReceived(b"<presence/><!-- -->")
    assert b"<restricted-xml" in socket.written
    assert socket.written.endswith(END)
    assert not socket.is_open
    assert scene.happened == ["up", Element("presence", NS_COMPONENT), "down"]


def test_write_after_the_end_waits_for_the_next_link(scene: Scene):
    """Stanzas that were read before the stream ended may still be answered."""
    socket = scene.up()
    scene.link._on_stanza = lambda element: scene.link.write(b"<x/>")
    socket.protocol.dataReceived(b"<iq/>" + END)
    assert not socket.is_open
    assert scene.link.queued_bytes == 4
    scene.wait(1)
    again = scene.accept()
    again.protocol.dataReceived(HEADER + b"<handshake/>")
    assert again.written.endswith(b"<x/>")


def test_stopped_link_says_goodbye(scene: Scene):
    """What waits is sent, then the end; the server's own end closes, and there is no other attempt."""
    socket = scene.up()
    scene.link.write(b"<a/>")
    stopped = scene.link.stopService()
    assert socket.written == b"<a/>" + END
    assert not stopped.called
    socket.protocol.dataReceived(END)
    assert stopped.called
    scene.wait(100)
    assert scene.attempts == 1
    assert scene.happened == ["up"]


def test_stopped_link_hands_over_what_the_server_did_not_read(scene: Scene):
    """Also what waits behind a full socket."""
    socket = scene.up()
    socket.room = 0
    scene.link.write(b"<a/>")
    scene.reactor.advance(0)
    scene.link.write(b"<b/>")
    scene.link.stopService()
    socket.drain()
    assert socket.written == b"<a/><b/>" + END


def test_stop_does_not_wait_for_a_dead_server(scene: Scene):
    """It is given five seconds."""
    scene.up()
    stopped = scene.link.stopService()
    scene.wait(component.CLOSE_TIMEOUT)
    assert stopped.called


def test_stop_before_the_connection_ends_the_attempts(scene: Scene):
    """While connecting, and while waiting for the next attempt."""
    scene.link.startService()
    stopped: Deferred[None] = scene.link.stopService()
    assert stopped.called
    scene.wait(100)
    assert scene.attempts == 1
    other = Scene()
    other.link.startService()
    other.refuse()
    assert other.link.stopService().called
    other.wait(100)
    assert other.attempts == 1
