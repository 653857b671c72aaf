"""Stanzas of rooms as events, in the shapes of Prosody and ejabberd."""

from __future__ import annotations

import pytest

from bridge.events import (
    Affiliation,
    Attachment,
    ContactId,
    DirectMessage,
    Kind,
    Mention,
    MessageId,
    Occupant,
    Reaction,
    Receipt,
    Reply,
    Retraction,
    Role,
    RoomConfig,
    RoomNotice,
    Style,
    Topic,
    Typing,
    TypingState,
)
from bridge.services.guests.hearing import heard, occupant, whispered
from bridge.xmpp.payloads.muc import MucUser, parse_user
from tests.bridge.services.guests.desk import ROOM, parsed

DELAY = "<delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:13:20Z'/>"


def said(inside: str, nick: str = "romeo", identity: str = ""):
    return heard(parsed(f"<message id='m1'>{inside}</message>"), ROOM, nick, identity)


def test_words_keep_all_that_was_said_of_them():
    """Ids, thread, time and who it was."""
    message = said(
        f"<body>hello</body><thread>t1</thread>{DELAY}"
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='s1'/>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='forged@muc.example' id='x'/>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='o1'/>"
    )
    assert (message.id, message.origin, message.thread, message.time) == ("s1", "m1", "t1", 1_700_000_000.0)
    assert message.identity == "o1"
    assert said("<body>hello</body>", identity="romeo@montague.example").identity == "romeo@montague.example"


def test_correction_and_emote_are_what_they_are():
    """XEP-0308 and XEP-0245."""
    message = said("<body>/me waves</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>")
    assert (message.kind, message.body.plain, message.replaces) == (Kind.EMOTE, "waves", "m0")


def test_file_is_not_among_the_words():
    """XEP-0066, XEP-0447; without words too, and nobody is mentioned in an address."""
    oob = "<x xmlns='jabber:x:oob'><url>https://f/@romeo</url></x>"
    link = "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='14' end='20' uri='xmpp:{}/romeo'/>"
    message = said(f"<body>rose\nhttps://f/@romeo</body>{oob}{link.format(ROOM)}")
    assert (message.body.plain, message.mentions) == ("rose", ())
    assert message.attachments == (Attachment(url="https://f/@romeo"),)
    sfs = (
        "<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data'"
        " target='https://f/a'/></sources></file-sharing>"
    )
    assert said(sfs).attachments == (Attachment(url="https://f/a"),)
    assert said("<file-sharing xmlns='urn:xmpp:sfs:0'/>") is None


def test_reply_loses_its_quotation():
    """XEP-0461 §3.1; whom it answers is an occupant."""
    message = said(
        "<body>&gt; soft\nwhat light</body>"
        f"<reply xmlns='urn:xmpp:reply:0' to='{ROOM}/juliet' id='s0'/>"
        "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='7'/></fallback>"
    )
    assert (message.body.plain, message.reply) == ("what light", Reply(id=MessageId("s0"), nick="juliet"))


@pytest.mark.parametrize(
    ("inside", "styles"),
    [
        ("<body>*so*</body>", [Style.BOLD]),
        ("<body>*so*</body><unstyled xmlns='urn:xmpp:styling:0'/>", []),
        (
            "<body>so</body><html xmlns='http://jabber.org/protocol/xhtml-im'>"
            "<body xmlns='http://www.w3.org/1999/xhtml'><em>so</em></body></html>",
            [Style.ITALIC],
        ),
    ],
)
def test_looks_are_read(inside, styles):
    """Message styling (XEP-0393) and XHTML-IM (XEP-0071)."""
    assert [span.style for span in said(inside).body.spans] == styles


def test_mentions_are_of_occupants_or_others():
    """XEP-0372, moved by what is taken away before."""
    reference = "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='{}' end='{}' uri='{}'/>"
    message = said(
        "<body>/me hugs juliet, nurse</body>"
        + reference.format(9, 15, f"xmpp:{ROOM}/juliet")
        + reference.format(17, 22, "xmpp:nurse@capulet.example/x")
        + reference.format(0, 3, "https://example.org")
    )
    assert message.mentions == (
        Mention(start=5, end=11, nick="juliet"),
        Mention(start=13, end=18, contact=ContactId("nurse@capulet.example")),
    )


def test_subject_without_body_is_the_topic():
    """XEP-0045 §8.1; with one it is a message that has a subject."""
    assert said(f"<subject>roses</subject>{DELAY}") == Topic(
        room=ROOM, text="roses", nick="romeo", time=1_700_000_000.0
    )
    assert said("<subject>re</subject><body>x</body>").body.plain == "x"


