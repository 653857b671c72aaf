"""Messages in channels: one identity for all sessions, lines out, confirmations."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import Failed, Kind, Message, Ref, Reply, Sent, Text

from .script import SERVER, World, room

CAPS = "message-tags echo-message labeled-response batch server-time"


def said(body: str, **fields) -> Message:
    """A message that the user sends."""
    return Message(room=room("#chan"), body=Text(plain=body), ref=Ref(7), **fields)


def pair(world: World, caps: str = ""):
    """Two users of the gateway in one channel."""
    romeo = world.client("romeo").in_room(caps=caps)
    juliet = world.client("juliet").in_room(names="romeo", caps=caps)
    romeo.feed(":juliet!~u@host.example JOIN #chan")
    romeo.events()
    return romeo, juliet


def test_message_is_one_object_for_all_sessions():
    """The tuple is the same, the id is one, and it is archived once."""
    world = World()
    romeo, juliet = pair(world)
    for client in (romeo, juliet):
        client.feed(":nurse!n@h PRIVMSG #chan :Madam!")
    assert romeo.tuples[0] is juliet.tuples[0]
    (message,) = romeo.tuples[0]
    assert (message.nick, message.body.plain, message.identity) == ("nurse", "Madam!", "n:nurse")
    assert world.archived == [message]


def test_same_words_said_twice_are_two_messages():
    """Each session counts the copies it has had."""
    world = World()
    romeo, juliet = pair(world)
    line = ":nurse!n@h PRIVMSG #chan :Madam!"
    romeo.feed(line, line)
    juliet.feed(line, line)
    ids = [[each.id for each in client.events(Message)] for client in (romeo, juliet)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
    assert len(world.archived) == 2


def test_same_words_alternating_between_sessions_are_two_messages():
    """The order in which sessions read does not matter."""
    world = World()
    romeo, juliet = pair(world)
    line = ":nurse!n@h PRIVMSG #chan :Madam!"
    for client in (romeo, juliet, juliet, romeo):
        client.feed(line)
    assert [each.id for each in romeo.events(Message)] == [each.id for each in juliet.events(Message)]
    assert len(world.archived) == 2


def test_different_orders_are_matched():
    """Servers of one network may show a channel in different orders."""
    world = World()
    romeo, juliet = pair(world)
    one, two = ":nurse!n@h PRIVMSG #chan :one", ":peter!p@h PRIVMSG #chan :two"
    romeo.feed(one, two)
    juliet.feed(two, one)
    assert {each.id for each in romeo.events(Message)} == {each.id for each in juliet.events(Message)}
    assert len(world.archived) == 2


def test_old_words_are_not_matched_again():
    """A message that one session missed is not mistaken for the same words much later."""
    world = World()
    romeo, juliet = pair(world)
    line = ":nurse!n@h PRIVMSG #chan :Madam!"
    romeo.feed(line)
    world.pass_time(121)
    juliet.feed(line)
    assert romeo.events(Message)[0].id != juliet.events(Message)[0].id


def test_chunk_of_messages_is_one_tuple_for_those_who_get_the_same_bytes():
    """A burst that arrives in the same pieces is understood once."""
    world = World()
    romeo, juliet = pair(world)
    words = [b":nurse!n@h PRIVMSG #chan :word %d\r\n" % number for number in range(10)]
    for client in (romeo, juliet):
        client.session.receive_data(b"".join(words[:5]))
        client.session.receive_data(b"".join(words[5:]))
        client.collect()
    assert len(romeo.tuples) == 2
    assert all(mine is yours for mine, yours in zip(romeo.tuples, juliet.tuples, strict=True))
    assert len(world.archived) == 10


def test_own_message_is_sent_when_written_and_known_to_others():
    """Without echo-message the others' copies are the author's message."""
    world = World()
    romeo, juliet = pair(world)
    romeo.submit(said("It is my lady", origin="o1"))
    assert romeo.lines() == ["PRIVMSG #chan :It is my lady"]
    sent = romeo.event(Sent)
    assert (sent.ref, sent.last, sent.message.origin, sent.message.nick) == (Ref(7), True, "o1", "romeo")
    juliet.feed(":romeo!~u@host.example PRIVMSG #chan :It is my lady")
    assert juliet.event(Message) is sent.message
    assert world.archived == [sent.message]


def test_long_message_becomes_lines_that_arrive_whole():
    """Lines fit behind the user's real source; only the first keeps the client's id."""
    world = World()
    romeo = world.client("romeo").in_room()
    text = "wherefore " * 100
    romeo.submit(said(text.strip(), origin="o1"))
    lines = romeo.lines()
    sent = romeo.events(Sent)
    source = len(":romeo!~u@host.example ")
    assert all(source + len(line) + 2 <= 512 for line in lines)
    assert max(source + len(line) + 2 for line in lines) > 490
    assert [each.message.origin for each in sent] == ["o1"] + [""] * (len(lines) - 1)
    assert [each.last for each in sent] == [False] * (len(lines) - 1) + [True]
    assert " ".join(each.message.body.plain for each in sent) == text.strip()


def test_newlines_and_actions():
    """A newline ends a line; /me is an ACTION for its own line."""
    romeo = World().client("romeo").in_room()
    romeo.submit(said("/me sighs\nAy me"))
    assert romeo.lines() == ["PRIVMSG #chan :\x01ACTION sighs\x01", "PRIVMSG #chan :Ay me"]
    first, second = romeo.events(Sent)
    assert (first.message.kind, first.message.body.plain) == (Kind.EMOTE, "sighs")
    assert (second.message.kind, second.message.body.plain) == (Kind.TEXT, "Ay me")


def test_refused_message_fails_with_the_servers_words():
    """404 after a message is about that message."""
    romeo = World().client("romeo").in_room()
    romeo.submit(said("hello"))
    romeo.events()
    romeo.feed(f":{SERVER} 404 romeo #chan :Cannot send to channel")
    failed = romeo.event(Failed)
    assert (failed.ref, failed.error.trouble, failed.error.text) == (
        Ref(7),
        Trouble.CANNOT_SPEAK,
        "Cannot send to channel",
    )


def test_message_to_a_room_the_user_is_not_in_fails():
    """Nothing is lost silently."""
    romeo = World().client("romeo").in_room("#other")
    romeo.submit(said("hello"))
    assert romeo.event(Failed).error.trouble is Trouble.NOT_IN_ROOM


def test_unconfirmed_message_is_reported_when_the_link_breaks():
    """What was written and never confirmed is told to its sender."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.submit(said("heard"))
    world.pass_time(2)
    (fence,) = romeo.lines()[1:]
    romeo.feed(f":{SERVER} PONG {SERVER} :{fence.split()[1]}")
    romeo.submit(Message(room=room("#chan"), body=Text(plain="unheard"), ref=Ref(8)))
    romeo.events()
    romeo.session.connection_lost(None, "gone")
    failed = romeo.event(Failed)
    assert (failed.ref, failed.error.trouble) == (Ref(8), Trouble.LOST)


