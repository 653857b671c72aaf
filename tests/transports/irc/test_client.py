"""The shell around a session: connecting, connecting again, deadlines. The session is a puppet here."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from bridge.events import Enter, Link, NetworkState, ServerNotice
from tests.transports.irc.memory import Internet
from transports.irc.client import (
    CLOSE_TIMEOUT,
    FIRST_RETRY,
    GRACE,
    LAST_RETRY,
    STABLE,
    Backoff,
    IrcClient,
    Links,
)
from transports.irc.dialer import Attempt, Dialer, Target, Turnstile
from transports.irc.session import Answer, State
from transports.irc.timers import RESOLUTION, Timers

HOST = "irc.example.org"
ROMEO = "romeo@montague.example"


class Puppet:
    """A session that does what the test says, and notes what it is told."""

    def __init__(self):
        self.told = []
        self.state = State.OFFLINE
        self.wants_link = False
        self.close_expected = False
        self.out = b""
        self.events = []
        self.answers = []
        self.due = None
        self.retry_after = 0.0
        self.reason = ""

    def submit(self, event):
        self.told.append(event)
        self.wants_link = True

    def connection_made(self, *, secure):
        self.told.append("made")
        self.state = State.REGISTERING

    def connection_lost(self, error, text=""):
        self.told.append("closed" if error is None else f"lost {error.trouble.name}: {text}")
        self.state = State.OFFLINE
        self.close_expected = False

    def give_up(self, error):
        self.told.append(f"give up {error.trouble.name}: {error.text}")
        self.wants_link = False

    def receive_data(self, data):
        self.told.append(data)
        if data == b"welcome":
            self.state = State.ONLINE
        if data == b"crash":
            raise RuntimeError

    def quit(self, reason, exit_):
        self.told.append(f"quit {reason}")
        self.out += b"QUIT"
        self.wants_link, self.close_expected = False, True
        self.state = State.CLOSING

    def data_to_send(self):
        data, self.out = self.out, b""
        return data

    def take_events(self):
        events, self.events = self.events, []
        return events

    def take_answers(self):
        answers, self.answers = self.answers, []
        return answers

    def next_timer(self):
        return self.due

    def tick(self):
        self.told.append("tick")
        self.due = None


class Server(Protocol):
    """The other end."""

    def __init__(self, made):
        made.append(self)
        self.data = b""
        self.over = False

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason):
        self.over = True


class Scene:
    """A client, its puppet session, an owner that notes events, and a server."""

    def __init__(self, patience=600.0):
        self.clock = Clock()
        self.internet = Internet(self.clock)
        self.servers = []
        self.internet.serve(HOST, 6667, lambda: Server(self.servers))
        self.session = Puppet()
        self.heard = []
        self.finished_with = []
        self.timers = Timers(self.clock)
        links = Links(
            clock=self.clock,
            wall=lambda: 1_700_000_000.0,
            random=lambda: 1.0,
            timers=self.timers,
            dialer=Dialer(self.clock, self.internet.endpoint),
            turnstile=lambda server, host: Turnstile(self.clock, 1.0, 1),
        )
        target = Target(host=HOST, attempts=(Attempt(port=6667, secure=False),))
        self.client = IrcClient(
            ROMEO, HOST, self.session, owner=self, links=links, target=lambda: target, patience=patience
        )

    def deliver(self, user, events):
        assert user == ROMEO
        self.heard.extend(events)

    def moved(self, client):
        client.advance()

    def answered(self, answer):
        self.heard.append(answer)

    def finished(self, client):
        self.finished_with.append(client)

    def enter(self):
        self.client.submit(Enter(room="#x%irc.example.org", nick="Romeo"))
        self.internet.flush()

    def go_online(self):
        self.enter()
        self.say(b"welcome")

    def say(self, data):
        self.servers[-1].transport.write(data)
        self.internet.flush()

    def cut(self):
        self.servers[-1].transport.loseConnection()
        self.internet.flush()

    def wait(self, seconds):
        self.clock.advance(seconds)
        self.internet.flush()

    def states(self):
        return [event.link for event in self.heard if isinstance(event, NetworkState)]

    def notices(self):
        return [event.text for event in self.heard if isinstance(event, ServerNotice)]


@pytest.fixture
def scene():
    return Scene()


def test_first_wish_connects_and_says_so(scene):
    """The user sees each step in Biboumi's words, and the server's state."""
    scene.go_online()
    assert scene.notices() == [f"Connecting to {HOST}:6667 (not encrypted)", "Connected to IRC server."]
    assert scene.states() == [Link.CONNECTING, Link.CONNECTED]
    assert scene.client.connected_at == 1_700_000_000.0


def test_events_are_passed_on_as_the_same_object(scene):
    """The bridge renders a shared tuple once, so it must stay the same tuple."""
    scene.enter()
    batch = (ServerNotice(server=HOST, text="hi"),)
    delivered = []
    scene.deliver = lambda user, events: delivered.append(events)
    scene.session.events = [batch]
    scene.client.advance()
    assert delivered[0] is batch


def test_bytes_and_answers_are_carried_both_ways(scene):
    """What the session has is written and reported; what comes in is handed to it."""
    scene.enter()
    scene.session.out = b"NICK Romeo\r\n"
    scene.session.answers = [Answer(7, "yes")]
    scene.say(b":x PING\r\n")
    assert scene.session.told[-1] == b":x PING\r\n"
    assert scene.servers[0].data == b"NICK Romeo\r\n"
    assert Answer(7, "yes") in scene.heard


def test_nothing_is_taken_from_the_session_while_the_server_does_not_read(scene):
    """The session's own queue, which is bounded, holds what a slow server does not take."""
    scene.enter()
    scene.client.connection.pauseProducing()
    scene.session.out = b"PRIVMSG"
    scene.client.advance()
    assert scene.session.out == b"PRIVMSG"
    scene.client.connection.resumeProducing()
    scene.internet.flush()
    assert scene.servers[0].data == b"PRIVMSG"


