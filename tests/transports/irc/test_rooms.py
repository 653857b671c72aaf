"""Entering and leaving channels."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
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


def test_names_fold_as_the_server_says():
    """Channels wanted before 005 are found under the server's own folding afterwards."""
    romeo = World().client("romeo").enter("#a[b]")
    romeo.session.connection_made(secure=True)
    romeo.feed(":s 001 romeo :Welcome", ":s 005 romeo CASEMAPPING=ascii CHANTYPES=# :are supported")
    romeo.events()
    assert romeo.joined("#a[b]").event(Entered).room == room("#a[b]")
    romeo.feed(":juliet!j@h JOIN #A[B]", ":nurse!n@h JOIN #a{b}")
    assert [type(event).__name__ for event in romeo.events()] == ["Join"]


def test_registering_session_does_not_disturb_the_others():
    """What a server says of itself is known to all of its sessions."""
    world = World()
    romeo = world.client("romeo").in_room(names="&paris")
    world.client("juliet").session.connection_made(secure=True)
    romeo.feed(":tybalt!t@h JOIN #chan", ":paris!p@h MODE #chan +q tybalt")
    occupants = romeo.session.snapshot(room("#chan")).occupants
    assert occupants["tybalt"].affiliation is Affiliation.OWNER
    assert occupants["paris"].affiliation is Affiliation.OWNER


def test_leave_and_enter_again_before_the_part_is_confirmed():
    """The second wish waits for the end of the first."""
    romeo = World().client("romeo").in_room()
    romeo.submit(Depart(room=room("#chan"))).enter()
    assert romeo.lines() == ["PART #chan"]
    romeo.feed(":romeo!~u@host.example PART #chan")
    assert romeo.event(Exited).exit is Exit.LEFT
    assert romeo.lines() == ["JOIN #chan"]
    assert romeo.joined().event(Entered).me.nick == "romeo"


def test_further_resource_gets_the_room_as_it_is():
    """An Enter while in is answered at once."""
    romeo = World().client("romeo").in_room(names="juliet")
    romeo.enter()
    assert set(romeo.event(Entered).occupants) == {"romeo", "juliet"}
    assert romeo.lines() == []


def test_link_that_cannot_be_had_refuses_all():
    """The shell gives up: whoever waits is told, whoever was in is out."""
    romeo = World().client("romeo").in_room()
    romeo.enter("#other")
    romeo.session.connection_lost(None, "gone")
    romeo.events()
    romeo.session.give_up(BridgeError(Trouble.UNREACHABLE, "no route"))
    events = romeo.events()
    assert {(type(event).__name__, event.room) for event in events} == {
        ("Exited", room("#chan")),
        ("NotEntered", room("#other")),
    }
    assert not romeo.session.wants_link


def test_forwarded_join_is_refused_with_the_way():
    """470 names where the server would put us; the user decides."""
    romeo = World().client("romeo").enter().connect()
    romeo.events()
    romeo.feed(f":{SERVER} 470 romeo #chan ##chan :Forwarding to another channel")
    refused = romeo.event(NotEntered)
    assert (refused.error.trouble, refused.error.text) == (
        Trouble.REDIRECTED,
        "Forwarding to another channel ##chan",
    )


def test_failed_attempts_are_not_told_again():
    """One notice for a lost link, however often it cannot be made again."""
    romeo = World().client("romeo").in_room()
    romeo.session.connection_lost(None, "gone")
    assert len(romeo.events(RoomNotice)) == 1
    for _ in range(3):
        romeo.session.connection_lost(BridgeError(Trouble.UNREACHABLE, "refused"), "refused")
    assert romeo.events() == []


def test_wish_outlives_a_lost_link_for_a_while():
    """Who was not in yet is refused after the patience, not before."""
    world = World()
    romeo = world.client("romeo", patience=60.0).in_room()
    romeo.enter("#other")
    romeo.session.connection_lost(None, "gone")
    romeo.events()
    world.pass_time(40)
    romeo.session.connection_lost(None, "refused")
    assert romeo.events() == []
    world.pass_time(21)
    assert romeo.event(NotEntered).room == room("#other")
