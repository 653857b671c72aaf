"""What guests say and do, and what they hear."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ContactId,
    DirectMessage,
    Failed,
    Invite,
    Kick,
    Leave,
    Message,
    MessageId,
    Reaction,
    Receipt,
    Ref,
    Retraction,
    Role,
    Sent,
    SetAffiliation,
    SetRole,
    Text,
    Topic,
    Typing,
    TypingState,
    VoiceRequest,
)
from bridge.services.guests.attendance import CATCH_UP, CLOCK_SKEW, REJOIN_DELAYS
from bridge.services.guests.talk import SEEN
from bridge.services.guests.visit import PATIENCE, UNDER_WAY, WAITING
from bridge.xmpp.payloads.delay import parse_time
from bridge.xmpp.payloads.voice import build_approval, is_request
from tests.bridge.services.guests.desk import ALICE, BOB, ROOM, WALL, Desk, jid_of

MUC = "http://jabber.org/protocol/muc"
PAST = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:00:00Z'/>"
ADMIN = "http://jabber.org/protocol/muc#admin"


@pytest.fixture
def desk() -> Desk:
    return Desk().inside(ALICE, BOB)


# ---- words


def test_own_words_come_back_as_the_room_saw_them(desk):
    """With the id that it gave them; those who listen are not told what a guest of ours said."""
    desk.say(BOB, "hello", "$event", 7)
    [said] = desk.taken()
    assert (said.get("id"), said.get("from"), said.child_text("body")) == ("$event", jid_of(BOB), "hello")
    for guest in (ALICE, BOB):
        desk.groupchat(guest, "bob", "hello [censored]", id="$event", sid="s1")
    [(who, sent)] = desk.told
    assert (who, sent.ref, sent.last) == (BOB, Ref(7), True)
    assert (sent.message.id, sent.message.nick, sent.message.origin) == ("s1", "bob", "$event")
    assert sent.message.body.plain == "hello [censored]"


def test_room_that_changes_ids_is_followed_by_origin_id(desk):
    """XEP-0359 §3.2."""
    desk.say(ALICE, "hello", "m1")
    desk.groupchat(ALICE, "alice", "hello", id="x", extra="<origin-id xmlns='urn:xmpp:sid:0' id='m1'/>")
    assert [type(event) for event in desk.heard()] == [Sent]


def test_words_of_others_are_told_once(desk):
    """Whichever guest hears them first."""
    for guest in (BOB, ALICE):
        desk.groupchat(guest, "romeo", "hello", id="m1", sid="s1")
    [(who, message)] = desk.told
    assert who == ALICE
    assert message == Message(
        room=ROOM, nick="romeo", body=Text(plain="hello"), id=MessageId("s1"), origin="m1"
    )


def test_room_without_ids_is_heard_by_the_listener_only(desk):
    """Two who say the same are two."""
    for guest in (ALICE, BOB, ALICE):
        desk.groupchat(guest, "romeo", "hello", id="1")
    assert [event.body.plain for event in desk.heard()] == ["hello", "hello"]


def test_ids_of_long_ago_are_forgotten(desk):
    """What is remembered has a bound."""
    for number in range(SEEN + 1):
        desk.groupchat(ALICE, "romeo", "x", sid=f"s{number}")
    desk.forget()
    desk.groupchat(ALICE, "romeo", "x", sid=f"s{SEEN}")
    desk.groupchat(ALICE, "romeo", "x", sid="s0")
    assert len(desk.heard()) == 1


@pytest.mark.parametrize(
    ("condition", "trouble"),
    [
        ("forbidden", Trouble.CANNOT_SPEAK),
        ("policy-violation", Trouble.REFUSED),
    ],
)
def test_words_that_are_refused_fail(desk, condition, trouble):
    """Their author is told why."""
    desk.say(ALICE, origin="m1", ref=7)
    desk.bounce(ALICE, "m1", condition)
    [failed] = desk.heard()
    assert (failed.ref, failed.error.trouble) == (Ref(7), trouble)


def test_room_that_does_not_know_him_is_asked(desk):
    """He fell out without being told."""
    desk.say(ALICE, origin="m1")
    desk.bounce(ALICE, "m1", "not-acceptable")
    assert [iq.get("to") for iq, _ in desk.asked] == [f"{ROOM}/alice"]


@pytest.mark.parametrize("condition", ["not-acceptable", "remote-server-timeout"])
def test_words_that_came_too_early_are_said_when_he_is_in_again(desk, condition):
    """The room was started anew: nobody heard them, so they are said once more, in order."""
    for number in (1, 2):
        desk.say(ALICE, f"words {number}", f"m{number}", number)
    desk.bounce(ALICE, "m1", condition)
    desk.say(ALICE, "words 3", "m3", 3)
    desk.bounce(ALICE, "m2", condition)
    desk.answer(BridgeError(Trouble.NOT_ACCEPTABLE))
    assert desk.heard() == []
    desk.taken()
    desk.let_in(ALICE)
    said = [one.child_text("body") for one in desk.taken() if one.child("body") is not None]
    assert said == ["words 1", "words 2", "words 3"]


def test_words_are_not_said_again_for_ever(desk):
    """A room that lets him be in and does not take them: their author is told, and the next are tried."""
    desk.say(ALICE, origin="m1", ref=7)
    for _ in range(2):
        desk.taken()
        desk.bounce(ALICE, "m1", "not-acceptable")
        desk.answer()
        desk.wait(0)
    [failed] = desk.heard()
    assert (failed.ref, failed.error.trouble) == (Ref(7), Trouble.NOT_IN_ROOM)
    assert desk.taken() == []


def test_words_that_wait_to_be_said_again_are_bounded(desk):
    """Those beyond fail at once, and all after a while."""
    for number in range(WAITING + 1):
        desk.say(ALICE, origin=f"m{number}", ref=number + 1)
    for number in range(WAITING + 1):
        desk.bounce(ALICE, f"m{number}", "not-acceptable")
    [failed] = desk.heard()
    assert failed.ref == Ref(WAITING + 1)
    desk.answer(BridgeError(Trouble.UNREACHABLE))
    desk.wait(PATIENCE)
    assert len([one for one in desk.heard(ALICE) if isinstance(one, Failed)]) == WAITING


def test_words_that_never_come_back_fail(desk):
    """Within a minute: they are not known to have been said."""
    desk.say(ALICE)
    desk.wait(PATIENCE)
    [failed] = desk.heard()
    assert failed.error.trouble is Trouble.LOST


def test_too_much_at_once_is_refused(desk):
    """What is under way has a bound, and what waits too."""
    for number in range(UNDER_WAY + 1):
        desk.say(ALICE, origin=f"m{number}", ref=number + 1)
    [failed] = desk.heard()
    assert (failed.ref, failed.error.trouble) == (Ref(UNDER_WAY + 1), Trouble.OVERLOADED)
    desk.put_out(BOB, 333)
    desk.forget()
    for number in range(WAITING + 1):
        desk.say(BOB, ref=number + 1)
    [failed] = desk.heard()
    assert failed.ref == Ref(WAITING + 1)


def test_who_is_leaving_says_nothing_more(desk):
    """It would not be heard."""
    visit = desk.room.visit(ALICE)
    desk.room._attendance.depart(visit, "")
    desk.say(ALICE, ref=3)
    assert desk.heard()[0].error.trouble is Trouble.NOT_IN_ROOM


# ---- what goes with words


def test_reactions_retractions_and_topics_are_done_when_they_come_back(desk):
    """The room shows them to everybody, so to him too."""
    wishes = (
        Reaction(room=ROOM, id=MessageId("s1"), emojis=("👍",), ref=Ref(1)),
        Retraction(room=ROOM, id=MessageId("s1"), ref=Ref(2)),
        Topic(room=ROOM, text="roses", ref=Ref(3)),
    )
    for wish in wishes:
        desk.act(ALICE, wish)
        [sent] = desk.taken()
        assert desk.heard() == []
        inside = "".join(child.to_xml("jabber:component:accept") for child in sent.elements())
        desk.groupchat(ALICE, "alice", id=sent.get("id"), extra=inside)
        assert desk.heard() == [Sent(ref=wish.ref)]


def test_topic_without_id_is_known_by_its_words(desk):
    """As Prosody tells it."""
    desk.act(ALICE, Topic(room=ROOM, text="roses", ref=Ref(3)))
    desk.groupchat(ALICE, "alice", extra="<subject>thorns</subject>")
    assert desk.heard() == []
    desk.groupchat(ALICE, "alice", extra="<subject>roses</subject>")
    assert desk.heard() == [Sent(ref=Ref(3))]


def test_others_reactions_and_typing_are_heard_by_the_listener(desk):
    """Once."""
    for guest in (ALICE, BOB):
        extra = "<reactions xmlns='urn:xmpp:reactions:0' id='s1'><reaction>👍</reaction></reactions>"
        desk.groupchat(guest, "romeo", sid="s2", extra=extra)
        desk.groupchat(guest, "romeo", extra="<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    assert desk.heard() == [
        Reaction(room=ROOM, id=MessageId("s1"), nick="romeo", emojis=("👍",)),
        Typing(room=ROOM, nick="romeo", state=TypingState.COMPOSING),
    ]


def test_typing_and_receipts_are_sent_and_not_waited_for(desk):
    """Nor kept for later if he is not in."""
    for wish in (
        Typing(room=ROOM, state=TypingState.COMPOSING),
        Receipt(room=ROOM, id=MessageId("s1")),
    ):
        desk.act(ALICE, wish)
    assert len(desk.taken()) == 2
    desk.put_out(ALICE, 333)
    desk.act(ALICE, Typing(room=ROOM, state=TypingState.DONE))
    assert desk.taken() == []


# ---- alone with somebody


def test_private_message_goes_to_one_occupant(desk):
    """XEP-0045 §7.5; it is taken for sent, until it comes back."""
    letter = DirectMessage(
        contact=ContactId(f"{ROOM}/romeo"), nick="romeo", body=Text(plain="psst"), room=ROOM, ref=Ref(4)
    )
    desk.act(ALICE, letter)
    [sent] = desk.taken()
    assert (sent.get("type"), sent.get("to")) == ("chat", f"{ROOM}/romeo")
    assert desk.heard() == [Sent(ref=Ref(4))]
    desk.bounce(ALICE, sent.get("id"), "item-not-found")
    [failed] = desk.heard()
    assert (failed.ref, failed.error.trouble) == (Ref(4), Trouble.NOT_FOUND)
    desk.wait(PATIENCE)
    assert desk.heard() == []


def test_private_message_is_told_to_whom_it_was_said(desk):
    """Not to the listener."""
    desk.receive(
        BOB, f"<message type='chat' from='{ROOM}/romeo' id='p1'><body>psst</body><x xmlns='u'/></message>"
    )
    [(who, letter)] = desk.told
    assert (who, letter.contact, letter.nick, letter.room) == (BOB, f"{ROOM}/romeo", "romeo", ROOM)


# ---- what the room is asked for


@pytest.mark.parametrize(
    ("wish", "item"),
    [
        (
            Kick(room=ROOM, nick="romeo", reason="out", ref=Ref(1)),
            {"nick": "romeo", "role": "none"},
        ),
        (
            Kick(room=ROOM, nick="romeo", banned=True, ref=Ref(1)),
            {"jid": "romeo@montague.example", "affiliation": "outcast"},
        ),
        (
            SetRole(room=ROOM, nick="romeo", role=Role.VISITOR, ref=Ref(1)),
            {"nick": "romeo", "role": "visitor"},
        ),
        (
            SetAffiliation(room=ROOM, target="romeo", affiliation=Affiliation.ADMIN, ref=Ref(1)),
            {"jid": "romeo@montague.example", "affiliation": "admin"},
        ),
        (
            SetAffiliation(room=ROOM, target="a@b.example", affiliation=Affiliation.MEMBER, ref=Ref(1)),
            {"jid": "a@b.example", "affiliation": "member"},
        ),
        (
            SetAffiliation(
                room=ROOM, contact=ContactId("a@b.example"), affiliation=Affiliation.OUTCAST, ref=Ref(1)
            ),
            {"jid": "a@b.example", "affiliation": "outcast"},
        ),
        (
            SetAffiliation(room=ROOM, target="nobody", affiliation=Affiliation.MEMBER, ref=Ref(1)),
            {"nick": "nobody", "affiliation": "member"},
        ),
    ],
)
def test_moderators_wish_is_asked_of_the_room(desk, wish, item):
    """By the address where that is known (XEP-0045 §8, §9); the answer is the room's."""
    address = "affiliation='none' role='participant' jid='romeo@montague.example/garden'"
    desk.presence(ALICE, "romeo", item=address)
    desk.heard()
    desk.act(ALICE, wish)
    iq = desk.answer()
    assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("set", jid_of(ALICE), ROOM)
    assert iq.child("query", ADMIN).child("item").attributes == item
    assert desk.heard() == [Sent(ref=Ref(1))]
    desk.act(ALICE, wish)
    desk.answer(BridgeError(Trouble.FORBIDDEN))
    assert [type(event) for event in desk.heard()] == [Failed]


