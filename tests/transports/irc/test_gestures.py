"""Reactions and retractions."""

from __future__ import annotations

from bridge.capabilities import Level
from bridge.errors import Trouble
from bridge.events import Failed, Message, MessageId, Reaction, Ref, Retraction, Sent

from .script import SERVER, World, room

CHAN = room("#chan")
CAPS = "message-tags echo-message draft/message-redaction"


def conversation():
    """A user in a room where somebody has said something with a msgid."""
    romeo = World().client("romeo").in_room(names="juliet", caps=CAPS)
    romeo.feed("@msgid=m1 :juliet!j@h PRIVMSG #chan :O Romeo")
    return romeo, romeo.event(Message)


def test_reactions_in_are_all_that_remain():
    """IRCv3 adds and takes single ones, XEP-0444 has the whole set."""
    romeo, message = conversation()
    romeo.feed("@+draft/reply=m1;+draft/react=a :juliet!j@h TAGMSG #chan")
    romeo.feed("@+draft/reply=m1;+draft/react=b :juliet!j@h TAGMSG #chan")
    romeo.feed("@+draft/reply=m1;+draft/unreact=a :juliet!j@h TAGMSG #chan")
    emojis = [event.emojis for event in romeo.events(Reaction)]
    assert emojis == [("a",), ("a", "b"), ("b",)]
    romeo.feed("@+reply=unknown;+draft/react=a :juliet!j@h TAGMSG #chan")
    assert romeo.events() == []
    assert message.id


def test_reactions_out_are_the_difference():
    """What is new is added, what is gone is taken."""
    romeo, message = conversation()
    romeo.submit(Reaction(room=CHAN, id=message.id, emojis=("a", "b"), ref=Ref(1)))
    tags = [line.partition(" ")[0] for line in romeo.lines() if "TAGMSG" in line]
    assert tags == ["@+reply=m1;+draft/react=a", "@+reply=m1;+draft/react=b"]
    romeo.submit(Reaction(room=CHAN, id=message.id, emojis=("b",), ref=Ref(2)))
    tags = [line.partition(" ")[0] for line in romeo.lines() if "TAGMSG" in line]
    assert tags == ["@+reply=m1;+draft/unreact=a"]


def test_reaction_to_something_unknown_fails():
    """There is no msgid to name."""
    romeo, _ = conversation()
    romeo.submit(Reaction(room=CHAN, id=MessageId("nothing"), emojis=("a",), ref=Ref(1)))
    assert romeo.event(Failed).error.trouble is Trouble.UNSUPPORTED


def test_redaction_both_ways():
    """By the author, and by somebody else."""
    romeo, message = conversation()
    romeo.feed(":juliet!j@h REDACT #chan m1 :slip")
    assert romeo.event(Retraction) == Retraction(
        room=CHAN, id=message.id, nick="juliet", reason="slip", identity="n:juliet"
    )
    romeo.feed(":op!o@h REDACT #chan m1")
    assert romeo.event(Retraction).actor == "op"
    romeo.submit(Retraction(room=CHAN, id=message.id, ref=Ref(1)))
    assert romeo.lines()[0] == "REDACT #chan m1"
    romeo.feed(":romeo!~u@host.example REDACT #chan m1")
    assert Sent(ref=Ref(1)) in romeo.events()


def test_refused_redaction_fails():
    """FAIL REDACT names the message."""
    romeo, message = conversation()
    romeo.submit(Retraction(room=CHAN, id=message.id, ref=Ref(1)))
    romeo.feed(f":{SERVER} FAIL REDACT REDACT_FORBIDDEN #chan m1 :You may not")
    failed = romeo.event(Failed)
    assert (failed.ref, failed.error.text) == (Ref(1), "You may not")


def test_capabilities_follow_the_server():
    """What is native depends on what was negotiated and what is denied."""
    romeo, _ = conversation()
    can = romeo.session.capabilities()
    assert (can.replies, can.reactions, can.retractions, can.typing) == (Level.NATIVE,) * 4
    romeo.feed(f":{SERVER} 005 romeo CLIENTTAGDENY=*,-reply :are supported by this server")
    can = romeo.session.capabilities()
    assert (can.replies, can.reactions, can.typing) == (Level.NATIVE, Level.FALLBACK, Level.DROPPED)
    plain = World().client("romeo").in_room().session.capabilities()
    assert (plain.replies, plain.reactions, plain.retractions) == (
        Level.FALLBACK,
        Level.FALLBACK,
        Level.REJECTED,
    )