def test_server_that_cannot_be_reached_at_first_fails_visibly(scene):
    """A first join does not wait for an hour: it fails with the reason."""
    scene.internet.servers.clear()
    scene.enter()
    assert scene.session.told[-2:] == [
        "lost UNREACHABLE: Domain name not found",
        "give up UNREACHABLE: Domain name not found",
    ]
    assert scene.finished_with == [scene.client]
    assert scene.states() == [Link.CONNECTING, Link.DISCONNECTED]


def test_server_that_never_lets_us_in_fails_visibly(scene):
    """A link that ends before the welcome ends the wish with the server's reason."""
    scene.enter()
    scene.cut()
    assert scene.session.told[-1] == "give up LOST: Connection closed"
    assert scene.finished_with == [scene.client]


def test_lost_link_is_made_again_soon_and_quietly(scene):
    """An interruption is one state change, not a flood of notices."""
    scene.go_online()
    scene.cut()
    assert scene.states()[-1] is Link.RETRYING and scene.finished_with == []
    scene.wait(FIRST_RETRY + RESOLUTION)
    scene.say(b"welcome")
    assert scene.session.told[-2:] == ["made", b"welcome"]
    assert scene.states() == [Link.CONNECTING, Link.CONNECTED, Link.RETRYING, Link.CONNECTED]
    assert len(scene.notices()) == 3


def test_state_is_told_before_the_session_forgets(scene):
    """On RETRYING the bridge looks at the rooms as they were."""
    scene.go_online()
    seen = []
    scene.deliver = lambda user, events: seen.append(list(scene.session.told))
    scene.cut()
    assert not any(str(told).startswith("lost") for told in seen[0])


def test_server_gone_for_longer_than_our_patience_is_given_up(scene):
    """Users are not left in rooms that will not come back."""
    scene.go_online()
    scene.internet.servers.clear()
    scene.cut()
    for _ in range(100):
        scene.wait(10.0)
    assert scene.session.told[-1].startswith("give up UNREACHABLE")
    assert scene.states()[-1] is Link.DISCONNECTED
    assert scene.finished_with == [scene.client]
    assert scene.clock.getDelayedCalls() == []


def test_new_wish_to_enter_ends_the_pause(scene):
    """A user who joins again does not wait for five minutes."""
    scene.go_online()
    scene.cut()
    scene.enter()
    assert len(scene.servers) == 2


def test_user_who_leaves_while_waiting_is_let_go(scene):
    """Nobody is connected for a user who wants nothing any more."""
    scene.go_online()
    scene.cut()
    scene.session.wants_link = False
    scene.client.advance()
    scene.wait(LAST_RETRY)
    assert len(scene.servers) == 1 and scene.finished_with == [scene.client]


def test_user_who_leaves_while_dialling_is_let_go(scene):
    """An attempt that nobody wants is dropped."""
    scene.internet.silent.add((HOST, 6667))
    scene.enter()
    scene.session.wants_link = False
    scene.client.advance()
    assert scene.finished_with == [scene.client]
    assert scene.client.connection is None


def test_quit_closes_politely_and_then_by_force(scene):
    """What is left is written; a server that does not close is not waited for."""
    scene.go_online()
    scene.client.quit("bye")
    scene.internet.flush()
    assert scene.servers[0].data == b"QUIT"
    scene.wait(CLOSE_TIMEOUT + RESOLUTION)
    assert scene.servers[0].over
    assert scene.finished_with == [scene.client]