def test_moderator_takes_back_what_another_said(desk):
    """XEP-0425 §4."""
    desk.act(ALICE, Retraction(room=ROOM, id=MessageId("s1"), actor="alice", reason="spam", ref=Ref(1)))
    moderate = next(desk.answer().elements())
    assert (moderate.name, moderate.get("id"), moderate.child_text("reason")) == ("moderate", "s1", "spam")
    assert desk.heard() == [Sent(ref=Ref(1))]


def test_wish_without_number_is_not_answered(desk):
    """Nobody waits for it, whatever comes of it."""
    desk.act(ALICE, Kick(room=ROOM, nick="romeo"))
    desk.act(ALICE, Kick(room=ROOM, nick="romeo"))
    desk.answer()
    desk.answer(BridgeError(Trouble.FORBIDDEN))
    assert desk.heard() == []


def test_room_is_asked_to_invite(desk):
    """XEP-0045 §7.8.2: by the address of whom it is; somebody without one cannot be."""
    desk.act(ALICE, Invite(room=ROOM, nick="juliet@capulet.example", reason="come", ref=Ref(1)))
    [sent] = desk.taken()
    invite = sent.child("x", "http://jabber.org/protocol/muc#user").child("invite")
    assert (sent.get("to"), invite.get("to"), invite.child_text("reason")) == (
        ROOM,
        "juliet@capulet.example",
        "come",
    )
    desk.act(ALICE, Invite(room=ROOM, contact=ContactId("juliet@capulet.example"), ref=Ref(1)))
    [by_contact] = desk.taken()
    assert "juliet@capulet.example" in by_contact.to_xml()
    desk.act(ALICE, Invite(room=ROOM, nick="somebody", ref=Ref(2)))
    sent, _, failed = desk.heard()
    assert (sent, failed.error.trouble) == (Sent(ref=Ref(1)), Trouble.NO_SUCH_NICK)


