"""How many connections there are between servers, and what they carry: counted in a proxy on the way."""

from __future__ import annotations

from tests.live.cast.proxy import Proxy
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Talker
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import Federation
from tests.live.federation.test_cuts import proxied

PING = "<ping xmlns='urn:xmpp:ping'/>"


async def converse(one: Talker, other: Talker) -> None:
    """See that messages go both ways."""
    for speaker, listener in ((one, other), (other, one)):
        speaker.say(listener.jid, f"from {speaker.jid}", type="chat")
        await listener.mailbox.find(Pattern("message", type="chat", body=f"from {speaker.jid}"))


async def test_prosody_and_the_bridge_share_one_connection(build: BuildStage, federation: Federation):
    """XEP-0288: whoever begins, the other answers on the same stream."""
    stage, host = build(), federation.own_host()
    server = federation.start_prosody(host)
    proxy = Proxy(server.server_port)
    await proxy.start()
    federation.nameserver.serves(host.name, proxy.port)
    async with proxied(federation, stage) as proxies:
        person, component = await stage.at(host.name), await stage.component()
        await converse(person, component)
        await person.result(component.jid, PING)
        await component.result(host.name, PING)
        assert proxy.count + proxies[0].count == 1
    await proxy.close()
    server.daemon.close()


async def test_ejabberd_has_one_connection_each_way(build: BuildStage, federation: Federation):
    """It does not know XEP-0288; several of our domains and of its own go the same way (XEP-0220 §2.6)."""
    hosts = [federation.own_host(), federation.own_host()]
    untrusted = federation.house.authority.issue("piggyback", "piggyback.test", self_signed=True)
    stage = build(untrusted)
    server = federation.start_ejabberd(*hosts)
    proxy = Proxy(server.server_port)
    await proxy.start()
    for host in hosts:
        federation.nameserver.serves(host.name, proxy.port)
    components = [await stage.component(number) for number in (0, 1)]
    for host in hosts:
        person = await stage.at(host.name)
        for component in components:
            component.say(person.jid, f"from {component.jid}", type="chat")
            await person.mailbox.find(Pattern("message", type="chat", body=f"from {component.jid}"))
    assert proxy.count == 1
    await proxy.close()
    server.daemon.close()


async def test_two_bridges_have_one_connection_for_all_their_domains(
    build: BuildStage, federation: Federation
):
    """Both ways, for each domain of the one with each of the other; dialback takes them one by one."""
    issue = federation.house.authority.issue
    stages = [build(issue(f"strange{number}", "strange.test", self_signed=True)) for number in range(2)]
    async with proxied(federation, *stages) as proxies:
        ours, theirs = [[await stage.component(number) for number in (0, 1)] for stage in stages]
        for one in ours:
            for other in theirs:
                await converse(one, other)
        for_questions = len(ours)  # about the keys of each, at its own address (XEP-0220 §2.4)
        assert sum(proxy.count for proxy in proxies) == 1 + for_questions
