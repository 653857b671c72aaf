"""An account at a provider of several machines: Path, Service-Route, GRUU, and two flows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.cast.sip import Phone
from tests.live.cast.stanzas import Pattern
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.edges import PASSWORD, Provider
from tests.live.sip.stage import SipStage, with_trunk
from tests.live.stage import House

SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
)


@pytest.fixture
def provider(house: House) -> Iterator[Provider]:
    """Started for one test, which may end parts of it."""
    made = Provider(house.make_folder(f"provider-{house.number()}"))
    for daemon in made.daemons:
        daemon.start()
    yield made
    for daemon in made.daemons:
        daemon.kill()


async def phone_of(provider: Provider, stage: SipStage) -> Phone:
    """Register a phone at the provider itself."""
    phone = await stage.phone_at(f"bob{stage.number}", provider.domain, provider.port)
    await phone.register(PASSWORD)
    return phone


def vias(head: list[str]) -> list[str]:
    """Return by which ports a request came."""
    return [line.partition(";")[0].rpartition(":")[2] for line in head if line.startswith("Via:")]


@pytest.mark.spec("RFC 3327 §5.1")
@pytest.mark.spec("RFC 3608 §6.1")
async def test_account_is_reached_by_its_path_and_goes_by_its_route(sip_stage: SipStage, provider: Provider):
    """The edge is on both ways, and the registrar on the way out, though the phone is elsewhere."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await phone_of(provider, sip_stage)
    async with with_trunk(sip_stage, "edge", **provider.trunk(romeo.bare, "4731", 0)):
        romeo.say(sip_stage.jid(bob.user, provider.domain), "by the route", type="chat")
        heard = await bob.hears("by the route")
        edge = str(provider.edges[0][0])
        assert vias(heard.head) == [str(provider.port), edge, str(sip_stage.port)]
        before = provider.passed(0, "MESSAGE")
        assert await bob.say(f"sip:4731@{provider.domain}", "by the path") == 202
        assert (await romeo.message()).findtext("body") == "by the path"
        assert provider.passed(0, "MESSAGE") == before + 1


@pytest.mark.spec("RFC 5627 §4.4")
async def test_account_is_reached_by_its_gruu(sip_stage: SipStage, provider: Provider):
    """It is the Contact of a call, to which also others than the registrar's own may write."""
    romeo, bob = await sip_stage.caller("romeo"), await phone_of(provider, sip_stage)
    options = {**provider.trunk(romeo.bare, "4732", 0), "gruu": True}
    async with with_trunk(sip_stage, "gruu", **options):
        uri, offer = f"sip:4732@{provider.domain}", SDP.format(host=HOST, port=free_port())
        contact = f"Contact: <sip:{bob.user}@{bob.host}:{bob.port}>"
        inviting = asyncio.create_task(
            bob.ask("INVITE", uri, offer, contact, "Content-Type: application/sdp")
        )
        call = await romeo.is_called()
        call.answer()
        answered = await inviting
        gruu = answered.fields["contact"].strip("<>")
        assert answered.status == 200 and f"4732@{provider.domain};gr=urn:uuid:" in gruu
        number = int(answered.fields["cseq"].partition(" ")[0])
        await bob.in_dialog("ACK", answered, number)
        assert await bob.say(gruu, "to this device") == 202
        await bob.in_dialog("BYE", answered, number + 1)
        await call.sees("session-terminate success")
        await romeo.mailbox.find(Pattern("message", body="to this device"))


@pytest.mark.spec("RFC 5626 §4.2.1")
async def test_one_edge_fails_and_the_other_goes_on(sip_stage: SipStage, provider: Provider):
    """Both flows are registered; with the first edge gone, messages go and come by the second."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await phone_of(provider, sip_stage)
    jid = sip_stage.jid(bob.user, provider.domain)
    async with with_trunk(sip_stage, "flows", **provider.trunk(romeo.bare, "4733", 0, 1)):
        while sip_stage.bridge.daemon.output().count("flows: registered by") < 2:
            await asyncio.sleep(0.02)
        romeo.say(jid, "by the first", type="chat")
        assert str(provider.edges[0][0]) in vias((await bob.hears("by the first")).head)
        provider.edges[0][1].kill()
        while "flows: the connection to" not in sip_stage.bridge.daemon.output():
            await asyncio.sleep(0.02)
        romeo.say(jid, "by the second", type="chat")
        assert str(provider.edges[1][0]) in vias((await bob.hears("by the second")).head)
        assert await bob.say(f"sip:4733@{provider.domain}", "and back") == 202
        await romeo.mailbox.find(Pattern("message", body="and back"))
