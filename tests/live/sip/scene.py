"""A call to be: a back end for media, and a phone and a browser that it is between."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from bridge.calls import CallId, SessionDescription
from tests.live.cast.media import Browser, Phone
from tests.live.cast.nat import Nat
from transports.sip.agent.bound import token
from transports.sip.media.backend import Anchor, Demands, MediaBackend

LOW, HIGH, STRANGE = 440, 1000, 1500
"""The phone's tone, the browser's, and that of somebody who has no business there."""
ELSEWHERE, UNREACHED = "127.0.0.9", "192.0.2.99"

PLAIN = Demands()


class Ears:
    """What the network is told of a call."""

    def __init__(self) -> None:
        self.signalled_from = ""
        self.pressed_keys: asyncio.Queue[str] = asyncio.Queue()
        self.lost: asyncio.Queue[str] = asyncio.Queue()

    def media_lost(self, reason: str) -> None:
        self.lost.put_nowait(reason)

    def pressed(self, digit: str) -> None:
        self.pressed_keys.put_nowait(digit)


class Scene:
    """A back end, and a phone and a browser whose calls it anchors."""

    def __init__(self, backend: MediaBackend) -> None:
        self.backend = backend
        self.ears = Ears()
        self.phone = Phone(LOW)
        self.browser = Browser(HIGH)
        self.nat = Nat()
        self.anchor: Anchor

    async def begin(self, demands: Demands = PLAIN, **browser) -> None:
        self.browser = Browser(HIGH, **browser) if browser else self.browser
        await self.phone.start()
        self.anchor = self.backend.anchor(CallId(token()), demands, self.ears)

    async def browser_calls(self) -> SessionDescription:
        """Have the browser call the phone; return what it was answered."""
        offered = await self.to_sip(await self.browser.offer())
        answer = await wait(self.anchor.answer_to_xmpp(self.phone.answer(offered)))
        self.phone.talk(offered)
        await self.browser.answered(answer)
        return answer

    async def browser_calls_through_nat(self, is_trickled: bool) -> None:
        """Have the browser call from behind NAT, with candidates that nobody reaches, in the offer or later."""
        offer = await self.browser.offer()
        [audio] = offer.contents
        unreached = tuple(replace(one, address=UNREACHED) for one in audio.endpoint.candidates)
        endpoint = replace(audio.endpoint, candidates=unreached)
        bare = replace(endpoint, candidates=(), complete=False)
        said = replace(audio, endpoint=bare if is_trickled else endpoint)
        offered = await self.to_sip(replace(offer, contents=(said,)))
        answer = await wait(self.anchor.answer_to_xmpp(self.phone.answer(offered)))
        if is_trickled:
            self.anchor.candidates(audio.name, endpoint)
        self.phone.talk(offered)
        await self.browser.answered(await self.nat.seen_from_inside(answer))

    async def to_sip(self, offer: SessionDescription):
        return await wait(self.anchor.offer_to_sip(offer))

    async def phone_calls(self, codec: str = "0 PCMU") -> SessionDescription:
        """Have the phone call the browser; return what that was offered."""
        offered = await wait(self.anchor.offer_to_xmpp(self.phone.sdp(codec=codec)))
        answer = await wait(self.anchor.answer_to_sip(await self.browser.answer(offered)))
        self.phone.talk(answer)
        return offered

    async def stranger_gets_nothing(self) -> None:
        """Have somebody send to where the phone is awaited, before it does itself."""
        stranger = Phone(STRANGE, address=ELSEWHERE)
        await stranger.start()
        offered = await wait(self.anchor.offer_to_xmpp(self.phone.sdp()))
        answer = await wait(self.anchor.answer_to_sip(await self.browser.answer(offered)))
        stranger.talk(answer)
        await self.phone.hears(HIGH)
        self.phone.talk(answer)
        await self.both_hear()
        assert stranger.packets == 0
        stranger.close()

    async def both_hear(self) -> None:
        await asyncio.gather(self.phone.hears(HIGH), self.browser.hears(LOW))

    async def end(self) -> None:
        self.anchor.end()
        self.nat.close()
        self.phone.close()
        await self.browser.close()


def wait(deferred):
    return deferred.asFuture(asyncio.get_running_loop())
