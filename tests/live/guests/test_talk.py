"""Guests and people of a server talk in a room of that server."""

from __future__ import annotations

import pytest

from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    Kind,
    Message,
    Reaction,
    Receipt,
    Ref,
    Reply,
    Retraction,
    Sent,
    Span,
    Style,
    Text,
    Topic,
    Typing,
    TypingState,
)
from tests.live.cast.stanzas import Pattern, value

REPLY = "<reply xmlns='urn:xmpp:reply:0' to='{}' id='{}'/>"


async def test_guest_and_occupant_hear_each_other(guest_stage):
    """A guest is an ordinary occupant: he speaks, and hears what is said, each with the id that the room gave."""
    romeo, alice = await guest_stage.together()
    ref = alice.says(guest_stage.room, "good evening", origin="$event")
    said = await romeo.mailbox.find(Pattern("message", body="good evening"))
    assert (said.get("from"), said.get("id")) == (f"{guest_stage.room}/alice", "$event")
    sent = await alice.hears(Sent)
    assert (sent.ref, sent.message.body.plain, sent.message.origin) == (ref, "good evening", "$event")
    assert sent.message.id == value(said, f"sid:stanza-id[@by='{guest_stage.room}']/@id")
    romeo.say(guest_stage.room, "the same to you")
    heard = await alice.hears(Message)
    assert (heard.nick, heard.body.plain, bool(heard.id)) == ("romeo", "the same to you", True)


async def test_emotes_and_looks_cross(guest_stage):
    """XEP-0245, XEP-0071."""
    romeo, alice = await guest_stage.together()
    alice.says(guest_stage.room, "waves", kind=Kind.EMOTE)
    await romeo.mailbox.find(Pattern("message", body="/me waves"))
    bold = Text(plain="so", spans=(Span(start=0, end=2, style=Style.BOLD),))
    alice.act(Message(room=guest_stage.room, body=bold, ref=Ref(1)))
    await romeo.mailbox.find(Pattern("message", body="so", has="xhtmlim:html/xhtml:body//xhtml:span"))
    romeo.say(guest_stage.room, "/me *bows*")
    heard = await alice.hears(Message)
    assert (heard.kind, heard.body.plain) == (Kind.EMOTE, "*bows*")
    assert [span.style for span in heard.body.spans] == [Style.BOLD]


async def test_replies_and_corrections_cross(guest_stage):
    """XEP-0461 by the room's id, XEP-0308 by the author's."""
    romeo, alice = await guest_stage.together()
    room = guest_stage.room
    ident = romeo.say(room, "what light")
    heard = await alice.hears(Message)
    alice.says(room, "the sun", reply=Reply(id=heard.id, nick="romeo"), origin="$sun")
    answer = await romeo.mailbox.find(Pattern("message", body="the sun", has="reply:reply"))
    assert value(answer, "reply:reply/@to") == f"{room}/romeo"
    alice.says(room, "the moon", replaces="$sun")
    await romeo.mailbox.find(Pattern("message", has="*[local-name()='replace'][@id='$sun']"))
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{ident}'/>"
    reply = REPLY.format(f"{room}/alice", value(answer, f"sid:stanza-id[@by='{room}']/@id"))
    romeo.say(room, "what night", extra=replace + reply)
    corrected = await alice.hears(Message, lambda message: bool(message.replaces))
    assert corrected.replaces == heard.origin
    sent = await alice.hears(Sent)
    assert corrected.reply == Reply(id=sent.message.id, nick="alice")


async def test_reactions_and_retractions_cross(guest_stage):
    """XEP-0444 and XEP-0424, by the room's ids."""
    romeo, alice = await guest_stage.together()
    room = guest_stage.room
    alice.says(room, "alas")
    sent = await alice.hears(Sent)
    reactions = (
        f"<reactions xmlns='urn:xmpp:reactions:0' id='{sent.message.id}'><reaction>👍</reaction></reactions>"
    )
    romeo.send(f"<message type='groupchat' to='{room}' id='r1'>{reactions}</message>")
    reaction = await alice.hears(Reaction)
    assert reaction == Reaction(room=room, id=sent.message.id, nick="romeo", emojis=("👍",))
    romeo.say(room, "oh")
    heard = await alice.hears(Message)
    alice.act(Reaction(room=room, id=heard.id, emojis=("👎",), ref=Ref(8)))
    await romeo.mailbox.find(
        Pattern("message", has=f"react:reactions[@id='{heard.id}'][react:reaction='👎']")
    )
    await alice.hears(Sent, lambda event: event.ref == 8)
    retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{heard.id}'/>"
    romeo.send(f"<message type='groupchat' to='{room}' id='r2'>{retract}</message>")
    assert await alice.hears(Retraction) == Retraction(room=room, id=heard.id, nick="romeo")
    alice.act(Retraction(room=room, id=sent.message.id, ref=Ref(9)))
    await romeo.mailbox.find(Pattern("message", has=f"*[local-name()='retract'][@id='{sent.message.id}']"))
    await alice.hears(Sent, lambda event: event.ref == 9)


