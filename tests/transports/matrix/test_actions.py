"""What XMPP users do, as it is asked of the homeserver."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Attachment,
    ChangeNick,
    Kick,
    Kind,
    Mention,
    Message,
    Reaction,
    Reply,
    Retraction,
    Span,
    Style,
    Text,
    Topic,
)
from transports.matrix.actions import Redact, Remove, Send, SetState, actions
from transports.matrix.tables import HTML, MARKER, MAX_CONTENT
from transports.matrix.translate import live

from .raw import ALICE, BOB, CAROL, JULIET, ROMEO, ROOM, event, garden, member, said


def say(plain, room=None, *spans, **more):
    """The contents that a message becomes."""
    message = Message(room=ROOM, body=Text(plain=plain, spans=spans), origin="s1", **more)
    sends = actions(message, room or garden(), ROMEO)
    assert all(isinstance(each, Send) and each.type == "m.room.message" for each in sends)
    return [dict(each.content) for each in sends]


def refused(event, room=None) -> Trouble:
    with pytest.raises(BridgeError) as caught:
        actions(event, room or garden(), ROMEO)
    return caught.value.trouble


def test_message_carries_the_mark_of_its_stanza():
    """By it our own event is recognised when it comes back."""
    assert say("hi") == [{"msgtype": "m.text", "body": "hi", "m.mentions": {}, MARKER: {"id": "s1"}}]
    long = Message(room=ROOM, body=Text(plain="x"), origin="s" * 300)
    assert actions(long, garden(), ROMEO)[0].content[MARKER] == {}


@pytest.mark.parametrize(
    ("plain", "kind", "msgtype", "body"),
    [
        ("/me waves", Kind.TEXT, "m.emote", "waves"),
        ("waves", Kind.EMOTE, "m.emote", "waves"),
        ("/me waves", Kind.NOTICE, "m.notice", "/me waves"),
    ],
)
def test_kind_of_a_message_is_kept(plain, kind, msgtype, body):
    """XMPP writes an emote with a slash (XEP-0245)."""
    (content,) = say(plain, kind=kind)
    assert (content["msgtype"], content["body"]) == (msgtype, body)


def test_looks_are_html_beside_the_plain_words():
    """Spans of an emote move with its words."""
    (content,) = say("/me *waves*", None, Span(start=4, end=11, style=Style.BOLD))
    assert content["format"] == HTML
    assert content["formatted_body"] == "<strong>*waves*</strong>"
    assert content["body"] == "*waves*"


@pytest.mark.parametrize(("plain", "user"), [("Bob: hi", BOB), ("Bob, hi", BOB), ("Alice: a, b: c", ALICE)])
def test_beginning_with_a_nick_mentions_its_owner(plain, user):
    """The addressee's client rings."""
    (content,) = say(plain)
    assert content["m.mentions"] == {"user_ids": [user]}
    assert str(content["formatted_body"]).startswith(f'<a href="https://matrix.to/#/{user}">')


def test_beginning_with_a_nick_told_apart_mentions_its_owner():
    """Also a nick that has a colon in it."""
    room = garden()
    room.apply(member("@bob:other.example", "Bob"))
    (content,) = say("Bob (bob:other.example): hi", room)
    assert content["m.mentions"] == {"user_ids": ["@bob:other.example"]}


@pytest.mark.parametrize("plain", ["Nobody: hi", "Bob hi", ": hi", "hi Bob: x"])
def test_other_beginnings_mention_nobody(plain):
    """Only who is addressed by nick is mentioned."""
    assert say(plain)[0]["m.mentions"] == {}


def test_reply_refers_to_the_event():
    """And mentions its author."""
    room = garden()
    live(said(BOB, "tea?") | {"event_id": "$tea"}, room)
    (content,) = say("yes", room, reply=Reply(id="$tea", nick="Bob"))
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$tea"}}
    assert content["m.mentions"] == {"user_ids": [BOB]}
    assert content["body"] == "yes"


def thread(**relates):
    return {"rel_type": "m.thread", "event_id": "$tea", **relates}


