"""IRC as a network: from the bridge's wishes to a scripted server and back."""

from __future__ import annotations

from itertools import count

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    Command,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Link,
    Message,
    NetworkState,
    NickRefused,
    NotEntered,
    Presence,
    RoomNotice,
    Show,
    Text,
)
from bridge.forms import Ask, CommandContext, Done
from bridge.network import ContactPing, ContactVersion, GatewayAddress, RoomList, Scope, ServerAddress
from tests.transports.irc.memory import Internet
from tests.transports.irc.scripted import NAME, IrcServer
from transports.irc.config import IrcConfig, ServerConfig
from transports.irc.dialer import Dialer
from transports.irc.identd import Identd
from transports.irc.network import ASK_TIMEOUT, STOP_TIMEOUT, IrcNetwork
from transports.irc.settings import ServerSettings

ROMEO, JULIET = "romeo@montague.example", "juliet@capulet.example"
ROOM = f"#verona%{NAME}"
PLAIN = {"tls_ports": (), "ports": (6667,), "throttle_burst": -1, "connect_burst": 1000}


class Scene:
    """A network, the bridge's end of it, and a server; also the `Uplink`."""

    def __init__(self, **options):
        self.clock = Clock()
        self.internet = Internet(self.clock)
        self.server = IrcServer()
        self.internet.serve(NAME, 6667, self.server.connect)
        self.network = IrcNetwork(
            IrcConfig(**{**PLAIN, **options}),
            self.clock,
            Dialer(self.clock, self.internet.endpoint),
            lambda: 0.5,
            lambda: 1_700_000_000.0 + self.clock.seconds(),
            Identd(MemoryReactorClock()),
        )
        self.heard = {}
        self.tuples = []
        self.archived = []
        self.chosen = {}
        self.ids = count(1)
        self.network.start(self)

    def deliver(self, user, events):
        self.tuples.append(events)
        self.heard.setdefault(user, []).extend(events)

    def clients(self, user, room):
        return [f"{user}/balcony", f"{user}/orchard"]

    def message_id(self):
        return f"{next(self.ids):x}"

    def archive(self, message):
        self.archived.append(message)

    def settings(self, user, scope, key):
        return self.chosen.get((user, scope, key)) or self.network.settings[scope]()

    def do(self, user, event):
        self.network.submit(user, event)
        self.internet.flush()

    def enter(self, user, nick, room=ROOM):
        self.do(user, Enter(room=room, nick=nick))

    def wait(self, seconds):
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            self.internet.flush()

    def of(self, user, kind):
        return [event for event in self.heard.get(user, []) if isinstance(event, kind)]


@pytest.fixture
def scene():
    return Scene()


def failure(question):
    """Return the error with which a question ended."""
    caught = []
    question.addErrback(lambda reason: caught.append(reason.value))
    return caught[0]


def test_users_enter_talk_and_leave(scene):
    """Each user has his own connection; what one says the other hears, and it is archived once."""
    scene.enter(ROMEO, "Romeo")
    scene.enter(JULIET, "Juliet")
    assert [event.room for event in scene.of(JULIET, Entered)] == [ROOM]
    assert scene.server.online() == ["Romeo", "Juliet"]
    scene.do(ROMEO, Message(room=ROOM, body=Text(plain="But soft!"), ref=1))
    assert [message.body.plain for message in scene.of(JULIET, Message)] == ["But soft!"]
    assert [message.body.plain for message in scene.archived] == ["But soft!"]
    scene.do(ROMEO, Depart(room=ROOM))
    assert [event.exit for event in scene.of(ROMEO, Exited)] == [Exit.LEFT]
    assert scene.server.online() == ["Juliet"]
    assert scene.network.users() == [JULIET]


def test_state_of_the_link_is_told(scene):
    """The server's JID is online while the user is connected to it."""
    scene.enter(ROMEO, "Romeo")
    scene.do(ROMEO, Depart(room=ROOM))
    states = [event.link for event in scene.of(ROMEO, NetworkState)]
    assert states == [Link.CONNECTING, Link.CONNECTED, Link.DISCONNECTED]


