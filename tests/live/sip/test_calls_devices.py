"""Calls and the devices of an XMPP user: several of them, several calls at one, and one that vanishes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.live.peers.sipp_calls import give_up, invite, receive, sipp
from tests.live.sip.conftest import MakeDesk
from tests.live.sip.stage import SipStage


async def test_all_devices_ring_and_one_takes_the_call(sip_stage: SipStage, desk: MakeDesk) -> None:
    """The other stops to ring; the telephone hears who took it, and hangs up."""
    at_home, away = (
        await sip_stage.caller("romeo", frequency=440),
        await sip_stage.caller("romeo", "b", frequency=600),
    )
    bob = await desk()
    await bob.dial(sip_stage.uri(at_home))
    rings, taken = await at_home.is_called(), await away.is_called()
    await bob.sees("CALL_RINGING")
    taken.answer()
    await bob.hears(600)
    await taken.hears(1000)
    rings.answer()
    await rings.sees("retract cancel")
    await bob.hang_up()
    await taken.sees("session-terminate success")


async def test_devices_that_answer_at_once_leave_one_call(sip_stage: SipStage, desk: MakeDesk) -> None:
    """Whoever came second is told that the call is another's, and the telephone hears the first alone."""
    bob, people = await desk(), [await sip_stage.caller("romeo", resource) for resource in "ab"]
    await bob.dial(sip_stage.uri(people[0]))
    calls = [await one.is_called() for one in people]
    await bob.sees("CALL_RINGING")
    for call in calls:
        call.answer()
    begun = {asyncio.ensure_future(call.sees("session-initiate")): call for call in calls}
    done, others = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
    (taken,), (other,) = ([begun[one] for one in which] for which in (done, others))
    for one in others:
        one.cancel()
    await other.sees("retract cancel")
    await bob.hears(440)
    await bob.hang_up()
    await taken.sees("session-terminate success")


async def test_telephone_gives_up_and_all_devices_stop(sip_stage: SipStage, desk: MakeDesk) -> None:
    """CANCEL."""
    at_home, away = await sip_stage.caller("romeo"), await sip_stage.caller("romeo", "b")
    bob = await desk()
    await bob.dial(sip_stage.uri(at_home))
    calls = [await at_home.is_called(), await away.is_called()]
    await bob.sees("CALL_RINGING")
    await bob.hang_up()
    for call in calls:
        await call.sees("retract cancel")


async def test_another_call_waits_and_is_taken(sip_stage: SipStage, desk: MakeDesk) -> None:
    """The first is held meanwhile, and goes on when the second has ended."""
    romeo, bob, carol = (
        await sip_stage.caller("romeo", frequency=440),
        await desk(),
        await desk("carol", frequency=700),
    )
    first = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await bob.sees("CALL_ESTABLISHED")
    await first.hears(1000)
    await carol.dial(sip_stage.uri(romeo))
    second = await romeo.is_called()
    await carol.sees("CALL_RINGING")
    await first.hold()
    await bob.sees("CALL_REMOTE_SDP")
    second.answer()
    await second.hears(700)
    await carol.hears(440)
    await second.hang_up()
    await carol.sees("CALL_CLOSED")
    await first.resume()
    await bob.sees("CALL_REMOTE_SDP")
    await first.hears(1000)
    assert not first.over


async def test_device_that_vanishes_ends_the_call(sip_stage: SipStage, desk: MakeDesk) -> None:
    """Its connection is cut, and the telephone is hung up on."""
    romeo, bob = await sip_stage.caller("romeo"), await desk()
    romeo.send(f"<presence to='{sip_stage.jid(bob.name)}'/>")
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.sees("session-accept")
    await bob.sees("CALL_ESTABLISHED")
    romeo.drop()
    await bob.sees("CALL_CLOSED")


async def test_device_that_vanishes_lets_no_telephone_ring_on(sip_stage: SipStage, desk: MakeDesk) -> None:
    """Its connection is cut while it rings."""
    romeo, bob = await sip_stage.caller("romeo"), await desk()
    romeo.send(f"<presence to='{sip_stage.jid(bob.name)}'/>")
    romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    romeo.drop()
    await bob.sees("CALL_CLOSED")


@pytest.mark.parametrize(("user", "ending"), [("nobody", "gone"), ("busy", "busy"), ("barred", "decline")])
async def test_user_is_told_why_there_is_no_call(sip_stage: SipStage, user: str, ending: str) -> None:
    """Nobody is registered by that name; he is busy; the server does not let one call."""
    romeo = await sip_stage.caller("romeo")
    call = romeo.call(sip_stage.jid(user))
    await call.sees(f"session-terminate {ending}")


async def test_user_who_does_not_exist_is_not_called(sip_stage: SipStage, tmp_path: Path) -> None:
    """The telephone is told so at once."""
    uri = f"sip:nobody%40{sip_stage.xmpp.domain}@{sip_stage.domain}"
    steps = (invite(uri), receive("100", is_optional=True), receive("480"), give_up(uri))
    async with sipp(tmp_path, sip_stage.port, *steps) as phone:
        await phone.done()


async def test_account_that_is_registered_is_called(sip_stage: SipStage, desk: MakeDesk) -> None:
    """The registrar sends what is for the account, and its owner answers."""
    owner, bob = await sip_stage.caller("owner", is_owner=True, frequency=440), await desk()
    await bob.dial(f"sip:4711@{sip_stage.kamailio.domain}")
    call = await owner.is_called()
    call.answer()
    await bob.hears(440)
    await call.hears(1000)
    await bob.hang_up()
    await call.sees("session-terminate success")
