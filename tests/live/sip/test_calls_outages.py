"""Calls when something dies in their midst."""

from __future__ import annotations

import asyncio

from tests.live.cast.jingle import Call, JinglePerson
from tests.live.peers.baresip import Baresip
from tests.live.peers.rtpengine import Rtpengine
from tests.live.sip.conftest import MakeDesk
from tests.live.sip.stage import SipStage

UNKNOWN = "error/{urn:xmpp:jingle:errors:1}unknown-session"


async def talk(sip_stage: SipStage, romeo: JinglePerson, bob: Baresip) -> Call:
    """Have the user call the telephone, until he hears it."""
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await bob.sees("CALL_ESTABLISHED")
    await call.hears(1000)
    return call


async def test_killed_rtpengine_ends_its_calls(
    sip_stage: SipStage, sip_rtpengine: Rtpengine, desk: MakeDesk
) -> None:
    """Both sides are told; as soon as it is there again others are made."""
    romeo, bob = await sip_stage.caller("romeo", frequency=440), await desk()
    call = await talk(sip_stage, romeo, bob)
    await asyncio.to_thread(sip_rtpengine.daemon.kill)
    await asyncio.to_thread(sip_rtpengine.daemon.start)
    await call.sees("session-terminate connectivity-error")
    await bob.sees("CALL_CLOSED")
    again = await talk(sip_stage, romeo, bob)
    await again.hang_up()
    await bob.sees("CALL_CLOSED")


async def test_killed_gateway_knows_no_call_any_more(sip_stage: SipStage, desk: MakeDesk) -> None:
    """Each side learns it when it next says something, and can call again."""
    romeo, bob = await sip_stage.caller("romeo", frequency=440), await desk()
    call = await talk(sip_stage, romeo, bob)
    await asyncio.to_thread(sip_stage.bridge.daemon.kill)
    await asyncio.to_thread(sip_stage.bridge.daemon.start)
    await bob.hold()
    await bob.sees("CALL_CLOSED")
    told = await call.inform("")
    assert told.find(UNKNOWN) is not None
    again = await talk(sip_stage, romeo, bob)
    await bob.hang_up()
    await again.sees("session-terminate success")
    await bob.dial(sip_stage.uri(romeo))
    (await romeo.is_called()).answer()
    await bob.hears(440)


async def test_gateway_that_stops_ends_its_calls(sip_stage: SipStage, desk: MakeDesk) -> None:
    """On both sides, also one that rings."""
    romeo, bob, carol = await sip_stage.caller("romeo"), await desk(), await desk("carol")
    call = await talk(sip_stage, romeo, bob)
    await carol.dial(sip_stage.uri(romeo))
    rings = await romeo.is_called()
    await asyncio.to_thread(sip_stage.bridge.daemon.stop)
    await bob.sees("CALL_CLOSED")
    await carol.sees("CALL_CLOSED")
    await asyncio.to_thread(sip_stage.bridge.daemon.start)
    await call.sees("session-terminate gone")
    await rings.sees("retract gone")
