"""A gateway that is a component of its local server and federated as well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.federation.stage import A, B, Federation, FederationStage
from tests.live.federation.test_faults import eventually
from tests.live.peers.daemon import HOST
from tests.live.peers.gateway import CONNECTED, FederatedBridge
from tests.live.peers.xmpp import PASSWORD, SECRET, Prosody

LOCAL = "local.test"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def local(federation: Federation) -> Iterator[Prosody]:
    """A server that federates with nobody."""
    server = Prosody(federation.house.make_folder("local"), LOCAL)
    server.daemon.start()
    yield server
    server.daemon.close()


@pytest.fixture(scope="module")
def bridge(federation: Federation, local: Prosody) -> Iterator[FederatedBridge]:
    """A bridge whose gateway is attached to it, and to the world."""
    component = {"host": HOST, "port": local.component_port, "secret": SECRET}
    made = federation.start_bridge(tables={f'gateways."irc.{LOCAL}".component': component}, domain=LOCAL)
    yield made
    made.daemon.close()


@pytest.fixture
def attached(
    federation: Federation, bridge: FederatedBridge, loop: asyncio.AbstractEventLoop
) -> Iterator[FederationStage]:
    """A stage around it."""
    made = FederationStage(federation, bridge)
    yield made
    loop.run_until_complete(made.close())


async def test_local_users_come_by_the_server_and_others_directly(
    attached: FederationStage, local: Prosody, federation: Federation
):
    """All three meet in one channel; nobody's stanzas go the long way, or twice."""
    nick = attached.nick("romeo")
    local.register(nick)
    romeo = Person(f"{nick}@{LOCAL}/a", PASSWORD, local.client_port, (attached.domain,))
    await romeo.log_in()
    juliet = await attached.on_irc("juliet", attached.channel)
    people = {
        nick: romeo,
        attached.nick("alice"): await attached.alice(),
        attached.nick("bob"): await attached.bob(),
    }
    for person in people.values():
        await attached.enter(person, juliet)
    for speaker, person in people.items():
        person.say(attached.room, f"from {speaker}")
        await juliet.hears(attached.channel, f"from {speaker}", nick=speaker)
        for listener in people.values():
            wanted = Pattern(
                "message", type="groupchat", body=f"from {speaker}", frm=f"{attached.room}/{speaker}"
            )
            await listener.mailbox.find(wanted)
    for person in people.values():
        await person.nothing_more(attached.domain)
    log = attached.bridge.daemon.output()
    assert f"{attached.domain}{CONNECTED}" in log
    assert f"{A} → {attached.domain}: admitted" in log and f"{B} → {attached.domain}: admitted" in log
    assert not [name for name, _ in federation.nameserver.asked if name.endswith(f"_tcp.{LOCAL}")]
    await romeo.log_out()


async def test_world_is_reached_while_the_server_is_away(attached: FederationStage, local: Prosody):
    """And the server's users again when it is back."""
    alice = await attached.alice()
    local.daemon.kill()
    await alice.result(attached.domain, PING)
    local.daemon.start()
    nick = attached.nick("romeo")
    local.register(nick)
    romeo = Person(f"{nick}@{LOCAL}/a", PASSWORD, local.client_port, (attached.domain,))
    await romeo.log_in()
    log = attached.bridge.daemon.output
    await eventually(lambda: log().count(f"{attached.domain}{CONNECTED}") > 1, log)
    await romeo.result(attached.domain, PING)
    await romeo.log_out()
