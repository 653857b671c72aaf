"""How guests come in, stay and go."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    Depart,
    Entered,
    Exit,
    Exited,
    Failed,
    Join,
    Leave,
    Message,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    OccupantChange,
    Ref,
    Role,
    RoomNotice,
    Sent,
    Topic,
)
from bridge.services.guests.attendance import (
    ENTRY_PATIENCE,
    EXIT_PATIENCE,
    REJOIN_DELAYS,
    REJOIN_PATIENCE,
    SILENCE,
)
from tests.bridge.services.guests.desk import ALICE, BOB, CAROL, ROOM, WALL, Desk, jid_of

MUC = "http://jabber.org/protocol/muc"
PAST = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:00:00Z'/>"


def kinds(events) -> list[str]:
    return [type(event).__name__ for event in events]


# ---- in


def test_guest_enters_with_caps_and_without_history():
    """What was said before is not asked for (XEP-0045 §7.2.14)."""
    desk = Desk()
    desk.enter(ALICE, password="secret")
    [join] = desk.taken()
    x = join.child("x", MUC)
    assert (join.get("from"), join.get("to")) == (jid_of(ALICE), f"{ROOM}/alice")
    assert x.child("history").attributes == {"maxstanzas": "0"}
    assert x.child_text("password") == "secret"
    assert join.child("c", "http://jabber.org/protocol/caps") is not None


def test_guest_who_was_let_in_is_told_who_is_there():
    """By one event, once his own presence came."""
    desk = Desk()
    desk.enter(ALICE)
    item = "affiliation='owner' role='moderator' jid='romeo@montague.example/garden'"
    desk.presence(ALICE, "romeo", item=item)
    assert desk.heard() == []
    desk.presence(ALICE, "alice", 100, 110)
    [entered] = desk.heard()
    assert entered.me == Occupant(nick="alice")
    romeo = entered.occupants["romeo"]
    assert (romeo.address, romeo.identity, romeo.role) == (
        "romeo@montague.example/garden",
        "romeo@montague.example",
        Role.MODERATOR,
    )


def test_room_may_give_another_nick():
    """Status 210 (XEP-0045 §7.2.3): he is in by the nick that the room gave."""
    desk = Desk()
    desk.enter(ALICE, "Alice")
    desk.let_in(ALICE, "alice", 210)
    [entered] = desk.heard()
    assert (entered.me.nick, dict(entered.occupants)) == ("alice", {})


def test_old_service_does_not_say_who_is_oneself():
    """COMPAT: without status 110, the presence by the nick asked for is one's own."""
    desk = Desk()
    desk.enter(ALICE)
    desk.presence(ALICE, "romeo")
    desk.presence(ALICE, "alice")
    assert kinds(desk.heard()) == ["Entered"]


def test_room_that_was_not_there_is_taken_as_it_is():
    """Status 201: it would stay locked else (XEP-0045 §10.1.2)."""
    desk = Desk()
    desk.enter(ALICE)
    desk.let_in(ALICE, "", 201)
    assert desk.heard()[0].created
    query = next(desk.answer().elements())
    assert query.namespace == "http://jabber.org/protocol/muc#owner"
    assert query.child("x", "jabber:x:data").get("type") == "submit"


@pytest.mark.parametrize(
    ("condition", "trouble"),
    [
        ("conflict", Trouble.NICK_IN_USE),
        ("forbidden", Trouble.BANNED),
        ("not-authorized", Trouble.BAD_PASSWORD),
        ("registration-required", Trouble.INVITE_ONLY),
        ("not-acceptable", Trouble.BAD_NICK),
        ("item-not-found", Trouble.NO_SUCH_ROOM),
        ("service-unavailable", Trouble.ROOM_FULL),
        ("remote-server-not-found", Trouble.UNREACHABLE),
        ("remote-server-timeout", Trouble.TIMED_OUT),
    ],
)
def test_guest_who_is_not_let_in_is_told_why(condition, trouble):
    """XEP-0045 §7.2.4 to §7.2.11; nothing is left of him."""
    desk = Desk()
    desk.enter(ALICE)
    desk.refuse(ALICE, condition)
    [refused] = desk.heard()
    assert isinstance(refused, NotEntered)
    assert (refused.nick, refused.error.trouble) == ("alice", trouble)
    assert (desk.over_, len(desk.room)) == ([ALICE], 0)


