"""Timeline events as the bridge tells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import (
    Exit,
    Exited,
    Join,
    Kick,
    Kind,
    Leave,
    Message,
    Reaction,
    Reply,
    Retraction,
    Span,
    Style,
    Text,
    Typing,
    TypingState,
)
from transports.matrix.polls import MAX_OPTIONS
from transports.matrix.room import Room
from transports.matrix.tables import HTML, MARKER
from transports.matrix.translate import (
    UNREADABLE,
    Skipped,
    exited,
    live,
    origin_of,
    past,
    typing,
)

from .raw import ALICE, BOB, CAROL, ROMEO, ROOM, event, garden, json, member, said, state


def heard(raw, room=None) -> Message:
    """The one message that an event is."""
    found = live(raw, room or garden())
    assert isinstance(found, tuple)
    (message,) = found
    assert isinstance(message, Message)
    return message


def words(content) -> str:
    return heard(event("m.room.message", BOB, content)).body.plain


def relation(kind, target, **more):
    return {"m.relates_to": {"rel_type": kind, "event_id": target, **more}}


def test_message_is_said_by_its_author():
    """Nick, identity and the event's own id."""
    assert heard(said(BOB, "hi", **{"extra": 1}) | {"event_id": "$1"}) == Message(
        room=ROOM, nick="Bob", body=Text(plain="hi"), id="$1", identity=BOB
    )


@pytest.mark.parametrize(
    ("msgtype", "kind"),
    [
        ("m.text", Kind.TEXT),
        ("m.emote", Kind.EMOTE),
        ("m.notice", Kind.NOTICE),
        ("m.server_notice", Kind.NOTICE),
        ("x.y", Kind.TEXT),
        (5, Kind.TEXT),
    ],
)
def test_kind_of_a_message_is_kept(msgtype, kind):
    """Emotes and notices are told apart; what is unknown is text."""
    assert heard(said(BOB, "hi", msgtype=msgtype)).kind is kind


def test_formatted_message_keeps_its_looks():
    """Mentions are the nicks of the room."""
    html = '<a href="https://matrix.to/#/@alice:hs.example">Al</a>: <b>hi</b>'
    assert heard(said(BOB, "Al: **hi**", format=HTML, formatted_body=html)).body == Text(
        plain="Alice: hi", spans=(Span(start=7, end=9, style=Style.BOLD),)
    )


@pytest.mark.parametrize(
    "content", [{"format": "other", "formatted_body": "<b>x</b>"}, {"format": HTML, "formatted_body": None}]
)
def test_unreadable_formatting_leaves_the_body(content):
    """Other formats, and none."""
    assert heard(said(BOB, "hi", **content)).body == Text(plain="hi")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"msgtype": "m.image", "body": "cat.jpg", "url": "mxc://a/b"}, "[image] cat.jpg"),
        ({"msgtype": "m.file", "body": "my cat", "filename": "cat.pdf"}, "my cat\n[file] cat.pdf"),
        ({"msgtype": "m.audio"}, "[audio]"),
        ({"msgtype": "m.video", "body": "a.mp4", "filename": "a.mp4"}, "[video] a.mp4"),
        ({"msgtype": "m.location", "body": "Verona", "geo_uri": "geo:45,10"}, "Verona\ngeo:45,10"),
        ({"msgtype": "m.location", "body": "at geo:45,10", "geo_uri": "geo:45,10"}, "at geo:45,10"),
    ],
)
def test_other_messages_are_shown_as_words(content, shown):
    """Files by name and caption, places by their URI."""
    assert words(content) == shown


def test_sticker_poll_and_encrypted_event_are_shown_as_words():
    """Nothing that people see in Matrix is silence in XMPP."""
    assert heard(event("m.sticker", BOB, {"body": "cat"})).body.plain == "[sticker] cat"
    assert heard(event("m.room.encrypted", BOB, {"ciphertext": "x"})).body.plain == UNREADABLE
    stable = {
        "question": {"m.text": [{"body": "Tea?"}]},
        "answers": [{"m.text": [{"body": "Yes"}]}, {"m.text": "x"}],
    }
    assert (
        heard(event("m.poll.start", BOB, {"m.poll.start": stable})).body.plain == "[poll] Tea?\n1. Yes\n2. x"
    )
    older = {"question": {"org.matrix.msc1767.text": "Tea?"}, "answers": [{}] * 99}
    shown = heard(
        event("org.matrix.msc3381.poll.start", BOB, {"org.matrix.msc3381.poll.start": older})
    ).body.plain
    assert shown.startswith("[poll] Tea?\n1. ") and shown.count("\n") == MAX_OPTIONS


