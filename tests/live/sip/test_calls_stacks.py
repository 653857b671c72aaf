"""The same call by other ways: without rtpengine, past the gateway, and with another XMPP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import JinglePerson
from tests.live.cast.stanzas import TIMEOUT
from tests.live.conftest import MakeTelephone
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import SipBridge
from tests.live.peers.kamailio import Kamailio
from tests.live.peers.rtpengine import Rtpengine
from tests.live.sip.conftest import SIP_DOMAIN, MakeSurfer, at_desk
from tests.live.sip.stage import SipStage
from tests.live.stage import House

MakeStage = Callable[..., SipStage]


@pytest.fixture
def stack(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[MakeStage]:
    """Make a gateway and a Kamailio of its own; SIP leads back to users of the gateway, too."""
    stages = []

    def make(
        component: str, media: Mapping[str, object], server: str = "prosody", way: str = "rtp"
    ) -> SipStage:
        xmpp, port = house.xmpp(server), free_port()
        kamailio = Kamailio(house.make_folder(f"kam-{house.number()}"), SIP_DOMAIN, port)
        trunk = {"server": f"sip:{HOST}:{kamailio.port}", "domain": kamailio.domain, "domains": [SIP_DOMAIN]}
        bridge = SipBridge(
            house.make_folder(f"sip-{house.number()}"),
            f"{component}.{xmpp.domain}",
            xmpp.component_port,
            {"domain": SIP_DOMAIN, "listen": [f"udp {HOST}:{port}"]},
            {"pbx": {**trunk, "users": [xmpp.domain], "media": way}},
            media,
            f"admin@{xmpp.domain}",
        )
        for daemon in (kamailio.daemon, bridge.daemon):
            daemon.start()
            house.own(daemon)
        stages.append(SipStage(house, kamailio, bridge, SIP_DOMAIN, port, server))
        return stages[-1]

    yield make
    for stage in stages:
        loop.run_until_complete(stage.close())
        stage.bridge.daemon.close()
        stage.kamailio.daemon.close()
        assert "Traceback" not in stage.bridge.daemon.output()


async def both_ways(stage: SipStage, telephone: MakeTelephone, codec: str) -> None:
    """Have a user call a telephone, and it him: sound, keys and the end."""
    romeo = await stage.caller("romeo", frequency=440, codecs=[codec])
    bob = await at_desk(stage, telephone)
    call = romeo.call(stage.jid(bob.name))
    await call.sees("info ringing")
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.hears(1000)
    await bob.hears(440)
    await call.press("7")
    await bob.sees("digit 7")
    await bob.hang_up()
    await call.sees("session-terminate success")
    await bob.dial(stage.uri(romeo))
    taken = await romeo.is_called()
    await bob.sees("CALL_RINGING")
    taken.answer()
    await bob.hears(440)
    await taken.hears(1000)
    await taken.hang_up()
    await bob.sees("CALL_CLOSED")


def through_sip(stage: SipStage, person: JinglePerson | BrowserPerson) -> str:
    """Return the address by which a user is called through SIP."""
    return stage.jid(person.bare.replace("@", "\\40"), stage.domain)


async def test_embedded_relay_carries_calls(stack: MakeStage, telephone: MakeTelephone) -> None:
    """There is no rtpengine; both have G.711."""
    stage = stack("relay", {"relay_address": HOST})
    async with asyncio.timeout(TIMEOUT):
        while "the media relay runs" not in stage.bridge.daemon.output():
            await asyncio.sleep(0.02)
    await both_ways(stage, telephone, "PCMU")


async def test_users_of_ejabberd_call_and_are_called(
    stack: MakeStage, sip_rtpengine: Rtpengine, telephone: MakeTelephone
) -> None:
    """Opus here, G.711 there; and a user who calls another through SIP sees him."""
    stage = stack("sip", {"rtpengine": [sip_rtpengine.address]}, "ejabberd")
    await both_ways(stage, telephone, "opus")
    caller, callee = await stage.caller("tybalt", frequency=440), await stage.caller("juliet", frequency=1000)
    call = caller.call(through_sip(stage, callee), ("audio", "video"))
    taken = await callee.is_called()
    assert taken.media == ("audio", "video")
    taken.answer()
    await call.hears(1000)
    await taken.sees_moves()
    await call.sees_moves()


async def test_media_go_past_the_gateway_where_the_trunk_wants_it(
    stack: MakeStage, sip_rtpengine: Rtpengine
) -> None:
    """Ends with ICE and DTLS talk to each other, with SIP between them."""
    stage = stack("direct", {"rtpengine": [sip_rtpengine.address]}, way="direct")
    caller, callee = await stage.caller("romeo", frequency=440), await stage.caller("juliet", frequency=1000)
    call = caller.call(through_sip(stage, callee))
    taken = await callee.is_called()
    taken.answer()
    await call.hears(1000)
    await taken.hears(440)
    assert await call.codec() == await taken.codec() == "opus"
    await taken.hold()
    await call.sees("info hold")
    await taken.hang_up()
    await call.sees("session-terminate success")


async def test_browsers_see_each_other_through_sip(
    stack: MakeStage, sip_rtpengine: Rtpengine, surfer: MakeSurfer
) -> None:
    """Chromium's pictures and sound as SIP has them, and Chromium's again."""
    interfaces = {"sip_interface": "int", "xmpp_interface": "pub"}
    stage = stack("relay", {"rtpengine": [sip_rtpengine.address], **interfaces})
    caller, callee = await surfer("romeo", frequency=440), await surfer("juliet", frequency=1000)
    call = await caller.call(through_sip(stage, callee), ["audio", "video"])
    taken = await callee.is_called()
    await taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    await call.sees_moves()
    await taken.sees_moves()
    await call.hang_up()
    await taken.sees("session-terminate success")