def test_room_that_says_nothing_is_given_up():
    """Whoever wants in hears of it within a minute, and the room that he does not any more."""
    desk = Desk()
    desk.enter(ALICE)
    desk.taken()
    desk.wait(ENTRY_PATIENCE)
    assert desk.heard()[0].error.trouble is Trouble.TIMED_OUT
    assert desk.taken()[0].get("type") == "unavailable"


def test_guest_who_enters_twice_is_answered_twice():
    """Each wish has its answer."""
    desk = Desk().inside(ALICE)
    desk.enter(ALICE)
    assert kinds(desk.heard()) == ["Entered"]
    assert desk.taken() == []


def test_past_is_told_to_who_wants_it_only():
    """What the room sends of it in spite of having been asked not to is not told."""
    history = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:00:00Z'/>"
    found = []
    for more in ({}, {"since": WALL}):
        desk = Desk()
        desk.enter(ALICE, **more)
        desk.let_in(ALICE)
        desk.groupchat(ALICE, "romeo", "long ago", sid="s1", extra=history)
        desk.groupchat(ALICE, "", extra="<subject>roses</subject>")
        if more:
            desk.asked_archive()[1].errback(BridgeError(Trouble.UNSUPPORTED))
        found.append(kinds(desk.heard()))
    assert found == [["Entered", "Topic"], ["Entered", "Message", "Topic"]]


# ---- who is who


def test_only_the_listener_hears_of_others():
    """The first who is in hears who comes, changes and goes; the second hears nothing of it."""
    desk = Desk().inside(ALICE, BOB)
    for guest in (ALICE, BOB):
        desk.presence(guest, "juliet")
        desk.presence(guest, "juliet", item="affiliation='none' role='visitor'")
        desk.presence(guest, "juliet", type="unavailable", extra="<status>bye</status>")
    assert desk.heard() == [
        Join(room=ROOM, occupant=Occupant(nick="juliet")),
        OccupantChange(room=ROOM, occupant=Occupant(nick="juliet", role=Role.VISITOR)),
        Leave(room=ROOM, nick="juliet", reason="bye"),
    ]


def test_guests_of_ours_are_not_told_as_others():
    """Bob is shown to Alice before he is in, and is nobody whom she did not know."""
    desk = Desk().inside(ALICE)
    desk.enter(BOB)
    desk.presence(ALICE, "bob")
    desk.presence(BOB, "alice")
    desk.presence(BOB, "romeo")
    desk.let_in(BOB)
    [(guest, entered)] = desk.told
    assert guest == BOB
    assert set(entered.occupants) == {"romeo"}


def test_nick_that_somebody_else_gets_is_told_after_all():
    """While Bob asks for it nobody knows whose it is; he is refused, so it is a stranger's."""
    desk = Desk().inside(ALICE)
    desk.enter(BOB)
    desk.presence(ALICE, "bob")
    assert desk.heard() == []
    desk.refuse(BOB, "conflict")
    assert [(who, type(event)) for who, event in desk.told] == [(BOB, NotEntered), (ALICE, Join)]


def test_guest_taken_for_a_stranger_is_cleared_up():
    """The room gave Bob a nick that he had not asked for."""
    desk = Desk().inside(ALICE)
    desk.enter(BOB, "Bob")
    desk.presence(ALICE, "bobby")
    desk.let_in(BOB, "bobby", 210)
    assert [(who, type(event)) for who, event in desk.told] == [(ALICE, Join), (ALICE, Leave), (BOB, Entered)]


