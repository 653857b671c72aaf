"""Pacing, keep-alive, and what becomes of lines when the link dies."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import Command, Failed, Message, Presence, Ref, RoomNotice, Sent, ServerNotice, Show, Text
from transports.irc.pacing import MAX_QUEUED

from .script import SERVER, World, room


def said(body: str, ref: int = 1) -> Message:
    return Message(room=room("#chan"), body=Text(plain=body), ref=Ref(ref))


def test_burst_then_one_line_a_second():
    """Biboumi's throttle: reflections come as the lines leave."""
    world = World()
    romeo = world.client("romeo", burst=3, rate=1.0).in_room()
    world.pass_time(30)
    romeo.feed(":x PONG x :y")
    romeo.lines()
    for number in range(6):
        romeo.submit(said(f"line {number}", number + 1))
    assert romeo.lines() == [f"PRIVMSG #chan :line {number}" for number in range(3)]
    assert len(romeo.events(Sent)) == 3
    world.pass_time(1.1)
    assert "PRIVMSG #chan :line 3" in romeo.lines()
    world.pass_time(2.1)
    lines = [line for line in romeo.lines() if "PRIVMSG" in line]
    assert lines == ["PRIVMSG #chan :line 4", "PRIVMSG #chan :line 5"]
    assert [event.ref for event in romeo.events(Sent)] == [4, 5, 6]


def test_answers_to_pings_do_not_wait():
    """The server's question is answered at once, whatever is queued."""
    world = World()
    romeo = world.client("romeo", burst=1).in_room()
    for number in range(5):
        romeo.submit(said(f"line {number}"))
    romeo.lines()
    romeo.feed("PING :are you there")
    assert romeo.lines() == ["PONG :are you there"]


def test_flood_kill_slows_the_session_down():
    """Excess Flood halves burst and rate for the next link."""
    world = World()
    romeo = world.client("romeo", burst=8, rate=2.0).in_room()
    romeo.feed("ERROR :Closing Link: romeo (Excess Flood)")
    romeo.session.connection_lost(None, "closed")
    romeo.connect().joined()
    world.pass_time(30)
    romeo.feed(":x PONG x :y")
    romeo.lines()
    for number in range(8):
        romeo.submit(said(f"line {number}"))
    assert len(romeo.lines()) == 4


def test_queue_is_bounded():
    """What cannot wait is answered."""
    romeo = World().client("romeo", burst=1, rate=0.2).in_room()
    for number in range(MAX_QUEUED + 5):
        romeo.submit(said(f"line {number}", number + 1))
    failed = romeo.events(Failed)
    assert failed
    assert {event.error.trouble for event in failed} == {Trouble.OVERLOADED}


def test_silent_server_is_asked_and_then_given_up():
    """Dead within 90 seconds of its last word."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.feed(f":{SERVER} PONG x :y")
    romeo.lines()
    world.pass_time(46)
    assert romeo.lines() == ["PING xb0"]
    assert not romeo.session.close_expected
    world.pass_time(30)
    assert romeo.session.close_expected
    romeo.events()
    romeo.session.connection_lost(None, "")
    (notice,) = romeo.events()
    assert isinstance(notice, RoomNotice)
    assert "Ping timeout" in notice.text


def test_talking_server_is_left_alone():
    """No PING while lines come in."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.lines()
    for number in range(20):
        world.pass_time(30)
        romeo.feed(f":nurse!n@h PRIVMSG #chan :{number}")
    assert romeo.lines() == []


def test_half_open_link_reports_its_lines():
    """A message written into the void is reported within 90 seconds."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.submit(said("anybody?", 9))
    romeo.events()
    world.pass_time(40)
    assert romeo.session.close_expected
    romeo.session.connection_lost(None, "")
    assert romeo.event(Failed).ref == Ref(9)


def test_server_that_ignores_pings_but_talks_is_alive():
    """Its lines confirm by time."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.submit(said("hello"))
    for number in range(10):
        world.pass_time(20)
        romeo.feed(f":nurse!n@h PRIVMSG #chan :{number}")
    assert not romeo.session.close_expected
    romeo.events()
    romeo.session.connection_lost(None, "")
    assert romeo.events(Failed) == []


def test_queued_lines_fail_when_the_link_breaks():
    """What never left is not said later."""
    romeo = World().client("romeo", burst=1, rate=0.2).in_room()
    romeo.submit(said("one", 1)).submit(said("two", 2)).submit(said("three", 3))
    romeo.events()
    romeo.session.connection_lost(None, "gone")
    assert {event.ref for event in romeo.events(Failed)} >= {2, 3}
    assert romeo.lines() == []


def test_raw_line_is_one_command():
    """The user's own line, before what waits, never two commands."""
    romeo = World().client("romeo").in_room()
    romeo.submit(Command(server=SERVER, line="PRIVMSG NickServ :help me\r\nQUIT", ref=Ref(4)))
    assert romeo.lines()[0] == "PRIVMSG NickServ :help meQUIT"
    romeo.submit(Command(server=SERVER, line=" ", ref=Ref(5)))
    assert romeo.event(Failed).ref == Ref(5)


def test_unknown_numerics_are_shown():
    """Biboumi's form."""
    romeo = World().client("romeo").in_room()
    romeo.feed(f":{SERVER} 999 romeo some :words here", f":{SERVER} 421 romeo FOO :Unknown command")
    assert [event.text for event in romeo.events(ServerNotice)] == [
        f"{SERVER}: some words here",
        f"{SERVER}: FOO: Unknown command",
    ]


def test_motd_is_one_notice():
    """Lines joined."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":s 375 romeo :-", ":s 372 romeo :- one", ":s 372 romeo :- two", ":s 376 romeo :End")
    assert romeo.event(ServerNotice).text == "- one\n- two"


def test_user_modes_are_told():
    """Biboumi's words."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":romeo MODE romeo :+ix")
    assert romeo.event(ServerNotice).text == "User mode for romeo is [+ix]"


def test_standard_replies_are_shown_and_fail_what_they_name():
    """IRCv3 standard-replies."""
    romeo = World().client("romeo").in_room(caps="standard-replies")
    romeo.submit(said("hello", 6))
    romeo.events()
    romeo.feed(":s NOTE * WELCOME :Good day", ":s FAIL PRIVMSG CANNOT_SEND #chan :You may not")
    events = romeo.events()
    assert [event.text for event in events if isinstance(event, ServerNotice)] == [
        "s: Good day",
        "s: You may not",
    ]
    assert [event.ref for event in events if isinstance(event, Failed)] == [Ref(6)]


def test_presence_becomes_away_once():
    """Several changes, one line."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.lines()
    romeo.submit(Presence(show=Show.AWAY)).submit(Presence(show=Show.XA, status="on holiday"))
    world.pass_time(3)
    assert romeo.lines() == ["AWAY :on holiday"]
    romeo.submit(Presence(show=Show.AVAILABLE))
    world.pass_time(3)
    assert romeo.lines() == ["AWAY"]


def test_quit_leaves_rooms_and_link():
    """Polite end."""
    romeo = World().client("romeo").in_room()
    romeo.session.quit("Gateway shutdown")
    assert romeo.lines() == ["QUIT :Gateway shutdown"]
    assert romeo.session.close_expected
    (exited,) = romeo.events()
    assert (exited.room, exited.reason) == (room("#chan"), "Gateway shutdown")
    assert romeo.session.next_timer() is None or True
