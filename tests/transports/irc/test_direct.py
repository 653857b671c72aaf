"""Words for one person."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    Invite,
    Kind,
    Message,
    Ref,
    RoomNotice,
    Sent,
    ServerNotice,
    Text,
    Typing,
    TypingState,
)

from .script import SERVER, World, room

JULIET = ContactId("juliet%irc.example.org")


def test_private_message_in():
    """From the contact, with the nick's spelling."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":Juliet!j@h PRIVMSG romeo :\x01ACTION waves\x01")
    message = romeo.event(DirectMessage)
    assert (message.contact, message.nick, message.kind, message.body.plain) == (
        JULIET,
        "Juliet",
        Kind.EMOTE,
        "waves",
    )
    assert message.room is None


def test_private_message_out_is_sent_when_written():
    """Several lines, one last."""
    romeo = World().client("romeo").in_room()
    romeo.submit(DirectMessage(contact=JULIET, body=Text(plain="one\ntwo"), ref=Ref(3)))
    assert romeo.lines() == ["PRIVMSG juliet one", "PRIVMSG juliet two"]
    assert [event.last for event in romeo.events(Sent)] == [False, True]


def test_message_to_nobody_fails():
    """401, in the server's words."""
    romeo = World().client("romeo").in_room()
    romeo.submit(DirectMessage(contact=JULIET, nick="Juliet", body=Text(plain="hark"), ref=Ref(3)))
    romeo.events()
    romeo.feed(f":{SERVER} 401 romeo Juliet :No such nick")
    assert romeo.event(Failed).error.trouble is Trouble.NO_SUCH_NICK


def test_answer_comes_in_the_room_where_the_user_wrote():
    """A private message within a room stays there."""
    romeo = World().client("romeo").in_room(names="Juliet")
    romeo.submit(DirectMessage(contact=JULIET, nick="Juliet", room=room("#chan"), body=Text(plain="x")))
    romeo.feed(":Juliet!j@h PRIVMSG romeo :yes")
    assert romeo.event(DirectMessage).room == room("#chan")


def test_notices_go_where_they_belong():
    """The channel they name, the contact one wrote to, or the server."""
    romeo = World().client("romeo").in_room(names="op")
    romeo.feed(":ChanServ!s@services NOTICE romeo :[#chan] Welcome")
    said = romeo.event(Message)
    assert (said.room, said.nick, said.kind) == (room("#chan"), "ChanServ", Kind.NOTICE)
    assert (said.body.plain, said.id) == ("[#chan] Welcome", "")
    romeo.feed(":Juliet!j@h NOTICE romeo :hello")
    assert romeo.event(ServerNotice).text == "Juliet (j@h): hello"
    romeo.submit(DirectMessage(contact=JULIET, body=Text(plain="x")))
    romeo.feed(":Juliet!j@h NOTICE romeo :hello")
    assert romeo.event(DirectMessage).kind is Kind.TEXT
    romeo.feed(f":{SERVER} NOTICE * :*** Looking up your hostname")
    assert romeo.event(ServerNotice).text == f"{SERVER}: *** Looking up your hostname"


def test_notice_to_oneself_is_shown_in_the_channel_it_names():
    """A raw NOTICE to one's own nick goes the way of others' notices."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":romeo!~u@host.example NOTICE romeo :[#chan] Hello")
    assert romeo.event(Message).nick == "romeo"


def test_echo_of_a_private_message_confirms_it():
    """IRCv3 echo-message."""
    romeo = World().client("romeo").in_room(caps="message-tags echo-message")
    romeo.submit(DirectMessage(contact=JULIET, body=Text(plain="hark"), ref=Ref(3)))
    assert romeo.events(Sent) == []
    romeo.feed(":romeo!~u@host.example PRIVMSG juliet :hark")
    assert romeo.events() == [Sent(ref=Ref(3))]


def test_invitation_in():
    """INVITE names room and inviter."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":juliet!j@h INVITE romeo :#Garden")
    assert romeo.event(Invite) == Invite(room=room("#garden"), nick="juliet")


def test_invitation_of_others_is_a_notice():
    """IRCv3 invite-notify."""
    romeo = World().client("romeo").in_room(caps="invite-notify")
    romeo.feed(":juliet!j@h INVITE nurse #chan")
    assert romeo.event(RoomNotice).text == "nurse has been invited to #chan by juliet"


def test_forced_join_becomes_an_invitation():
    """SAJOIN: the user is asked in, and taken out again if he does not come."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.joined("#forced", names="@op romeo")
    assert romeo.event(Invite).room == room("#forced")
    world.pass_time(30)
    romeo.feed(":x PONG x :y", ":nurse!n@h JOIN #forced")
    world.pass_time(31)
    assert "PART #forced" in romeo.lines()


def test_forced_join_can_be_entered():
    """Who was put in is in as soon as he wants to."""
    romeo = World().client("romeo").in_room()
    romeo.joined("#forced", names="@op romeo")
    romeo.feed(":nurse!n@h JOIN #forced")
    romeo.events()
    romeo.enter("#forced")
    kinds = [type(event).__name__ for event in romeo.events()]
    assert kinds == ["Entered", "Join"]
    assert not any("JOIN" in line for line in romeo.lines())


def test_typing_both_ways():
    """IRCv3 typing, at most one in three seconds."""
    world = World()
    romeo = world.client("romeo").in_room(names="juliet", caps="message-tags")
    romeo.feed("@+typing=active :juliet!j@h TAGMSG #chan", "@+typing=done :juliet!j@h TAGMSG romeo")
    assert romeo.events() == [
        Typing(room=room("#chan"), nick="juliet", state=TypingState.COMPOSING),
        Typing(contact=JULIET, nick="juliet", state=TypingState.DONE),
    ]
    for _ in range(2):
        romeo.submit(Typing(room=room("#chan"), state=TypingState.COMPOSING))
    assert romeo.lines() == ["@+typing=active TAGMSG #chan"]
    romeo.submit(Typing(contact=JULIET, state=TypingState.GONE))
    assert romeo.lines() == ["@+typing=done TAGMSG juliet"]


def test_typing_is_not_sent_where_it_cannot_be():
    """Without message-tags nothing leaves."""
    romeo = World().client("romeo").in_room()
    romeo.submit(Typing(room=room("#chan"), state=TypingState.COMPOSING))
    assert romeo.lines() == []
