"""Prosody, ejabberd and the bridge are killed in mid-stream and come back.

What is said are numbers. What the sender knows of them is compared with what the receiver saw: nothing
acknowledged is missing, and nothing is lost without an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person, Talker, condition
from tests.live.federation.component import Component
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import Federation, FederationStage

PATIENCE = 45.0
"""Seconds for servers to find each other again; their attempts are spaced."""
PAUSE = 0.02
"""Seconds between two numbers."""
PING = "<ping xmlns='urn:xmpp:ping'/>"


async def count(
    talker: Talker, to: str, numbers: Iterable[int], kind: str = "chat", pause: float = PAUSE
) -> None:
    """Say numbers, each under an id of its own."""
    for number in numbers:
        talker.say(to, str(number), type=kind, ident=f"n{number}")
        await asyncio.sleep(pause)


def received(talker: Talker, kind: str = "chat") -> list[int]:
    """Return the numbers that came in messages of that type, in order."""
    bodies = [one.findtext("body") or "" for one in talker.mailbox.waiting if one.get("type") == kind]
    return [int(body) for body in bodies if body.isdigit()]


def returned(talker: Talker) -> set[int]:
    """Return the numbers that came back as errors."""
    errors = [one for one in talker.mailbox.waiting if one.tag == "message" and one.get("type") == "error"]
    return {int(one.get("id", "").removeprefix("n")) for one in errors}


async def eventually(happened: Callable[[], bool], what: Callable[[], object]) -> None:
    """Wait until something is so; else tell how it is."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(PAUSE)


async def say_until_reflected(stage: FederationStage, person: Person, text: str) -> None:
    """Repeat a line, through whatever errors, until the room shows it."""
    for _ in range(int(PATIENCE)):
        person.say(stage.room, text)
        try:
            await person.mailbox.find(Pattern("message", type="groupchat", body=text), timeout=1.0)
        except AssertionError:
            continue
        return
    raise AssertionError(f"{person.jid} is not in the room any more")


async def arrive_or_return(sender: Component, receiver: Person, sent: Iterable[int]) -> None:
    """Wait until each number is with the receiver or back with the sender."""
    wanted = set(sent)

    def missing() -> set[int]:
        return wanted - set(received(receiver)) - returned(sender)

    await eventually(lambda: not missing(), lambda: f"lost: {missing()}")


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_bridge_killed_in_mid_conversation_loses_nothing_acknowledged(build: BuildStage, name: str):
    """kill -9 of the bridge: each line that the room reflected was heard on IRC, once; it goes on after."""
    stage = build()
    juliet = await stage.on_irc("juliet", stage.channel)
    person = await (stage.alice() if name == "alice" else stage.bob())
    await stage.enter(person, juliet)
    person.mailbox.clear()
    counting = asyncio.ensure_future(count(person, stage.room, range(80), "groupchat"))
    await eventually(lambda: len(received(person, "groupchat")) > 20, lambda: "nothing is reflected")
    await asyncio.to_thread(stage.bridge.daemon.kill)
    if name == "bob":
        # ejabberd, refused once, drops what it is given for a second, the answer to the bridge's ping too
        counting.cancel()
    await asyncio.to_thread(stage.bridge.daemon.start)
    await asyncio.wait([counting])
    acknowledged = received(person, "groupchat")
    await say_until_reflected(stage, person, "end")
    heard: list[int] = []
    while (line := await juliet.find("PRIVMSG", stage.channel, timeout=PATIENCE)).params[-1] != "end":
        heard.append(int(line.params[-1]))
    assert set(acknowledged) <= set(heard)
    assert len(heard) == len(set(heard))


async def test_prosody_killed_in_mid_stream_loses_nothing(build: BuildStage, federation: Federation):
    """kill -9 of a server that acknowledges (XEP-0198): each message arrives or comes back."""
    stage, host = build(), federation.own_host()
    server = federation.start_prosody(host)
    component = await stage.component()
    alice = await stage.at(host.name)
    to = alice.bare
    await component.result(host.name, PING)
    await alice.log_out()  # from now on Prosody writes to its disk what comes for her
    counting = asyncio.ensure_future(count(component, to, range(80)))
    await asyncio.sleep(20 * PAUSE)
    await asyncio.to_thread(server.daemon.kill)
    await asyncio.to_thread(server.daemon.start)
    await counting
    again = await stage.at(host.name)
    await arrive_or_return(component, again, range(80))
    await count(component, again.jid, [80])
    await arrive_or_return(component, again, [80])
    server.daemon.close()


async def test_ejabberd_killed_in_mid_stream_gets_what_waited(build: BuildStage, federation: Federation):
    """kill -9 of a server without XEP-0198: what comes while it is down arrives after, or comes back."""
    stage, host = build(), federation.own_host()
    server = federation.start_ejabberd(host)
    component, bob = await stage.component(), await stage.at(host.name)
    await count(component, bob.jid, range(20))
    await component.result(host.name, PING)
    await eventually(lambda: received(bob) == list(range(20)), lambda: received(bob))
    bob.drop()
    await asyncio.to_thread(server.daemon.kill)
    await component.result(stage.domain, PING)  # by now the bridge has seen the connection end
    await count(component, bob.bare, range(20, 40))
    await asyncio.to_thread(server.daemon.start)
    again = await stage.at(host.name)
    await arrive_or_return(component, again, range(20, 40))
    await say_until_answered(component, again)
    server.daemon.close()


async def say_until_answered(component: Component, person: Person) -> None:
    """See that messages go both ways again."""
    for _ in range(int(PATIENCE)):
        component.say(person.jid, "back?", type="chat")
        try:
            await person.mailbox.find(Pattern("message", type="chat", body="back?"), timeout=1.0)
        except AssertionError:
            continue
        person.say(component.jid, "back!", type="chat")
        await component.mailbox.find(Pattern("message", type="chat", body="back!"), timeout=PATIENCE)
        return
    raise AssertionError(f"{person.jid} cannot be reached any more")


@pytest.mark.parametrize("kind", ["prosody", "ejabberd"])
async def test_server_that_went_away_gives_errors(build: BuildStage, federation: Federation, kind: str):
    """A polite end, and nobody comes back: the next messages return to their sender, soon."""
    stage, host = build(), federation.own_host()
    start = federation.start_prosody if kind == "prosody" else federation.start_ejabberd
    server = start(host)
    component = await stage.component()
    await component.result(host.name, PING)
    await asyncio.to_thread(server.daemon.stop)
    await count(component, f"somebody@{host.name}", range(5))
    await eventually(lambda: returned(component) == set(range(5)), lambda: returned(component))
    answer = await component.mailbox.find(Pattern("message", type="error"))
    assert condition(answer) in ("remote-server-timeout", "remote-server-not-found")


async def test_bridge_restarted_politely_is_found_again(build: BuildStage):
    """SIGTERM ends all streams properly; both servers open new ones when they have something to say."""
    stage = build()
    people = [await stage.alice(), await stage.bob()]
    for person in people:
        await person.result(stage.domain, PING)
    assert await asyncio.to_thread(stage.bridge.daemon.stop) == 0
    await asyncio.to_thread(stage.bridge.daemon.start)
    component = await stage.component()
    for person in people:
        await person.result(stage.domain, PING)
        await say_until_answered(component, person)
