"""A link whose other end is gone without a word is found within 90 seconds.

The first tests make such links, the other live tests run meanwhile, the last ones look at what Romeo was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.cast.proxy import Proxy
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person, condition
from tests.live.peers.gateway import IrcServer
from tests.live.stage import House, Script, Stage

LIMIT = 90.0
"""Seconds until the user must have been told."""


class SilentLink:
    """Romeo in a room behind a proxy that falls silent; `told_after` is when his message failed."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.proxy = Proxy(house.ircd("ngircd").port)
        self.stage: Stage
        self.romeo: Person
        self.told: asyncio.Task[float]

    async def begin(self) -> None:
        """Join, fall silent, say something, and wait in the background for its failure."""
        house = self.house
        await self.proxy.start()
        ircd, xmpp = house.ircd("ngircd"), house.xmpp("prosody")
        gateway = house.start_gateway("prosody", "silent", servers=[IrcServer(ircd.name, self.proxy.port)])
        self.stage = Stage(house, xmpp, ircd, gateway, f"silent.{xmpp.domain}")
        self.romeo = await self.stage.on_xmpp("romeo")
        await self.romeo.join(self.stage.room, self.stage.nick("romeo"))
        self.proxy.fall_silent()
        ident = self.romeo.say(self.stage.room, "is anybody there?")
        self.told = asyncio.ensure_future(self._wait(ident))

    async def _wait(self, ident: str) -> float:
        start = asyncio.get_running_loop().time()
        failed = Pattern("message", type="error", id=ident)
        answer = await self.romeo.mailbox.find(failed, timeout=LIMIT + 30)
        self.proxy.speak()
        assert condition(answer) in ("remote-server-timeout", "recipient-unavailable")
        return asyncio.get_running_loop().time() - start


@pytest.fixture(scope="session")
def silent_link(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[SilentLink]:
    """The link that both tests look at."""
    made = SilentLink(house)
    yield made
    loop.run_until_complete(made.stage.close())
    loop.run_until_complete(made.proxy.close())


@pytest.mark.first
async def test_link_falls_silent_in_mid_conversation(silent_link: SilentLink):
    """Nothing ends the connection: it just stops."""
    await silent_link.begin()
    assert not silent_link.told.done()


@pytest.mark.last
async def test_silent_link_was_found_and_its_line_reported(silent_link: SilentLink):
    """What was said into the void came back as an error in time; once the path is back, so is the room."""
    assert await silent_link.told <= LIMIT
    stage = silent_link.stage
    juliet = await stage.on_irc("juliet", stage.channel)
    async with asyncio.timeout(90):
        while True:
            juliet.send(f"NAMES {stage.channel}")
            if stage.nick("romeo") in (await juliet.find("353")).params[-1]:
                break
    juliet.say(stage.channel, "welcome back")
    await silent_link.romeo.mailbox.find(Pattern("message", body="welcome back"))


class MuteServer:
    """Accepts connections and never says a word; Romeo tries to join there."""

    def __init__(self) -> None:
        self.refused: asyncio.Task[str]

    async def begin(self, script: Script) -> None:
        """Try to join, and wait in the background for the refusal."""
        for command in ("CAP", "NICK", "USER", "PING"):
            script.ircd.answers[command] = lambda link, line: None
        self.stage = Script(script.house, script.xmpp, script.ircd, script.gateway, script.domain)
        romeo = await self.stage.on_xmpp("romeo")
        romeo.enter(self.stage.room, "romeo")
        await self.stage.ircd.link()
        self.refused = asyncio.ensure_future(self._wait(romeo))

    @staticmethod
    async def _wait(romeo: Person) -> str:
        return condition(await romeo.mailbox.next(Pattern("presence", type="error"), timeout=LIMIT))


@pytest.fixture(scope="session")
def mute_server(loop: asyncio.AbstractEventLoop) -> Iterator[MuteServer]:
    """The attempt that both tests look at."""
    made = MuteServer()
    yield made
    loop.run_until_complete(made.stage.close())


@pytest.mark.first
async def test_join_at_a_mute_server_begins(script: Script, mute_server: MuteServer):
    """The connection is accepted, then nothing comes."""
    await mute_server.begin(script)
    assert not mute_server.refused.done()


@pytest.mark.last
async def test_join_at_a_mute_server_was_refused(mute_server: MuteServer):
    """The join ended with an error within the limit."""
    assert await mute_server.refused in ("remote-server-timeout", "item-not-found", "remote-server-not-found")
