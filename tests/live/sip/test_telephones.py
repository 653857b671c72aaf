"""Calls between XMPP users and telephones, with sound at both ends: baresip by Kamailio, media by rtpengine."""

from __future__ import annotations

from tests.live.sip.conftest import MakeDesk, MakeSurfer
from tests.live.sip.stage import SipStage


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
