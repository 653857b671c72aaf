"""Entering and leaving channels."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import Affiliation, Depart, Entered, Exit, Exited, NotEntered, RoomNotice, ServerNotice

from .script import SERVER, World, room


def test_enter_before_the_link_is_up_joins_after_registration():
    """Channels wanted before 001 are asked for in one JOIN."""
    romeo = World().client("romeo")
    romeo.enter("#b").enter("#a")
    assert romeo.lines() == []
    romeo.connect()
    assert "JOIN #b,#a" in romeo.lines()


def test_join_is_complete_at_the_end_of_names():
    """The user gets occupants, himself and the topic in one event."""
    romeo = World().client("romeo").enter().connect()
    romeo.events()
    romeo.joined(names="@juliet +nurse romeo", topic="Verona")
    entered = romeo.event(Entered)
    assert entered.me.nick == "romeo"
    assert entered.me.address == "romeo%irc.example.org/~u@host.example"
    assert set(entered.occupants) == {"juliet", "nurse", "romeo"}
    assert entered.occupants["juliet"].affiliation is Affiliation.ADMIN
    assert entered.topic.text == "Verona"
    assert entered.topic.nick == "juliet"
    assert entered.topic.time == 1_600_000_000.0
    assert not entered.created


def test_alone_with_op_has_created_the_channel():
    """XEP-0045 status 201."""
    romeo = World().client("romeo").enter().connect()
    assert romeo.joined(names="@romeo").event(Entered).created


def test_join_refusals_name_the_reason():
    """Every numeric that refuses a JOIN ends the wish with its trouble."""
    cases = {
        "471": Trouble.ROOM_FULL,
        "473": Trouble.INVITE_ONLY,
        "474": Trouble.BANNED,
        "475": Trouble.BAD_PASSWORD,
        "477": Trouble.LOGIN_NEEDED,
        "403": Trouble.NO_SUCH_ROOM,
        "405": Trouble.TOO_MANY_ROOMS,
    }
    for numeric, trouble in cases.items():
        romeo = World().client("romeo").enter().connect()
        romeo.events()
        romeo.feed(f":{SERVER} {numeric} romeo #chan :Cannot join channel")
        refused = romeo.event(NotEntered)
        assert (refused.error.trouble, refused.error.text) == (trouble, "Cannot join channel")


def test_join_without_answer_times_out():
    """Silence is an answer too, after half a minute."""
    world = World()
    romeo = world.client("romeo").enter().connect()
    romeo.events()
    world.pass_time(10)
    romeo.feed(":juliet!j@h NOTICE romeo :hello")
    romeo.events()
    world.pass_time(25)
    assert romeo.event(NotEntered).error.trouble is Trouble.TIMED_OUT


def test_key_is_sent_with_its_channel():
    """Channels with keys come first, so that the keys match them."""
    romeo = World().client("romeo").enter("#a").enter("#b", password="sesame").connect()
    assert "JOIN #b,#a sesame" in romeo.lines()


def test_part_answers_exited_and_hangs_up_after_the_last_room():
    """The link ends when nothing is wanted of it."""
    romeo = World().client("romeo").in_room()
    romeo.submit(Depart(room=room("#chan"), reason="good night"))
    assert romeo.lines() == ["PART #chan :good night"]
    romeo.feed(":romeo!~u@host.example PART #chan :good night")
    exited = romeo.event(Exited)
    assert (exited.exit, exited.room) == (Exit.LEFT, room("#chan"))
    assert romeo.lines() == ["QUIT"]
    assert romeo.session.close_expected
    assert not romeo.session.wants_link


def test_kicked_user_is_out():
    """A kick of the user himself names its actor and reason."""
    romeo = World().client("romeo").in_room(names="@tybalt")
    romeo.feed(":tybalt!t@h KICK #chan romeo :thou art a villain")
    exited = romeo.event(Exited)
    assert (exited.exit, exited.actor, exited.reason) == (Exit.KICKED, "tybalt", "thou art a villain")


def test_lost_link_is_told_once_and_rooms_are_joined_again():
    """A reconnection is one notice and a new `Entered`, without `Exited`."""
    world = World()
    romeo = world.client("romeo").in_room(names="juliet")
    romeo.session.connection_lost(None, "Connection reset by peer")
    events = romeo.events()
    assert [type(event) for event in events] == [RoomNotice]
    assert "Connection reset by peer" in events[0].text
    assert romeo.session.wants_link
    romeo.connect()
    assert "JOIN #chan" in romeo.lines()
    assert not [event for event in romeo.events() if not isinstance(event, ServerNotice)]
    entered = romeo.joined(names="romeo mercutio").event(Entered)
    assert set(entered.occupants) == {"romeo", "mercutio"}


def test_room_refused_at_return_is_left():
    """Who was in and may not come back is out, and told why."""
    romeo = World().client("romeo").in_room()
    romeo.session.connection_lost(None, "gone")
    romeo.connect()
    romeo.events()
    romeo.feed(f":{SERVER} 474 romeo #chan :Cannot join channel (+b)")
    exited = romeo.event(Exited)
    assert (exited.exit, exited.reason) == (Exit.BANNED, "Cannot join channel (+b)")


def test_second_join_with_another_nick_keeps_the_nick():
    """One nick per server; `Entered.me` tells which."""
    romeo = World().client("romeo").in_room()
    romeo.enter("#other", nick="montague").joined("#other")
    assert romeo.event(Entered).me.nick == "romeo"
