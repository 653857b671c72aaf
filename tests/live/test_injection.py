"""No field that a user fills gives IRC a second command."""

import pytest

from tests.live.stage import Stage

ADMIN = "http://jabber.org/protocol/muc#admin"


@pytest.mark.parametrize("break_", ["&#13;&#10;", "&#10;", "&#13;"], ids=["crlf", "lf", "cr"])
async def test_line_breaks_never_make_a_second_command(stage: Stage, break_: str):
    """Body, subject, reason, part message, nick and query target: whatever breaks, QUIT is not sent."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    juliet = await stage.on_irc("juliet", stage.channel)
    mercutio = await stage.on_irc("mercutio", stage.channel)
    await juliet.sync()
    evil = f"a{break_}QUIT :injected{break_}"
    romeo.send(f"<message type='groupchat' id='m' to='{stage.room}'><body>{evil}</body></message>")
    await juliet.find("PRIVMSG", stage.channel)
    romeo.send(f"<message type='chat' to='{stage.contact(juliet.nick)}'><body>{evil}</body></message>")
    await juliet.find("PRIVMSG", juliet.nick)
    romeo.send(f"<message type='groupchat' to='{stage.room}'><subject>{evil}</subject></message>")
    await juliet.find("TOPIC", stage.channel)
    item = f"<item nick='{mercutio.nick}' role='none'><reason>{evil}</reason></item>"
    await romeo.iq(stage.room, f"<query xmlns='{ADMIN}'>{item}</query>", "set")
    await juliet.find("KICK", stage.channel, mercutio.nick)
    romeo.say(stage.room, "alive")
    await juliet.hears(stage.channel, "alive", nick=stage.nick("romeo"))
    romeo.send(
        f"<presence type='unavailable' to='{stage.room}/{stage.nick('romeo')}'><status>{evil}</status></presence>"
    )
    await juliet.sync()
    lines = juliet.seen("PART") + juliet.seen("QUIT")
    while not lines:
        await juliet.sync()
        lines = juliet.seen("PART") + juliet.seen("QUIT")
    assert all(line.params[-1] != "injected" for line in lines)


async def test_key_with_spaces_or_commas_joins_nothing_else(stage: Stage):
    """A password is one parameter: it neither names another channel nor another key."""
    other = stage.new_channel()
    juliet = await stage.on_irc("juliet", stage.channel, other)
    romeo = await stage.on_xmpp("romeo")
    romeo.enter(stage.room, stage.nick("romeo"), password=f"x\r\nJOIN {other}")
    await romeo.mailbox.take("an answer to the join")
    await romeo.result(stage.domain, "<ping xmlns='urn:xmpp:ping'/>")
    await juliet.sync()
    assert not [line for line in juliet.seen("JOIN") if line.params[0] == other]


async def test_form_fields_never_make_a_second_command(stage: Stage):
    """Nick, user and real name of the settings are single parameters."""
    romeo = await stage.on_xmpp("romeo")
    juliet = await stage.on_irc("juliet", stage.channel)
    evil = f"x\nJOIN {stage.channel}\n"
    await romeo.command(stage.server, "configure", {"realname": evil, "username": evil, "pass": evil})
    elsewhere = stage.room_of(stage.new_channel())
    romeo.enter(elsewhere, stage.nick("romeo"))
    await romeo.mailbox.take("an answer to the join")
    await juliet.sync()
    assert not juliet.seen("JOIN")


async def test_channel_names_with_commas_or_spaces_join_nothing_else(stage: Stage):
    """One join is one channel."""
    romeo = await stage.on_xmpp("romeo")
    juliet = await stage.on_irc("juliet", stage.channel)
    romeo.enter(stage.room_of(f"#none,{stage.channel}"), stage.nick("romeo"))
    await romeo.mailbox.take("an answer to the join")
    romeo.enter(stage.room_of(f"#none\\20{stage.channel}"), stage.nick("romeo"))
    await romeo.result(stage.domain, "<ping xmlns='urn:xmpp:ping'/>")
    await juliet.sync()
    assert not juliet.seen("JOIN")
