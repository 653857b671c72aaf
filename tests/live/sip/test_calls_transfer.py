"""Calls whose other end becomes somebody else, by the user's wish or the telephones'."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.live.cast.jingle import Call
from tests.live.peers.sipp_calls import LEARN, ask_back, confirm, receive, respond, says, sdp, sipp
from tests.live.sip.conftest import MakeDesk
from tests.live.sip.stage import SipStage

CALLED = (
    receive("INVITE", LEARN),
    *(respond("180 Ringing"), respond("200 OK", body=sdp(), is_resent=True), receive("ACK")),
)
TAKEN = "Content-Type: message/sipfrag\nContent-Length: [len]\n\nSIP/2.0 200 OK\n"


async def send_on(call: Call, to: str, sid: str = "") -> None:
    """Have the other one talk to somebody else (XEP-0251)."""
    taken_over = f" sid={quoteattr(sid)}" if sid else ""
    told = await call.inform(f"<transfer xmlns='urn:xmpp:jingle:transfer:0' to={quoteattr(to)}{taken_over}/>")
    assert told.get("type") == "result", told


async def test_user_sends_a_telephone_on_to_another(sip_stage: SipStage, desk: MakeDesk) -> None:
    """They talk to each other then, and the user is out of it."""
    romeo, bob, carol = await sip_stage.caller("romeo"), await desk(), await desk("carol", frequency=700)
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.hears(1000)
    await send_on(call, sip_stage.jid(carol.name))
    await carol.sees("CALL_INCOMING")
    await carol.answer()
    await carol.hears(1000)
    await bob.hears(700)
    await call.sees("session-terminate success")


async def test_user_joins_two_telephones(sip_stage: SipStage, tmp_path: Path) -> None:
    """The one is told which call of the other's to take over (Replaces), and tells that it did."""
    romeo = await sip_stage.caller("romeo")
    (bob, port), (carol, other) = await sip_stage.listed("bob"), await sip_stage.listed("carol")
    told = ("Event: refer", "Subscription-State: terminated;reason=noresource")
    follows = (
        *CALLED,
        *(receive("REFER", says("Refer-To: .*Replaces=.*to-tag")), respond("202 Accepted")),
        *(ask_back("NOTIFY", 1, *told, body=TAKEN), receive("200"), receive("BYE"), confirm()),
    )
    waits = (*CALLED, receive("BYE"), confirm())
    async with (
        sipp(tmp_path / "bob", sip_stage.port, *follows, port=port) as first,
        sipp(tmp_path / "carol", sip_stage.port, *waits, port=other) as second,
    ):
        calls = [romeo.call(sip_stage.jid(user)) for user in (bob, carol)]
        for call in calls:
            await call.sees("session-accept")
        await send_on(calls[0], sip_stage.jid(carol), calls[1].sid)
        await calls[0].sees("session-terminate success")
        await first.done()
        await calls[1].hang_up()
        await second.done()


async def test_telephone_has_the_user_take_its_place_in_another_call(
    sip_stage: SipStage, tmp_path: Path
) -> None:
    """REFER with Replaces: who was in that call sees it."""
    romeo = await sip_stage.caller("romeo")
    (bob, port), (carol, other) = await sip_stage.listed("bob"), await sip_stage.listed("carol")
    place = f"<sip:{carol}@pbx.test?Replaces=their-call%3Bto-tag%3Dc%3Bfrom-tag%3Db>"
    refers = (*CALLED, ask_back("REFER", 1, f"Refer-To: {place}"), receive("202"), receive("BYE"), confirm())
    takes = (
        receive("INVITE", LEARN + says("Replaces: their-call;.*tag=.*tag=")),
        *(respond("200 OK", body=sdp(), is_resent=True), receive("ACK"), receive("BYE"), confirm()),
    )
    async with (
        sipp(tmp_path / "bob", sip_stage.port, *refers, port=port) as first,
        sipp(tmp_path / "carol", sip_stage.port, *takes, port=other) as second,
    ):
        call = romeo.call(sip_stage.jid(bob))
        await call.sees("session-accept")
        await first.done()
        assert not call.over
        await call.hang_up()
        await second.done()


async def test_telephone_sends_the_user_on(sip_stage: SipStage, desk: MakeDesk) -> None:
    """The user hears another one in the same session."""
    romeo, bob, carol = (
        await sip_stage.caller("romeo", frequency=440),
        await desk(),
        await desk("carol", frequency=700),
    )
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await bob.answer()
    await call.hears(1000)
    await bob.order("transfer", carol.uri)
    await carol.sees("CALL_INCOMING")
    await carol.answer()
    await call.hears(700)
    await carol.hears(440)
    assert not call.over
    await carol.hang_up()
    await call.sees("session-terminate success")