def test_guest_of_an_earlier_life_is_no_stranger():
    """After a crash the room still has him, by his address."""
    desk = Desk().inside(ALICE)
    desk.presence(ALICE, "carol", item=f"affiliation='none' role='participant' jid='{jid_of(CAROL)}'")
    assert desk.heard() == []


def test_another_listens_when_the_first_goes():
    """Without a gap, and without telling anything twice."""
    desk = Desk().inside(ALICE, BOB)
    desk.presence(ALICE, "juliet")
    desk.presence(BOB, "juliet")
    desk.presence(BOB, "tybalt")  # Alice is not shown him any more
    desk.groupchat(ALICE, "romeo", "one", sid="s1")
    desk.heard()
    desk.put_out(ALICE, 307)
    desk.groupchat(BOB, "romeo", "one", sid="s1")
    desk.groupchat(BOB, "romeo", "two", sid="s2")
    told = [(who, type(event)) for who, event in desk.told]
    assert told == [(ALICE, Exited), (BOB, Join), (BOB, Message)]
    assert desk.told[1][1].occupant.nick == "tybalt"


def test_first_of_two_may_be_refused():
    """The other then knows who is there all the same."""
    desk = Desk()
    desk.enter(ALICE)
    desk.enter(BOB)
    desk.presence(BOB, "romeo")
    desk.refuse(ALICE, "conflict")
    desk.heard()
    desk.let_in(BOB)
    [entered] = desk.heard(BOB)
    assert set(entered.occupants) == {"romeo"}


# ---- nicks


def test_guest_changes_his_nick():
    """XEP-0045 §7.6; nobody else is told, since he is one of ours."""
    desk = Desk().inside(ALICE, BOB)
    desk.act(BOB, ChangeNick(room=ROOM, nick="robert"))
    assert desk.taken()[0].get("to") == f"{ROOM}/robert"
    for guest, own in ((ALICE, ()), (BOB, (110,))):
        item = "affiliation='none' role='participant' nick='robert'"
        desk.presence(guest, "bob", 303, *own, type="unavailable", item=item)
        desk.presence(guest, "robert", *own)
    assert desk.told == [(BOB, NickChange(room=ROOM, old="bob", occupant=Occupant(nick="robert")))]
    desk.groupchat(ALICE, "robert", "me", sid="s1")
    assert len(desk.told) == 1


def test_nick_that_is_refused_changes_nothing():
    """He keeps the old one."""
    desk = Desk().inside(ALICE)
    desk.act(ALICE, ChangeNick(room=ROOM, nick="romeo"))
    desk.refuse(ALICE, "conflict", nick="romeo")
    [refused] = desk.heard()
    assert isinstance(refused, NickRefused)
    assert (refused.nick, refused.error.trouble) == ("romeo", Trouble.NICK_IN_USE)
    desk.act(ALICE, ChangeNick(room=ROOM, nick="al"))
    desk.wait(ENTRY_PATIENCE)
    assert desk.heard()[0].error.trouble is Trouble.TIMED_OUT


def test_nick_that_he_has_is_given():
    """Nothing is asked of the room."""
    desk = Desk().inside(ALICE)
    desk.act(ALICE, ChangeNick(room=ROOM, nick="alice"))
    assert kinds(desk.heard()) == ["NickChange"]
    assert desk.taken() == []


def test_own_rights_are_told_to_oneself():
    """Bob is a moderator now; Alice, who listens, is not concerned."""
    desk = Desk().inside(ALICE, BOB)
    item = "affiliation='admin' role='moderator'"
    desk.presence(ALICE, "bob", item=item)
    desk.presence(BOB, "bob", 110, item=item)
    [(who, change)] = desk.told
    assert (who, change.occupant.role) == (BOB, Role.MODERATOR)


# ---- out


