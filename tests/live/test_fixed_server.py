"""A gateway for one IRC server only: #channel@gateway and nick@gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.peers.gateway import Gateway, IrcServer
from tests.live.stage import House, Stage


class FixedStage(Stage):
    """A stage whose addresses name no server."""

    def room_of(self, channel: str, server: str | None = None) -> str:
        """Return the room of a channel."""
        return f"{channel}@{self.domain}"

    def contact(self, nick: str) -> str:
        """Return the JID of somebody on IRC."""
        return f"{nick.lower()}@{self.domain}"


@pytest.fixture(scope="module")
def fixed_gateway(house: House) -> Gateway:
    """A gateway for ngIRCd only, behind Prosody."""
    ircd = house.ircd("ngircd")
    return house.start_gateway("prosody", "fixed", servers=[IrcServer(ircd.name, ircd.port)], fixed=ircd.name)


@pytest.fixture
def fixed(fixed_gateway: Gateway, house: House, loop: asyncio.AbstractEventLoop) -> Iterator[FixedStage]:
    """A stage behind it."""
    xmpp = house.xmpp("prosody")
    made = FixedStage(house, xmpp, house.ircd("ngircd"), fixed_gateway, f"fixed.{xmpp.domain}")
    yield made
    loop.run_until_complete(made.close())


async def test_room_and_private_message_without_server_part(fixed: FixedStage):
    """Join, talk and query by the short addresses."""
    romeo, juliet = await fixed.together()
    romeo.say(fixed.room, "hello")
    await juliet.hears(fixed.channel, "hello")
    juliet.say(fixed.channel, "hello yourself")
    await romeo.mailbox.find(Pattern("message", frm=f"{fixed.room}/{juliet.nick}", body="hello yourself"))
    romeo.say(fixed.contact(juliet.nick), "psst", type="chat")
    await juliet.hears(juliet.nick, "psst")
    juliet.say(fixed.nick("romeo"), "yes?")
    answer = await romeo.find_anywhere(Pattern("message", type="chat", body="yes?"))
    assert answer.get("from", "").partition("/")[0] == fixed.contact(juliet.nick)


async def test_settings_of_gateway_and_server_are_at_the_gateway(fixed: FixedStage):
    """Both configuration commands are offered there."""
    romeo = await fixed.on_xmpp("romeo")
    listing = (
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>"
    )
    answer = await romeo.result(fixed.domain, listing)
    nodes = {one.get("node") for one in answer[0]}
    assert {"global-configure", "server-configure"} <= nodes


async def test_self_ping_and_archive_of_a_fixed_room(fixed: FixedStage):
    """Self-ping works by the short address."""
    romeo, _ = await fixed.together()
    await romeo.result(f"{fixed.room}/{fixed.nick('romeo')}", "<ping xmlns='urn:xmpp:ping'/>")
