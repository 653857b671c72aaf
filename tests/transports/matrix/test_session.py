"""One room, and what those of ours who are in it are told."""

from __future__ import annotations

from bridge.events import Decline, Exited, Join, Message, RoomId, UserId
from tests.transports.matrix.raw import ALICE, BOB, IDS, JULIET, ROMEO, ROOM, create, member, said
from transports.matrix.room import MAX_INVITED, SLICE, Room
from transports.matrix.session import READERS, WATCHED, RoomSession, Stay
from transports.matrix.translate import Skipped

OTHER = RoomId("#garden%hs.example")
NURSE = IDS.ghost("nurse@capulet.example")


def session(*events) -> RoomSession:
    """A room with Alice and the ghosts of Romeo and Juliet, who came by different addresses."""
    made = RoomSession("!garden:hs.example", Room(ROOM, IDS))
    state = (create(), member(ALICE, "Alice"), member(ROMEO, "romeo"), member(JULIET, "juliet"), *events)
    for _ in made.load(state):
        continue
    made.seat(Stay(UserId("romeo@montague.example"), ROOM, ROMEO, "romeo", inside=True))
    made.seat(Stay(UserId("juliet@capulet.example"), OTHER, JULIET, "juliet", inside=True))
    return made


def test_event_reaches_each_under_the_address_by_which_he_came():
    """The room has several, and each knows it by his own."""
    heard = session().hear(said(ALICE, "good evening"))
    assert [(user.partition("@")[0], events[0].room) for user, events in heard] == [
        ("romeo", ROOM),
        ("juliet", OTHER),
    ]


def test_own_message_is_not_told_to_its_author_again():
    """He was answered when the homeserver took it."""
    content = {"xmppbridge.origin": {"id": "m1"}}
    heard = session().hear(said(ROMEO, "But soft", **content))
    assert [user for user, _ in heard] == ["juliet@capulet.example"]
    again = session().hear(said(ROMEO, "from another client"))
    assert len(again) == 2


def test_who_is_still_on_the_way_in_is_told_nothing():
    """Before he was shown the room there are no changes to it."""
    made = session()
    made.stays[JULIET].inside = False
    heard = made.hear(member(BOB, "Bob"))
    assert [(user, type(events[0])) for user, events in heard] == [("romeo@montague.example", Join)]
    gone = made.hear(member(JULIET, membership="leave"))
    assert [user for user, _ in gone] == ["romeo@montague.example"]


def test_end_of_a_stay_is_told_once():
    """After that nothing of the room follows."""
    made = session()
    heard = made.hear({**member(ROMEO, membership="leave", sender=ALICE), "origin_server_ts": 2 * 10**12})
    assert [type(events[0]) for user, events in heard if user.startswith("romeo")] == [Exited]
    gone = made.stays[ROMEO]
    assert gone.gone and [stay.ghost for stay in made.listeners] == [JULIET]
    made.unseat(gone)
    made.unseat(gone)
    assert (made.addresses[ROOM], made.addresses[OTHER]) == (0, 1)
    after = made.hear(said(ALICE, "alone"))
    assert isinstance(after[0][1][0], Message)
    assert len(after) == 1


def test_nobody_is_told_that_he_is_writing_himself():
    """Of the others each is told once that they begin, and once that they end."""
    made = session()
    writing = {"content": {"user_ids": [ROMEO, ALICE]}}
    told = {user: sorted(event.nick for event in events) for user, events in made.type(writing)}
    assert told == {"romeo@montague.example": ["Alice"], "juliet@capulet.example": ["Alice", "romeo"]}
    assert made.type(writing) == []


def test_events_that_the_loaded_state_held_already_are_not_told():
    """Until it is known that nothing older can come."""
    bob = member(BOB, "Bob")
    made = session(bob)
    assert made.hear(bob) == []
    assert made.hear(member(BOB, membership="leave") | {"origin_server_ts": 1}) == []
    made.settle()
    assert len(made.hear(member(BOB, membership="leave"))) == 2


def test_nonsense_is_skipped_with_a_reason():
    """The room does not suffer from it."""
    made = session()
    assert isinstance(made.hear({**said(ALICE, "x"), "event_id": 5}), Skipped)
    assert len(made.hear(said(ALICE, "x"))) == 2


def test_large_room_is_loaded_in_slices():
    """Between two slices others are served."""
    made = RoomSession("!garden:hs.example", Room(ROOM, IDS))
    state = [create(), *(member(f"@u{n}:hs.example", f"user {n}") for n in range(4 * SLICE))]
    assert len(list(made.load(state))) >= 4
    assert len(made.room.members) == 4 * SLICE


def test_who_has_read_is_told_of_what_is_known_in_small_rooms():
    """Not of ghosts, nor of people who are not here."""
    small = session()
    event = said(ROMEO, "read me")
    small.hear(event)
    readers = {ALICE: {"ts": 1}, JULIET: {"ts": 1}, BOB: {"ts": 1}}
    receipt = {"content": {event["event_id"]: {"m.read": readers}, "$unknown": {"m.read": readers}}}
    told = small.read(receipt)
    assert [events[0].room for _, events in told] == [ROOM, OTHER]
    [read] = told[0][1]
    assert (read.nick, read.id) == ("Alice", event["event_id"])
    large = session(*(member(f"@u{number}:hs.example") for number in range(READERS)))
    large.hear(event)
    assert large.read(receipt) == []


def test_who_is_away_is_told_when_it_changes():
    """Also who comes by the same name again is as he was."""
    here = session()
    here.ready = True
    [(_, [change]), _] = here.show(ALICE, "asleep")
    assert (change.occupant.nick, change.occupant.away) == ("Alice", "asleep")
    assert here.show(ALICE, "asleep") == [] and here.show(BOB, "asleep") == []
    here.hear(member(ALICE, "Capulet"))
    assert here.room.occupants["Capulet"].away == "asleep"
    large = session(*(member(f"@u{number}:hs.example") for number in range(WATCHED)))
    large.ready = True
    assert large.show(ALICE, "asleep") == []


def test_inviter_alone_is_told_that_somebody_does_not_come():
    """By the address that he knows; whom others invited, and who is kept out, are no matter of his."""
    made = session(member(BOB, membership="invite", sender=JULIET))
    [(user, (declined,))] = made.hear(member(BOB, membership="leave", reason="no\ntime"))
    assert user == "juliet@capulet.example"
    assert declined == Decline(room=OTHER, nick="juliet", contact="@bob:hs.example", reason="no time")
    for inviter, sender, how in ((ALICE, BOB, "leave"), (JULIET, ALICE, "leave"), (JULIET, ALICE, "ban")):
        made.hear(member(BOB, membership="invite", sender=inviter))
        assert made.hear(member(BOB, membership=how, sender=sender)) == []
        assert made.hear(member(BOB, membership="leave")) == []


def test_inviter_who_left_is_told_too():
    """He is one of ours still; one of XMPP who declines is named by his address."""
    made = session(member(NURSE, membership="invite", sender=JULIET))
    made.unseat(made.stays[JULIET])
    [(user, (declined,))] = made.hear(member(NURSE, membership="leave"))
    assert (user, declined.user, declined.room) == ("juliet@capulet.example", "nurse@capulet.example", ROOM)


def test_invitations_that_are_remembered_are_bounded():
    """The oldest is forgotten."""
    made = session()
    for number in range(MAX_INVITED + 1):
        made.hear(member(f"@m{number}:hs.example", membership="invite", sender=JULIET))
    assert len(made.room.invited) == MAX_INVITED
    assert made.hear(member("@m0:hs.example", membership="leave")) == []
