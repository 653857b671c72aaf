"""Users' own accounts at a real SIP server, and trunks that change while the gateway runs."""

from __future__ import annotations

import asyncio

from tests.live.cast.xmpp import Person, condition
from tests.live.peers.daemon import HOST
from tests.live.peers.kamailio import PASSWORD
from tests.live.sip.stage import SipStage, with_trunk


def words(answer: object) -> str:
    """Return all that an answer says."""
    return " ".join(answer.itertext())  # type: ignore[attr-defined]


async def register(
    stage: SipStage, person: Person, extension: str, password: str = PASSWORD, server: str = ""
) -> str:
    """Fill in the form; return what is answered."""
    form = {
        "address": f"{extension}@{stage.kamailio.domain}",
        "password": password,
        "server": server or f"sip:{HOST}:{stage.kamailio.port}",
    }
    return words(await person.command(stage.bridge.domain, "sip-account", form))


async def test_own_account_is_registered_used_and_there_after_a_restart(sip_stage: SipStage):
    """With its password, for each message too; the right one, and after the gateway was down."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    domain, extension = sip_stage.bridge.domain, f"47{20 + sip_stage.number % 80}"
    assert "401" in await register(sip_stage, romeo, extension, "wrong")
    assert "is registered" in await register(sip_stage, romeo, extension)
    romeo.say(sip_stage.jid(bob.user), "from my desk", type="chat")
    heard = await bob.hears("from my desk")
    assert heard.fields["from"].startswith(f"<sip:{extension}@pbx.test>")
    assert await bob.say(f"sip:{extension}@pbx.test", "for your desk") == 202
    assert (await romeo.message(frm=sip_stage.jid(bob.user))).findtext("body") == "for your desk"
    sip_stage.bridge.daemon.stop()
    sip_stage.bridge.daemon.start()
    while await bob.say(f"sip:{extension}@pbx.test", "again") != 202:
        await asyncio.sleep(0.05)
    assert (await romeo.message(frm=sip_stage.jid(bob.user))).findtext("body") == "again"
    assert "is registered" in words(await romeo.command(domain, "sip-account-state"))
    assert "removed" in words(await romeo.command(domain, "sip-account-remove"))
    while await bob.say(f"sip:{extension}@pbx.test", "gone") != 404:
        await asyncio.sleep(0.05)


async def test_trunk_comes_and_goes_without_a_restart(sip_stage: SipStage):
    """SIGHUP: numbers that nobody carried are carried, for as long as it is configured."""
    romeo = await sip_stage.on_xmpp("romeo")
    number = f"+1777@{sip_stage.bridge.domain}"

    async def refused() -> str:
        romeo.say(number, "hello", type="chat")
        return condition(await romeo.message(frm=number, type="error"))

    assert await refused() == "not-allowed"
    async with with_trunk(sip_stage, "extra", users=[sip_stage.xmpp.domain], numbers=["+1777*"]):
        assert await refused() == "item-not-found", "the SIP server knows nobody of that number"
    assert await refused() == "not-allowed"
