"""Calls over a real rtpengine: what is said is heard, both ways, whoever calls and whatever they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from bridge.calls import CallId, Flow
from bridge.errors import BridgeError, Trouble
from tests.live.cast.media import Browser, Phone, ProtectedPhone
from tests.live.peers.daemon import free_port
from tests.live.peers.rtpengine import Rtpengine, media_config, own_address
from tests.live.sip.scene import ELSEWHERE, HIGH, LOW, PLAIN, STRANGE, Ears, Scene, wait
from transports.sip.agent.bound import token
from transports.sip.media import ng, rtpengine
from transports.sip.media.backend import Anchor, Demands, Protection
from transports.sip.media.ng import Ng
from transports.sip.media.rtpengine import Rtpengines
from transports.sip.wire.sdp import Direction


@pytest.fixture(scope="module")
def keys_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def engine(house, keys_port: int) -> Rtpengine:
    """The rtpengine of these tests."""
    made = Rtpengine(house.make_folder("rtpengine"), keys_port)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture(scope="module")
def reactor(loop) -> AsyncioSelectorReactor:
    return AsyncioSelectorReactor(loop)


@pytest.fixture
def scene(engine: Rtpengine, keys_port: int, reactor, loop) -> Iterator[Scene]:
    """A call to be."""
    backend = Rtpengines(media_config([engine], keys_port), reactor, token, lambda: None)

    async def begin() -> Scene:
        backend.start()
        return Scene(backend)

    made = loop.run_until_complete(begin())
    yield made
    loop.run_until_complete(made.end())
    loop.run_until_complete(wait_on(loop, backend))


async def wait_on(loop, backend) -> None:
    await backend.stop().asFuture(loop)


async def test_browser_calls_a_phone_and_both_are_heard(scene: Scene):
    """ICE and DTLS on one side, nothing of it on the other, and no codec in common but by choice."""
    await scene.begin()
    answer = await scene.browser_calls()
    [audio] = answer.contents
    assert audio.endpoint.ufrag and audio.endpoint.fingerprint and audio.endpoint.complete
    await scene.both_hear()


async def test_opus_is_transcoded_for_a_phone_that_lacks_it(scene: Scene):
    """The browser has nothing but Opus."""
    await scene.begin(Demands(codecs=("PCMU",)), codecs=("opus",))
    answer = await scene.browser_calls()
    assert answer.contents[0].codecs[0].name == "opus"
    await scene.both_hear()


async def test_phone_with_keys_in_its_descriptions_is_heard_whoever_calls(scene: Scene):
    """SRTP of another implementation than rtpengine's (RFC 4568)."""
    demands = Demands(protection=Protection.SDES)
    scene.phone = ProtectedPhone(LOW)
    await scene.begin(demands)
    await scene.browser_calls()
    await scene.both_hear()
    await scene.end()
    scene.phone, scene.browser = ProtectedPhone(LOW), Browser(HIGH)
    await scene.begin(demands)
    await scene.phone_calls()
    await scene.both_hear()


async def test_phone_calls_a_browser_and_both_are_heard(scene: Scene):
    """What the phone offers comes with ICE, DTLS and a fingerprint."""
    await scene.begin()
    [audio] = (await scene.phone_calls()).contents
    assert audio.endpoint.fingerprint and "opus" in [codec.name for codec in audio.codecs]
    await scene.both_hear()


async def test_stranger_who_sends_first_hears_nothing_and_is_not_heard(scene: Scene):
    """Media of the phone are taken from where it says (RFC 7362 §5)."""
    await scene.begin()
    await scene.stranger_gets_nothing()


async def test_phone_behind_nat_is_preferred_to_a_stranger_who_sends_first(scene: Scene):
    """It says an address and a port that nobody reaches; its signalling comes from where it is."""
    scene.phone = Phone(LOW, address=own_address())
    scene.ears.signalled_from = own_address()
    await scene.begin()
    stranger = Phone(STRANGE, address=ELSEWHERE)
    await stranger.start()
    offered = await wait(scene.anchor.offer_to_xmpp(scene.phone.sdp()))
    answer = await wait(scene.anchor.answer_to_sip(await scene.browser.answer(offered)))
    stranger.talk(answer)
    await stranger.hears(HIGH)
    scene.phone.talk(answer)
    await scene.phone.hears(HIGH)
    stranger.close()
    await scene.both_hear()


async def test_carrier_whose_media_come_from_elsewhere_is_heard(scene: Scene):
    """It names an address, and a port, that are not those that it sends from (RFC 7362 §5)."""
    scene.phone = Phone(LOW, address=ELSEWHERE)
    await scene.begin(Demands(is_symmetric=True))
    await scene.phone_calls()
    await scene.both_hear()


async def test_keys_are_told_and_pressed(scene: Scene):
    """The phone's are reported, and it hears those that are pressed for it (RFC 4733)."""
    await scene.begin()
    await scene.browser_calls()
    await scene.both_hear()
    for key in "5#":
        await scene.phone.press(key)
        assert await asyncio.wait_for(scene.ears.pressed_keys.get(), 5) == key
    scene.anchor.press("7", 100)
    await scene.phone.hears_keys("7")


