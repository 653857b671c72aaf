"""SIP over WebSocket: Kamailio's as a server, a page's SIP phone as a client, and who means harm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cast.front import Front
from tests.live.cast.xmpp import condition
from tests.live.peers.daemon import HOST
from tests.live.peers.gateway import SipBridge, table
from tests.live.peers.kamailio import PASSWORD, PATH
from tests.live.sip.conftest import MakeDesk, MakeSurfer, MakeWebPhone
from tests.live.sip.stage import STRANGER, SipStage
from tests.live.sip.test_accounts import register
from tests.live.sip.test_transports import check


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


async def test_check_tells_of_trunks_behind_websockets(sip_stage: SipStage, tmp_path: Path):
    """One is there and takes the password; where the other is to be there is nothing."""
    account = {
        "domain": sip_stage.kamailio.domain,
        "username": "4714",
        "password": PASSWORD,
        "register": True,
    }
    trunks = {"web": url(sip_stage), "lost": url(sip_stage, "/nowhere")}
    config = tmp_path / "web.toml"
    prefix = f'gateways."{sip_stage.bridge.domain}".sip.trunks'
    more = [table(f"{prefix}.{name}", {"server": server, **account}) for name, server in trunks.items()]
    config.write_text(sip_stage.bridge.config.read_text() + "".join(more))
    code, told = await check(config)
    good, bad = map(re.escape, trunks.values())
    assert re.search(rf"trunk web \({good}\).* 200 over WS in \d+ ms, takes the password", told), told
    assert code and re.search(rf"trunk lost \({bad}\).*handshake was 404", told), told


async def test_page_calls_a_user_who_is_in_a_page(
    sip_stage: SipStage, surfer: MakeSurfer, web_phone: MakeWebPhone
):
    """DTLS-SRTP on both sides; what is said later goes by the WebSocket, too."""
    juliet, alice = await asyncio.gather(
        surfer("juliet", frequency=440), web_phone(f"sip:alice{sip_stage.number}@web.test")
    )
    await alice.dial(f"sip:{juliet.bare.replace('@', '%40')}@{sip_stage.domain}")
    call = await juliet.is_called()
    await alice.sees("progress")
    await call.answer()
    await alice.sees("confirmed")
    await call.hears(1000)
    await alice.hears(440)
    await call.hold()
    await alice.sees("hold remote")
    await call.resume()
    await alice.sees("unhold remote")
    await alice.hears(440)
    await call.hang_up()
    await alice.sees("ended remote Terminated")


@pytest.fixture
def front(sip_ws_port: int, sip_bridge: SipBridge, loop: asyncio.AbstractEventLoop) -> Iterator[Front]:
    """The proxy of a web site, whose visitors are strangers."""
    made = Front(sip_ws_port, STRANGER)
    loop.run_until_complete(made.start())
    yield made
    loop.run_until_complete(made.close())


async def test_visitor_of_a_page_writes_and_is_answered(
    sip_stage: SipStage, web_phone: MakeWebPhone, front: Front
):
    """Under a name that is nobody else's while the page is open; then it is nowhere."""
    romeo, name = await sip_stage.on_xmpp("romeo"), f"v{sip_stage.number}.invalid"
    alice, eve = await asyncio.gather(
        web_phone(f"sip:guest@{name}", front.url), web_phone(f"sip:eve@{name}", front.url)
    )
    jid = sip_stage.jid("guest", name)
    await alice.write(sip_stage.uri(romeo), "anybody there?")
    assert (await romeo.message(frm=jid)).findtext("body") == "anybody there?"
    await alice.sees("sent 202")
    romeo.say(jid, "a lark", type="chat")
    await alice.sees("message a lark")
    await eve.write(sip_stage.uri(romeo), "it is me")
    await eve.sees("not sent 403")
    await alice.leave()
    romeo.say(jid, "gone?", type="chat")
    assert condition(await romeo.message(frm=jid, type="error")) == "item-not-found"


async def test_visitor_of_a_page_is_called_back(sip_stage: SipStage, web_phone: MakeWebPhone, front: Front):
    """By the connection that he opened, with ICE and DTLS offered to him."""
    romeo, name = await sip_stage.caller("romeo", frequency=440), f"v{sip_stage.number}.invalid"
    alice = await web_phone(f"sip:guest@{name}", front.url)
    await alice.write(sip_stage.uri(romeo), "call me")
    await romeo.message(frm=sip_stage.jid("guest", name))
    call = romeo.call(sip_stage.jid("guest", name))
    await alice.sees("is called")
    await alice.answer()
    await call.hears(1000)
    await alice.hears(440)
    await alice.press("5")
    await call.sees("info dtmf")
    await alice.hang_up()
    await call.sees("session-terminate success")