def test_message_in_a_thread_refers_to_its_root():
    """For clients without threads it answers the latest message, or the one that it does answer."""
    room = garden()
    live(said(BOB, "tea?") | {"event_id": "$tea"}, room)
    live(said(BOB, "or not", **{"m.relates_to": thread()}) | {"event_id": "$or"}, room)
    falling = thread(is_falling_back=True, **{"m.in_reply_to": {"event_id": "$or"}})
    assert say("yes", room, thread="$tea")[0]["m.relates_to"] == falling
    assert say("yes", room, thread="$or")[0]["m.relates_to"] == falling
    assert say("yes", room, thread="$tea", reply=Reply(id="$tea"))[0]["m.relates_to"] == falling
    (content,) = say("yes", room, thread="$tea", reply=Reply(id="$or"))
    assert content["m.relates_to"] == thread(is_falling_back=False, **{"m.in_reply_to": {"event_id": "$or"}})
    assert "m.relates_to" not in say("yes", room, thread="made up by a client")[0]


def test_mentions_are_told_and_linked():
    """People, the room, other rooms; those of an emote move with its words."""
    (content,) = say("/me and Bob and Eve, @room", None, mentions=(
        Mention(start=8, end=11, nick="Bob"), Mention(start=16, end=19, contact="@eve:hs.example"),
        Mention(start=21, end=26), Mention(nick="Carol"), Mention(nick="nobody"),
    ))  # fmt: skip
    assert content["m.mentions"] == {"user_ids": [BOB, "@eve:hs.example", CAROL], "room": True}
    assert content["formatted_body"] == (
        f'and <a href="https://matrix.to/#/{BOB}">Bob</a> and '
        '<a href="https://matrix.to/#/@eve:hs.example">Eve</a>, @room'
    )
    (content,) = say("see here", None, mentions=(Mention(start=4, end=8, room="#x:hs.example"),))
    assert content["m.mentions"] == {}
    assert content["formatted_body"] == 'see <a href="https://matrix.to/#/#x:hs.example">here</a>'


def test_reply_to_what_is_no_event_is_put_into_words():
    """Better an addressed message than none."""
    (content,) = say("yes", reply=Reply(id="of another network", nick="Bob"))
    assert "m.relates_to" not in content
    assert content["body"] == "Bob: yes"


def corrected(room, replaces):
    return say("b", room, replaces=replaces)[0]


def test_correction_replaces_the_ghosts_own_event():
    """Known by the stanza's id, or by the event's."""
    room = garden()
    live(said(ROMEO, "a", **{MARKER: {"id": "s0"}}) | {"event_id": "$1"}, room)
    for replaces in ("s0", "$1"):
        assert corrected(room, replaces) == {
            "msgtype": "m.text",
            "body": "* b",
            "m.mentions": {},
            "m.new_content": {"msgtype": "m.text", "body": "b", "m.mentions": {}},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
            MARKER: {"id": "s1"},
        }


def test_correction_of_what_is_unknown_is_a_message():
    """After a restart, or of somebody else's message: said anew, as a correction."""
    room = garden()
    live(said(BOB, "a") | {"event_id": "$1"}, room)
    for replaces in ("s0", "$1", "$0"):
        content = corrected(room, replaces)
        assert content["body"] == "(edited) b"
        assert "m.relates_to" not in content


def test_long_message_becomes_several_events():
    """Nothing of it is lost; the first is the reply."""
    room = garden()
    text = "".join(f"line {number} \x01é\n" for number in range(9_000))
    contents = say(text, room, reply=Reply(id="$tea"))
    assert len(contents) > 1
    assert "".join(str(content["body"]) for content in contents) == text
    assert ["m.relates_to" in content for content in contents] == [True] + [False] * (len(contents) - 1)
    assert all(len(msgspec.json.encode(content)) < MAX_CONTENT + 500 for content in contents)


def test_long_formatted_message_gives_up_its_looks():
    """Words go first."""
    (content,) = say("x" * 40_000, None, Span(start=0, end=40_000, style=Style.BOLD))
    assert "formatted_body" not in content and len(str(content["body"])) == 40_000


