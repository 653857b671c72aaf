"""From a fresh connection to 001."""

from __future__ import annotations

from base64 import b64encode

from bridge.errors import Trouble
from bridge.events import Entered, Exited, NickChange, NotEntered, ServerNotice
from transports.irc.profile import WebIrc
from transports.irc.session import State

from .script import SERVER, World


def begin(world: World, *, secure: bool = True, **profile):
    """A session that has just been connected, with a room it wants."""
    romeo = world.client("romeo", **profile).enter()
    romeo.session.connection_made(secure=secure)
    return romeo


def test_introduction_says_who_we_are():
    """CAP, PASS, NICK and USER leave at once."""
    romeo = begin(World(), username="ro", realname="Romeo M", password="pw")
    assert romeo.lines() == ["CAP LS 302", "PASS pw", "NICK romeo", "USER ro 0 * :Romeo M"]


def test_webirc_comes_first():
    """IRCv3 webirc: before everything else, with the secure option on TLS."""
    webirc = WebIrc(password="pw", gateway="gw", host="example.org", address="fd00::1")
    assert begin(World(), webirc=webirc).lines()[0] == "WEBIRC pw gw example.org fd00::1 secure"


def test_capabilities_are_asked_for_in_all_lines_of_ls():
    """CAP LS 302 may take several lines; only what we know is requested, and CAP ends."""
    romeo = begin(World())
    romeo.lines()
    romeo.feed(":s CAP * LS * :multi-prefix tls sts=port=6697")
    assert romeo.lines() == []
    romeo.feed(":s CAP * LS :server-time unknown/thing batch")
    assert romeo.lines() == ["CAP REQ :batch multi-prefix server-time"]
    romeo.feed(":s CAP * ACK :batch multi-prefix server-time ")
    assert romeo.lines() == ["CAP END"]


def test_refused_capabilities_are_asked_for_alone():
    """One that the server denies does not cost the others."""
    romeo = begin(World())
    romeo.feed(":s CAP * LS :batch chghost")
    romeo.lines()
    romeo.feed(":s CAP * NAK :batch chghost")
    assert romeo.lines() == ["CAP REQ batch", "CAP REQ chghost"]
    romeo.feed(":s CAP * NAK :chghost", ":s CAP * ACK :batch")
    assert romeo.lines() == ["CAP END"]


def test_server_without_cap_is_entered():
    """A server of RFC 1459 lets us in without a word about capabilities."""
    romeo = begin(World())
    romeo.welcome()
    assert romeo.session.state is State.ONLINE
    assert "JOIN #chan" in romeo.lines()


def login(romeo):
    """Bring a session to the point where the server asks for the response."""
    romeo.feed(":s CAP * LS :sasl=PLAIN")
    romeo.feed(":s CAP * ACK :sasl")
    romeo.lines()
    romeo.feed("AUTHENTICATE +")
    return romeo


def test_sasl_plain_then_cap_end():
    """The login comes before CAP END."""
    romeo = login(begin(World(), sasl_account="acc", sasl_password="pw", require_sasl=True))
    assert romeo.lines() == ["AUTHENTICATE " + b64encode(b"acc\0acc\0pw").decode()]
    romeo.feed(":s 900 * romeo!r@h acc :You are now logged in", ":s 903 * :SASL successful")
    assert romeo.lines() == ["CAP END"]


def test_refused_login_refuses_the_rooms_where_it_is_required():
    """Nobody talks under a nick that he wanted protected."""
    romeo = login(begin(World(), sasl_account="acc", sasl_password="pw", require_sasl=True))
    romeo.feed(":s 904 * :SASL authentication failed")
    refused = romeo.event(NotEntered)
    assert (refused.error.trouble, refused.error.text) == (Trouble.LOGIN_FAILED, "SASL authentication failed")
    assert romeo.session.close_expected
    assert not romeo.session.wants_link


def test_refused_login_goes_on_where_it_is_not_required():
    """The user is told, and comes online."""
    romeo = login(begin(World(), sasl_account="acc", sasl_password="pw"))
    romeo.lines()
    romeo.feed(":s 904 * :SASL authentication failed")
    assert romeo.lines() == ["CAP END"]
    assert "SASL authentication failed" in romeo.event(ServerNotice).text