def test_reply_names_what_it_answers():
    """The author's nick when the message is known; its quotation is taken off."""
    room = garden()
    live(said(ALICE, "tea?") | {"event_id": "$tea"}, room)
    quoting = said(
        BOB,
        "> <@alice:hs.example> tea?\n> now\n\nyes",
        **{"m.relates_to": {"m.in_reply_to": {"event_id": "$tea"}}},
    )
    answer = heard(quoting, room)
    assert answer.reply == Reply(id="$tea", nick="Alice")
    assert answer.body.plain == "yes"
    unknown = said(BOB, "> a quotation", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}})
    assert (heard(unknown).reply, heard(unknown).body.plain) == (Reply(id="$x"), "> a quotation")


def test_message_of_a_thread_names_its_root():
    """The thread is that event; messages outside are in none."""
    room = garden()
    assert heard(said(BOB, "x", **relation("m.thread", "$root")) | {"event_id": "$1"}, room).thread == "$root"
    assert room.timeline.latest("$root") == "$1"
    assert heard(said(BOB, "x", **relation("m.thread", 5)), room).thread == ""
    assert heard(said(BOB, "x", **relation("m.other", "$root")), room).thread == ""


def test_poll_is_told_from_its_beginning_to_its_end():
    """Votes name the options, of a poll that is known."""
    room = garden()
    poll = {
        "question": {"m.text": [{"body": "Tea?"}]},
        "answers": [{"m.id": "y", "m.text": [{"body": "Yes"}]}, {"id": "n", "m.text": "No"}],
    }
    assert (
        heard(event("m.poll.start", ALICE, {"m.poll.start": poll}) | {"event_id": "$p"}, room).reply is None
    )
    vote = heard(
        event("m.poll.response", BOB, {"m.selections": ["n", "y", 5, "x"], **relation("m.reference", "$p")}),
        room,
    )
    assert (vote.kind, vote.body.plain, vote.reply) == (
        Kind.EMOTE, "votes for 2. No, 1. Yes", Reply(id="$p", nick="Alice"),
    )  # fmt: skip
    older = {"org.matrix.msc3381.poll.response": {"answers": []}, **relation("m.reference", "$p")}
    assert (
        heard(event("org.matrix.msc3381.poll.response", BOB, older), room).body.plain == "takes the vote back"
    )
    end = {"m.text": [{"body": "Over"}], **relation("m.reference", "$p")}
    assert heard(event("m.poll.end", ALICE, end), room).body.plain == "[poll] Over"
    unknown = event("m.poll.response", BOB, {"m.selections": ["y"], **relation("m.reference", "$q")})
    assert live(unknown, room) == live(event("m.poll.end", BOB, {}), room) == ()


def test_verification_is_not_for_people():
    """What devices say to each other is not shown."""
    assert live(said(BOB, "wants to verify", msgtype="m.key.verification.request"), garden()) == ()


def test_message_of_a_thread_answers_its_root():
    """Unless it answers a message of the thread itself."""
    falling = relation("m.thread", "$root", is_falling_back=True, **{"m.in_reply_to": {"event_id": "$last"}})
    answering = relation("m.thread", "$root", **{"m.in_reply_to": {"event_id": "$last"}})
    assert heard(said(BOB, "x", **falling)).reply == Reply(id="$root")
    assert heard(said(BOB, "x", **answering)).reply == Reply(id="$last")


def test_correction_replaces_the_original():
    """The new words without the star that old clients show."""
    content = {"m.new_content": {"msgtype": "m.emote", "body": "b"}, **relation("m.replace", "$1")}
    message = heard(said(BOB, "* b", **content))
    assert (message.replaces, message.body.plain, message.kind) == ("$1", "b", Kind.EMOTE)


def test_correction_of_an_xmpp_user_names_his_stanza():
    """Other XMPP clients know his message by the id that he gave it."""
    room = garden()
    live(said(ROMEO, "a", **{MARKER: {"id": "stanza"}}) | {"event_id": "$1"}, room)
    message = heard(
        said(
            ROMEO,
            "* b",
            **{"m.new_content": {"body": "b"}, MARKER: {"id": "s2"}},
            **relation("m.replace", "$1"),
        ),
        room,
    )
    assert (message.replaces, message.origin) == ("stanza", "s2")