def test_long_correction_or_topic_is_refused():
    """They cannot be split."""
    room = garden()
    live(said(ROMEO, "a", **{MARKER: {"id": "s0"}}), room)
    long = Text(plain="x" * 40_000)
    assert refused(Message(room=ROOM, body=long, replaces="s0"), room) is Trouble.TOO_LONG
    assert refused(Topic(room=ROOM, text="x" * 70_000)) is Trouble.TOO_LONG


def test_empty_emote_is_refused():
    """There is nothing to say."""
    assert refused(Message(room=ROOM, body=Text(plain="/me "))) is Trouble.NOT_ACCEPTABLE


def test_reactions_are_sent_and_taken_back():
    """XMPP says the whole set, Matrix wants the difference."""
    room = garden()
    live(
        event(
            "m.reaction", ROMEO, {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "a"}}
        )
        | {"event_id": "$r"},
        room,
    )
    wanted = Reaction(room=ROOM, id="$1", emojis=("b",), origin="m1")
    relation = {"rel_type": "m.annotation", "event_id": "$1", "key": "b"}
    assert actions(wanted, room, ROMEO) == (
        Redact("$r", {MARKER: {"on": "$1"}}),
        Send("m.reaction", {"m.relates_to": relation, MARKER: {"id": "m1"}}),
    )
    assert actions(Reaction(room=ROOM, id="$1", emojis=("a",)), room, ROMEO) == ()
    assert actions(Reaction(room=ROOM, id="$1", emojis=(), origin="m2"), room, ROMEO) == (
        Redact("$r", {MARKER: {"id": "m2", "on": "$1"}}),
    )


def test_what_names_a_correction_is_done_to_the_message_itself():
    """XMPP clients know a corrected message by its latest stanza, Matrix by its first event."""
    room = garden()
    room.timeline.learn("$1", ROMEO, "m1")
    room.timeline.learn("$2", ROMEO, "m2", corrects="$1")
    room.timeline.learn("$3", ROMEO, "m3", corrects="$2")
    (react,) = actions(Reaction(room=ROOM, id="$3", emojis=("a",)), room, ROMEO)
    assert isinstance(react, Send) and react.content["m.relates_to"]["event_id"] == "$1"
    assert actions(Retraction(room=ROOM, id="$3"), room, ROMEO) == (Redact("$1", {MARKER: {}}),)
    assert actions(Retraction(room=ROOM, id="m3"), room, ROMEO) == (Redact("$1", {MARKER: {}}),)
    again = Message(room=ROOM, body=Text(plain="again"), replaces="m2")
    (correction,) = actions(again, room, ROMEO)
    assert isinstance(correction, Send) and correction.content["m.relates_to"]["event_id"] == "$1"
    (answer,) = actions(Message(room=ROOM, body=Text(plain="a"), reply=Reply(id="$2")), room, BOB)
    assert isinstance(answer, Send)
    assert answer.content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$1"}}


def test_topic_retraction_kick_and_nick_are_asked_for():
    """Each is one request."""
    room = garden()
    assert actions(Topic(room=ROOM, text="Roses"), room, ROMEO) == (
        SetState("m.room.topic", "", {"topic": "Roses"}),
    )
    assert actions(Retraction(room=ROOM, id="$1", reason="x" * 999), room, ROMEO) == (
        Redact("$1", {"reason": "x" * 255, MARKER: {}}),
    )
    assert actions(Kick(room=ROOM, nick="Bob", reason="spam"), room, ROMEO) == (Remove(BOB, "spam"),)
    assert actions(ChangeNick(room=ROOM, nick="ro"), room, ROMEO) == (
        SetState("m.room.member", ROMEO, {"membership": "join", "displayname": "ro"}),
    )


def test_new_nick_keeps_the_avatar():
    """A membership event is written as a whole."""
    room = garden()
    room.apply(member(ROMEO, "romeo", avatar_url="mxc://a/b"))
    (change,) = actions(ChangeNick(room=ROOM, nick="ro"), room, ROMEO)
    assert isinstance(change, SetState) and change.content["avatar_url"] == "mxc://a/b"


