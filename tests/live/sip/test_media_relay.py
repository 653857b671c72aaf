"""Calls over the embedded relay: one codec for both ends, everything else as over rtpengine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.process import reapAllProcesses

from bridge.calls import CallId, Flow
from bridge.errors import BridgeError, Trouble
from tests.live.cast.media import Phone
from tests.live.peers.daemon import HOST
from tests.live.peers.rtpengine import own_address
from tests.live.sip.scene import ELSEWHERE, LOW, PLAIN, Ears, Scene, wait
from transports.sip.agent.bound import token
from transports.sip.media.backend import Demands
from transports.sip.media.config import MediaConfig
from transports.sip.media.relay.backend import Relay


class Standing:
    """A relay that runs."""

    def __init__(self, reactor: AsyncioSelectorReactor) -> None:
        self.changed = asyncio.Event()
        config = MediaConfig(relay_address=HOST, relay_calls=2)
        self.relay = Relay(config, reactor, self.changed.set)

    async def ready(self) -> None:
        async with asyncio.timeout(10):
            while not self.relay._is_ready:
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def standing(loop) -> Iterator[Standing]:
    """The relay of these tests."""
    made = Standing(AsyncioSelectorReactor(loop))
    loop.add_signal_handler(signal.SIGCHLD, reapAllProcesses)  # as a reactor that is run does
    made.relay.start()
    loop.run_until_complete(made.ready())
    yield made
    loop.run_until_complete(_stop(loop, made))
    loop.remove_signal_handler(signal.SIGCHLD)


async def _stop(loop, made: Standing) -> None:
    await made.relay.stop().asFuture(loop)


@pytest.fixture
def scene(standing: Standing, loop) -> Iterator[Scene]:
    async def begin() -> Scene:
        return Scene(standing.relay)

    made = loop.run_until_complete(begin())
    yield made
    loop.run_until_complete(made.end())


async def test_browser_calls_a_phone_and_both_are_heard(scene: Scene):
    """G.711 from end to end."""
    await scene.begin()
    answer = await scene.browser_calls()
    [audio] = answer.contents
    assert audio.endpoint.ufrag and audio.endpoint.fingerprint and audio.rtcp_mux
    await scene.both_hear()


async def test_phone_calls_a_browser_and_both_are_heard(scene: Scene):
    """The relay chooses the way then (RFC 8445 §6.1.1)."""
    await scene.begin()
    await scene.phone_calls()
    await scene.both_hear()


async def test_stranger_who_sends_first_hears_nothing_and_is_not_heard(scene: Scene):
    """Media of the phone are taken from where it says (RFC 7362 §5)."""
    await scene.begin()
    await scene.stranger_gets_nothing()


async def test_phone_behind_nat_is_heard_from_where_its_signalling_comes(scene: Scene):
    """It says an address, and a port, that nobody reaches."""
    scene.phone = Phone(LOW, address=own_address())
    scene.ears.signalled_from = own_address()
    await scene.begin()
    await scene.phone_calls()
    await scene.both_hear()


async def test_carrier_whose_media_come_from_elsewhere_is_heard(scene: Scene):
    """It names an address, and a port, that are not those that it sends from (RFC 7362 §5)."""
    scene.phone = Phone(LOW, address=ELSEWHERE)
    await scene.begin(Demands(is_symmetric=True))
    await scene.phone_calls()
    await scene.both_hear()


async def test_keys_are_told_and_pressed(scene: Scene):
    """In the media of the phone, whatever the browser makes of them (RFC 4733)."""
    await scene.begin()
    await scene.phone_calls()
    await scene.both_hear()
    for key in "5#":
        await scene.phone.press(key)
        assert await asyncio.wait_for(scene.ears.pressed_keys.get(), 5) == key
    scene.anchor.press("7", 100)
    scene.anchor.press("*", 100)
    await scene.phone.hears_keys("7*")
    await scene.both_hear()


@pytest.mark.parametrize("is_trickled", [True, False])
async def test_browser_behind_nat_is_found_by_its_own_checks(scene: Scene, is_trickled: bool):
    """Its candidates, which nobody reaches, come later (XEP-0176 §5.3) or in the offer (RFC 8445 §7.3.1.3)."""
    await scene.begin()
    await scene.browser_calls_through_nat(is_trickled)
    await scene.both_hear()


async def test_hold_and_resume_keep_the_media_where_they_are(scene: Scene):
    """The phone's hold changes the direction alone."""
    await scene.begin()
    before = (await scene.browser_calls()).contents[0].endpoint
    await scene.both_hear()
    for direction, flow in (("sendonly", Flow.SENDS), ("sendrecv", Flow.BOTH)):
        [held] = (await wait(scene.anchor.offer_to_xmpp(scene.phone.sdp(direction)))).contents
        assert (held.flow, held.endpoint.ufrag) == (flow, before.ufrag)
        await wait(scene.anchor.answer_to_sip(await scene.browser.answers_again(held)))
    await scene.both_hear()


async def test_relay_takes_as_many_calls_as_it_is_told(scene: Scene):
    """One more is refused."""
    await scene.begin()
    second = scene.backend.anchor(CallId(token()), PLAIN, Ears())
    with pytest.raises(BridgeError) as caught:
        scene.backend.anchor(CallId(token()), PLAIN, Ears())
    assert caught.value.trouble is Trouble.OVERLOADED
    second.end()


async def test_killed_relay_loses_its_calls_and_is_started_again(scene: Scene, standing: Standing):
    """The calls are told at once."""
    await scene.begin()
    await scene.phone_calls()
    await scene.both_hear()
    os.kill(standing.relay._process.transport.pid, signal.SIGKILL)
    assert await asyncio.wait_for(scene.ears.lost.get(), 5) == "The media relay has ended."
    assert standing.relay.trouble
    await standing.ready()
    assert standing.relay.trouble == ""


async def test_call_of_the_first_moment_is_carried_at_the_ports_that_are_set(loop):
    """The relay was started just now, and is given a range."""
    first, last = 21_600, 21_615
    config = MediaConfig(relay_address=HOST, relay_calls=2, relay_ports=(first, last))
    relay = Relay(config, AsyncioSelectorReactor(loop), lambda: None)
    relay.start()
    scene = Scene(relay)
    await scene.begin()
    offered = await scene.to_sip(await scene.browser.offer())
    answer = await wait(scene.anchor.answer_to_xmpp(scene.phone.answer(offered)))
    ports = {one.port for one in answer.contents[0].endpoint.candidates} | {offered.media[0].port}
    assert len(ports) > 1 and min(ports) >= first and max(ports) <= last
    scene.phone.talk(offered)
    await scene.browser.answered(answer)
    await scene.both_hear()
    await scene.end()
    await wait(relay.stop())
