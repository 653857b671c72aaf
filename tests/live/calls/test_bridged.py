"""People of one XMPP server call each other through the gateway, by the network in memory: media go directly."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.calls.conftest import MakePerson, MakeSurfer
from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import JinglePerson
from tests.live.cast.stanzas import Pattern
from tests.live.peers.gateway import LoopbackBridge
from tests.live.stage import House

SERVER = "memory.example"
CAPS = "*[local-name()='c']"


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


def name_of(person: JinglePerson | BrowserPerson) -> str:
    """Return the nick of a person."""
    return person.bare.partition("@")[0]


def to(bridge: LoopbackBridge, person: JinglePerson | BrowserPerson) -> str:
    """Return the address at which a person is called."""
    return contact(bridge, name_of(person))


@pytest.fixture
def new(house: House) -> str:
    """What makes names new: nothing that was kept for others comes to these people."""
    return str(house.number())


@pytest.mark.parametrize("trickles", [False, True])
@pytest.mark.parametrize("proposes", [True, False])
async def test_call_through_the_gateway_is_heard_at_both_ends(
    somebody: MakePerson, bridge: LoopbackBridge, new: str, trickles: bool, proposes: bool
) -> None:
    """Proposed or not, with candidates in the offer or after it: ringing, sound, hold, keys, end."""
    caller = await somebody(f"romeo{new}", frequency=440, trickles=trickles, proposes=proposes)
    callee = await somebody(f"juliet{new}", frequency=1000, trickles=trickles)
    await together(bridge, caller, callee)
    call = caller.call(to(bridge, callee))
    taken = await callee.is_called()
    assert taken.peer == to(bridge, caller)
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
    for person, other in ((caller, callee), (callee, caller)):
        await person.find_anywhere(Pattern("presence", frm=to(bridge, other), has=CAPS))
        await person.find_anywhere(Pattern("presence", frm=to(bridge, other), type="unavailable"))


async def test_video_is_seen_at_both_ends(somebody: MakePerson, bridge: LoopbackBridge, new: str) -> None:
    """Two contents in one bundle."""
    caller, callee = (
        await somebody(f"romeo{new}", frequency=440),
        await somebody(f"juliet{new}", frequency=1000),
    )
    await together(bridge, caller, callee)
    call = caller.call(to(bridge, callee), ("audio", "video"))
    taken = await callee.is_called()
    assert taken.media == ("audio", "video")
    taken.answer()
    await call.hears(1000)
    await taken.sees_moves()
    await call.sees_moves()


async def test_all_devices_ring_and_one_takes_it(
    somebody: MakePerson, bridge: LoopbackBridge, new: str
) -> None:
    """The others learn from their server that it was taken."""
    caller, desk = await somebody(f"romeo{new}"), await somebody(f"juliet{new}")
    phone = await somebody(f"juliet{new}", "b")
    await together(bridge, caller, desk)
    caller.call(to(bridge, desk))
    rings, taken = await desk.is_called(), await phone.is_called()
    taken.answer()
    await taken.sees("session-initiate")
    rings.answer()
    await rings.sees("retract cancel")
    assert "retract cancel" not in taken.seen


async def test_device_that_knows_no_proposals_is_called_by_jingle(
    somebody: MakePerson, surfer: MakeSurfer, bridge: LoopbackBridge, new: str
) -> None:
    """stanza.js in a browser, known from its presence: its session begins while others are asked."""
    caller, callee = (
        await somebody(f"romeo{new}", frequency=440),
        await surfer(f"juliet{new}", frequency=1000),
    )
    await together(bridge, caller)
    await callee.enter(f"#calls%{SERVER}@{bridge.domain}", name_of(callee))
    await callee.appear(to(bridge, caller))
    call = caller.call(to(bridge, callee))
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
    somebody: MakePerson, surfer: MakeSurfer, bridge: LoopbackBridge, new: str
) -> None:
    """Chromium's own offer, with candidates that come one by one."""
    caller, callee = (
        await surfer(f"romeo{new}", frequency=440),
        await somebody(f"juliet{new}", frequency=1000),
    )
    await together(bridge, callee)
    await caller.enter(f"#calls%{SERVER}@{bridge.domain}", name_of(caller))
    call = await caller.call(to(bridge, callee))
    taken = await callee.is_called()
    taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    taken.hang_up()
    await call.sees("session-terminate success")


async def test_call_is_declined_and_given_up(somebody: MakePerson, bridge: LoopbackBridge, new: str) -> None:
    """On each side the right reason is shown."""
    caller, callee = await somebody(f"romeo{new}"), await somebody(f"juliet{new}")
    await together(bridge, caller, callee)
    call = caller.call(to(bridge, callee))
    (await callee.is_called()).refuse("busy")
    await call.sees("session-terminate busy")
    given_up = caller.call(to(bridge, callee))
    rings = await callee.is_called()
    await given_up.sees("info ringing")
    given_up.retract()
    await rings.sees("retract cancel")


async def test_device_that_is_gone_ends_the_call(
    somebody: MakePerson, bridge: LoopbackBridge, new: str
) -> None:
    """Its presence says so, if the contact sees it."""
    caller, callee = await somebody(f"romeo{new}"), await somebody(f"juliet{new}")
    await together(bridge, caller, callee)
    callee.send(f"<presence to='{to(bridge, caller)}'/>")
    call = caller.call(to(bridge, callee))
    taken = await callee.is_called()
    taken.answer()
    await call.sees("session-accept")
    await callee.log_out()
    await call.sees("session-terminate gone")


async def test_calls_end_with_the_gateway(somebody: MakePerson, bridge: LoopbackBridge, new: str) -> None:
    """One that stops ends what stands and what rings; after one that was killed there is no session."""
    caller, callee, rival = (
        await somebody(f"romeo{new}"),
        await somebody(f"juliet{new}"),
        await somebody(f"paris{new}"),
    )
    await together(bridge, caller, callee, rival)
    call = caller.call(to(bridge, callee))
    (await callee.is_called()).answer()
    await call.sees("session-accept")
    rival.call(to(bridge, callee))
    rings = await callee.is_called()
    await asyncio.to_thread(bridge.daemon.stop)
    await asyncio.to_thread(bridge.daemon.start)
    await call.sees("session-terminate gone")
    await rings.sees("retract gone")
    again = caller.call(contact(bridge, "echo"))
    await again.sees("session-accept")
    await asyncio.to_thread(bridge.daemon.kill)
    await asyncio.to_thread(bridge.daemon.start)
    again.step("proceed")
    await again.sees("retract gone")
    refused = await again.inform("")
    assert refused.find("error/{urn:xmpp:jingle:errors:1}unknown-session") is not None


async def test_nobody_answers_in_words(somebody: MakePerson, bridge: LoopbackBridge, new: str) -> None:
    """The refusal, and why."""
    caller = await somebody(f"romeo{new}")
    call = caller.call(contact(bridge, "nobody"))
    await call.sees("reject expired")
    told = await caller.find_anywhere(Pattern("message", **{"from": contact(bridge, "nobody")}))
    assert told.findtext("body") == "There is nobody of that name."
