"""People of one XMPP server call each other through the gateway, by the network in memory: media go directly."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.calls.conftest import MakePerson, MakeSurfer
from tests.live.cast.jingle import JinglePerson
from tests.live.cast.stanzas import Pattern
from tests.live.peers.gateway import LoopbackBridge

SERVER = "memory.example"


def contact(bridge: LoopbackBridge, name: str) -> str:
    """Return the address of somebody in memory."""
    return f"{name}%{SERVER}@{bridge.domain}"


async def together(bridge: LoopbackBridge, *people: JinglePerson) -> None:
    """Have people enter one room, by which they are contacts of each other."""
    for person in people:
        room = f"#calls%{SERVER}@{bridge.domain}"
        person.send(
            f"<presence to='{room}/{name_of(person)}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        await person.find_anywhere(Pattern("presence", **{"from": f"{room}/{name_of(person)}"}))


def name_of(person: JinglePerson) -> str:
    """Return the nick of a person."""
    return person.bare.partition("@")[0]


@pytest.mark.parametrize("trickles", [False, True])
@pytest.mark.parametrize("proposes", [True, False])
async def test_call_through_the_gateway_is_heard_at_both_ends(
    somebody: MakePerson, bridge: LoopbackBridge, trickles: bool, proposes: bool
) -> None:
    """Proposed or not, with candidates in the offer or after it: ringing, sound, hold, keys, end."""
    caller = await somebody("romeo", frequency=440, trickles=trickles, proposes=proposes)
    callee = await somebody("juliet", frequency=1000, trickles=trickles)
    await together(bridge, caller, callee)
    call = caller.call(contact(bridge, "juliet"))
    taken = await callee.is_called()
    assert taken.peer == contact(bridge, "romeo")
    await call.sees("info ringing")
    taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    await taken.hold()
    await call.sees("info hold")
    await taken.resume()
    await call.sees("info active")
    await call.press("5#")
    await taken.sees("info dtmf")
    assert (await call.hang_up()).get("type") == "result"
    await taken.sees("session-terminate success")
    await taken.sees("finish success")


async def test_video_is_seen_at_both_ends(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """Two contents in one bundle."""
    caller, callee = await somebody("romeo", frequency=440), await somebody("juliet", frequency=1000)
    await together(bridge, caller, callee)
    call = caller.call(contact(bridge, "juliet"), ("audio", "video"))
    taken = await callee.is_called()
    assert taken.media == ("audio", "video")
    taken.answer()
    await call.hears(1000)
    await taken.sees_moves()
    await call.sees_moves()


async def test_all_devices_ring_and_one_takes_it(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """The others learn from their server that it was taken."""
    caller, desk = await somebody("romeo"), await somebody("juliet")
    phone = await somebody("juliet", "b")
    await together(bridge, caller, desk)
    caller.call(contact(bridge, "juliet"))
    rings, taken = await desk.is_called(), await phone.is_called()
    taken.answer()
    await taken.sees("session-initiate")
    rings.answer()
    await rings.sees("retract cancel")
    assert "retract cancel" not in taken.seen


async def test_device_that_knows_no_proposals_is_called_by_jingle(
    somebody: MakePerson, surfer: MakeSurfer, bridge: LoopbackBridge
) -> None:
    """stanza.js in a browser, known from its presence: its session begins while others are asked."""
    caller, callee = await somebody("romeo", frequency=440), await surfer("juliet", frequency=1000)
    await together(bridge, caller)
    await callee.enter(f"#calls%{SERVER}@{bridge.domain}", "juliet")
    await callee.appear(contact(bridge, "romeo"))
    call = caller.call(contact(bridge, "juliet"))
    taken = await callee.is_called()
    await taken.sees("session-initiate")
    await taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    await taken.hold()
    await call.sees("info hold")
    await call.hold()
    await taken.sees("info hold")
    await call.resume()
    await taken.sees("info active")
    await taken.hang_up()
    await call.sees("session-terminate success")


async def test_call_from_a_browser_is_heard_at_both_ends(
    somebody: MakePerson, surfer: MakeSurfer, bridge: LoopbackBridge
) -> None:
    """Chromium's own offer, with candidates that come one by one."""
    caller, callee = await surfer("romeo", frequency=440), await somebody("juliet", frequency=1000)
    await together(bridge, callee)
    await caller.enter(f"#calls%{SERVER}@{bridge.domain}", "romeo")
    call = await caller.call(contact(bridge, "juliet"))
    taken = await callee.is_called()
    taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    taken.hang_up()
    await call.sees("session-terminate success")


async def test_call_is_declined_and_given_up(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """On each side the right reason is shown."""
    caller, callee = await somebody("romeo"), await somebody("juliet")
    await together(bridge, caller, callee)
    call = caller.call(contact(bridge, "juliet"))
    (await callee.is_called()).refuse("busy")
    await call.sees("session-terminate busy")
    given_up = caller.call(contact(bridge, "juliet"))
    rings = await callee.is_called()
    await given_up.sees("info ringing")
    given_up.retract()
    await rings.sees("retract cancel")


async def test_device_that_is_gone_ends_the_call(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """Its presence says so, if the contact sees it."""
    caller, callee = await somebody("romeo"), await somebody("juliet")
    await together(bridge, caller, callee)
    callee.send(f"<presence to='{contact(bridge, 'romeo')}'/>")
    call = caller.call(contact(bridge, "juliet"))
    taken = await callee.is_called()
    taken.answer()
    await call.sees("session-accept")
    await callee.log_out()
    await call.sees("session-terminate gone")


async def test_calls_end_with_the_gateway(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """One that stops ends what stands and what rings; after one that was killed there is no session."""
    caller, callee, rival = await somebody("romeo"), await somebody("juliet"), await somebody("paris")
    await together(bridge, caller, callee, rival)
    call = caller.call(contact(bridge, "juliet"))
    (await callee.is_called()).answer()
    await call.sees("session-accept")
    rival.call(contact(bridge, "juliet"))
    rings = await callee.is_called()
    await asyncio.to_thread(bridge.daemon.stop)
    await asyncio.to_thread(bridge.daemon.start)
    await call.sees("session-terminate gone")
    await rings.sees("retract gone")
    again = caller.call(contact(bridge, "echo"))
    await again.sees("session-accept")
    await asyncio.to_thread(bridge.daemon.kill)
    await asyncio.to_thread(bridge.daemon.start)
    refused = await again.inform("")
    assert refused.find("error/{urn:xmpp:jingle:errors:1}unknown-session") is not None


async def test_nobody_answers_in_words(somebody: MakePerson, bridge: LoopbackBridge) -> None:
    """The refusal, and why."""
    caller = await somebody("romeo")
    call = caller.call(contact(bridge, "nobody"))
    await call.sees("reject expired")
    told = await caller.find_anywhere(Pattern("message", **{"from": contact(bridge, "nobody")}))
    assert told.findtext("body") == "There is nobody of that name."