def test_guest_leaves_and_is_told_so():
    """XEP-0045 §7.14."""
    desk = Desk().inside(ALICE)
    desk.act(ALICE, Depart(room=ROOM, reason="good night"))
    [farewell] = desk.taken()
    assert (farewell.get("type"), farewell.child_text("status")) == ("unavailable", "good night")
    assert desk.heard() == []
    desk.put_out(ALICE)
    assert desk.heard() == [Exited(room=ROOM, nick="alice", exit=Exit.LEFT)]
    assert desk.over_ == [ALICE]


def test_guest_is_out_though_the_room_says_nothing():
    """Within seconds."""
    desk = Desk().inside(ALICE)
    desk.act(ALICE, Depart(room=ROOM))
    desk.wait(EXIT_PATIENCE)
    assert kinds(desk.heard()) == ["Exited"]


def test_guest_who_leaves_on_the_way_in_is_out():
    """The room lets him in first, and then out."""
    desk = Desk()
    desk.enter(ALICE)
    desk.act(ALICE, Depart(room=ROOM))
    desk.let_in(ALICE)
    desk.put_out(ALICE)
    assert kinds(desk.heard()) == ["Exited"]


def test_guest_who_comes_back_at_once_is_in_again():
    """After he was told that he is out."""
    desk = Desk().inside(ALICE)
    desk.act(ALICE, Depart(room=ROOM))
    desk.enter(ALICE, "al")
    desk.put_out(ALICE)
    desk.let_in(ALICE, "al")
    assert kinds(desk.heard()) == ["Exited", "Entered"]


@pytest.mark.parametrize(
    ("codes", "exit"),
    [
        ((307,), Exit.KICKED),
        ((301,), Exit.BANNED),
        ((321,), Exit.STRUCK),
        ((322,), Exit.STRUCK),
    ],
)
def test_guest_who_is_put_out_is_told_by_whom(codes, exit):
    """XEP-0045 §8.2, §9.1, §9.4, §10.2.1."""
    desk = Desk().inside(ALICE)
    desk.put_out(ALICE, *codes, inside="<actor nick='romeo'/><reason>enough</reason>")
    assert desk.heard() == [Exited(room=ROOM, nick="alice", exit=exit, actor="romeo", reason="enough")]


def test_guest_who_is_put_out_on_the_way_in_was_never_in():
    """So it is no exit."""
    desk = Desk()
    desk.enter(ALICE)
    desk.put_out(ALICE, 301)
    [refused] = desk.heard()
    assert (type(refused), refused.error.trouble) == (NotEntered, Trouble.BANNED)


def test_room_that_is_destroyed_says_where_to_go():
    """XEP-0045 §10.9."""
    desk = Desk().inside(ALICE)
    desk.receive(
        ALICE,
        f"<presence from='{ROOM}/alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<item affiliation='none' role='none'/><destroy jid='mantua@muc.example'><reason>plague</reason>"
        "</destroy><status code='110'/></x></presence>",
    )
    [exited] = desk.heard()
    assert exited.exit is Exit.DISCONNECTED
    assert "plague" in exited.reason and "mantua@muc.example" in exited.reason


def test_everybody_goes_at_the_end():
    """Nobody waits for the rooms to say that they know."""
    desk = Desk().inside(ALICE, BOB)
    desk.room.close("Gateway shutdown")
    told = [(one.get("from"), one.get("type"), one.child_text("status")) for one in desk.taken()]
    assert told == [(jid_of(one), "unavailable", "Gateway shutdown") for one in (ALICE, BOB)]
    assert len(desk.room) == 0


# ---- lost, and found