def test_echo_confirms_and_names_the_message():
    """With echo-message the server's copy is what the room saw, with the client's id."""
    world = World()
    romeo, juliet = pair(world, CAPS)
    romeo.submit(said("hi \x02there", origin="o1"))
    (line,) = romeo.lines()
    label = line.partition(" ")[0].removeprefix("@label=")
    assert romeo.events(Sent) == []
    juliet.feed("@msgid=m1 :romeo!~u@host.example PRIVMSG #chan :hi there!")
    romeo.feed(f"@label={label};msgid=m1 :romeo!~u@host.example PRIVMSG #chan :hi there!")
    sent, seen = romeo.event(Sent), juliet.event(Message)
    assert sent.message.id == seen.id
    assert sent.message.body.plain == "hi there!"
    assert sent.message.origin == "o1"
    assert len(world.archived) == 1


def test_echo_before_others_keeps_the_client_id_for_all():
    """Where the text is not changed all see the author's own message."""
    world = World()
    romeo, juliet = pair(world, CAPS)
    romeo.submit(said("hi", origin="o1"))
    (line,) = romeo.lines()
    label = line.partition(" ")[0].removeprefix("@label=")
    juliet.feed("@msgid=m1 :romeo!~u@host.example PRIVMSG #chan :hi")
    romeo.feed(f"@label={label};msgid=m1 :romeo!~u@host.example PRIVMSG #chan :hi")
    assert juliet.event(Message) == romeo.event(Sent).message
    assert world.archived[0].origin == "o1"
    assert len(world.archived) == 1