def test_correction_of_somebody_elses_message_is_skipped():
    """Words cannot be put into another's mouth."""
    room = garden()
    live(said(ALICE, "a") | {"event_id": "$1"}, room)
    assert isinstance(live(said(BOB, "* b", **relation("m.replace", "$1")), room), Skipped)


def test_origin_is_believed_of_our_ghosts_only():
    """Nobody else can pretend to have sent an XMPP user's stanza."""
    room = garden()
    assert heard(said(ROMEO, "a", **{MARKER: {"id": "s"}}), room).origin == "s"
    assert heard(said(BOB, "a", **{MARKER: {"id": "s"}}), room).origin == ""
    assert origin_of(said(ROMEO, "a", **{MARKER: {}}), room) == ""
    assert origin_of(said(ROMEO, "a"), room) is None
    assert origin_of(said(BOB, "a", **{MARKER: {"id": "s"}}), room) is None


def test_reactions_are_told_as_the_whole_set():
    """And taken back by a redaction."""
    room = garden()
    assert live(
        event("m.reaction", BOB, relation("m.annotation", "$1", key="👍")) | {"event_id": "$r1"}, room
    ) == (Reaction(room=ROOM, id="$1", nick="Bob", emojis=("👍",), act="$r1", identity=BOB),)
    second = event("m.reaction", BOB, relation("m.annotation", "$1", key="🌹")) | {"event_id": "$r2"}
    assert live(second, room) == (
        Reaction(room=ROOM, id="$1", nick="Bob", emojis=("👍", "🌹"), act="$r2", identity=BOB),
    )
    ended = event("m.room.redaction", BOB, {"redacts": "$r1"}) | {"event_id": "$r3"}
    assert live(ended, room) == (
        Reaction(room=ROOM, id="$1", nick="Bob", emojis=("🌹",), act="$r3", identity=BOB),
    )


def test_own_reactions_and_retractions_keep_their_stanzas_ids():
    """XEP-0045 §7.4: clients know what they sent by its id."""
    room = garden()
    marker = {MARKER: {"id": "m1"}}
    live(said(ROMEO, "a") | {"event_id": "$1"}, room)
    (liked,) = live(event("m.reaction", ROMEO, relation("m.annotation", "$1", key="👍") | marker), room)
    assert (liked.origin, liked.identity) == ("m1", ROMEO)
    (gone,) = live(event("m.room.redaction", ROMEO, {"redacts": "$1"} | marker), room)
    assert isinstance(gone, Retraction) and (gone.origin, gone.identity) == ("m1", ROMEO)