async def test_typing_and_displayed_markers_cross(guest_stage):
    """XEP-0085 and XEP-0333."""
    romeo, alice = await guest_stage.together()
    room = guest_stage.room
    romeo.send(f"<message type='groupchat' to='{room}'><composing xmlns='{STATES}'/></message>")
    assert await alice.hears(Typing) == Typing(room=room, nick="romeo", state=TypingState.COMPOSING)
    alice.act(Typing(room=room, state=TypingState.PAUSED))
    await romeo.mailbox.find(Pattern("message", frm=f"{room}/alice", has="states:paused"))
    romeo.send(
        f"<message type='groupchat' to='{room}'><displayed xmlns='urn:xmpp:chat-markers:0' id='s1'/></message>"
    )
    assert await alice.hears(Receipt) == Receipt(room=room, nick="romeo", id="s1")
    alice.act(Receipt(room=room, id="s2"))
    await romeo.mailbox.find(Pattern("message", has="*[local-name()='displayed'][@id='s2']"))


STATES = "http://jabber.org/protocol/chatstates"


async def test_topics_cross_where_the_room_allows_it(guest_stage):
    """XEP-0045 §8.1; a guest without the right is refused."""
    romeo, alice = await guest_stage.together()
    romeo.set_subject(guest_stage.room, "roses")
    topic = await alice.hears(Topic)
    assert (topic.text, topic.nick) == ("roses", "romeo")
    alice.act(Topic(room=guest_stage.room, text="thorns", ref=Ref(1)))
    await alice.hears(Sent | Failed)
    await guest_stage.set_affiliation(romeo, "alice", "owner")
    alice.act(Topic(room=guest_stage.room, text="thistles", ref=Ref(2)))
    await romeo.mailbox.find(Pattern("message", subject="thistles"))
    await alice.hears(Sent, lambda event: event.ref == 2)


async def test_private_messages_cross(guest_stage):
    """XEP-0045 §7.5; one to somebody who is not there comes back."""
    romeo, alice = await guest_stage.together()
    room = guest_stage.room
    romeo.say(f"{room}/alice", "psst", type="chat", extra=f"<x xmlns='{USER}'/>")
    letter = await alice.hears(DirectMessage)
    assert (letter.contact, letter.nick, letter.body.plain) == (f"{room}/romeo", "romeo", "psst")
    alice.act(
        DirectMessage(contact=letter.contact, nick="romeo", body=Text(plain="yes?"), room=room, ref=Ref(1))
    )
    await romeo.mailbox.find(Pattern("message", frm=f"{room}/alice", type="chat", body="yes?"))
    nobody = ContactId(f"{room}/nobody")
    alice.act(DirectMessage(contact=nobody, nick="nobody", body=Text(plain="?"), room=room, ref=Ref(2)))
    failed = await alice.hears(Failed)
    assert failed.ref == 2


USER = "http://jabber.org/protocol/muc#user"


async def test_visitor_is_told_that_he_cannot_speak(guest_stage):
    """In a moderated room; nothing is lost silently."""
    romeo, alice = await guest_stage.together()
    await guest_stage.set_role(romeo, "alice", "visitor")
    alice.says(guest_stage.room, "may I?")
    failed = await alice.hears(Failed)
    assert failed.error.trouble.name == "CANNOT_SPEAK"


async def test_two_guests_hear_everything_once(guest_stage):
    """One of them listens for both; their own words come back to their authors only."""
    romeo, alice = await guest_stage.together()
    bob = await guest_stage.guest("bob")
    await bob.enters(guest_stage.room, "bob")
    for number in range(20):
        romeo.say(guest_stage.room, f"{number}")
        (alice if number % 2 else bob).says(guest_stage.room, f"answer {number}")
    romeo.say(guest_stage.room, "end")
    await alice.hears(Message, lambda message: message.body.plain == "end")
    await bob.hears(Sent, lambda event: event.message.body.plain == "answer 18")
    words = [event.body.plain for event in alice.told if isinstance(event, Message)]
    assert words == [*(f"{number}" for number in range(20)), "end"]
    assert [event for event in bob.told if isinstance(event, Message)] == []
    answers = [event.message.body.plain for event in bob.told if isinstance(event, Sent)]
    assert answers == [f"answer {number}" for number in range(0, 20, 2)]


async def test_another_listens_when_the_first_leaves(guest_stage):
    """In the middle of a conversation: nothing is missing, nothing is told twice."""
    romeo, alice = await guest_stage.together()
    bob = await guest_stage.guest("bob")
    await bob.enters(guest_stage.room, "bob")
    for number in range(40):
        romeo.say(guest_stage.room, f"{number}")
        if number == 20:
            alice.leaves(guest_stage.room)
    await bob.hears(Message, lambda message: message.body.plain == "39")
    words = [event.body.plain for one in (alice, bob) for event in one.told if isinstance(event, Message)]
    assert words == [f"{number}" for number in range(40)]


@pytest.mark.parametrize("guest_stage", ["prosody"], indirect=True)
async def test_room_without_ids_is_heard_once(guest_stage):
    """Prosody without an archive gives no ids."""
    guest_stage.room = f"room{guest_stage.number}@rooms.prosody.test"
    romeo, alice = await guest_stage.together()
    bob = await guest_stage.guest("bob")
    await bob.enters(guest_stage.room, "bob")
    for _ in range(2):
        romeo.say(guest_stage.room, "again", ident="same")
    alice.says(guest_stage.room, "enough", origin="$e")
    await alice.hears(Sent)
    words = [event.body.plain for one in (alice, bob) for event in one.told if isinstance(event, Message)]
    assert words == ["again", "again"]
