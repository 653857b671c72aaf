"""Making connections: ports in order, time limits, the rate towards one server."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from tests.transports.irc.certificates import issue
from tests.transports.irc.memory import Internet
from transports.irc.connection import Connection
from transports.irc.dialer import CONNECT_TIMEOUT, Attempt, Dialer, Target, Turnstile
from transports.irc.tls import Trust

HOST = "irc.example.org"


class Recorder:
    """Our end of a connection: what it is told, in order."""

    def __init__(self):
        self.heard = []

    def progress(self, text):
        self.heard.append(text)

    def connection_made(self, *, secure):
        self.heard.append("up, secure" if secure else "up")

    def data_received(self, data):
        self.heard.append(data)

    def connection_lost(self, text, *, made):
        self.heard.append(f"{'lost' if made else 'never up'}: {text}")

    def advance(self):
        self.heard.append("go on")


class Scene:
    """A clock, an internet, and a connection to be made."""

    def __init__(self, *attempts, trust=None, bind=""):
        self.clock = Clock()
        self.internet = Internet(self.clock)
        self.line = Recorder()
        self.dialer = Dialer(self.clock, self.internet.endpoint)
        target = Target(host=HOST, attempts=attempts, trust=trust or Trust(), bind=bind)
        self.connection = Connection(target, self.line)

    def open(self):
        self.connection.open(self.dialer, Turnstile(self.clock, 1.0, 1))
        self.internet.flush()
        return self.line.heard


SECURE, PLAIN = Attempt(port=6697, secure=True), Attempt(port=6667, secure=False)


def test_refused_ports_are_tried_in_order_in_biboumis_words():
    """The user reads what is tried and why it fails."""
    scene = Scene(SECURE, PLAIN)
    scene.internet.serve(HOST, 6667, Protocol)
    assert scene.open() == [
        f"Connecting to {HOST}:6697 (encrypted)",
        "Connection failed: Connection refused",
        f"Connecting to {HOST}:6667 (not encrypted)",
        "Connected to IRC server.",
        "up",
    ]


def test_unknown_host_ends_with_the_reason():
    """When no port answers, the last reason is the answer."""
    assert Scene(PLAIN).open() == [
        f"Connecting to {HOST}:6667 (not encrypted)",
        "Connection failed: Domain name not found",
        "never up: Domain name not found",
    ]


def test_tls_link_is_up_after_the_handshake_only():
    """Nothing is said to a server before its certificate is known."""
    scene = Scene(SECURE, trust=Trust(verify=False))
    scene.internet.serve(HOST, 6697, Protocol, issue(HOST).server())
    assert scene.open()[-2:] == ["Connected to IRC server (encrypted).", "up, secure"]


def test_distrusted_certificate_is_never_followed_by_plain_text():
    """Who cannot show a good certificate does not get our password in clear."""
    scene = Scene(SECURE, PLAIN)
    scene.internet.serve(HOST, 6697, Protocol, issue(HOST).server())
    scene.internet.serve(HOST, 6667, Protocol)
    assert scene.open()[-1] == "never up: the TLS certificate is not trusted"
    assert (HOST, 6667, "") not in scene.internet.dialled


def test_silent_port_times_out():
    """A port that swallows packets costs fifteen seconds, not minutes."""
    scene = Scene(SECURE, PLAIN)
    scene.internet.silent.add((HOST, 6697))
    scene.internet.serve(HOST, 6667, Protocol)
    scene.open()
    scene.clock.advance(CONNECT_TIMEOUT)
    assert scene.line.heard[1] == "Connection failed: Connection timed out"
    assert scene.line.heard[-1] == "up"


def test_server_without_tls_on_a_tls_port_times_out():
    """A handshake that nobody answers ends like a silent port."""
    scene = Scene(SECURE)
    scene.internet.serve(HOST, 6697, Protocol)
    scene.open()
    scene.clock.advance(CONNECT_TIMEOUT)
    scene.internet.flush()
    assert scene.line.heard[-1] == "never up: Connection timed out"


def test_source_address_is_used():
    """The operator chooses from which address users come."""
    scene = Scene(PLAIN, bind="192.0.2.1")
    scene.internet.serve(HOST, 6667, Protocol)
    scene.open()
    assert scene.internet.dialled == [(HOST, 6667, "192.0.2.1")]


def test_closing_while_dialling_is_quiet():
    """A user who changes his mind hears nothing of the attempt any more."""
    scene = Scene(PLAIN)
    scene.internet.silent.add((HOST, 6667))
    scene.open()
    scene.connection.close()
    scene.clock.advance(CONNECT_TIMEOUT)
    assert scene.line.heard == [f"Connecting to {HOST}:6667 (not encrypted)"]
    assert scene.clock.getDelayedCalls() == []


def test_full_buffer_chokes_and_frees():
    """The session's queue is bounded only if a slow server's transport says that it is full."""
    scene = Scene(PLAIN)
    scene.internet.serve(HOST, 6667, Protocol)
    scene.open()
    scene.connection.pauseProducing()
    assert scene.connection.choked
    scene.connection.resumeProducing()
    assert not scene.connection.choked
    assert scene.line.heard[-1] == "go on"


def test_abort_reports_its_own_reason():
    """A link that we cut says why we cut it."""
    scene = Scene(PLAIN)
    scene.internet.serve(HOST, 6667, Protocol)
    scene.open()
    scene.connection.abort("too slow")
    scene.internet.flush()
    assert scene.line.heard[-1] == "lost: too slow"


def test_turnstile_lets_a_burst_through_and_then_the_rate():
    """A thousand users do not reconnect at once."""
    clock, passed = Clock(), []
    turnstile = Turnstile(clock, 2.0, 3)
    for number in range(9):
        turnstile.enter(lambda number=number: passed.append((number, clock.seconds())))
    assert [number for number, _ in passed] == [0, 1, 2]
    clock.pump([0.1] * 40)
    assert [number for number, _ in passed] == list(range(9))
    assert passed[-1][1] >= 3.0 - 1e-6
    assert turnstile.idle is False
    clock.advance(10)
    assert turnstile.idle


def test_cancelled_ticket_costs_no_turn():
    """Places given up are not counted."""
    clock, passed = Clock(), []
    turnstile = Turnstile(clock, 1.0, 1)
    tickets = [turnstile.enter(lambda number=number: passed.append(number)) for number in range(4)]
    tickets[1].cancel()
    tickets[2].cancel()
    clock.advance(1.0)
    assert passed == [0, 3]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 50), st.integers(1, 20), st.lists(st.floats(0, 3), max_size=60))
def test_turnstile_never_exceeds_its_rate(rate, burst, gaps):
    """In any stretch of time no more pass than burst and rate allow, and all pass in order."""
    clock, passed = Clock(), []
    turnstile = Turnstile(clock, rate, burst)
    for number, gap in enumerate(gaps):
        turnstile.enter(lambda number=number: passed.append((number, clock.seconds())))
        clock.advance(gap)
    while len(passed) < len(gaps):
        clock.advance(0.5)
    assert [number for number, _ in passed] == list(range(len(gaps)))
    for first, (_, start) in enumerate(passed):
        for last, (_, end) in enumerate(passed[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + 1.01
