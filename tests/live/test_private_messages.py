"""Private messages (XEP-0045 §7.5) both ways, by occupant and by nick."""

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import condition
from tests.live.stage import Stage


async def test_private_message_to_a_nick_and_back(stage: Stage):
    """A chat to nick%server@gateway is a query; the answer comes from there."""
    romeo, juliet = await stage.together()
    romeo.say(stage.contact(juliet.nick), "psst ♥", type="chat")
    await juliet.hears(juliet.nick, "psst ♥", nick=stage.nick("romeo"))
    juliet.say(stage.nick("romeo"), "yes?")
    answer = await romeo.mailbox.find(Pattern("message", type="chat", body="yes?"))
    assert answer.get("from", "").partition("/")[0] == stage.contact(juliet.nick)


async def test_private_message_within_a_room_is_answered_within_it(stage: Stage):
    """A chat to an occupant: its answer comes from the occupant, marked with <x/> of muc#user."""
    romeo, juliet = await stage.together()
    there = f"{stage.room}/{juliet.nick}"
    romeo.say(there, "psst", type="chat", extra="<x xmlns='http://jabber.org/protocol/muc#user'/>")
    await juliet.hears(juliet.nick, "psst")
    juliet.say(stage.nick("romeo"), "yes?")
    await romeo.mailbox.find(Pattern("message", type="chat", frm=there, body="yes?", has="mucuser:x"))


async def test_private_message_to_nobody_is_an_error(stage: Stage):
    """401: no such nick comes back to the sender."""
    romeo, _ = await stage.together()
    ident = romeo.say(stage.contact("nobodyhere"), "anyone?", type="chat")
    answer = await romeo.mailbox.find(Pattern("message", type="error", id=ident))
    assert condition(answer) in ("item-not-found", "recipient-unavailable")


async def test_private_message_without_connection_is_an_error(stage: Stage):
    """Who is not connected to the server is told so."""
    romeo = await stage.on_xmpp("romeo")
    ident = romeo.say(stage.contact("juliet"), "anyone?", type="chat")
    answer = await romeo.message(type="error", id=ident)
    assert condition(answer) in ("remote-server-not-found", "recipient-unavailable")


async def test_long_private_message_is_whole(stage: Stage):
    """Pieces of a private message add up to it; no character is cut."""
    romeo, juliet = await stage.together()
    text = "ä♥" * 600
    romeo.say(stage.contact(juliet.nick), text, type="chat")
    heard = ""
    while len(heard) < len(text):
        heard += (await juliet.find("PRIVMSG", juliet.nick)).params[1]
    assert heard == text


async def test_every_resource_gets_a_private_message(stage: Stage):
    """Both resources of the account in the room see what a nick writes."""
    romeo, juliet = await stage.together()
    second = await stage.on_xmpp("romeo", "b")
    await second.join(stage.room, stage.nick("romeo"))
    juliet.say(stage.nick("romeo"), "to both")
    for person in (romeo, second):
        await person.mailbox.find(Pattern("message", type="chat", body="to both"))
