"""Each of the three parties is killed and comes back in mid-conversation.

Afterwards every user who was in a room is in it again without doing anything, or was told that he
is out; nobody remains as a ghost, and nothing that was said is doubled.
"""

import asyncio
import signal

import pytest

from tests.live.cast.irc import IrcPerson
from tests.live.cast.stanzas import Pattern, status
from tests.live.cast.xmpp import Person
from tests.live.stage import Stage

PATIENCE = 60.0
"""Seconds for the gateway to come back to a server; its attempts are spaced."""


async def converse(stage: Stage, romeo: Person, juliet: IrcPerson, word: str) -> None:
    """Say one line each way and see both arrive exactly once."""
    romeo.say(stage.room, f"{word} from romeo")
    await juliet.find("PRIVMSG", stage.channel, last=f"{word} from romeo", timeout=PATIENCE)
    juliet.say(stage.channel, f"{word} from juliet")
    await romeo.mailbox.find(Pattern("message", body=f"{word} from juliet"), timeout=PATIENCE)
    juliet.say(stage.channel, f"{word} end")
    await romeo.mailbox.next(Pattern("message", body=f"{word} end"))


async def names(juliet: IrcPerson, channel: str) -> list[str]:
    """Return who is in a channel on IRC."""
    juliet.send(f"NAMES {channel}")
    line = await juliet.find("353")
    return [name.lstrip("~&@%+") for name in line.params[-1].split()]


async def seen_in(stage: Stage, juliet: IrcPerson, nick: str) -> None:
    """Wait until somebody is in the channel, on IRC."""
    async with asyncio.timeout(PATIENCE):
        while nick not in await names(juliet, stage.channel):
            pass


async def test_gateway_killed_and_started_again_puts_users_back(own_stage: Stage):
    """kill -9 of the gateway: after its start Romeo is in the room, without a stanza of his."""
    romeo, juliet = await own_stage.together()
    await converse(own_stage, romeo, juliet, "before")
    await asyncio.to_thread(own_stage.gateway.daemon.kill)
    await juliet.find("QUIT", nick=own_stage.nick("romeo"))
    await asyncio.to_thread(own_stage.gateway.daemon.start)
    await juliet.find("JOIN", own_stage.channel, nick=own_stage.nick("romeo"), timeout=PATIENCE)
    await romeo.mailbox.find(Pattern("message", has="subject"), timeout=PATIENCE)
    await converse(own_stage, romeo, juliet, "after")
    assert (await names(juliet, own_stage.channel)).count(own_stage.nick("romeo")) == 1


async def test_user_gone_while_the_gateway_was_dead_is_no_ghost(own_stage: Stage):
    """Whoever logged out meanwhile does not stay on IRC after the restart."""
    romeo, juliet = await own_stage.together()
    await asyncio.to_thread(own_stage.gateway.daemon.kill)
    await juliet.find("QUIT", nick=own_stage.nick("romeo"))
    await romeo.log_out()
    await asyncio.to_thread(own_stage.gateway.daemon.start)
    mercutio = await own_stage.on_xmpp("mercutio")
    await mercutio.join(own_stage.room, own_stage.nick("mercutio"))
    async with asyncio.timeout(PATIENCE):
        while own_stage.nick("romeo") in await names(juliet, own_stage.channel):
            pass


async def test_irc_server_killed_and_started_again_rejoins_the_room(own_stage: Stage):
    """kill -9 of the IRC server: Romeo is in the channel again; one interruption, no ghosts."""
    romeo, juliet = await own_stage.together()
    await converse(own_stage, romeo, juliet, "before")
    await asyncio.to_thread(own_stage.ircd.daemon.kill)
    await asyncio.to_thread(own_stage.ircd.daemon.start)
    benvolio = await own_stage.on_irc("benvolio", own_stage.channel)
    await seen_in(own_stage, benvolio, own_stage.nick("romeo"))
    benvolio.say(own_stage.channel, "welcome back")
    await romeo.mailbox.find(Pattern("message", body="welcome back"), timeout=PATIENCE)
    await converse(own_stage, romeo, benvolio, "after")
    mercutio = await own_stage.on_xmpp("mercutio")
    seen = await mercutio.join(own_stage.room, own_stage.nick("mercutio"))
    assert seen.nicks == {own_stage.nick("romeo"), benvolio.nick}