# ---- what was missed


def test_listener_has_the_room_shown_anew_when_xmpp_was_away():
    """What was missed is told once, who went meanwhile has left, and nothing was ever as if he had gone."""
    desk = Desk().inside(ALICE, BOB)
    desk.groupchat(ALICE, "romeo", "one", sid="s1")
    desk.groupchat(ALICE, "romeo", "no id of the room", id="m1")
    desk.seconds += 600
    desk.forget()
    desk.room.doubt()
    assert [iq.get("from") for iq, _ in desk.asked] == [jid_of(ALICE), jid_of(BOB)]
    [join] = desk.taken()
    since = join.child("x", MUC).child("history").get("since")
    assert parse_time(since) == pytest.approx(desk.wall() - 600 - CLOCK_SKEW, abs=1)
    desk.presence(ALICE, "juliet")
    desk.let_in(ALICE)
    desk.say(ALICE, "waits")
    for guest in (ALICE, BOB):  # as it happens, before what happened before it
        desk.groupchat(guest, "romeo", "now", sid="s9")
        desk.groupchat(guest, "romeo", "now too", id="m2")
    for id, sid in (("", "s1"), ("m1", ""), ("m2", ""), ("", "s2")):
        desk.groupchat(ALICE, "romeo", f"past {id}{sid}", id=id, sid=sid, extra=PAST)
    desk.end_past(ALICE)
    assert [one.child_text("body") for one in desk.taken()] == ["waits"]
    joined, two, three, left, now = desk.heard(ALICE)
    assert (joined.occupant.nick, left) == ("juliet", Leave(room=ROOM, nick="romeo"))
    assert [one.body.plain for one in (two, three, now)] == ["past m2", "past s2", "now"]


