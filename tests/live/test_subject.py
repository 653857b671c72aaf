"""The subject (XEP-0045 §8.1) is the channel's topic."""

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import condition
from tests.live.stage import Stage


async def test_subject_set_on_xmpp_is_the_topic(stage: Stage):
    """A subject becomes TOPIC and comes back from who set it."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    juliet = await stage.on_irc("juliet", stage.channel)
    await romeo.mailbox.find(Pattern("presence", frm=f"{stage.room}/{juliet.nick}"))
    romeo.set_subject(stage.room, "The feast ♥")
    await juliet.find("TOPIC", stage.channel, last="The feast ♥")
    mine = f"{stage.room}/{stage.nick('romeo')}"
    await romeo.mailbox.find(Pattern("message", frm=mine, subject="The feast ♥", lacks="body"))


async def test_topic_set_on_irc_is_the_subject(stage: Stage):
    """A TOPIC becomes a subject from who set it."""
    romeo, juliet = await stage.together()
    juliet.send(f"TOPIC {stage.channel} :The tomb")
    await romeo.message(frm=f"{stage.room}/{juliet.nick}", subject="The tomb", lacks="body")


async def test_lines_of_a_subject_become_one(stage: Stage):
    """A topic has one line: line breaks become spaces, never a second command."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    romeo.set_subject(stage.room, "first\nsecond")
    await romeo.mailbox.find(Pattern("message", subject="first second"))


async def test_subject_by_who_may_not_is_refused(stage: Stage):
    """+t: 482 comes back as an error of the message."""
    romeo, juliet = await stage.together()
    await juliet.mode(stage.channel, "+t") if stage.ircd.name == "ngircd.test" else None
    romeo.set_subject(stage.room, "Mine now")
    answer = await romeo.mailbox.find(Pattern("message", type="error"))
    assert condition(answer) in ("not-allowed", "forbidden")


@pytest.mark.stage("ngircd", "hybrid")  # InspIRCd refuses two topics within one second
async def test_empty_subject_clears_the_topic(stage: Stage):
    """An empty subject removes the topic."""
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    romeo.set_subject(stage.room, "something")
    await romeo.mailbox.find(Pattern("message", subject="something"))
    romeo.set_subject(stage.room, "")
    await romeo.mailbox.find(Pattern("message", subject=""))
