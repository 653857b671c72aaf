"""How the bridge finds another server, and what a sender learns when there is none."""

from __future__ import annotations

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import condition
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, Federation, FederationStage
from tests.live.peers.daemon import free_port


async def reaches(stage: FederationStage, domain: str) -> None:
    """See that a component's message gets to a user of `domain`."""
    person, component = await stage.at(domain), await stage.component()
    component.say(person.jid, "found you", type="chat")
    await person.mailbox.find(Pattern("message", type="chat", body="found you"))


async def fails(stage: FederationStage, domain: str) -> str:
    """Return the condition with which a component's message to `domain` comes back."""
    component = await stage.component()
    component.say(f"somebody@{domain}", "anyone?", type="chat")
    return condition(await component.mailbox.find(Pattern("message", type="error", frm=f"somebody@{domain}")))


async def test_dead_first_server_is_passed_over(federated: FederationStage, federation: Federation):
    """Nothing listens at the preferred SRV target; the next one is taken (RFC 2782)."""
    domain, port = f"dead-first.{A}", federation.prosody.server_port
    dead, alive = f"0 5 {free_port()} localhost", f"10 5 {port} localhost"
    federation.nameserver.publish(f"_xmpp-server._tcp.{domain}", "SRV", dead, alive)
    await reaches(federated, domain)


@pytest.mark.parametrize("kind", ["refusing", "clear-only"])
async def test_direct_tls_that_fails_gives_way_to_starttls(
    federated: FederationStage, federation: Federation, kind: str
):
    """_xmpps-server is published, and dead or without TLS; _xmpp-server answers (XEP-0368)."""
    domain, port = f"{kind}.{A}", federation.prosody.server_port
    direct = free_port() if kind == "refusing" else federation.prosody.client_port
    federation.nameserver.serves(domain, port, direct=direct)
    await reaches(federated, domain)


async def test_target_that_is_an_alias_is_followed(federated: FederationStage, federation: Federation):
    """The SRV target has a CNAME, and that an address."""
    domain, port = f"alias.{A}", federation.prosody.server_port
    federation.nameserver.publish("xmpp.alias.test", "CNAME", "host.alias.test")
    federation.nameserver.publish("host.alias.test", "A", "127.0.0.1")
    federation.nameserver.publish(f"_xmpp-server._tcp.{domain}", "SRV", f"0 5 {port} xmpp.alias.test")
    await reaches(federated, domain)


async def test_dead_address_of_a_server_is_passed_over(federated: FederationStage, federation: Federation):
    """Its IPv6 address leads nowhere, its IPv4 address to it (RFC 8305)."""
    domain, port = f"two-addresses.{A}", federation.prosody.server_port
    federation.nameserver.publish("xmpp.two-addresses.test", "AAAA", "2001:db8::1")
    federation.nameserver.publish("xmpp.two-addresses.test", "A", "127.0.0.1")
    federation.nameserver.publish(f"_xmpp-server._tcp.{domain}", "SRV", f"0 5 {port} xmpp.two-addresses.test")
    await reaches(federated, domain)


async def test_configured_server_is_used_instead_of_dns(build: BuildStage, federation: Federation):
    """[federation.peers] says where the domain is, and no record is asked for."""
    domain = f"static.{A}"
    federation.nameserver.publish(f"_xmpp-server._tcp.{domain}", "SRV", f"0 5 {free_port()} localhost")
    server = f"127.0.0.1:{federation.prosody.server_port}"
    stage = build(tables={f'federation.peers."{domain}"': {"servers": [server]}})
    await reaches(stage, domain)


async def test_domain_that_declines_the_service_is_not_found(
    federated: FederationStage, federation: Federation
):
    """An SRV target of "." says that there is no server; the address is not tried (RFC 6120 §3.2.1)."""
    federation.nameserver.serves("declined.test", federation.prosody.server_port)
    federation.nameserver.publish("_xmpp-server._tcp.declined.test", "SRV", "0 0 0 .")
    assert await fails(federated, "declined.test") == "remote-server-not-found"


async def test_name_that_does_not_exist_is_not_found(federated: FederationStage):
    """Neither SRV nor address: the sender's message comes back."""
    assert await fails(federated, "nowhere.test") == "remote-server-not-found"


async def test_absence_is_remembered(federated: FederationStage, federation: Federation):
    """Two of our domains ask for one that does not exist; the DNS is asked once (RFC 2308)."""
    for number in (0, 1):
        component = await federated.component(number)
        component.say("somebody@never.test", "anyone?", type="chat")
        answer = await component.mailbox.find(Pattern("message", type="error", frm="somebody@never.test"))
        assert condition(answer) == "remote-server-not-found"
    asked = [question for question in federation.nameserver.asked if question[0].endswith("never.test")]
    assert ("never.test", "A") in asked and len(asked) == len(set(asked))


async def test_dead_server_gives_an_error_at_once(federated: FederationStage, federation: Federation):
    """Every target refuses the connection."""
    federation.nameserver.serves("dead.test", free_port())
    assert await fails(federated, "dead.test") in ("remote-server-timeout", "remote-server-not-found")


@pytest.mark.parametrize("denied", [A, f"*.{A}"])
async def test_denied_domain_is_not_spoken_with(build: BuildStage, denied: str):
    """[federation] deny: neither side's stanzas get through."""
    domain = A if denied == A else f"strict.{A}"
    stage = build(tables={"federation": {"deny": [denied]}})
    person, component = await stage.at(domain), await stage.component()
    component.say(person.jid, "hello?", type="chat")
    assert condition(await component.mailbox.find(Pattern("message", type="error")))
    assert (await person.iq(stage.domain, "<ping xmlns='urn:xmpp:ping'/>")).get("type") == "error"
    assert not person.mailbox.waiting
