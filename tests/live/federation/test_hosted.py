"""Components that the bridge is the server of (XEP-0114), and the world beyond it."""

import pytest

from tests.live.cast.stanzas import Pattern, value
from tests.live.cast.xmpp import condition
from tests.live.federation.component import Component
from tests.live.federation.stage import A, B, FederationStage

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.mark.parametrize("domain", [A, B])
async def test_component_talks_with_a_user_of_each_server(federated: FederationStage, domain: str):
    """A message each way, and a request of each is answered."""
    person, component = await federated.at(domain), await federated.component()
    component.say(person.jid, "hello ♥", type="chat")
    await person.mailbox.find(Pattern("message", frm=component.jid, body="hello ♥"))
    person.say(component.jid, "hello to you", type="chat")
    await component.mailbox.find(Pattern("message", frm=person.jid, body="hello to you"))
    await person.result(component.jid, PING)
    await component.result(domain, PING)


async def test_component_reaches_gateway_and_other_component(federated: FederationStage):
    """What stays within the bridge does not go through the network."""
    first, second = await federated.component(0), await federated.component(1)
    first.say(second.jid, "neighbour", type="chat")
    await second.mailbox.find(Pattern("message", frm=first.jid, body="neighbour"))
    info = await first.result(federated.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert value(info, "discoinfo:query/discoinfo:identity/@type") == "irc"


async def test_component_user_joins_a_channel(federated: FederationStage):
    """A component's user is a user of the gateway like any other."""
    juliet = await federated.on_irc("juliet", federated.channel)
    component = await federated.component()
    seen = await component.join(federated.room, federated.nick("echo"))
    assert seen.nicks == {juliet.nick}
    component.say(federated.room, "from a component")
    await juliet.hears(federated.channel, "from a component", nick=federated.nick("echo"))
    await component.left(federated.room, federated.nick("echo"))


async def test_component_that_is_away_is_answered_for(federated: FederationStage):
    """Its users' mail comes back, and goes through once it is there."""
    alice = await federated.alice()
    absent = f"echo@{federated.bridge.components[1]}"
    alice.say(absent, "anyone?", type="chat")
    answer = await alice.mailbox.find(Pattern("message", type="error", frm=absent))
    assert condition(answer) in ("remote-server-not-found", "service-unavailable", "remote-server-timeout")
    component = await federated.component(1)
    alice.say(absent, "now?", type="chat")
    await component.mailbox.find(Pattern("message", body="now?"))


async def test_wrong_secret_is_refused(federated: FederationStage):
    """XEP-0114 §3: not-authorized."""
    bridge = federated.bridge
    impostor = Component(bridge.components[0], bridge.component_port, "guessed")
    with pytest.raises(ConnectionRefusedError):
        await impostor.connect()
    await impostor.log_out()


async def test_unknown_domain_is_refused(federated: FederationStage):
    """A domain that is not configured, even below a served one."""
    impostor = Component("stranger.test", federated.bridge.component_port)
    with pytest.raises(ConnectionRefusedError):
        await impostor.connect()
    await impostor.log_out()


async def test_second_connection_of_a_component_is_refused(federated: FederationStage):
    """The first keeps its place."""
    first = await federated.component()
    second = Component(federated.bridge.components[0], federated.bridge.component_port)
    with pytest.raises(ConnectionRefusedError):
        await second.connect()
    await second.log_out()
    await first.result(federated.domain, PING)


async def test_component_speaks_for_nobody_else(federated: FederationStage):
    """A stanza from another domain ends its stream, and is delivered to nobody."""
    alice, component = await federated.alice(), await federated.component()
    component.send(f"<message from='bob@{B}' to='{alice.jid}' type='chat'><body>forged</body></message>")
    await component.closed.wait()
    await alice.result(federated.domain, PING)
    assert not alice.mailbox.waiting