def test_reactions_are_read_before_their_fallback():
    """XEP-0444 with XEP-0428."""
    event = said(
        "<reactions xmlns='urn:xmpp:reactions:0' id='s1'><reaction>👍</reaction></reactions><body>👍</body>"
    )
    assert event == Reaction(room=ROOM, id=MessageId("s1"), nick="romeo", emojis=("👍",))


def test_retraction_is_its_authors():
    """XEP-0424; that a moderator did it only the room can say."""
    moderated = f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{ROOM}/juliet'/>"
    plain = "<retract xmlns='urn:xmpp:message-retract:1' id='s1'>{}</retract><body>gone</body>"
    event = Retraction(room=ROOM, id=MessageId("s1"), nick="romeo")
    assert said(plain.format("")) == event
    assert said(plain.format(moderated)) == event


def test_moderation_is_told_by_the_room():
    """XEP-0425 §5."""
    event = said(
        "<retract xmlns='urn:xmpp:message-retract:1' id='s1'>"
        f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{ROOM}/juliet'/><reason>spam</reason></retract>",
        nick="",
    )
    assert event == Retraction(room=ROOM, id=MessageId("s1"), actor="juliet", reason="spam")


@pytest.mark.parametrize(
    ("inside", "nick", "event"),
    [
        (
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "romeo",
            Typing(room=ROOM, nick="romeo", state=TypingState.COMPOSING),
        ),
        (
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='s1'/>",
            "romeo",
            Receipt(room=ROOM, nick="romeo", id=MessageId("s1")),
        ),
        (f"<composing xmlns='http://jabber.org/protocol/chatstates'/>{DELAY}", "romeo", None),
        ("<body>The room will close.</body>", "", RoomNotice(room=ROOM, text="The room will close.")),
        (
            "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>",
            "",
            RoomConfig(room=ROOM),
        ),
        (
            "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/><status code='170'/></x>",
            "",
            RoomNotice(room=ROOM, text="What is said in this room is recorded from now on."),
        ),
        ("<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>", "romeo", None),
        ("<x xmlns='urn:example:unknown'/>", "romeo", None),
        ("", "", None),
    ],
)
def test_message_without_words_is_what_goes_with_words(inside, nick, event):
    """Chat states, markers, and what the room itself says; of the past they do not matter."""
    assert said(inside, nick) == event


def test_private_words_and_typing_are_of_the_occupant():
    """XEP-0045 §7.5."""
    letter = whispered(parsed("<message id='p1'><body>psst</body></message>"), ROOM, "romeo")
    assert isinstance(letter, DirectMessage)
    assert (letter.contact, letter.room, letter.id) == (f"{ROOM}/romeo", ROOM, "p1")
    state = "<paused xmlns='http://jabber.org/protocol/chatstates'/>"
    typing = whispered(parsed(f"<message>{state}</message>"), ROOM, "romeo")
    assert typing == Typing(
        room=ROOM, contact=ContactId(f"{ROOM}/romeo"), nick="romeo", state=TypingState.PAUSED
    )
    assert whispered(parsed("<message/>"), ROOM, "romeo") is None


def read(inside: str) -> Occupant:
    presence = parsed(f"<presence>{inside}</presence>")
    return occupant(presence, "romeo", parse_user(presence) or MucUser())


def test_occupant_is_known_by_his_address():
    """Or, where that is not shown, by the occupant-id (XEP-0421)."""
    x = "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'{}/></x>"
    id_ = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='o1'/>"
    shown = read(x.format(" jid='Romeo@montague.example/garden'") + id_)
    assert (shown.address, shown.identity) == ("Romeo@montague.example/garden", "romeo@montague.example")
    hidden = read(x.format("") + id_)
    assert (hidden.address, hidden.identity) == ("", "o1")
    assert (hidden.affiliation, hidden.role) == (Affiliation.OWNER, Role.MODERATOR)


@pytest.mark.parametrize(
    ("inside", "away"),
    [
        ("", None),
        ("<show>away</show><status>tea</status>", "tea"),
        ("<show>xa</show>", ""),
        ("<show>dnd</show>", None),
    ],
)
def test_occupant_may_be_away(inside, away):
    """RFC 6121 §4.7.2.1."""
    assert read(inside).away == away


def test_occupant_has_a_picture():
    """XEP-0153; what is no hash is none."""
    photo = "<x xmlns='vcard-temp:x:update'><photo>{}</photo></x>"
    assert read(photo.format("A" * 40)).avatar == "a" * 40
    assert [read(photo.format(text)).avatar for text in ("", "x")] == ["", ""]
    assert read("<x xmlns='http://jabber.org/protocol/muc#user'><item role='king'/></x>") == Occupant(
        nick="romeo"
    )