async def test_hold_and_resume_keep_the_media_where_they_are(scene: Scene):
    """The phone's hold changes the direction alone, no new ICE (RFC 3264 §8.4); so does the browser's."""
    await scene.begin()
    before = (await scene.browser_calls()).contents[0].endpoint
    await scene.both_hear()
    for direction, flow in (("sendonly", Flow.SENDS), ("sendrecv", Flow.BOTH)):
        [held] = (await wait(scene.anchor.offer_to_xmpp(scene.phone.sdp(direction)))).contents
        assert (held.flow, held.name) == (flow, "0")
        assert (held.endpoint.ufrag, held.endpoint.candidates[0].port) == (
            before.ufrag,
            before.candidates[0].port,
        )
        answer = await wait(scene.anchor.answer_to_sip(await scene.browser.answers_again(held)))
        assert answer.direction(answer.media[0]).receives
    await scene.both_hear()
    offer = scene.browser.held()
    offered = await scene.to_sip(offer)
    assert (offered.media[0].port, offered.direction(offered.media[0])) == (
        scene.phone.remote[1],
        Direction.SENDONLY,
    )


@pytest.mark.parametrize("is_trickled", [True, False])
async def test_browser_behind_nat_is_found_by_its_own_checks(scene: Scene, is_trickled: bool):
    """Its candidates, which nobody reaches, come later (XEP-0176 §5.3) or in the offer (RFC 8445 §7.3.1.3)."""
    await scene.begin()
    await scene.browser_calls_through_nat(is_trickled)
    await scene.both_hear()


async def test_pictures_that_the_phone_refuses_are_left_out(scene: Scene):
    """The answer has the sound only."""
    await scene.begin()
    offer = await scene.browser.offer(has_pictures=True)
    assert len(offer.contents) == 2
    offered = await scene.to_sip(offer)
    assert [media.kind for media in offered.media] == ["audio", "video"]
    answer = await wait(scene.anchor.answer_to_xmpp(scene.phone.answer(offered)))
    assert [content.name for content in answer.contents] == [offer.contents[0].name]


async def test_forgotten_call_is_lost_and_an_unknown_codec_refused(scene: Scene, engine: Rtpengine, reactor):
    """As when no media came for long; and where nothing is in common, nothing is half begun."""
    await scene.begin()
    await scene.browser_calls()
    other = Ng(reactor, engine.address, token)
    other.start()
    await wait(other.ask("delete", {"call-id": scene.anchor.id, "from-tag": "xmpp", "delete-delay": 0}))
    other.stop()
    scene.anchor.look()
    assert await asyncio.wait_for(scene.ears.lost.get(), 5) == "No media came any more."
    anchor = scene.backend.anchor(CallId(token()), PLAIN, scene.ears)
    nothing = scene.phone.sdp().media[0].refused()
    with pytest.raises(BridgeError) as caught:
        await wait(anchor.offer_to_xmpp(replace(scene.phone.sdp(), media=(nothing,))))
    assert caught.value.trouble is Trouble.NOT_ACCEPTABLE
    anchor.end()


async def test_killed_instance_loses_its_calls_and_others_go_on(
    house, engine: Rtpengine, keys_port: int, reactor, monkeypatch: pytest.MonkeyPatch
):
    """New calls go to the other one; the operator is told, until it is back."""
    monkeypatch.setattr(rtpengine, "HEALTH_EVERY", 0.1)
    monkeypatch.setattr(ng, "WAITS", (0.05, 0.1))
    doomed = Rtpengine(house.make_folder("doomed"), keys_port)
    doomed.daemon.start()
    house.own(doomed.daemon)
    changed = asyncio.Event()
    config = replace(media_config([engine, doomed], keys_port), dtmf_listen="")
    backend = Rtpengines(config, reactor, token, changed.set)
    backend.start()
    phone = Phone(LOW)
    await phone.start()
    calls: list[tuple[Ears, Anchor]] = []
    for _ in range(12):
        ears = Ears()
        calls.append((ears, backend.anchor(CallId(token()), PLAIN, ears)))
        await wait(calls[-1][1].offer_to_xmpp(phone.sdp()))

    async def until(is_in_trouble: bool) -> None:
        async with asyncio.timeout(10):
            while bool(backend.trouble) is not is_in_trouble:
                changed.clear()
                await changed.wait()

    doomed.daemon.kill()
    await until(True)
    assert doomed.address in backend.trouble and engine.address not in backend.trouble
    lost = [ears for ears, _ in calls if not ears.lost.empty()]
    assert 0 < len(lost) < 12
    for _ in range(4):
        await wait(backend.anchor(CallId(token()), PLAIN, Ears()).offer_to_xmpp(phone.sdp()))
    doomed.daemon.start()
    await until(False)
    phone.close()
    await wait(backend.stop())
    assert all(ears.lost.empty() for ears, _ in calls if ears not in lost)