def test_fault_in_the_session_costs_its_own_link_only(scene):
    """The connection is cut and made again; the fault is logged."""
    scene.go_online()
    scene.say(b"crash")
    assert scene.servers[0].over
    scene.wait(FIRST_RETRY + RESOLUTION)
    assert len(scene.servers) == 2


def test_session_deadline_is_kept(scene):
    """The session's clock is the client's deadline."""
    scene.go_online()
    scene.session.due = scene.clock.seconds() + 30
    scene.client.advance()
    scene.wait(29)
    assert "tick" not in scene.session.told
    scene.wait(1 + RESOLUTION)
    assert scene.session.told[-1] == "tick"


def test_idle_session_arms_nothing(scene):
    """A session without a deadline costs nothing at all."""
    scene.go_online()
    assert scene.clock.getDelayedCalls() == []


def test_held_client_does_not_read_nor_take_the_server_for_dead(scene):
    """While the bridge is congested servers wait; their silence is of our making."""
    scene.go_online()
    scene.client.hold()
    scene.session.due = scene.clock.seconds() + 1
    scene.client.advance()
    scene.wait(5)
    assert "tick" not in scene.session.told
    scene.client.release()
    scene.wait(GRACE + RESOLUTION)
    assert "tick" in scene.session.told


def test_event_that_leads_to_a_wish_keeps_the_order(scene):
    """What the bridge wants while it is told something is done after it was told everything."""
    scene.enter()
    order = []

    def deliver(user, events):
        order.append(events[0].text)
        if events[0].text == "first":
            scene.session.events.append((ServerNotice(server=HOST, text="third"),))
            scene.client.submit(Enter(room="#y%irc.example.org", nick="Romeo"))

    scene.deliver = deliver
    scene.session.events = [
        (ServerNotice(server=HOST, text="first"),),
        (ServerNotice(server=HOST, text="second"),),
    ]
    scene.client.advance()
    assert order == ["first", "second", "third"]


def test_backoff_doubles_with_jitter_up_to_its_limit():
    """First quickly, then ever slower, never all at the same moment."""
    longest = Backoff(lambda: 1.0)
    assert [longest.pause() for _ in range(10)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    shortest = Backoff(lambda: 0.0)
    assert shortest.pause() == FIRST_RETRY / 4
    longest.reset()
    assert longest.pause() == FIRST_RETRY


def test_stable_link_begins_with_short_pauses_again(scene):
    """A server that dies once a day is found again in seconds each time."""
    for _ in range(4):
        scene.enter()
        scene.say(b"welcome")
        scene.cut()
    scene.enter()
    scene.say(b"welcome")
    scene.wait(STABLE)
    scene.cut()
    scene.wait(FIRST_RETRY + RESOLUTION)
    assert len(scene.servers) == 6


def test_target_that_is_forbidden_meanwhile_is_given_up(scene):
    """A changed policy holds at the next connection."""

    def refuse():
        raise BridgeError(Trouble.NOT_ALLOWED)

    scene.client.target = refuse
    scene.enter()
    assert scene.session.told[-1].startswith("give up NOT_ALLOWED")
    assert scene.finished_with == [scene.client]


def test_user_who_comes_back_at_once_gets_a_new_link_at_once(scene):
    """Leaving the last room and entering another is no interruption."""
    scene.go_online()
    scene.client.quit("bye")
    scene.enter()
    assert scene.session.told[-2:] == ["closed", "made"]
    assert len(scene.servers) == 2 and Link.RETRYING not in scene.states()


def test_link_that_nobody_wants_is_closed_before_it_is_registered(scene):
    """A user who leaves during the registration is not registered."""
    scene.enter()
    scene.session.wants_link = False
    scene.client.advance()
    scene.internet.flush()
    assert scene.servers[0].over and scene.finished_with == [scene.client]


def test_server_that_bans_is_left_alone_for_longer(scene):
    """Coming back quickly after a ban makes it worse."""
    scene.go_online()
    scene.session.retry_after = 300.0
    scene.cut()
    scene.wait(299)
    assert len(scene.servers) == 1
    scene.wait(1 + RESOLUTION)
    assert len(scene.servers) == 2


def test_session_that_ends_a_dead_link_wants_another(scene):
    """A server found silent is an interruption like any other: told, and tried again later."""
    scene.go_online()
    scene.session.state, scene.session.close_expected = State.CLOSING, True
    scene.session.reason = "Ping timeout"
    scene.client.advance()
    scene.internet.flush()
    assert scene.states()[-1] is Link.RETRYING and scene.heard[-1].text == "Ping timeout"
    assert len(scene.servers) == 1
    scene.wait(FIRST_RETRY + RESOLUTION)
    assert len(scene.servers) == 2
