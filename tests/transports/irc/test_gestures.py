"""Reactions and retractions."""

from __future__ import annotations

from bridge.capabilities import Level
from bridge.errors import Trouble
from bridge.events import Failed, Message, MessageId, Reaction, Ref, Retraction, Sent, VoiceRequest

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


def test_wish_that_irc_does_not_know_is_refused():
    """Nobody is asked for voice there."""
    romeo, _ = conversation()
    romeo.submit(VoiceRequest(room=CHAN, ref=Ref(1)))
    assert romeo.event(Failed).error.trouble is Trouble.UNSUPPORTED


def test_redaction_both_ways():
    """By the author, and by somebody else."""
    romeo, message = conversation()
    romeo.feed(":juliet!j@h REDACT #chan m1 :slip")
    assert romeo.event(Retraction) == Retraction(
        room=CHAN, id=message.id, nick="juliet", reason="slip", act=MessageId("id2"), identity="n:juliet"
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


def test_act_that_several_users_hear_is_one_and_archived_once():
    """They share the id of the archive; the server's id tells copies of one from others that look the same."""
    world = World()
    clients = [world.client(nick).in_room(names="juliet", caps=CAPS) for nick in ("romeo", "nurse")]

    def heard(line: str) -> list[Reaction | Retraction]:
        for client in clients:
            client.feed(line)
        return [
            event
            for client in clients
            for event in client.events()
            if isinstance(event, Reaction | Retraction)
        ]

    heard("@msgid=m1 :juliet!j@h PRIVMSG #chan :O Romeo")
    acts = []
    for number, (tag, emojis) in enumerate([("react", ("a",)), ("unreact", ()), ("react", ("a",))]):
        one, other = heard(f"@msgid=r{number};+draft/reply=m1;+draft/{tag}=a :juliet!j@h TAGMSG #chan")
        assert one is other and one.emojis == emojis
        acts.append(one)
    one, other = heard(":juliet!j@h REDACT #chan m1")
    assert one is other
    assert world.archived[1:] == [*acts, one]
    assert len({act.act for act in world.archived[1:]}) == 4


def test_own_reaction_is_archived_when_it_is_heard():
    """The user himself is not told what he did."""
    romeo, message = conversation()
    romeo.submit(Reaction(room=CHAN, id=message.id, emojis=("a", "b"), ref=Ref(1)))
    for number, emoji in enumerate("ab"):
        romeo.feed(f"@msgid=r{number};+reply=m1;+draft/react={emoji} :romeo!~u@host.example TAGMSG #chan")
    assert romeo.events(Reaction) == []
    assert set(romeo.world.archived[-1].emojis) == {"a", "b"}


def test_reaction_that_no_id_tells_from_others_is_not_archived():
    """Each user's copy would be another."""
    romeo, _ = conversation()
    romeo.feed("@+draft/reply=m1;+draft/react=a :juliet!j@h TAGMSG #chan")
    assert romeo.event(Reaction).act == ""
    assert len(romeo.world.archived) == 1
