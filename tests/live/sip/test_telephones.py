"""Calls between XMPP users and telephones, with sound at both ends: baresip by Kamailio, media by rtpengine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import Habits
from tests.live.conftest import MakeTelephone
from tests.live.peers.baresip import Baresip
from tests.live.peers.browser import Browser
from tests.live.peers.kamailio import PASSWORD as EXTENSION_PASSWORD
from tests.live.peers.xmpp import PASSWORD, Prosody
from tests.live.sip.stage import SipStage

MakeSurfer = Callable[..., Awaitable[BrowserPerson]]


@pytest.fixture
def surfer(sip_stage: SipStage, browser: Browser, loop: asyncio.AbstractEventLoop) -> Iterator[MakeSurfer]:
    """Make people who are logged in from a page."""
    server, people = sip_stage.xmpp, []
    assert isinstance(server, Prosody)

    async def make(name: str, **habits: object) -> BrowserPerson:
        local = f"{name}{sip_stage.number}"
        await asyncio.to_thread(server.register, local)
        jid, page = f"{local}@{server.domain}/page", await browser.page()
        person = await BrowserPerson.log_in(page, jid, PASSWORD, server.websocket, Habits(**habits))  # type: ignore[arg-type]
        people.append(person)
        return person

    yield make
    loop.run_until_complete(asyncio.gather(*(person.log_out() for person in people)))


async def desk(sip_stage: SipStage, telephone: MakeTelephone, name: str = "bob") -> Baresip:
    """Return a telephone that is registered at Kamailio, with G.711 and a tone of 1000 Hz."""
    way = f';auth_pass={EXTENSION_PASSWORD};outbound="sip:127.0.0.1:{sip_stage.kamailio.port}"'
    user = f"{name}{sip_stage.number}"
    return await telephone(user, domain=sip_stage.kamailio.domain, account=way, frequency=1000)


async def test_browser_calls_a_telephone_that_has_another_codec(
    sip_stage: SipStage, surfer: MakeSurfer, telephone: MakeTelephone
) -> None:
    """Opus here and G.711 there: both hear each other, keys arrive, and the telephone hangs up."""
    romeo, bob = await surfer("romeo", frequency=440, codecs=["opus"]), await desk(sip_stage, telephone)
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
    await bob.hears(440)
    await call.hears(1000)
    await bob.hang_up()
    await call.sees("session-terminate success")


async def test_telephone_calls_a_browser(
    sip_stage: SipStage, surfer: MakeSurfer, telephone: MakeTelephone
) -> None:
    """Both have G.711; the browser hangs up."""
    juliet, bob = await surfer("juliet", frequency=440, codecs=["PCMU"]), await desk(sip_stage, telephone)
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


async def test_telephone_and_user_talk_and_press_keys(sip_stage: SipStage, telephone: MakeTelephone) -> None:
    """Keys of XEP-0181 are heard by the telephone, its own are told; then it hears that the user is busy."""
    romeo, bob = await sip_stage.caller("romeo", frequency=440), await desk(sip_stage, telephone)
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
