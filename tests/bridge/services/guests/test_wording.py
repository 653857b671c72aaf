"""What guests say, as stanzas; what is written is read again."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.events import (
    Attachment,
    ContactId,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Kind,
    Mention,
    Message,
    MessageId,
    Receipt,
    Reply,
    RoomId,
    Span,
    Style,
    Text,
    Typing,
    TypingState,
)
from bridge.services.guests.hearing import heard
from bridge.services.guests.hearing import whispered as read_whisper
from bridge.services.guests.wording import accompanied, spoken, whispered
from tests.bridge.services.guests.desk import ALICE, ROOM, jid_of

ME = jid_of(ALICE)
ROSE = Attachment(url="https://hs.example/rose.png", name="rose.png", type="image/png", size=4, width=2)
THORN = Attachment(url="https://hs.example/thorn.ogg", type="audio/ogg", duration=1.5)


@pytest.mark.parametrize(
    "message",
    [
        Message(room=ROOM, body=Text(plain="hello")),
        Message(room=ROOM, body=Text(plain="waves"), kind=Kind.EMOTE),
        Message(room=ROOM, body=Text(plain="so", spans=(Span(start=0, end=2, style=Style.BOLD),))),
        Message(room=ROOM, body=Text(plain="yes"), reply=Reply(id=MessageId("s1"), nick="romeo")),
        Message(room=ROOM, body=Text(plain="hello!"), replaces="m0", thread="t1"),
        Message(room=ROOM, body=Text(plain="hi romeo"), mentions=(Mention(start=3, end=8, nick="romeo"),)),
        Message(
            room=ROOM,
            body=Text(plain="hugs romeo"),
            kind=Kind.EMOTE,
            mentions=(Mention(start=5, end=10, nick="romeo"),),
        ),
        Message(room=ROOM, body=Text(plain=""), attachments=(ROSE,)),
        Message(room=ROOM, body=Text(plain="a rose"), attachments=(ROSE,)),
        Message(room=ROOM, body=Text(plain="two"), kind=Kind.EMOTE, attachments=(ROSE, THORN)),
        Message(
            room=ROOM,
            body=Text(plain="nurse?"),
            mentions=(Mention(start=0, end=5, contact=ContactId("nurse@capulet.example")),),
        ),
    ],
)
def test_words_are_read_as_they_were_said(message):
    """Both directions agree."""
    stanza = spoken(message, ME, "m1")
    assert (stanza.get("from"), stanza.get("to"), stanza.get("type")) == (ME, ROOM, "groupchat")
    assert heard(stanza, ROOM, "alice") == structs.replace(message, nick="alice", origin="m1")


def test_mention_of_a_room_is_a_link_to_it():
    """And of everybody, the room's own address."""
    mentions = (Mention(start=0, end=1, room=RoomId("mantua@muc.example")), Mention(start=2, end=3))
    stanza = spoken(Message(room=ROOM, body=Text(plain="a b"), mentions=mentions), ME, "m1")
    uris = [one.get("uri") for one in stanza.all("reference", "urn:xmpp:reference:0")]
    assert uris == ["xmpp:mantua@muc.example?join", f"xmpp:{ROOM}"]


def test_file_is_its_link_and_its_caption_is_before_it():
    """What every client can open, and nothing is lost."""
    stanza = spoken(Message(room=ROOM, body=Text(plain="a rose"), attachments=(ROSE,)), ME, "m1")
    assert stanza.child_text("body") == f"a rose\n{ROSE.url}"
    assert stanza.child("x", "jabber:x:oob").child_text("url") == ROSE.url


def test_files_without_words_are_their_links():
    """What every client can open."""
    files = (Attachment(url="https://hs.example/a"), Attachment(url="https://hs.example/b"))
    stanza = spoken(Message(room=ROOM, body=Text(plain=""), attachments=files), ME, "m1")
    assert stanza.child_text("body") == "https://hs.example/a\nhttps://hs.example/b"


def test_private_words_are_read_as_they_were_said():
    """To the occupant, marked as of a room (XEP-0045 §7.5)."""
    letter = DirectMessage(
        contact=ContactId(f"{ROOM}/romeo"),
        nick="romeo",
        body=Text(plain="psst"),
        room=ROOM,
        attachments=(ROSE,),
    )
    stanza = whispered(letter, ME, "p1")
    assert stanza.get("to") == f"{ROOM}/romeo"
    assert stanza.child("x", "http://jabber.org/protocol/muc#user") is not None
    assert read_whisper(stanza, ROOM, "romeo") == structs.replace(letter, id="p1", origin="p1")


@pytest.mark.parametrize(("kind", "more"), [(DirectReaction, {"emojis": ("x",)}), (DirectRetraction, {})])
def test_what_is_done_to_private_words_is_read_as_it_was(kind, more):
    """To the occupant, as in a chat between two (XEP-0444, XEP-0424)."""
    done = kind(contact=ContactId(f"{ROOM}/romeo"), nick="romeo", room=ROOM, id=MessageId("p1"), **more)
    stanza = whispered(done, ME, "p2")
    assert (stanza.get("to"), stanza.get("type")) == (f"{ROOM}/romeo", "chat")
    assert stanza.child("x", "http://jabber.org/protocol/muc#user") is not None
    assert read_whisper(stanza, ROOM, "romeo") == done


@pytest.mark.parametrize(
    ("event", "kind", "to"),
    [
        (Typing(room=ROOM, state=TypingState.COMPOSING), "groupchat", ROOM),
        (
            Typing(room=ROOM, contact=ContactId(f"{ROOM}/romeo"), nick="romeo", state=TypingState.DONE),
            "chat",
            f"{ROOM}/romeo",
        ),
        (Receipt(room=ROOM, id=MessageId("s1")), "groupchat", ROOM),
    ],
)
def test_what_goes_with_words_goes_where_they_went(event, kind, to):
    """To the room, or to one occupant."""
    stanza = accompanied(event, ME, ROOM)
    assert (stanza.get("type"), stanza.get("to"), stanza.child("body")) == (kind, to, None)