def test_words_said_before_are_not_said_once_more():
    """The bridge ended before it knew that the room had them, and does not know it any more."""
    desk = Desk()
    desk.enter(ALICE, since=WALL)
    desk.let_in(ALICE)
    desk.say(ALICE, origin="$one", ref=1)
    desk.say(ALICE, origin="$two", ref=2)
    desk.groupchat(ALICE, "alice", "hello", id="$one", sid="s1", extra=PAST)
    desk.groupchat(ALICE, "mercutio", "hello", id="$two", sid="s2", extra=PAST)
    desk.forget()
    desk.end_past(ALICE)
    [sent] = [event for event in desk.heard() if isinstance(event, Sent)]
    assert (sent.ref, sent.message.id) == (1, "s1")
    assert [one.get("id") for one in desk.taken()] == ["$two"]


def test_words_under_way_when_the_link_broke_are_found_in_the_past():
    """Also those of guests who do not listen."""
    desk = Desk().inside(ALICE, BOB)
    desk.say(BOB, origin="$one", ref=1)
    desk.room.doubt()
    desk.forget()
    desk.groupchat(ALICE, "bob", "hello", id="$one", sid="s1", extra=PAST)
    desk.let_in(ALICE)
    desk.end_past(ALICE)
    [(who, sent)] = [one for one in desk.told if isinstance(one[1], Sent)]
    assert (who, sent.ref, sent.message.id) == (BOB, 1, "s1")