@pytest.mark.parametrize(
    "event",
    [
        Message(room=ROOM, body=Text(plain="x"), ref=5),
        DirectMessage(contact=f"juliet%{NAME}", body=Text(plain="x"), ref=5),
        Command(server=NAME, line="MOTD", ref=5),
    ],
)
def test_wish_without_a_connection_fails_with_biboumis_words(scene, event):
    """Only entering a room connects; everything else says that there is no connection."""
    scene.do(ROMEO, event)
    [failed] = scene.of(ROMEO, Failed)
    assert (failed.ref, failed.error.trouble) == (5, Trouble.NOT_CONNECTED)
    assert failed.error.text == f"Not connected to IRC server {NAME}"
    assert scene.internet.dialled == []


def test_leaving_and_renaming_without_a_connection_are_answered(scene):
    """Each wish has its answer, also when there is nothing to leave."""
    scene.do(ROMEO, Depart(room=ROOM))
    scene.do(ROMEO, ChangeNick(room=ROOM, nick="R"))
    assert [type(event) for event in scene.heard[ROMEO]] == [Exited, NickRefused]


def test_unreachable_server_refuses_visibly(scene):
    """The client does not hang in joining: it is told why."""
    scene.enter(ROMEO, "Romeo", "#x%irc.nowhere.example")
    [refusal] = scene.of(ROMEO, NotEntered)
    assert (refusal.error.trouble, refusal.error.text) == (Trouble.UNREACHABLE, "Domain name not found")
    assert scene.network.users() == []


def test_server_that_closes_the_door_is_quoted(scene):
    """A banned user reads the server's own words."""
    scene.server.greeting = ["ERROR :Closing Link: you are banned"]
    scene.server.deaf = True
    scene.enter(ROMEO, "Romeo")
    scene.server.connections[0].transport.loseConnection()
    scene.internet.flush()
    [refusal] = scene.of(ROMEO, NotEntered)
    assert refusal.error.text == "Closing Link: you are banned"


def test_refused_join_disconnects_from_a_server_without_other_rooms(scene):
    """Nobody stays connected for nothing, save for a moment in which he may try again."""
    scene.server.refusals["#verona"] = "474"
    scene.enter(ROMEO, "Romeo")
    assert [event.error.trouble for event in scene.of(ROMEO, NotEntered)] == [Trouble.BANNED]
    assert scene.server.online() == ["Romeo"]
    scene.wait(31)
    assert scene.network.users() == [] and scene.server.online() == []


def test_second_try_after_a_refused_join_needs_no_new_connection(scene):
    """As with Biboumi: the user knows the key now."""
    scene.server.refusals["#verona"] = "475"
    scene.enter(ROMEO, "Romeo")
    scene.server.refusals.clear()
    scene.enter(ROMEO, "Romeo")
    assert [event.link for event in scene.of(ROMEO, NetworkState)] == [Link.CONNECTING, Link.CONNECTED]
    assert scene.of(ROMEO, Entered)
    scene.wait(60)
    assert scene.server.online() == ["Romeo"]


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        ({"denied_servers": (NAME,)}, Trouble.NOT_ALLOWED),
        ({"max_connections": 1}, Trouble.OVERLOADED),
        ({"max_servers": 1}, Trouble.TOO_MANY),
        ({"max_channels": 1}, Trouble.TOO_MANY),
    ],
)
def test_operators_limits_refuse(options, trouble):
    """One user cannot take more than the operator gives."""
    scene = Scene(**options)
    scene.internet.serve("irc.example.net", 6667, scene.server.connect)
    for room in ("#a%irc.example.net", f"#a%{NAME}", f"#b%{NAME}"):
        scene.enter(ROMEO, "Romeo", room)
    assert trouble in [event.error.trouble for event in scene.of(ROMEO, NotEntered)]