async def test_xmpp_server_killed_and_started_again_leaves_no_ghost(own_stage: Stage):
    """kill -9 of the XMPP server ends its sessions: their nicks leave IRC, and joining works again."""
    romeo, juliet = await own_stage.together()
    await converse(own_stage, romeo, juliet, "before")
    romeo.drop()
    await asyncio.to_thread(own_stage.xmpp.daemon.kill)
    await asyncio.to_thread(own_stage.xmpp.daemon.start)
    async with asyncio.timeout(PATIENCE):
        while own_stage.nick("romeo") in await names(juliet, own_stage.channel):
            pass
    again = await own_stage.on_xmpp("romeo")
    async with asyncio.timeout(PATIENCE):
        while (await again.iq(own_stage.domain, "<ping xmlns='urn:xmpp:ping'/>")).get("type") == "error":
            pass
    again.mailbox.clear()  # what the gateway had for the session that died with the server
    seen = await again.join(own_stage.room, own_stage.nick("romeo"), timeout=PATIENCE)
    assert juliet.nick in seen.nicks
    await converse(own_stage, again, juliet, "after")


async def test_xmpp_server_restarted_politely_and_user_back_at_once(own_stage: Stage):
    """A restart of the XMPP server: the user who logs in again and rejoins has one nick only."""
    romeo, juliet = await own_stage.together()
    await asyncio.to_thread(own_stage.xmpp.daemon.stop)
    romeo.drop()
    await asyncio.to_thread(own_stage.xmpp.daemon.start)
    again = await own_stage.on_xmpp("romeo")
    async with asyncio.timeout(PATIENCE):
        while (await again.iq(own_stage.domain, "<ping xmlns='urn:xmpp:ping'/>")).get("type") == "error":
            pass
    again.mailbox.clear()
    await again.join(own_stage.room, own_stage.nick("romeo"), timeout=PATIENCE)
    inside = await names(juliet, own_stage.channel)
    assert [name for name in inside if name.startswith("romeo")] == [own_stage.nick("romeo")]


@pytest.mark.stage("inspircd", "ngircd")
async def test_sigterm_leaves_politely(own_stage: Stage):
    """SIGTERM: rooms end with 332, IRC sees a QUIT with a reason, the process exits with 0."""
    romeo, juliet = await own_stage.together()
    own_stage.gateway.daemon.send_signal(signal.SIGTERM)
    gone = await romeo.mailbox.find(Pattern("presence", type="unavailable", has=status(110)))
    assert Pattern("presence", has=status(332)).matches(gone)
    line = await juliet.find("QUIT", nick=own_stage.nick("romeo"))
    assert "shutdown" in line.params[-1].lower()
    assert await asyncio.to_thread(own_stage.gateway.daemon.wait) == 0


@pytest.mark.stage("inspircd")
async def test_sigint_ends_it_too(own_stage: Stage):
    """SIGINT is as polite as SIGTERM."""
    _, juliet = await own_stage.together()
    own_stage.gateway.daemon.send_signal(signal.SIGINT)
    await juliet.find("QUIT", nick=own_stage.nick("romeo"))
    assert await asyncio.to_thread(own_stage.gateway.daemon.wait) == 0


@pytest.mark.stage("inspircd")
async def test_sighup_disturbs_nobody(own_stage: Stage):
    """SIGHUP re-reads the configuration; the conversation goes on."""
    romeo, juliet = await own_stage.together()
    own_stage.gateway.daemon.send_signal(signal.SIGHUP)
    await converse(own_stage, romeo, juliet, "after")
    assert own_stage.gateway.daemon.running


@pytest.mark.stage("inspircd")
async def test_sighup_with_a_bad_file_keeps_the_old(own_stage: Stage):
    """A bad configuration is refused; the old one stays in force."""
    romeo, juliet = await own_stage.together()
    config = own_stage.gateway.daemon.folder / "xmppbridge.toml"
    config.write_text(config.read_text() + "\n[nonsense]\nkey = 1\n")
    own_stage.gateway.daemon.send_signal(signal.SIGHUP)
    await converse(own_stage, romeo, juliet, "after")
    assert own_stage.gateway.daemon.running