@pytest.mark.parametrize("codes", [(332,), (333, 307), ()])
def test_room_that_goes_away_is_entered_again(codes):
    """It is said once; who was lost is in by a new `Entered`, with what was said meanwhile."""
    desk = Desk().inside(ALICE, BOB)
    desk.groupchat(ALICE, "romeo", "one", sid="s1")
    desk.heard()
    desk.put_out(ALICE, *codes)
    desk.put_out(BOB, *codes)
    assert [(who, type(event)) for who, event in desk.told] == [(BOB, RoomNotice)]
    desk.forget()
    desk.wait(REJOIN_DELAYS[0])
    [join] = desk.taken()  # the first goes ahead
    history = join.child("x", MUC).child("history")
    assert (join.get("to"), history.get("maxstanzas")) == (f"{ROOM}/alice", None)
    assert history.get("since") is not None
    desk.presence(ALICE, "juliet")
    desk.let_in(ALICE)
    past = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:00:00Z'/>"
    desk.groupchat(ALICE, "romeo", "one", sid="s1", extra=past)
    desk.groupchat(ALICE, "romeo", "two", sid="s2", extra=past)
    desk.groupchat(ALICE, "bob", "my own", sid="s3", extra=past)
    desk.end_past(ALICE)
    entered, missed = desk.heard()
    assert (set(entered.occupants), missed.body.plain) == ({"juliet"}, "two")
    desk.wait(REJOIN_DELAYS[0])
    [join] = desk.taken()
    assert join.get("to") == f"{ROOM}/bob"
    desk.let_in(BOB)
    assert kinds(desk.heard()) == ["Entered"]


def test_attempts_are_farther_and_farther_apart():
    """And come to an end some day."""
    desk = Desk().inside(ALICE)
    desk.put_out(ALICE, 332)
    desk.forget()
    times, start = [], desk.seconds
    while desk.room.visit(ALICE) is not None:
        desk.wait(1)
        if desk.taken():
            times.append(desk.seconds - start)
            desk.refuse(ALICE, "remote-server-not-found")
    assert times[:4] == [2, 12, 42, 102]
    assert max(b - a for a, b in pairwise(times)) == REJOIN_DELAYS[-1]
    [exited] = desk.heard()
    assert (exited.exit, desk.seconds - start >= REJOIN_PATIENCE) == (Exit.DISCONNECTED, True)


def test_room_that_wants_him_no_more_ends_it():
    """He was put on the list of the banned meanwhile."""
    desk = Desk().inside(ALICE)
    desk.put_out(ALICE, 332)
    desk.wait(REJOIN_DELAYS[0])
    desk.heard()
    desk.refuse(ALICE, "forbidden", "auth")
    assert desk.heard()[0].exit is Exit.BANNED


def test_words_wait_until_he_is_in_again():
    """In order; those that were under way are not known to have come."""
    desk = Desk().inside(ALICE)
    desk.say(ALICE, "under way", ref=1)
    desk.put_out(ALICE, 332)
    desk.say(ALICE, "waits", ref=2)
    assert desk.heard()[0] == Failed(ref=Ref(1), error=desk_error(desk, Trouble.LOST))
    desk.taken()
    desk.wait(REJOIN_DELAYS[0])
    desk.let_in(ALICE)
    assert desk.taken()[1:] == []  # what was said before is still to come
    desk.end_past(ALICE)
    assert [one.child_text("body") for one in desk.taken()] == ["waits"]


def desk_error(desk: Desk, trouble: Trouble):
    """Equal to any error of that trouble."""

    class Same:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, BridgeError) and other.trouble is trouble

        __hash__ = None

    return Same()


def test_words_that_wait_too_long_fail():
    """Their author is told."""
    desk = Desk().inside(ALICE)
    desk.put_out(ALICE, 332)
    desk.say(ALICE, ref=2)
    desk.heard()
    desk.wait(61)
    assert [type(event) for event in desk.heard()] == [Failed]


def test_silence_is_asked_about():
    """XEP-0410: is the listener still in? The others are not asked."""
    desk = Desk().inside(ALICE, BOB)
    desk.wait(SILENCE)
    [(iq, _)] = desk.asked
    assert (iq.get("from"), iq.get("to")) == (jid_of(ALICE), f"{ROOM}/alice")
    desk.wait(SILENCE)
    assert len(desk.asked) == 1
    desk.answer()
    desk.wait(SILENCE)
    assert len(desk.asked) == 1
    assert desk.heard() == []