@pytest.mark.parametrize(
    ("event", "trouble"),
    [
        (Retraction(room=ROOM, id="no event"), Trouble.NOT_FOUND),
        (Reaction(room=ROOM, id="no event", emojis=("a",)), Trouble.NOT_FOUND),
        (Reaction(room=ROOM, id="$1", emojis=("a" * 99,)), Trouble.NOT_ACCEPTABLE),
        (Kick(room=ROOM, nick="nobody"), Trouble.NO_SUCH_NICK),
        (ChangeNick(room=ROOM, nick="Bob"), Trouble.NICK_IN_USE),
        (ChangeNick(room=ROOM, nick="a  b"), Trouble.BAD_NICK),
        (ChangeNick(room=ROOM, nick="Bob (bob:hs.example)"), Trouble.BAD_NICK),
    ],
)
def test_impossible_wish_is_refused(event, trouble):
    """The user is told what is wrong with it."""
    assert refused(event) is trouble


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_what_is_said_comes_back_as_it_was(plain):
    """From XMPP into the room and back to another XMPP user: words, kind, and the stanza's id."""
    room = garden()
    try:
        (content,) = say(plain, room)
    except BridgeError:
        assert plain == "/me "
        return
    (message,) = live(event("m.room.message", ROMEO, content), room)
    said_again = ("/me " if message.kind is Kind.EMOTE else "") + message.body.plain
    assert (said_again, message.origin, message.nick) == (plain, "s1", "romeo")


def test_another_ghost_is_another_author():
    """What one user said cannot be corrected by another."""
    room = garden()
    live(said(ROMEO, "a", **{MARKER: {"id": "s0"}}), room)
    (send,) = actions(Message(room=ROOM, body=Text(plain="b"), replaces="s0"), room, JULIET)
    assert isinstance(send, Send) and send.content["body"] == "(edited) b"


# ---- files


ROSE = Attachment(url="mxc://hs.example/id", name="rose.png", type="image/png", size=9)
FILE = {
    "msgtype": "m.image",
    "body": "rose.png",
    "filename": "rose.png",
    "url": "mxc://hs.example/id",
    "info": {"mimetype": "image/png", "size": 9},
    "m.mentions": {},
    MARKER: {"id": "s1"},
}


def test_file_without_words_is_an_event_of_its_own():
    """Its name stands where words would."""
    assert say("", attachments=(ROSE,)) == [FILE]


def test_words_go_with_a_single_file():
    """With their formatting, and whom they name (MX v1.10 media captions)."""
    bold = Span(start=0, end=1, style=Style.BOLD)
    [content] = say("a rose", None, bold, attachments=(ROSE,))
    assert (content["msgtype"], content["body"], content["filename"]) == ("m.image", "a rose", "rose.png")
    assert (content["format"], content["url"]) == (HTML, "mxc://hs.example/id")


def test_words_go_before_several_files():
    """And before one that they do not fit beside."""
    assert [one["body"] for one in say("roses", attachments=(ROSE, ROSE))] == [
        "roses",
        "rose.png",
        "rose.png",
    ]
    *parts, last = say("x" * (MAX_CONTENT - 50), attachments=(ROSE,))
    assert parts and last == FILE


def test_file_may_answer_a_message_or_correct_one():
    """It is a message like others; older clients are shown a corrected one too."""
    room = garden()
    live(event("m.room.message", BOB, {"msgtype": "m.text", "body": "hm"}) | {"event_id": "$bob"}, room)
    live(event("m.room.message", ROMEO, {"msgtype": "m.text", "body": "no"}) | {"event_id": "$own"}, room)
    [answer] = say("", room, attachments=(ROSE,), reply=Reply(id="$bob", nick="Bob"))
    assert answer["m.relates_to"] == {"m.in_reply_to": {"event_id": "$bob"}}
    [correction] = say("", room, attachments=(ROSE,), replaces="$own")
    assert correction["m.new_content"]["url"] == correction["url"] == "mxc://hs.example/id"
