"""Hosting components: connections, queues, secrets that change."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher

from bridge.config import Domain, Endpoint, HostedComponentConfig, HostingConfig
from bridge.federation import host, hosted
from bridge.federation.exchange import Exchange
from bridge.federation.host import ComponentHost
from bridge.secret import Secret
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.federation.sockets import Socket

ROMEO, JULIET = "romeo.test", "juliet.test"
OPENING = (
    "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{}'>"
)
END = b"</stream:stream>"
ERROR = "<stream:error><{} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
GATEWAY = "gateway.test"


def config(second: str = "refuse", **secrets: str) -> HostingConfig:
    """Host Romeo and Juliet, or the given components."""
    known = secrets or {"romeo": "r", "juliet": "j"}
    return HostingConfig(
        listen=(Endpoint("127.0.0.1:5347"), Endpoint("[::1]:5348")),
        domains={
            Domain(f"{name}.test"): HostedComponentConfig(secret=Secret(secret), second_connection=second)
            for name, secret in known.items()
        },
    )


class Gateway:
    """A domain of ours that is no component; `got` is what came for it."""

    def __init__(self) -> None:
        self.got: list[Element] = []

    def receive(self, stanza: Element) -> None:
        self.got.append(stanza)


class Scene:
    """A host, the exchange, and a gateway."""

    def __init__(self, second: str = "refuse") -> None:
        self.reactor = MemoryReactorClock()
        self.exchange = Exchange()
        self.gateway = Gateway()
        self.exchange.attach(GATEWAY, self.gateway)
        self.host = ComponentHost(config(second), self.reactor, self.exchange, lambda: "id")
        self.host.startService()

    def connect(self) -> Socket | None:
        """Somebody connects; None if that is refused."""
        protocol = self.reactor.tcpServers[0][1].buildProtocol(IPv4Address("TCP", "192.0.2.7", 4000))
        if protocol is None:
            return None
        socket = Socket()
        socket.protocol = protocol
        protocol.makeConnection(socket)
        return socket

    def log_in(self, domain: str, secret: str = "") -> Socket:
        """A component connects and shows its secret."""
        socket = self.connect()
        assert socket is not None
        say(socket, OPENING.format(domain))
        digest = sha1(f"id{secret or domain[0]}".encode()).hexdigest()
        say(socket, f"<handshake>{digest}</handshake>")
        return socket

    def up(self, domain: str) -> Socket:
        """Have a component connected; what was written so far is forgotten."""
        socket = self.log_in(domain)
        assert socket.written.endswith(b"<handshake/>")
        socket.written, socket.sends = b"", []
        return socket

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.reactor.advance(0)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.reactor.advance(1)

    def submit(self, ident: str, to: str = ROMEO, size: int = 0) -> None:
        """The gateway sends a message."""
        message = Element("message", NS_COMPONENT, {"from": GATEWAY, "to": to, "id": ident})
        self.exchange.submit(
            message.add(Element("body", NS_COMPONENT, None, "x" * size)) if size else message
        )

    def bounced(self) -> list[tuple[str | None, str]]:
        """Return id and condition of the errors that the gateway got."""
        errors = ((stanza.get("id"), stanza.child("error")) for stanza in self.gateway.got)
        return [(ident, next(error.elements()).name) for ident, error in errors if error is not None]


def say(socket: Socket, text: str) -> None:
    assert socket.protocol is not None
    socket.protocol.dataReceived(text.encode())


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    """What is logged."""
    events: list[dict[str, object]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_started_host_listens_and_its_domains_are_ours(scene: Scene):
    """On every address, whether or not the components are connected."""
    assert [(server[0], server[3]) for server in scene.reactor.tcpServers] == [
        (5347, "127.0.0.1"),
        (5348, "::1"),
    ]
    assert len(scene.host.addresses) == 2
    assert scene.exchange.serves(ROMEO)
    assert scene.host.connected == frozenset()


def test_component_is_attached_while_it_is_connected(scene: Scene):
    """The socket delays nothing; before and after, stanzas are answered."""
    scene.submit("early")
    socket = scene.up(ROMEO)
    assert socket.nodelay and socket.keepalive
    assert scene.host.connected == {ROMEO}
    scene.submit("1")
    scene.turn()
    assert socket.written == b"<message from='gateway.test' to='romeo.test' id='1'/>"
    socket.lose()
    assert scene.host.connected == frozenset()
    scene.submit("late")
    assert scene.bounced() == [("early", "service-unavailable"), ("late", "service-unavailable")]
    assert [stanza.child("error").get("type") for stanza in scene.gateway.got] == ["wait", "wait"]


def test_components_talk_to_each_other_and_to_the_gateway(scene: Scene):
    """Through the exchange, and also with themselves."""
    romeo, juliet = scene.up(ROMEO), scene.up(JULIET)
    say(romeo, "<message from='a@romeo.test/x' to='b@juliet.test'><body>&lt;3</body></message>")
    say(romeo, "<presence from='a@romeo.test' to='gateway.test'/>")
    say(
        juliet, "<iq type='get' id='1' from='juliet.test' to='juliet.test'><ping xmlns='urn:xmpp:ping'/></iq>"
    )
    scene.turn()
    message = b"<message from='a@romeo.test/x' to='b@juliet.test'><body>&lt;3</body></message>"
    ping = b"<iq type='get' id='1' from='juliet.test' to='juliet.test'><ping xmlns='urn:xmpp:ping'/></iq>"
    assert juliet.written == message + ping
    assert scene.gateway.got == [Element("presence", NS_COMPONENT, {"from": "a@romeo.test", "to": GATEWAY})]
    assert romeo.written == b""


def test_stanzas_of_one_turn_leave_together(scene: Scene):
    """One system call for all."""
    romeo, juliet = scene.up(ROMEO), scene.up(JULIET)
    say(romeo, "<iq from='romeo.test' to='juliet.test'/>" * 3)
    assert juliet.sends == []
    scene.turn()
    assert juliet.sends == [b"<iq from='romeo.test' to='juliet.test'/>" * 3]


@pytest.mark.parametrize(("domain", "condition"), [(ROMEO, "not-authorized"), ("x.test", "host-unknown")])
def test_refused_component_is_told_and_logged(
    scene: Scene, logged: list[dict[str, object]], domain: str, condition: str
):
    """The operator learns from where it came, but no secret."""
    socket = scene.log_in(domain, "treason")
    assert ERROR.format(condition).encode() in socket.written
    assert not socket.is_open
    assert scene.host.connected == frozenset()
    assert [(event["condition"], event["address"]) for event in logged if "condition" in event] == [
        (condition, "192.0.2.7")
    ]
    assert not any("treason" in str(value) for event in logged for value in event.values())


def test_second_connection_is_refused(scene: Scene):
    """The first one goes on."""
    first = scene.up(ROMEO)
    second = scene.log_in(ROMEO)
    assert ERROR.format("conflict").encode() in second.written
    assert first.is_open and not second.is_open
    scene.submit("1")
    scene.turn()
    assert b"id='1'" in first.written


def test_second_connection_replaces_the_first_where_that_is_wanted():
    """What waited for the first goes to the second; nothing is lost, and nothing comes twice."""
    scene = Scene("replace")
    first = scene.up(ROMEO)
    first.room = 0
    scene.submit("1")
    scene.turn()
    scene.submit("2")
    scene.turn()
    second = scene.log_in(ROMEO)
    assert second.written.endswith(b"<handshake/><message from='gateway.test' to='romeo.test' id='2'/>")
    assert scene.host.connected == {ROMEO}
    assert not first.is_open
    assert first.written.startswith(b"<message from='gateway.test' to='romeo.test' id='1'/>")
    assert ERROR.format("conflict").encode() in first.written
    scene.submit("3")
    scene.turn()
    assert second.written.count(b"<message") == 2
    assert second.written.index(b"id='2'") < second.written.index(b"id='3'")
    assert scene.bounced() == []
    second.lose()
    assert scene.host.connected == frozenset()


def test_wrong_secret_does_not_replace():
    """Only who knows it takes a place."""
    scene = Scene("replace")
    first = scene.up(ROMEO)
    scene.log_in(ROMEO, "wrong")
    assert first.is_open
    assert scene.host.connected == {ROMEO}


def test_stranger_is_given_ten_seconds(scene: Scene):
    """A component that has proven its secret may be silent."""
    socket = scene.connect()
    romeo = scene.up(ROMEO)
    scene.wait(9)
    assert socket.is_open
    scene.wait(1)
    assert ERROR.format("connection-timeout").encode() in socket.written
    assert not socket.is_open
    scene.wait(60)
    assert romeo.is_open


def test_strangers_are_bounded(scene: Scene, monkeypatch):
    """Components that are known do not count."""
    monkeypatch.setattr(host, "STRANGERS", 2)
    scene.up(ROMEO)
    scene.up(JULIET)
    sockets = [scene.connect() for _ in range(3)]
    assert sockets[2] is None
    sockets[0].lose()
    assert scene.connect() is not None


def test_garbage_of_one_component_ends_its_stream_only(scene: Scene):
    """A stanza of another domain, or no XML: the others do not notice."""
    romeo, juliet = scene.up(ROMEO), scene.up(JULIET)
    say(romeo, "<message from='juliet.test' to='gateway.test'/>")
    assert ERROR.format("invalid-from").encode() in romeo.written
    romeo = scene.up(ROMEO)
    say(romeo, "<<>")
    assert ERROR.format("not-well-formed").encode() in romeo.written
    assert not romeo.is_open and juliet.is_open
    assert scene.gateway.got == []
    assert scene.host.connected == {JULIET}


def test_component_that_reads_slowly_is_waited_for(scene: Scene):
    """What the socket does not take waits, in order, and goes on when it does."""
    socket = scene.up(ROMEO)
    socket.room = 10
    scene.submit("1")
    scene.turn()
    for ident in "234":
        scene.submit(ident)
        scene.turn()
    assert socket.written == b"<message f"
    socket.drain()
    assert [socket.written.index(f"id='{ident}'".encode()) for ident in "1234"] == sorted(
        socket.written.index(f"id='{ident}'".encode()) for ident in "1234"
    )
    assert socket.written.count(b"<message") == 4


def test_large_backlog_leaves_in_portions(scene: Scene, monkeypatch):
    """So that, of a component that stops reading, most can be answered."""
    monkeypatch.setattr(hosted, "PORTION", 100)
    socket = scene.up(ROMEO)
    for number in range(10):
        scene.submit(str(number))
    socket.room = 150
    scene.turn()
    assert len(socket.written) + len(socket.value()) < 250
    socket.drain()
    assert [socket.written.count(f"id='{number}'".encode()) for number in range(10)] == [1] * 10


def test_too_much_for_a_component_is_refused(scene: Scene, monkeypatch):
    """The newcomer is answered; what waits is kept, and a stanza larger than the bound passes alone."""
    monkeypatch.setattr(hosted, "BACKLOG", 200)
    socket = scene.up(ROMEO)
    socket.room = 0
    scene.submit("0")
    scene.turn()
    for ident in "12345":
        scene.submit(ident)
        scene.turn()
    assert scene.bounced() == [("4", "resource-constraint"), ("5", "resource-constraint")]
    socket.drain()
    assert [socket.written.count(f"id='{ident}'".encode()) for ident in "012345"] == [1, 1, 1, 1, 0, 0]
    scene.submit("big", size=500)
    scene.turn()
    assert b"id='big'" in socket.written


def test_component_that_does_not_read_is_cut_and_the_senders_are_told(scene: Scene):
    """After half a minute in which it took nothing; what the transport had cannot be known."""
    socket = scene.up(ROMEO)
    socket.room = 0
    scene.submit("0")
    scene.turn()
    scene.submit("1")
    scene.submit("2")
    scene.wait(61)
    scene.turn(3)
    assert not socket.is_open
    assert scene.host.connected == frozenset()
    assert scene.bounced() == [("1", "remote-server-timeout"), ("2", "remote-server-timeout")]


def test_component_that_was_idle_is_given_time_to_read(scene: Scene):
    """Half a minute counts from when it stopped reading, not from when it was last sent something."""
    socket = scene.up(ROMEO)
    scene.wait(299)
    socket.room = 0
    scene.submit("1")
    scene.wait(20)
    assert socket.is_open
    socket.drain()
    assert b"id='1'" in socket.written
    scene.wait(100)
    assert socket.is_open


def test_answers_of_a_lost_component_come_bit_by_bit(scene: Scene, monkeypatch):
    """Their senders can take them meanwhile."""
    monkeypatch.setattr(hosted, "BOUNCES", 2)
    at_once: list[int] = []
    bounce = scene.exchange.bounce
    monkeypatch.setattr(
        scene.exchange,
        "bounce",
        lambda data, error: (at_once.append(data.count(b"<message")), bounce(data, error)),
    )
    socket = scene.up(ROMEO)
    for number in range(5):
        scene.submit(str(number))
    socket.lose()
    assert at_once == []
    scene.turn()
    assert at_once == [2, 2, 1]
    assert [ident for ident, _ in scene.bounced()] == ["0", "1", "2", "3", "4"]


def test_component_that_does_not_read_its_answers_is_not_read(scene: Scene):
    """Its own errors cannot fill our memory; once it reads, it is read."""
    socket = scene.up(ROMEO)
    socket.room = 0
    say(socket, "<iq type='get' id='1' from='romeo.test'/>")
    assert socket.producerState == "paused"
    socket.drain()
    assert b"<bad-request" in socket.written
    assert socket.producerState == "producing"


def test_silent_link_carries_a_space(scene: Scene):
    """If it is dead, the network finds out; a component that speaks gets none."""
    romeo, juliet = scene.up(ROMEO), scene.up(JULIET)
    for _ in range(7):
        scene.wait(10)
        say(juliet, " ")
    assert romeo.written == b"  "
    assert juliet.written == b""


def test_changed_secret_counts_from_the_next_connection(scene: Scene):
    """Components that are connected stay so."""
    romeo = scene.up(ROMEO)
    scene.host.reload(config(romeo="new", juliet="j"))
    assert romeo.is_open
    romeo.lose()
    assert b"<not-authorized" in scene.log_in(ROMEO).written
    assert scene.log_in(ROMEO, "new").written.endswith(b"<handshake/>")


def test_removed_component_has_to_go(scene: Scene):
    """Its domain is ours no more; an added one may come."""
    romeo, juliet = scene.up(ROMEO), scene.up(JULIET)
    waiting = scene.connect()
    say(waiting, OPENING.format(ROMEO))
    scene.host.reload(config(juliet="j", nurse="n"))
    assert ERROR.format("host-gone").encode() in romeo.written
    assert not romeo.is_open and juliet.is_open
    assert not scene.exchange.serves(ROMEO)
    say(waiting, f"<handshake>{sha1(b'idr').hexdigest()}</handshake>")
    assert ERROR.format("host-gone").encode() in waiting.written
    assert scene.host.connected == {JULIET}
    assert scene.log_in("nurse.test").written.endswith(b"<handshake/>")


def test_held_host_does_not_read(scene: Scene):
    """Neither from those who are connected nor from those who come."""
    romeo = scene.up(ROMEO)
    scene.host.hold(True)
    juliet = scene.up(JULIET)
    assert (romeo.producerState, juliet.producerState) == ("paused", "paused")
    scene.host.hold(False)
    assert (romeo.producerState, juliet.producerState) == ("producing", "producing")


def test_stopped_host_says_goodbye(scene: Scene):
    """What waits is sent, then the end; it is done when the components have answered."""
    romeo, stranger = scene.up(ROMEO), scene.connect()
    scene.submit("1")
    stopped = scene.host.stopService()
    assert romeo.written == b"<message from='gateway.test' to='romeo.test' id='1'/>" + END
    assert stranger.written.endswith(END) and not stranger.is_open
    assert not stopped.called
    say(romeo, "<presence from='romeo.test' to='gateway.test'/></stream:stream>")
    assert stopped.called
    assert [stanza.name for stanza in scene.gateway.got] == ["presence"]
    scene.submit("2")
    scene.turn(3)
    assert scene.bounced() == [("2", "service-unavailable")]


def test_stop_does_not_wait_for_a_dead_component(scene: Scene):
    """It is given five seconds, even to read what waits."""
    socket = scene.up(ROMEO)
    socket.room = 0
    scene.submit("1")
    stopped = scene.host.stopService()
    scene.wait(4)
    assert not stopped.called
    scene.wait(1)
    assert stopped.called


def test_component_that_leaves_is_answered(scene: Scene):
    """And may come again at once."""
    socket = scene.up(ROMEO)
    say(socket, END.decode())
    assert socket.written == END
    assert not socket.is_open
    scene.up(ROMEO)
    assert scene.host.connected == {ROMEO}


def test_nothing_is_left_behind(scene: Scene):
    """No timer outlives its connection."""
    for domain in (ROMEO, JULIET, "x.test"):
        scene.log_in(domain).lose()
    scene.turn(2)
    assert scene.reactor.getDelayedCalls() == []