def test_settings_choose_nick_address_and_names(scene):
    """A user's settings for a server hold at the next connection."""
    scene.internet.serve("192.0.2.7", 7000, scene.server.connect)
    scene.chosen[ROMEO, Scope.SERVER, "work"] = ServerSettings(
        address="192.0.2.7", ports=(7000,), nick="R", username="montague", realname="Romeo M."
    )
    scene.enter(ROMEO, "Romeo", "#x%work")
    assert scene.server.online() == ["R"]
    assert any(
        line.startswith("USER montague ") and line.endswith("Romeo M.") for line in scene.server.said()
    )


def test_server_of_the_users_own_shares_nothing(scene):
    """Who sends a well-known name to a server of his own cannot write into others' archive."""
    evil = IrcServer()
    scene.internet.serve("evil.example", 6667, evil.connect)
    scene.chosen[ROMEO, Scope.SERVER, NAME] = ServerSettings(address="evil.example")
    scene.enter(ROMEO, "Romeo")
    scene.enter(JULIET, "Juliet")
    evil.of("Romeo").say(":Juliet!j@h PRIVMSG #verona :I hate you all")
    scene.internet.flush()
    assert [message.body.plain for message in scene.of(ROMEO, Message)] == ["I hate you all"]
    assert scene.archived == [] and scene.of(JULIET, Message) == []


def test_fixed_server_has_short_addresses():
    """With a fixed server the room is the channel, and the gateway is the server."""
    scene = Scene(fixed_server=NAME)
    scene.enter(ROMEO, "Romeo", "#verona")
    assert [event.room for event in scene.of(ROMEO, Entered)] == ["#verona"]
    assert scene.network.single_server
    nodes = [command.node for command in scene.network.commands(GatewayAddress())]
    assert nodes == ["disconnect-from-irc-server", "get-irc-connection-info"]


def test_line_for_several_users_is_delivered_as_one_object(scene):
    """N users of one channel cost the bridge one rendering."""
    scene.enter(ROMEO, "Romeo")
    scene.enter(JULIET, "Juliet")
    for connection in scene.server.connections:
        connection.say(":nurse!n@h PRIVMSG #verona :Madam!")
    scene.internet.flush()
    shared = [events for events in scene.tuples if isinstance(events[0], Message)]
    assert len(shared) == 2 and shared[0] is shared[1]


def test_broken_link_comes_back_with_its_rooms(scene):
    """One interruption, no exit; the room is entered again."""
    scene.enter(ROMEO, "Romeo")
    scene.server.of("Romeo").transport.loseConnection()
    scene.internet.flush()
    assert scene.of(ROMEO, NetworkState)[-1].link is Link.RETRYING
    scene.wait(5)
    assert len(scene.of(ROMEO, Entered)) == 2 and scene.of(ROMEO, Exited) == []


def test_interruption_is_told_once(scene):
    """However often the server is tried, the room shows one interruption."""
    scene.enter(ROMEO, "Romeo")
    address = scene.internet.servers.popitem()
    scene.server.of("Romeo").transport.loseConnection()
    scene.internet.flush()
    scene.wait(60)
    scene.internet.servers.update([address])
    scene.wait(300)
    assert [notice.room for notice in scene.of(ROMEO, RoomNotice)] == [ROOM]
    assert len(scene.of(ROMEO, Entered)) == 2


def test_thousand_users_do_not_reconnect_at_once():
    """After a restart of the server the gateway keeps to its rate."""
    scene = Scene(connect_rate=2.0, connect_burst=3)
    for number in range(12):
        scene.enter(f"user{number}@montague.example", f"user{number}")
    assert len(scene.server.connections) == 3
    scene.wait(2)
    assert 6 <= len(scene.server.connections) <= 8
    scene.wait(4)
    assert len(scene.server.connections) == 12


def test_silent_server_is_found_dead(scene):
    """A half-open link is noticed within ninety seconds, and what was unconfirmed is reported."""
    scene.enter(ROMEO, "Romeo")
    scene.server.deaf = True
    scene.do(ROMEO, Message(room=ROOM, body=Text(plain="anybody?"), ref=9))
    scene.wait(90)
    assert scene.of(ROMEO, NetworkState)[-1].link is not Link.CONNECTED
    assert 9 in [event.ref for event in scene.of(ROMEO, Failed)]


