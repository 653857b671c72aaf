"""Calls between two browsers, one of them behind SIP, with no relay between them."""

from __future__ import annotations

import asyncio

from tests.live.cast.media import Browser
from transports.sip.calls.translate import from_sdp, lines_of_media, to_sdp
from transports.sip.media.backend import Demands
from transports.sip.media.direct import DirectAnchor

LOW, HIGH = 440, 1000


async def test_two_ends_with_ice_and_keys_hear_each_other(loop: asyncio.AbstractEventLoop):
    """The descriptions go through the gateway, what is said does not."""
    caller, called = Browser(HIGH), Browser(LOW)
    anchor = DirectAnchor(Demands(is_direct=True), 1)
    sdp = await anchor.offer_to_sip(await caller.offer())
    lines = lines_of_media(sdp)
    answer = await called.answer(from_sdp(sdp, lines, is_answer=False))
    back = await anchor.answer_to_xmpp(to_sdp(answer, lines, sdp.origin))
    await caller.answered(back)
    await asyncio.gather(caller.hears(LOW), called.hears(HIGH))
    await asyncio.gather(caller.close(), called.close())