@pytest.mark.parametrize("trouble", [Trouble.NO_SERVICE, Trouble.UNSUPPORTED])
def test_answer_of_a_client_means_that_he_is_in(trouble):
    """XEP-0410 §3.1."""
    desk = Desk().inside(ALICE)
    desk.wait(SILENCE)
    desk.answer(BridgeError(trouble))
    assert desk.heard() == []


@pytest.mark.parametrize("trouble", [Trouble.NOT_ACCEPTABLE, Trouble.UNREACHABLE, Trouble.NOT_FOUND])
def test_guest_who_fell_out_comes_in_again(trouble):
    """The room does not know him, or is not there."""
    desk = Desk().inside(ALICE)
    desk.wait(SILENCE)
    desk.answer(BridgeError(trouble))
    assert kinds(desk.heard()) == ["RoomNotice"]
    desk.wait(REJOIN_DELAYS[0])
    assert desk.taken()[-1].get("to") == f"{ROOM}/alice"


def test_one_question_without_answer_is_no_proof():
    """Two are."""
    desk = Desk().inside(ALICE)
    for heard in ([], ["RoomNotice"]):
        desk.wait(SILENCE)
        desk.answer(BridgeError(Trouble.TIMED_OUT))
        assert kinds(desk.heard()) == heard


def test_everybody_asks_when_xmpp_was_away():
    """Who waits tries at once."""
    desk = Desk().inside(ALICE, BOB)
    desk.put_out(ALICE, 333)
    desk.forget()
    desk.room.doubt()
    assert [iq.get("from") for iq, _ in desk.asked] == [jid_of(BOB)]
    desk.taken()
    desk.wait(0)
    assert [one.get("from") for one in desk.taken()] == [jid_of(ALICE)]


def test_room_that_is_made_anew_by_a_guest_is_opened():
    """It was gone with its server (XEP-0045 §10.1.2)."""
    desk = Desk().inside(ALICE)
    desk.room.doubt()
    desk.asked.clear()
    desk.let_in(ALICE, "", 201)
    [(iq, _)] = desk.asked
    assert (iq.get("type"), iq.get("to")) == ("set", ROOM)


def test_who_was_entering_when_the_link_broke_asks_once_more():
    """The room may never have heard of it."""
    desk = Desk()
    desk.enter(ALICE)
    desk.taken()
    desk.room.doubt()
    assert [one.get("to") for one in desk.taken()] == [f"{ROOM}/alice"]


def test_garbage_changes_nothing():
    """Presences without sense are skipped."""
    desk = Desk().inside(ALICE)
    for xml in (
        f"<presence from='{ROOM}/x' type='subscribe'/>",
        f"<presence from='{ROOM}'/>",
        f"<presence from='{ROOM}/nobody' type='unavailable'/>",
        f"<presence from='{ROOM}' type='error'/>",
        f"<presence from='{ROOM}/alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>"
        "<status code='303'/><status code='wrong'/></x></presence>",
    ):
        desk.receive(ALICE, xml)
    assert desk.heard() == []
    assert desk.room.visit(ALICE) is not None


def test_topic_is_told_once_however_many_enter():
    """And again when it changes; who set it as a guest knows it."""
    desk = Desk()
    subject = "<subject>roses</subject>"
    for guest in (ALICE, BOB):
        desk.enter(guest)
        desk.let_in(guest)
        desk.groupchat(guest, "romeo", extra=subject)
    assert [type(event) for who, event in desk.told if who == ALICE] == [Entered, Topic]
    [entered] = [event for who, event in desk.told if who == BOB]
    assert entered.topic.text == "roses"
    desk.forget()
    desk.act(BOB, Topic(room=ROOM, text="thorns", ref=Ref(3)))
    for guest in (ALICE, BOB):
        desk.groupchat(guest, "bob", id=desk.sent[0].get("id"), extra="<subject>thorns</subject>")
    assert desk.told == [(BOB, Sent(ref=Ref(3)))]
