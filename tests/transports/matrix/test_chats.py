"""Which rooms are conversations between two."""

from __future__ import annotations

import pytest
from hypothesis import given

from bridge.events import UserId
from tests.transports.matrix.raw import ALICE, BOB, CAROL, IDS, JULIET, ROMEO, json, member, said
from transports.matrix.attachments import no_link
from transports.matrix.chats import (
    CHATS_OF_TWO,
    CHATS_PER_USER,
    KEY,
    Chats,
    Invitation,
    first_words,
    invitation,
    opened,
)

USER = UserId("romeo@montague.example")


def asks(sender=ALICE, ghost=ROMEO, room="!a:hs.example", **content):
    return {**member(ghost, membership="invite", sender=sender, **content), "room_id": room}


def test_invitation_to_talk_says_so():
    """Any other is one into a room."""
    assert invitation(asks(is_direct=True), IDS) == Invitation("!a:hs.example", USER, ALICE)
    assert opened(asks(ROMEO, ALICE, is_direct=True), IDS) == Invitation("!a:hs.example", USER, ALICE)


@pytest.mark.parametrize(
    "event",
    [
        asks(),
        asks(is_direct="yes"),
        asks(JULIET, ROMEO, is_direct=True),
        asks(ALICE, BOB, is_direct=True),
        asks(room="garden", is_direct=True),
        {**asks(is_direct=True), "content": {"membership": "join", "is_direct": True}},
        {**asks(is_direct=True), "type": "m.room.name"},
    ],
)
def test_other_events_ask_nobody_to_talk(event):
    """Not between ghosts, nor between people of Matrix, nor what is no invitation."""
    assert invitation(event, IDS) is None
    assert opened(event, IDS) is None


@given(json, json, json, json)
def test_invitation_of_whatever_kind_is_read_without_harm(room, sender, key, content):
    """Whatever some server sent."""
    event = {"type": "m.room.member", "room_id": room, "sender": sender, "state_key": key, "content": content}
    assert invitation(event, IDS) is None or isinstance(room, str)
    assert opened(event, IDS) is None or isinstance(room, str)


def test_newest_conversation_of_two_comes_first():
    """Those of others are not among them."""
    chats = Chats(IDS)
    for number, room in enumerate(("!old", "!new", "!newest")):
        chats.make(room, USER, ALICE, number)
    chats.make("!bob", USER, BOB, 9)
    assert [chat.id for chat in chats.between(USER, ALICE)] == ["!newest", "!new", "!old"]
    assert len(chats) == 4 and "!bob" in chats
    assert chats.make("!carol", USER, CAROL, 10).contact == IDS.contact(CAROL)


def test_conversation_is_remembered_and_restored():
    """What cannot be read, or is of something else, is passed over."""
    chats, again = Chats(IDS), Chats(IDS)
    chat = chats.make("!a:hs.example", USER, ALICE, 7, is_warned=True)
    again.restore(USER, KEY + chat.id, chat.record)
    restored = again.get(chat.id)
    assert (restored.person, restored.number, restored.is_warned) == (ALICE, 7, True)
    for key, value in (
        ("profile", b"x"),
        (KEY + "garden", chat.record),
        (KEY + "!b", b"x"),
        (KEY + "!b", b'["b",1]'),
    ):
        again.restore(USER, key, value)
    assert len(again) == 1


def test_conversations_are_bounded():
    """The oldest go first: of two, and of one user."""
    chats = Chats(IDS)
    for number in range(CHATS_OF_TWO + 1):
        last = chats.make(f"!{number}", USER, ALICE, number)
    [surplus] = chats.surplus(last)
    assert surplus.id == "!0"
    chats.drop(surplus)
    chats.drop(surplus)
    assert list(chats.surplus(last)) == []
    for number in range(CHATS_PER_USER - CHATS_OF_TWO + 1):
        last = chats.make(f"!of{number}", USER, f"@u{number}:hs.example", 100 + number)
    assert [one.id for one in chats.surplus(last)] == ["!1"]


def test_memberships_tell_who_is_there():
    """Whoever is neither in nor asked is not there; others make it more than two."""
    chat = Chats(IDS).make("!a", USER, ALICE, 1)
    chat.begin(IDS, no_link)
    chat.move(member(ROMEO))
    assert (chat.theirs, chat.is_usable) == ("", True)
    chat.move(asks(ROMEO, ALICE))
    assert chat.theirs == "invite"
    chat.move(member(ALICE))
    assert (chat.theirs, chat.others) == ("join", [])
    chat.move(member(BOB, membership="invite", sender=ALICE))
    assert chat.others == [BOB]
    chat.move(member(ROMEO, membership="leave", sender=ALICE))
    assert not chat.is_usable


def test_own_messages_have_their_own_names_on_xmpp():
    """The client's id there, the event's here; what is not known keeps its name."""
    chat = Chats(IDS).make("!a", USER, ALICE, 1)
    assert (chat.named("$1"), chat.event("m1")) == ("$1", "m1")
    chat.begin(IDS, no_link).room.timeline.learn("$1", ROMEO, "m1")
    assert (chat.named("$1"), chat.event("m1"), chat.event("$2")) == ("m1", "$1", "$2")


def test_first_words_are_those_between_invitation_and_arrival():
    """The newest come first, as the homeserver tells them; what is after the arrival was pushed."""
    words = [said(ALICE, str(number)) for number in range(4)]
    invited, joined = member(ROMEO, membership="invite", sender=ALICE), member(ROMEO)
    told = [words[0], invited, words[1], member(ALICE, "Alice"), words[2], joined, words[3]]
    assert first_words(reversed(told), ROMEO) == [words[1], words[2]]
    assert first_words(reversed(told[2:]), ROMEO) == [words[1], words[2]]
    assert first_words(reversed(words), ROMEO) == []
