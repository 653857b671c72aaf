"""SIP over WebSocket: Kamailio's as a server, a page's SIP phone as a client, and who means harm."""

from __future__ import annotations

from tests.live.peers.daemon import HOST
from tests.live.peers.kamailio import PATH
from tests.live.sip.conftest import MakeDesk
from tests.live.sip.stage import SipStage
from tests.live.sip.test_accounts import register


def extension(stage: SipStage) -> str:
    """Return one that has a password, and that no other test has."""
    return f"47{20 + stage.number % 80}"


def url(stage: SipStage, path: str = PATH) -> str:
    """Where Kamailio's WebSocket is."""
    return f"ws://{HOST}:{stage.kamailio.websocket_port}{path}"


async def test_account_behind_a_websocket_writes_calls_and_is_called(sip_stage: SipStage, desk: MakeDesk):
    """All of it by the connection that we opened; sound both ways, and who hangs up is heard."""
    romeo, bob = await sip_stage.caller("romeo", frequency=440), await desk()
    number = extension(sip_stage)
    assert "404" in await register(sip_stage, romeo, number, server=url(sip_stage, "/nowhere"))
    assert "is registered" in await register(sip_stage, romeo, number, server=url(sip_stage))
    phone = await sip_stage.phone("tom")
    romeo.say(sip_stage.jid(phone.user), "by the web", type="chat")
    heard = await phone.hears("by the web")
    assert heard.fields["from"].startswith(f"<sip:{number}@pbx.test>")
    assert "SIP/2.0/WS " in [line for line in heard.head if line.startswith("Via: ")][1]
    assert await phone.say(f"sip:{number}@pbx.test", "back again") == 202
    assert (await romeo.message(frm=sip_stage.jid(phone.user))).findtext("body") == "back again"
    call = romeo.call(sip_stage.jid(bob.name))
    await bob.sees("CALL_INCOMING")
    await call.sees("info ringing")
    await bob.answer()
    await call.hears(1000)
    await bob.hears(440)
    await bob.hang_up()
    await call.sees("session-terminate success")
    await bob.dial(f"sip:{number}@pbx.test")
    taken = await romeo.is_called()
    taken.answer()
    await bob.hears(440)
    await taken.hears(1000)
    await taken.hang_up()
    await bob.sees("CALL_CLOSED")