def test_question_without_a_connection_fails(scene):
    """Asking does not connect either."""
    error = failure(scene.network.ask(ROMEO, RoomList(NAME)))
    assert error.trouble is Trouble.NOT_CONNECTED


def test_question_that_nobody_answers_times_out(scene):
    """Every question ends within thirty seconds."""
    scene.enter(ROMEO, "Romeo")
    question = scene.network.ask(ROMEO, ContactVersion(f"nurse%{NAME}"))
    scene.wait(ASK_TIMEOUT)
    assert failure(question).trouble is Trouble.TIMED_OUT


def test_question_is_answered(scene):
    """A contact's CTCP answer ends the question about it."""
    scene.enter(ROMEO, "Romeo")
    question = scene.network.ask(ROMEO, ContactPing(f"nurse%{NAME}"))
    scene.internet.flush()
    asked = next(line for line in scene.server.said() if "\1PING" in line)
    scene.server.of("Romeo").say(f":nurse!n@h NOTICE Romeo :{asked.partition(':')[2]}")
    scene.internet.flush()
    results = []
    question.addCallback(results.append)
    assert results == [None]


def test_presence_goes_to_every_server(scene):
    """AWAY is said where the user is, and where he comes later."""
    other = IrcServer()
    scene.internet.serve("irc.example.net", 6667, other.connect)
    scene.enter(ROMEO, "Romeo")
    scene.do(ROMEO, Presence(show=Show.AWAY, status="asleep"))
    scene.enter(ROMEO, "Romeo", "#x%irc.example.net")
    scene.wait(5)
    assert "AWAY asleep" in [line.replace(":", "") for line in scene.server.said()]
    assert "AWAY asleep" in [line.replace(":", "") for line in other.said()]


def test_stop_lets_everybody_leave_politely(scene):
    """Every user quits with the reason; the Deferred fires when all are gone."""
    scene.enter(ROMEO, "Romeo")
    scene.enter(JULIET, "Juliet")
    lines = scene.server.of("Romeo").lines
    done = []
    scene.network.stop("Gateway shutdown").addCallback(done.append)
    scene.internet.flush()
    scene.clock.advance(0)
    scene.internet.flush()
    assert done == [None]
    assert lines[-1] == "QUIT :Gateway shutdown"
    assert [event.exit for event in scene.of(ROMEO, Exited)] == [Exit.SHUTDOWN]
    assert scene.clock.getDelayedCalls() == []
    scene.enter(ROMEO, "Romeo")
    assert scene.of(ROMEO, NotEntered)[-1].error.trouble is Trouble.SHUTTING_DOWN


def test_stop_does_not_wait_for_a_dead_server(scene):
    """A server that does not close is cut off within ten seconds."""
    scene.enter(ROMEO, "Romeo")
    scene.internet.pumps.clear()
    done = []
    scene.network.stop("Gateway shutdown").addCallback(done.append)
    scene.clock.pump([1.0] * int(STOP_TIMEOUT + 1))
    assert done == [None]


def test_pause_stops_reading_and_resume_goes_on(scene):
    """While the bridge is congested nothing more is taken from servers, and nothing is lost."""
    scene.enter(ROMEO, "Romeo")
    scene.network.pause()
    assert all(client.connection.is_up for client in scene.network.clients())
    scene.network.resume()
    scene.server.of("Romeo").say(":nurse!n@h PRIVMSG #verona :Madam!")
    scene.internet.flush()
    assert len(scene.of(ROMEO, Message)) == 1


def test_reload_holds_for_new_connections(scene):
    """A new policy does not throw anybody out."""
    scene.enter(ROMEO, "Romeo")
    scene.network.reload(IrcConfig(**PLAIN, denied_servers=(NAME,)))
    scene.enter(JULIET, "Juliet")
    assert scene.server.online() == ["Romeo"]
    assert [event.error.trouble for event in scene.of(JULIET, NotEntered)] == [Trouble.NOT_ALLOWED]