def test_room_that_tells_nothing_of_the_past_is_not_waited_for_long():
    """COMPAT: it sends no subject."""
    desk = Desk().inside(ALICE)
    desk.put_out(ALICE, 332)
    desk.say(ALICE, "waits")
    desk.wait(REJOIN_DELAYS[0])
    desk.let_in(ALICE)
    desk.taken()
    desk.wait(CATCH_UP)
    assert [one.child_text("body") for one in desk.taken()] == ["waits"]


def test_room_that_shows_nothing_anew_stays_as_it_is():
    """COMPAT: it takes the second entering for a presence like any."""
    desk = Desk().inside(ALICE)
    desk.room.doubt()
    desk.let_in(ALICE)
    desk.answer()
    desk.wait(CATCH_UP)
    assert desk.told == []
    desk.groupchat(ALICE, "romeo", "hello", sid="s3")
    assert [type(event) for _, event in desk.told] == [Message]


# ---- voice


def test_guest_asks_the_room_for_voice(desk):
    """XEP-0045 §7.13: the room says nothing to it unless it refuses."""
    desk.act(ALICE, VoiceRequest(room=ROOM, ref=Ref(3)))
    [asked] = desk.taken()
    assert is_request(asked) and (asked.get("to"), asked.get("type")) == (ROOM, None)
    assert desk.heard(ALICE) == [Sent(ref=Ref(3))]
    desk.bounce(ALICE, asked.attributes["id"], "forbidden")
    [failed] = desk.heard(ALICE)
    assert (failed.ref, failed.error.trouble) == (Ref(3), Trouble.FORBIDDEN)


def test_guest_who_moderates_is_told_who_asks_for_voice(desk):
    """XEP-0045 §8.6: each moderator gets the form."""
    form = build_approval("nurse", "nurse@capulet.example", "nurse asks").to_xml()
    desk.receive(BOB, f"<message from='{ROOM}'>{form}</message>")
    assert desk.heard(BOB) == [VoiceRequest(room=ROOM, nick="nurse")]
