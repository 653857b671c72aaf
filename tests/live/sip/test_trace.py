"""An administrator looks into a call between an XMPP user and a phone, through Kamailio."""

from __future__ import annotations

from pathlib import Path

from tests.live.cast.xmpp import condition
from tests.live.peers.sipp_calls import confirm, receive, sipp
from tests.live.sip.stage import SipStage
from tests.live.sip.test_accounts import words
from tests.live.sip.test_calls import called


async def test_admin_sees_a_call_in_order_and_no_secret(sip_stage: SipStage, tmp_path: Path):
    """What the client offered, the challenge of Kamailio and our answer without its proof, up to the end."""
    admin, owner = await sip_stage.administrator(), await sip_stage.caller("owner", is_owner=True)
    domain = sip_stage.bridge.domain

    async def trace(action: str) -> str:
        return words(await admin.command(domain, "call-trace", {"action": action, "who": owner.bare}))

    assert "are traced" in await trace("start")
    user, port = await sip_stage.listed("bob")
    steps = (*called(), receive("BYE"), confirm())
    async with sipp(tmp_path, sip_stage.port, *steps, port=port) as phone:
        call = owner.call(sip_stage.jid(user))
        await call.sees("session-accept")
        await call.hang_up()
        await phone.done()
    seen = await trace("show")
    order = ("CallOffer 0 (audio", "INVITE sip:", "SIP/2.0 407", "Proxy-Authorization: Digest", "SIP/2.0 180")
    order = (*order, "CallRinging", "SIP/2.0 200", "CallAnswer 0 (audio", "CallEnd success", "BYE sip:")
    places = [seen.index(one) for one in order]
    assert places == sorted(places)
    assert 'username="4711"' in seen and "response=…" in seen and "nonce=…" in seen
    assert 'response="' not in seen
    assert "are not traced any more" in await trace("stop")
    assert "are not traced." in await trace("show")


async def test_others_may_not_trace(sip_stage: SipStage):
    """It is for administrators."""
    romeo = await sip_stage.on_xmpp("romeo")
    first = "<command xmlns='http://jabber.org/protocol/commands' node='call-trace' action='execute'/>"
    refused = await romeo.iq(sip_stage.bridge.domain, first, "set")
    assert condition(refused) == "forbidden"