def test_password_is_not_sent_over_plain_text():
    """Without TLS there is no PLAIN, and a required login fails."""
    romeo = begin(World(), secure=False, sasl_account="acc", sasl_password="pw", require_sasl=True)
    romeo.feed(":s CAP * LS :sasl=PLAIN")
    error = romeo.event(NotEntered).error
    assert (error.trouble, "without TLS" in error.text) == (Trouble.LOGIN_FAILED, True)
    assert not any("AUTHENTICATE" in line for line in romeo.lines())


def test_login_again_when_services_return():
    """IRCv3 cap-notify: SASL that comes back is used."""
    romeo = World().client("romeo", sasl_account="a", sasl_password="p").in_room(caps="cap-notify")
    romeo.feed(":s CAP romeo NEW :sasl=PLAIN")
    assert romeo.lines() == ["CAP REQ sasl"]
    romeo.feed(":s CAP romeo ACK :sasl")
    assert romeo.lines() == ["AUTHENTICATE PLAIN"]
    romeo.feed("AUTHENTICATE +", ":s 903 romeo :ok", ":s CAP romeo DEL :sasl")
    romeo.lines()
    assert "sasl" not in romeo.session._core.capabilities


def test_nick_in_use_refuses_the_rooms():
    """Biboumi's way: the user picks another nick and enters again."""
    romeo = begin(World())
    romeo.feed(f":{SERVER} 433 * romeo :Nickname is already in use")
    events = romeo.events()
    assert [event.error.trouble for event in events if isinstance(event, NotEntered)] == [Trouble.NICK_IN_USE]
    assert [event.text for event in events if isinstance(event, ServerNotice)] == [
        f"{SERVER}: romeo: Nickname is already in use"
    ]
    assert not romeo.session.wants_link


def test_nick_in_use_at_return_takes_another_and_regains_it():
    """A reconnection does not throw the user out for his own ghost."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.session.connection_lost(None, "gone")
    romeo.session.connection_made(secure=True)
    romeo.events()
    romeo.lines()
    romeo.feed(f":{SERVER} 433 * romeo :Nickname is already in use")
    assert romeo.lines() == ["NICK romeo_"]
    romeo.welcome()
    change = romeo.event(NickChange)
    assert (change.old, change.occupant.nick) == ("romeo", "romeo_")
    romeo.joined(names="romeo_ romeo")
    assert romeo.event(Entered).me.nick == "romeo_"
    romeo.lines()
    romeo.feed(":romeo!~u@host.example QUIT :Ping timeout")
    assert romeo.lines() == ["NICK romeo"]
    romeo.feed(":romeo_!~u@host.example NICK romeo")
    assert romeo.event(NickChange).occupant.nick == "romeo"


def test_nick_is_tried_again_after_a_minute():
    """Who holds it may leave unseen."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.session.connection_lost(None, "gone")
    romeo.session.connection_made(secure=True)
    romeo.feed(f":{SERVER} 433 * romeo :Nickname is already in use").welcome()
    romeo.joined(names="romeo_")
    romeo.lines()
    for _ in range(3):
        world.pass_time(21)
        romeo.feed(":x PONG x :y")
    assert "NICK romeo" in romeo.lines()


def test_bad_nick_is_refused_as_such():
    """432 is the peer's to mend."""
    romeo = begin(World())
    romeo.feed(":s 432 * romeo :Erroneous nickname")
    assert romeo.event(NotEntered).error.trouble is Trouble.BAD_NICK


def test_banished_user_is_refused_and_does_not_hammer():
    """465 ends all wishes."""
    romeo = World().client("romeo").in_room()
    romeo.session.connection_lost(None, "gone")
    romeo.session.connection_made(secure=True)
    romeo.events()
    romeo.feed(":s 465 * :You are banned from this server", "ERROR :Closing Link: K-lined")
    assert romeo.event(Exited).reason == "You are banned from this server"
    assert romeo.session.retry_after > 60


def test_silent_server_is_given_up():
    """Registration is bounded in time."""
    world = World()
    romeo = begin(world)
    world.pass_time(61)
    assert romeo.session.close_expected


def test_commands_run_before_the_first_join():
    """The user's own lines at connection."""
    romeo = begin(World(), after_connect_commands=("PRIVMSG NickServ :identify pw", "MODE romeo +x"))
    romeo.lines()
    romeo.welcome()
    lines = romeo.lines()
    assert (
        lines.index("PRIVMSG NickServ :identify pw")
        < lines.index("MODE romeo +x")
        < lines.index("JOIN #chan")
    )
