from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from bridge.federation.connection import Connection
from bridge.xmpp.incoming import Greeting
from bridge.xmpp.server_stream import Event
from bridge.xmpp.stream_events import Opened, StreamFailed
from tests.bridge.federation.fabric import HELLO, Network, Transport
from tests.bridge.xmpp.streams import incoming
from tests.bridge.xmpp.test_incoming import STARTTLS, header


class Owner:
    """Takes notes."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.events: list[Event] = []
        self.delay = 0.0

    def opened(self, connection: Connection) -> None:
        self.told.append("opened")

    def happened(self, connection: Connection, event: Event) -> None:
        self.events.append(event)

    def secured(self, connection: Connection) -> None:
        self.told.append("secured")
        connection.stream.tls_started()  # type: ignore[call-arg]

    def tls(self, connection: Connection) -> Any:
        return object()

    def received(self, connection: Connection, size: int, stanzas: int) -> float:
        return self.delay

    def writable(self, connection: Connection) -> None:
        self.told.append("writable")

    def closed(self, connection: Connection, reason: str) -> None:
        self.told.append("closed")


class Scene:
    """A connection that was accepted, and the peer's end of it."""

    def __init__(self) -> None:
        self.clock, self.owner = Clock(), Owner()
        self.connection = Connection(incoming(), self.owner, self.clock)
        self.near, self.far = Transport(Network(), "near"), Transport(Network(), "198.51.100.7")
        self.near.other, self.far.other = self.far, self.near
        self.near.protocol = self.connection.transport = self.near
        self.near.protocol = self.connection
        self.connection.connectionMade()

    @property
    def said(self) -> bytes:
        return b"".join(self.far.inbox)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_connection_does_not_wait_for_more(scene: Scene) -> None:
    """Nagle's algorithm would hold the first stanza back."""
    assert scene.near.no_delay and scene.near.keep_alive
    assert scene.connection.address == "198.51.100.7"
    assert scene.owner.told == ["opened"]


def test_reading_waits_until_the_peer_is_judged(scene: Scene) -> None:
    """What comes meanwhile stays where it is bounded: in the kernel."""
    scene.connection.dataReceived(header())
    assert [type(event) for event in scene.owner.events] == [Opened]
    assert scene.near.is_paused
    scene.connection.stream.greet(Greeting(encryption="required", problem=""))  # type: ignore[union-attr]
    scene.connection.settle()
    scene.connection.hold(False)
    assert not scene.near.is_paused
    assert b"<starttls" in scene.said


def test_proceed_leaves_before_tls_begins(scene: Scene) -> None:
    """It has to go in the clear."""
    scene.connection.dataReceived(header())
    scene.connection.stream.greet(Greeting(encryption="required", problem=""))  # type: ignore[union-attr]
    scene.connection.dataReceived(STARTTLS)
    assert scene.said.endswith(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert not scene.near.tls, "a stranger who is silent now costs no TLS connection"
    scene.connection.dataReceived(HELLO)
    assert scene.near.tls and scene.near.protocol.heard == HELLO


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_handshake_at_the_beginning_is_direct_tls(scene: Scene, cut: int) -> None:
    """One port for both (XEP-0368); what comes in pieces is put together."""
    scene.connection.dataReceived(HELLO[:cut])
    assert not scene.near.tls
    scene.connection.dataReceived(HELLO[cut:])
    assert scene.near.tls and scene.near.protocol.heard == HELLO


@pytest.mark.parametrize("data", [b"\x16\x03\x01\xff\xff", b"<?xml version='1.0'?>"])
def test_what_begins_no_handshake_is_cut_off(scene: Scene, data: bytes) -> None:
    """A record that is too long, or somebody who goes on in the clear."""
    scene.connection.dataReceived(header())
    scene.connection.stream.greet(Greeting(encryption="required", problem=""))  # type: ignore[union-attr]
    scene.connection.dataReceived(STARTTLS)
    scene.connection.dataReceived(data)
    assert isinstance(scene.near.ended, ConnectionLost)


def test_half_a_handshake_is_not_waited_for_politely(scene: Scene) -> None:
    """There is nobody to say goodbye to."""
    scene.connection.dataReceived(HELLO[:3])
    scene.connection.fail("connection-timeout")
    assert isinstance(scene.near.ended, ConnectionLost)


def test_fast_peer_is_read_later(scene: Scene) -> None:
    """Throttled by not reading."""
    scene.owner.delay = 3.0
    scene.connection.dataReceived(b"<?xml version='1.0'?>")
    assert scene.near.is_paused
    scene.owner.delay = 0.0
    scene.clock.advance(3.0)
    assert not scene.near.is_paused


def test_pieces_of_one_read_make_the_wait_longer(scene: Scene) -> None:
    """What is read at once arrives record by record under TLS; the last one says how long."""
    for delay in (1.0, 3.0):
        scene.owner.delay = delay
        scene.connection.dataReceived(b"<?xml version='1.0'?>"[: int(delay) * 2])
    scene.owner.delay = 0.0
    scene.clock.advance(2.9)
    assert scene.near.is_paused
    scene.clock.advance(0.1)
    assert not scene.near.is_paused


def test_hold_outlasts_the_throttle(scene: Scene) -> None:
    """Reading goes on when nothing speaks against it any more."""
    scene.owner.delay = 1.0
    scene.connection.dataReceived(b"<?xml version='1.0'?>")
    scene.connection.hold(True)
    scene.clock.advance(2.0)
    assert scene.near.is_paused
    scene.connection.hold(False)
    assert not scene.near.is_paused


def test_peer_that_does_not_read_blocks_the_connection(scene: Scene) -> None:
    """The owner is told when it does again."""
    scene.connection.pauseProducing()
    assert scene.connection.is_blocked
    scene.connection.resumeProducing()
    assert not scene.connection.is_blocked
    assert "writable" in scene.owner.told


def test_error_is_written_before_the_connection_closes(scene: Scene) -> None:
    """The peer learns why."""
    scene.connection.fail("policy-violation")
    assert scene.said.endswith(b"</stream:stream>")
    assert scene.near.ended is not None
    assert scene.connection.closing is not None


def test_lost_connection_is_told_once(scene: Scene) -> None:
    """With the stream's failure first."""
    scene.connection.abort()
    scene.near.turn()
    assert [type(event) for event in scene.owner.events] == [StreamFailed]
    assert scene.owner.told[-1] == "closed"
    assert scene.connection.is_gone


def test_what_is_sent_in_one_turn_leaves_together(scene: Scene) -> None:
    """One write, one TLS record, one segment."""
    scene.connection.dataReceived(header())
    scene.connection.stream.greet(Greeting(encryption="optional", problem=""))  # type: ignore[union-attr]
    scene.connection.settle()
    scene.far.inbox.clear()
    for _ in range(3):
        scene.connection.stream.probe()
        scene.connection.flush()
    scene.clock.advance(0)
    assert scene.far.inbox == [b"   "]


def test_fault_in_what_an_event_causes_cuts_the_connection(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came with it is dealt with, and the owner learns that the connection is gone."""
    monkeypatch.setattr(scene.owner, "happened", lambda connection, event: 1 / 0)
    scene.near.protocol.dataReceived(header())
    assert scene.near.ended is not None
    scene.near.turn()
    assert scene.owner.told[-1] == "closed"