def test_what_refers_to_a_correction_refers_to_the_message():
    """Nothing in Matrix forbids it; XMPP clients know messages by their first id."""
    room = garden()
    live(said(BOB, "a") | {"event_id": "$1"}, room)
    edit = {"m.new_content": {"msgtype": "m.text", "body": "b"}}
    for event_id, target in (("$2", "$1"), ("$3", "$2")):
        raw = said(BOB, "* b", **relation("m.replace", target), **edit) | {"event_id": event_id}
        (edited,) = live(raw, room)
        assert isinstance(edited, Message) and edited.replaces == "$1"
    (liked,) = live(event("m.reaction", ALICE, relation("m.annotation", "$3", key="👍")), room)
    assert isinstance(liked, Reaction) and liked.id == "$1"
    (answer,) = live(said(ALICE, "c", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$2"}}}), room)
    assert isinstance(answer, Message) and answer.reply == Reply(id="$1", nick="Bob")


@pytest.mark.parametrize("key", ["mxc://hs.example/cat"])
def test_reaction_with_a_picture_is_not_shown(key):
    """There is no emoji for it."""
    assert live(event("m.reaction", BOB, relation("m.annotation", "$1", key=key)), garden()) == ()


def test_reaction_with_a_picture_that_has_a_name_is_shown_by_it():
    """MSC4027: clients with custom emoji write their names beside the pictures."""
    content = relation("m.annotation", "$1", key="mxc://hs.example/cat") | {"shortcode": ":cat:"}
    (liked,) = live(event("m.reaction", BOB, content), garden())
    assert isinstance(liked, Reaction) and liked.emojis == (":cat:",)


@pytest.mark.parametrize("content", [{}, {"m.relates_to": {}}])
def test_redacted_reaction_in_history_is_nothing(content):
    """What is left of a redacted event says nothing, and is no fault."""
    assert live(event("m.reaction", BOB, content), garden()) == ()


@pytest.mark.parametrize("where", ["top", "content"])
def test_redaction_by_the_author_retracts(where):
    """Old room versions name the event outside of the content."""
    room = garden()
    live(said(BOB, "a") | {"event_id": "$1"}, room)
    raw = event("m.room.redaction", BOB, {"redacts": "$1"} if where == "content" else {}, redacts="$1")
    raw["event_id"] = "$2"
    assert live(raw, room) == (Retraction(room=ROOM, id="$1", nick="Bob", act="$2", identity=BOB),)


def test_redaction_by_another_is_moderation():
    """The room let him do it; so it is also when the author is forgotten."""
    room = garden()
    live(said(BOB, "a") | {"event_id": "$1"}, room)
    raw = event("m.room.redaction", ALICE, {"redacts": "$1", "reason": "spam"})
    (gone,) = live(raw | {"event_id": "$2"}, room)
    assert gone == Retraction(
        room=ROOM, id="$1", nick="Bob", actor="Alice", reason="spam", act="$2", identity=ALICE
    )
    (gone,) = live(event("m.room.redaction", BOB, {"redacts": "$0"}) | {"event_id": "$3"}, room)
    assert gone == Retraction(room=ROOM, id="$0", actor="Bob", act="$3", identity=BOB)


def test_state_in_the_timeline_changes_the_room():
    """Who joined is known when he speaks."""
    room = garden()
    (join,) = live(member("@dan:hs.example", "Dan"), room)
    assert isinstance(join, Join)
    assert heard(said("@dan:hs.example", "hi"), room).nick == "Dan"


def test_ghost_that_was_put_out_is_told_how():
    """Left, kicked, or banned, by whom and why."""
    for membership, sender, rule, how in (
        ("leave", ROMEO, "invite", Exit.LEFT),
        ("leave", ALICE, "public", Exit.KICKED),
        ("leave", ALICE, "invite", Exit.STRUCK),
        ("ban", ALICE, "invite", Exit.BANNED),
    ):
        room = garden()
        room.apply(state("m.room.join_rules", ALICE, {"join_rule": rule}))
        raw = member(ROMEO, membership=membership, sender=sender, reason="why")
        (left,) = live(raw, room)
        assert isinstance(left, Leave | Kick)
        actor = "" if how is Exit.LEFT else "Alice"
        assert exited(raw, room, left) == Exited(room=ROOM, nick="romeo", exit=how, actor=actor, reason="why")


def test_history_tells_when_and_by_whom():
    """Also of people who left long ago; the rest of the timeline is no history."""
    raw = said("@gone:hs.example", "hi") | {"event_id": "$1"}
    assert past(raw, garden()) == Message(
        room=ROOM, nick="gone (gone:hs.example)", body=Text(plain="hi"), id="$1",
        time=1_700_000_000.0, identity="@gone:hs.example",
    )  # fmt: skip
    assert past(member(BOB), garden()) is None
    assert past(event("m.reaction", BOB, {}), garden()) is None
    assert past(event("m.room.message", BOB, {}), garden()) is None
    assert isinstance(past(said(BOB, "hi") | {"origin_server_ts": "x"}, garden()), Skipped)
    assert isinstance(past(said(BOB, "hi") | {"event_id": 5}, garden()), Skipped)


def test_typing_is_told_as_it_changes():
    """Who began and who stopped; who is not in the room is nobody."""
    room = garden()
    now, events = typing({"content": {"user_ids": [BOB, "@x:hs.example", 5]}}, room, frozenset({CAROL}))
    assert now == {BOB}
    assert events == (
        Typing(room=ROOM, nick="Carol", state=TypingState.DONE),
        Typing(room=ROOM, nick="Bob", state=TypingState.COMPOSING),
    )
    assert typing({"content": {"user_ids": None}}, room, now)[0] == frozenset()


@pytest.mark.parametrize(
    "raw",
    [
        said(BOB, "x") | {"event_id": "$a'/><evil"},
        said(BOB, "x") | {"event_id": None},
        said(BOB, "x") | {"sender": "bob"},
        said(BOB, ""),
        said(BOB, None),
        said(BOB, "x", **relation("m.replace", 5)),
        event("m.reaction", BOB, relation("m.annotation", "$1", key="")),
        event("m.reaction", BOB, relation("m.annotation", "$1", key="x" * 99)),
        event("m.reaction", BOB, relation("m.other", "$1", key="x")),
        event("m.room.redaction", BOB, {}),
        member(BOB, "Bob", 5),
    ],
)
def test_poisoned_event_is_skipped_with_a_reason(raw):
    """The log says what was wrong, without a word of the sender's."""
    skipped = live(raw, garden())
    assert isinstance(skipped, Skipped) and skipped.reason


@pytest.mark.parametrize(
    "raw",
    [
        None,
        5,
        [],
        {},
        {"type": 5},
        {"type": "org.example.x"},
        {"type": "m.room.message", "event_id": "$1", "sender": BOB},
    ],
)
def test_event_that_means_nothing_is_no_event(raw):
    """Unknown types, and what was redacted."""
    assert live(raw, garden()) == ()


KINDS = [
    "m.room.message",
    "m.sticker",
    "m.room.encrypted",
    "m.reaction",
    "m.room.redaction",
    "m.poll.start",
    "m.poll.response",
    "m.poll.end",
    "m.room.member",
]
KEYS = [
    "msgtype",
    "body",
    "format",
    "formatted_body",
    "m.relates_to",
    "m.new_content",
    "redacts",
    "m.poll.start",
    "m.poll.response",
    "m.selections",
    "m.mentions",
    "m.text",
    MARKER,
    "filename",
]
RELATIONS = ["rel_type", "event_id", "m.in_reply_to", "is_falling_back", "key", "user_ids", "answers"]
contents = st.dictionaries(
    st.sampled_from(KEYS), json | st.dictionaries(st.sampled_from(RELATIONS), json), max_size=6
)
raws = json | st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | json},
    optional={
        "sender": st.sampled_from([ALICE, BOB, ROMEO]) | json,
        "event_id": st.just("$event") | json,
        "content": contents | json,
        "state_key": json,
        "redacts": json,
        "origin_server_ts": json,
    },
)