def test_replies_are_mapped_by_msgid():
    """IRCv3 reply ↔ the message's id, both ways."""
    world = World()
    romeo = world.client("romeo").in_room(caps=CAPS)
    romeo.feed("@msgid=m1 :nurse!n@h PRIVMSG #chan :Madam!")
    first = romeo.event(Message)
    romeo.feed("@msgid=m2;+draft/reply=m1 :peter!p@h PRIVMSG #chan :Anon!")
    assert romeo.event(Message).reply == Reply(id=first.id, nick="nurse")
    romeo.submit(said("I come", reply=Reply(id=first.id)))
    assert "+reply=m1" in romeo.lines()[0]


def test_notice_and_formatting():
    """NOTICE is its own kind; codes become spans."""
    romeo = World().client("romeo").in_room()
    romeo.feed(":nurse!n@h NOTICE #chan :\x02loud\x02 words")
    message = romeo.event(Message)
    assert (message.kind, message.body.plain, len(message.body.spans)) == (Kind.NOTICE, "loud words", 1)


def test_old_message_carries_its_time():
    """IRCv3 server-time is kept where it differs from now."""
    romeo = World().client("romeo").in_room(caps=CAPS)
    romeo.feed("@time=2020-01-01T00:00:00.000Z :nurse!n@h PRIVMSG #chan :past")
    assert romeo.event(Message).time == 1_577_836_800.0


def test_message_whose_echo_never_comes_is_settled_by_the_fence():
    """A server that swallows the echo has still dealt with the line."""
    world = World()
    romeo = world.client("romeo").in_room(caps="message-tags echo-message")
    romeo.submit(said("hello"))
    world.pass_time(2)
    fence = romeo.lines()[-1].split()[1]
    romeo.feed(f":{SERVER} PONG {SERVER} :{fence}")
    sent = romeo.event(Sent)
    assert world.archived == [sent.message]


def test_message_to_those_with_rank_only_is_marked():
    """STATUSMSG does not match what all were told."""
    world = World()
    romeo, juliet = pair(world)
    romeo.feed(":nurse!n@h PRIVMSG @#chan :psst")
    juliet.feed(":nurse!n@h PRIVMSG #chan :psst")
    assert romeo.event(Message).body.plain == "[@] psst"
    assert juliet.event(Message).body.plain == "psst"


def test_message_said_while_another_enters_is_his_too():
    """Whoever enters reads on from where the others saw him come."""
    world = World()
    romeo = world.client("romeo").in_room()
    juliet = world.client("juliet").enter().connect()
    romeo.feed(":juliet!~u@host.example JOIN #chan", ":nurse!n@h PRIVMSG #chan :welcome")
    juliet.joined(names="romeo juliet")
    juliet.feed(":nurse!n@h PRIVMSG #chan :welcome")
    assert romeo.event(Message) is juliet.event(Message)
    assert len(world.archived) == 1


def test_mode_line_is_a_command():
    """Biboumi's one slash word; the others are text."""
    romeo = World().client("romeo").in_room(names="juliet")
    romeo.submit(said("/mode +v juliet"))
    assert romeo.lines()[0] == "MODE #chan +v juliet"
    romeo.feed(":romeo!~u@host.example MODE #chan +v juliet")
    assert Sent(ref=Ref(7)) in romeo.events()
    romeo.submit(said("/modesty is a virtue"))
    assert "PRIVMSG #chan :/modesty is a virtue" in romeo.lines()
