"""Calls between XMPP users and telephones, with sound at both ends: baresip by Kamailio, media by rtpengine."""

from __future__ import annotations

import pytest

from tests.live.sip.conftest import MakeDesk, MakeSurfer
from tests.live.sip.stage import SipStage, with_trunk


async def test_browser_calls_a_telephone_that_has_another_codec(
    sip_stage: SipStage, surfer: MakeSurfer, desk: MakeDesk
) -> None:
    """Opus here and G.711 there: both hear each other, keys arrive, and the telephone hangs up."""
    romeo, bob = await surfer("romeo", frequency=440, codecs=["opus"]), await desk()
    call = await romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await call.sees("info ringing")
    await bob.answer()
    await call.sees("session-accept")
    await bob.hears(440)
    await call.hears(1000)
    assert await call.codec() == "opus"
    await call.press("5")
    await bob.sees("digit 5")
    await bob.hold()
    await call.sees("info hold")
    await bob.resume()
    await call.sees("info active")
    await call.hears(1000)
    await bob.hang_up()
    await call.sees("session-terminate success")


async def test_telephone_calls_a_browser(sip_stage: SipStage, surfer: MakeSurfer, desk: MakeDesk) -> None:
    """Both have G.711; the browser hangs up."""
    juliet, bob = await surfer("juliet", frequency=440, codecs=["PCMU"]), await desk()
    await bob.dial(f"sip:{juliet.bare.replace('@', '%40')}@{sip_stage.domain}")
    call = await juliet.is_called()
    await bob.sees("CALL_RINGING")
    await call.answer()
    await bob.sees("CALL_ESTABLISHED")
    await bob.hears(440)
    await call.hears(1000)
    assert await call.codec() == "PCMU"
    await call.hang_up()
    await bob.sees("CALL_CLOSED")


async def test_telephone_and_user_talk_and_press_keys(sip_stage: SipStage, desk: MakeDesk) -> None:
    """Keys of XEP-0181 are heard by the telephone, its own are told; then it hears that the user is busy."""
    romeo, bob = await sip_stage.caller("romeo", frequency=440), await desk()
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.hears(1000)
    await bob.hears(440)
    await call.press("7")
    await bob.sees("digit 7")
    await bob.press("4")
    await call.sees("info dtmf")
    await call.hang_up()
    await bob.sees("CALL_CLOSED")
    await bob.dial(sip_stage.uri(romeo))
    (await romeo.is_called()).refuse()
    await bob.sees("CALL_CLOSED")


@pytest.mark.parametrize("codec", ["G722/16000/1", "PCMA/8000/1"])
async def test_telephone_and_user_have_no_codec_in_common(
    sip_stage: SipStage, desk: MakeDesk, codec: str
) -> None:
    """The one has that alone, the other Opus; whoever calls, both are heard."""
    romeo = await sip_stage.caller("romeo", frequency=440, codecs=["opus"])
    bob = await desk(codecs=[codec])
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.hears(1000)
    await bob.hears(440)
    assert await call.codec() == "opus"
    await call.hang_up()
    await bob.sees("CALL_CLOSED")
    await bob.dial(sip_stage.uri(romeo))
    call = await romeo.is_called()
    call.answer()
    await bob.hears(440)
    await call.hears(1000)
    await bob.hang_up()
    await call.sees("session-terminate success")


@pytest.mark.parametrize(("media", "habit"), [("sdes", "srtp-mand"), ("dtls", "dtls_srtp")])
async def test_telephone_that_insists_on_protection_is_heard(
    sip_stage: SipStage, desk: MakeDesk, media: str, habit: str
) -> None:
    """By keys in its descriptions (RFC 4568), or by certificates (RFC 5764), as its trunk is said to want."""
    romeo, bob = (
        await sip_stage.caller("romeo", frequency=440),
        await desk("+1777", f";mediaenc={habit}"),
    )
    people = [sip_stage.xmpp.domain]
    async with with_trunk(sip_stage, media, users=people, numbers=["+1777*"], media=media):
        call = romeo.call(f"{bob.name}@{sip_stage.bridge.domain}")
        await bob.sees("CALL_INCOMING")
        await bob.answer()
        await call.hears(1000)
        await bob.hears(440)
        await bob.hang_up()
        await call.sees("session-terminate success")