@given(st.lists(raws, max_size=4))
def test_any_event_is_read_or_skipped(events):
    """Whatever servers send, nothing stops the room."""
    room = garden()
    for raw in events:
        assert isinstance(live(raw, room), tuple | Skipped)
        assert isinstance(past(raw, room), Message | Skipped | None)
        assert isinstance(typing(raw, room, frozenset())[1], tuple)


# ---- files


def linked() -> Room:
    """The garden, where files have links."""
    room = garden()
    room.link = lambda name, filename: f"https://f/{name}/{filename}"
    return room


def test_file_is_an_attachment_and_its_caption_the_body():
    """A name is no words."""
    content = {"msgtype": "m.image", "body": "rose.png", "url": "mxc://hs.example/id"}
    message = heard(event("m.room.message", BOB, content), linked())
    assert (message.body.plain, [one.url for one in message.attachments]) == (
        "",
        ["https://f/hs.example/id/rose.png"],
    )
    html = {"format": HTML, "formatted_body": "a <b>rose</b>"}
    content |= {"body": "a rose", "filename": "rose.png", **html}
    message = heard(event("m.room.message", BOB, content), linked())
    assert (message.body.plain, message.body.spans[0].style, message.kind) == (
        "a rose",
        Style.BOLD,
        Kind.TEXT,
    )
    assert message.attachments[0].name == "rose.png"


def test_sticker_is_an_attachment_named_by_its_words():
    """They describe the picture."""
    content = {"body": "a rose", "url": "mxc://hs.example/id", "info": {"mimetype": "image/png"}}
    message = heard(event("m.sticker", BOB, content), linked())
    assert (message.body.plain, message.attachments[0].name) == ("", "a rose.png")


def test_file_that_cannot_be_named_is_told_by_words():
    """Nothing is lost where there is no address."""
    message = heard(event("m.room.message", BOB, {"msgtype": "m.file", "body": "a.txt"}), linked())
    assert (message.body.plain, message.attachments) == ("[file] a.txt", ())
