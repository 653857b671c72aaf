"""Pictures and protection: two browsers, between whom media go by SIP's side of a real rtpengine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from bridge.calls import CallId
from tests.live.cast.media import Browser
from tests.live.peers.daemon import free_port
from tests.live.peers.rtpengine import Rtpengine, media_config
from tests.live.sip.scene import HIGH, LOW, Ears, wait
from transports.sip.agent.bound import token
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.rtpengine import Rtpengines
from transports.sip.wire.sdp import Description

DARK, BRIGHT = 60, 200


@pytest.fixture(scope="module")
def engine(house) -> Rtpengine:
    """The rtpengine of these tests."""
    made = Rtpengine(house.make_folder("rtpengine-video"), free_port())
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture
def backend(engine: Rtpengine, loop) -> Iterator[Rtpengines]:
    """The gateway's side of it."""
    made = Rtpengines(
        replace(media_config([engine], 0), dtmf_listen=""), AsyncioSelectorReactor(loop), token, lambda: None
    )
    loop.run_until_complete(_start(made))
    yield made
    loop.run_until_complete(_stop(made))


async def _start(backend: Rtpengines) -> None:
    backend.start()


async def _stop(backend: Rtpengines) -> None:
    await wait(backend.stop())


@asynccontextmanager
async def call(backend: Rtpengines, demands: Demands) -> AsyncIterator[tuple[Browser, Browser, Description]]:
    """Have a browser call another: each has an anchor, and what the two say to each other is SIP's SDP."""
    one, other = Browser(LOW, shade=DARK), Browser(HIGH, shade=BRIGHT)
    near, far = (backend.anchor(CallId(token()), demands, Ears()) for _ in range(2))
    try:
        offered = await wait(near.offer_to_sip(await one.offer()))
        answer = await wait(far.answer_to_sip(await other.answer(await wait(far.offer_to_xmpp(offered)))))
        await one.answered(await wait(near.answer_to_xmpp(answer)))
        yield one, other, offered
    finally:
        for browser in (one, other):
            await browser.close()
        near.end()
        far.end()


@pytest.mark.parametrize(
    ("protection", "profile"),
    [
        (Protection.NONE, "RTP/AVP"),
        (Protection.SDES, "RTP/SAVP"),
        (Protection.DTLS, "UDP/TLS/RTP/SAVP"),
    ],
)
async def test_pictures_and_sound_pass_both_ways_however_they_are_protected(backend, protection, profile):
    """Over plain RTP, keys in SDP (RFC 4568), and DTLS (RFC 5764)."""
    async with call(backend, Demands(protection=protection)) as (one, other, offered):
        assert {media.protocol for media in offered.media} == {profile}
        await asyncio.gather(one.sees(BRIGHT), other.sees(DARK), one.hears(HIGH), other.hears(LOW))


async def test_media_pass_over_ipv6(backend):
    """Where the SIP peer is reached by it."""
    async with call(backend, Demands(family=6)) as (one, other, offered):
        assert {offered.address_of(media) for media in offered.media} == {"::1"}
        await asyncio.gather(one.sees(BRIGHT), other.sees(DARK), one.hears(HIGH), other.hears(LOW))


async def test_lost_picture_is_asked_for_through_the_call(backend):
    """A browser's feedback reaches the other (RFC 4585 §6.3.1)."""
    async with call(backend, Demands()) as (one, other, _):
        await asyncio.gather(one.sees(BRIGHT), other.sees(DARK))
        asked = asyncio.Event()
        one.when_asked_for_pictures(asked.set)
        await other.misses_pictures()
        await asyncio.wait_for(asked.wait(), 5)
