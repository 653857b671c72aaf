"""A connection to one of several addresses (RFC 8305)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, NoRouteError, TCPTimedOutError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from bridge.federation.connect import STAGGER, Unreachable, connect
from bridge.federation.resolver import LookupFailed, NoServer, Target

TARGET = Target(host="xmpp.test", port=5222, direct_tls=False, secure=False)
TIMEOUT = 10.0
V6, V4, OTHER = "2001:db8::1", "192.0.2.1", "192.0.2.2"
REFUSED = ConnectionRefusedError()


class Lookup:
    """A resolver that answers when told."""

    def __init__(self) -> None:
        self.answer: Deferred[tuple[str, ...]] = Deferred()

    def addresses(self, host: str) -> Deferred[tuple[str, ...]]:
        assert host == TARGET.host
        return self.answer


class Scene:
    """A connection being made to the addresses found."""

    def __init__(self, *found: str) -> None:
        self.reactor = MemoryReactorClock()
        self.lookup = Lookup()
        self.outcome: Any = None
        factory = Factory.forProtocol(Protocol)
        self.connecting = connect(self.reactor, self.lookup, TARGET, factory, TIMEOUT)
        self.connecting.addBoth(self._end)
        if found:
            self.lookup.answer.callback(found)

    def _end(self, outcome: object) -> None:
        self.outcome = outcome.value if isinstance(outcome, Failure) else outcome

    @property
    def tried(self) -> list[str]:
        assert {port for _, port, *_ in self.reactor.tcpClients} <= {TARGET.port}
        return [host for host, *_ in self.reactor.tcpClients]

    @property
    def given_up(self) -> list[bool]:
        return [connector.stoppedConnecting for connector in self.reactor.connectors]

    def succeed(self, number: int) -> None:
        """Let an attempt lead to a connection."""
        protocol = self.reactor.tcpClients[number][2].buildProtocol(None)
        protocol.makeConnection(StringTransport())

    def fail(self, number: int, error: Exception = REFUSED) -> None:
        connector = self.reactor.connectors[number]
        self.reactor.tcpClients[number][2].clientConnectionFailed(connector, Failure(error))


def test_first_address_that_answers_is_taken() -> None:
    """The others are not tried."""
    scene = Scene(V6, V4)
    assert scene.tried == [V6]
    scene.succeed(0)
    assert isinstance(scene.outcome, Protocol)
    scene.reactor.advance(TIMEOUT)
    assert scene.tried == [V6] and not scene.reactor.getDelayedCalls()


def test_slow_address_is_raced_by_the_next() -> None:
    """RFC 8305 §5: each has a quarter of a second before the next begins; who loses is given up."""
    scene = Scene(V6, V4, OTHER)
    scene.reactor.advance(STAGGER - 0.01)
    assert scene.tried == [V6]
    scene.reactor.advance(0.01)
    assert scene.tried == [V6, V4]
    scene.succeed(1)
    assert isinstance(scene.outcome, Protocol)
    assert scene.given_up == [True, False]
    scene.reactor.advance(TIMEOUT)
    assert scene.tried == [V6, V4]


def test_slow_address_may_win_after_all() -> None:
    """It goes on while others are tried."""
    scene = Scene(V6, V4)
    scene.reactor.advance(STAGGER)
    scene.fail(1)
    scene.succeed(0)
    assert isinstance(scene.outcome, Protocol)


def test_refused_address_is_followed_at_once() -> None:
    """There is nothing to wait for, and the one after that has its full time again."""
    scene = Scene(V6, V4, OTHER)
    scene.reactor.advance(STAGGER - 0.01)
    scene.fail(0)
    assert scene.tried == [V6, V4]
    scene.reactor.advance(STAGGER - 0.01)
    assert scene.tried == [V6, V4]
    scene.reactor.advance(0.01)
    assert scene.tried == [V6, V4, OTHER]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (REFUSED, "the server refuses connections"),
        (NoRouteError(), "there is no way to it"),
        (TCPTimedOutError(), "the server does not answer"),
    ],
)
def test_no_address_that_answers_is_told_in_plain_words(error: Exception, words: str) -> None:
    """All were tried."""
    scene = Scene(V6, V4)
    scene.fail(0, error)
    assert scene.outcome is None
    scene.fail(1, error)
    assert isinstance(scene.outcome, Unreachable) and isinstance(scene.outcome, ConnectError)
    assert str(scene.outcome) == words
    assert not scene.reactor.getDelayedCalls()


def test_silent_addresses_are_given_up_in_time() -> None:
    """The time is for all of them together."""
    scene = Scene(V6, V4)
    scene.reactor.pump([STAGGER, TIMEOUT - STAGGER])
    assert str(scene.outcome) == "the server does not answer"
    assert scene.given_up == [True, True]
    assert not scene.reactor.getDelayedCalls()


def test_silent_dns_counts_in_the_time() -> None:
    """The lookup has begun the clock."""
    scene = Scene()
    scene.reactor.advance(TIMEOUT)
    assert isinstance(scene.outcome, Unreachable)
    assert scene.tried == []


@pytest.mark.parametrize("error", [NoServer("no address"), LookupFailed("no answer")])
def test_host_that_is_not_found_is_unreachable(error: Exception) -> None:
    """For whoever connects it makes no difference."""
    scene = Scene()
    scene.lookup.answer.errback(error)
    assert isinstance(scene.outcome, Unreachable)
    assert str(scene.outcome) == str(error)


def test_cancelling_gives_up_all_attempts() -> None:
    """Nothing goes on in the background."""
    scene = Scene(V6, V4)
    scene.reactor.advance(STAGGER)
    scene.connecting.cancel()
    assert isinstance(scene.outcome, CancelledError)
    assert scene.given_up == [True, True]
    assert not scene.reactor.getDelayedCalls()
