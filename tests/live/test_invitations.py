"""Invitations (XEP-0045 §7.8, XEP-0249) and INVITE."""

import pytest

from tests.live.cast.stanzas import Pattern, value
from tests.live.peers.irc import OPERATOR
from tests.live.stage import Stage

USER = "http://jabber.org/protocol/muc#user"


async def test_mediated_invitation_of_a_nick_is_invite(stage: Stage):
    """An invitation of somebody on IRC is INVITE."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    juliet = await stage.on_irc("juliet")
    invite = f"<x xmlns='{USER}'><invite to='{stage.contact(juliet.nick)}'/></x>"
    romeo.send(f"<message to='{stage.room}'>{invite}</message>")
    line = await juliet.find("INVITE", juliet.nick, nick=stage.nick("romeo"))
    assert line.params[1] == stage.channel


async def test_mediated_invitation_of_a_jid_goes_over_xmpp(stage: Stage):
    """An invitation of somebody else on XMPP is handed to him by the room."""
    romeo, _ = await stage.together()
    mercutio = await stage.on_xmpp("mercutio")
    romeo.send(f"<message to='{stage.room}'><x xmlns='{USER}'><invite to='{mercutio.bare}'/></x></message>")
    stanza = await mercutio.mailbox.find(Pattern("message", has="mucuser:x/mucuser:invite"))
    assert value(stanza, "@from").partition("/")[0] == stage.room


async def test_invite_from_irc_is_a_mediated_invitation(stage: Stage):
    """INVITE is an invitation that a client can accept."""
    romeo, juliet = await stage.together()
    other = stage.new_channel()
    await juliet.join(other)
    juliet.send(f"INVITE {stage.nick('romeo')} {other}")
    stanza = await romeo.mailbox.find(Pattern("message", has="mucuser:x/mucuser:invite"))
    assert value(stanza, "@from").partition("/")[0] == stage.room_of(other)
    await romeo.join(stage.room_of(other), stage.nick("romeo"))


async def test_invited_user_enters_an_invite_only_channel(stage: Stage):
    """+i refuses until the INVITE came."""
    romeo, juliet = await stage.together()
    other = stage.new_channel()
    await juliet.join(other)
    await juliet.mode(other, "+i")
    assert await romeo.refused(stage.room_of(other), stage.nick("romeo")) == "registration-required"
    juliet.send(f"INVITE {stage.nick('romeo')} {other}")
    await romeo.mailbox.find(Pattern("message", has="mucuser:x/mucuser:invite"))
    await romeo.join(stage.room_of(other), stage.nick("romeo"))


@pytest.mark.stage("inspircd")
async def test_forced_join_is_an_invitation(stage: Stage):
    """SAJOIN puts a user somewhere: his clients are invited there."""
    romeo, juliet = await stage.together()
    await juliet.oper(*OPERATOR)
    other = stage.new_channel()
    juliet.send(f"SAJOIN {stage.nick('romeo')} {other}")
    stanza = await romeo.mailbox.find(Pattern("message"))
    assert value(stanza, "@from").partition("/")[0] == stage.room_of(other)
    assert Pattern("message", has="mucuser:x/mucuser:invite").matches(stanza)