# ---- names


def test_names_are_biboumis(scene):
    """What disco shows."""
    network = scene.network
    assert network.name(network.address(ROOM)) == f"#verona on {NAME}"
    assert network.name(network.address(NAME)) == NAME
    assert network.name(GatewayAddress()) == "Xmppbridge XMPP-IRC gateway"
    assert Scene(brand="biboumi").network.identity.name == "Biboumi XMPP-IRC gateway"
    assert network.contact(ROOM, "Juliet") == f"juliet%{NAME}"
    assert network.nick(f"juliet%{NAME}") == "juliet"
    with pytest.raises(BridgeError):
        network.contact(ROOM, "no nick")


# ---- commands


def context(user, is_admin=False):
    return CommandContext(user=user, full_jid=f"{user}/balcony", is_admin=is_admin)


def test_connection_info_says_where_and_since_when(scene):
    """Biboumi's words, with the rooms."""
    [info] = scene.network.commands(ServerAddress(NAME))
    assert info.begin(context(ROMEO)).note.text == f"You are not connected to the IRC server {NAME}"
    scene.enter(ROMEO, "Romeo")
    scene.wait(5)
    text = info.begin(context(ROMEO)).note.text
    first, *rooms = text.split("\n")
    assert first.startswith(f"Connected to IRC server {NAME} on port 6667 since 20")
    assert first.endswith(" (5 seconds ago).") and rooms == ["#verona from 2 resources: balcony orchard "]


def test_user_disconnects_himself_from_a_server(scene):
    """A user chooses among his own servers only."""
    [disconnect] = scene.network.commands(GatewayAddress())
    outcome = disconnect.begin(context(ROMEO))
    assert outcome == Done(note=outcome.note)
    assert outcome.note.text == f"User {ROMEO}/balcony is not connected to any IRC server."
    scene.enter(ROMEO, "Romeo")
    outcome = disconnect.begin(context(ROMEO))
    assert isinstance(outcome, Ask)
    assert [field.var for field in outcome.form.fields] == ["irc-servers", "quit-message"]
    done = outcome.proceed({"irc-servers": [NAME], "quit-message": ["bye"]})
    scene.internet.flush()
    assert done.note.text == f"{ROMEO}/balcony was disconnected from 1 IRC server."
    assert [event.exit for event in scene.of(ROMEO, Exited)] == [Exit.DISCONNECTED]
    assert scene.network.users() == []


def test_admin_chooses_a_user_first(scene):
    """An administrator disconnects anybody."""
    scene.enter(JULIET, "Juliet")
    outcome = scene.network.commands(GatewayAddress())[0].begin(context(ROMEO, is_admin=True))
    assert outcome.form.fields[0].options == ((JULIET, JULIET),)
    outcome = outcome.proceed({"jid": [JULIET]})
    done = outcome.proceed({"irc-servers": [NAME]})
    assert done.note.text == f"{JULIET} was disconnected from 1 IRC server."


def test_disconnect_without_servers_is_a_bad_request(scene):
    """A form without its required field is refused."""
    scene.enter(ROMEO, "Romeo")
    outcome = scene.network.commands(GatewayAddress())[0].begin(context(ROMEO))
    with pytest.raises(BridgeError):
        outcome.proceed({})


def test_administrators_disconnect_by_user(scene):
    """The generic command takes a user off everything."""
    scene.enter(ROMEO, "Romeo")
    assert scene.network.disconnect(ROMEO, "out") is True
    scene.internet.flush()
    assert scene.network.users() == [] and scene.network.disconnect(ROMEO, "out") is False


def test_preset_names_an_alias():
    """A server named by the operator is reached under a short name."""
    scene = Scene(servers={"verona": ServerConfig(host=NAME)})
    scene.enter(ROMEO, "Romeo", "#x%verona")
    assert [event.room for event in scene.of(ROMEO, Entered)] == ["#x%verona"]
