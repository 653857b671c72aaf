"""One user's flood, a server's garbage or silence: nobody else is disturbed, and everything ends visibly."""

import asyncio

import pytest

from tests.live.cast.scripted import NAME
from tests.live.cast.stanzas import Pattern
from tests.live.stage import Script, Stage


async def test_garbage_from_a_server_is_survived(script: Script):
    """Odd lines, binary, lone commands and numerics: the conversation goes on."""
    romeo, link = await script.enter()
    link.send_bytes(bytes(range(256)) * 20 + b"\r\n\r\n \r\n:\r\n@\r\n@a :b\r\n: : :\r\n:x\r\n")
    commands = (
        "PRIVMSG JOIN PART KICK MODE NICK TOPIC QUIT 353 366 324 CAP BATCH AUTHENTICATE INVITE TAGMSG 005 433"
    )
    for command in f"{commands} AWAY CHGHOST FAIL 332 333 352 367 401 403 473 900 903 904".split():
        link.send(
            command, f":{NAME} {command}", f":juliet!j@h {command} {script.channel}", f":x {command} : "
        )
    link.send_bytes(b":juliet!j@h PRIVMSG " + script.channel.encode() + b" :" + b"\xff" * 100_000 + b"\r\n")
    link.send(f":juliet!j@h PRIVMSG {script.channel} :still here")
    await romeo.mailbox.find(Pattern("message", body="still here"))


async def test_flood_of_a_server_does_not_disturb_others(script: Script):
    """While one server pours lines, another user's conversation stays quick."""
    _, link = await script.enter()
    line = f":juliet!j@h PRIVMSG {script.channel} :{'x' * 300}\r\n".encode()
    link.send_bytes(line * 20_000)
    mercutio = await script.on_xmpp("mercutio")
    start = asyncio.get_running_loop().time()
    await mercutio.join(script.room_of(script.new_channel()), "mercutio")
    assert asyncio.get_running_loop().time() - start < 5


@pytest.mark.stage("ngircd", "hybrid")  # InspIRCd itself serves everybody slowly after a flood
async def test_flood_of_a_user_does_not_disturb_others(stage: Stage):
    """While one user sends thousands of messages, another's arrive promptly."""
    romeo, juliet = await stage.together()
    mercutio = await stage.on_xmpp("mercutio")
    await mercutio.join(stage.room, stage.nick("mercutio"))
    for number in range(3000):
        romeo.say(stage.contact(juliet.nick), f"spam {number}", type="chat")
    mercutio.say(stage.room, "hello?")
    await juliet.find("PRIVMSG", stage.channel, nick=stage.nick("mercutio"), last="hello?")
