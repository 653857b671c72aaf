"""Numbers: dial plans, caller ids, and what is refused, at a real SIP server."""

from __future__ import annotations

from tests.live.cast.xmpp import condition
from tests.live.peers.daemon import HOST
from tests.live.sip.stage import SipStage, with_trunk


async def test_number_is_dialled_in_the_form_and_shown_as_the_trunk_knows_it(sip_stage: SipStage):
    """Written by users as +1888…, dialled as a phone's name there; the caller shows as his number."""
    romeo, phone = await sip_stage.on_xmpp("romeo"), await sip_stage.phone(name="8")
    digits = phone.user
    address = f"+1888{digits}@{sip_stage.bridge.domain}"
    options = {
        "users": [sip_stage.xmpp.domain],
        "numbers": ["+1888*"],
        "dial": ['+1888 ""'],
        "caller_ids": [f"{romeo.bare} +1777001"],
        "identity": "asserted",
    }
    async with with_trunk(sip_stage, "numbered", **options):
        romeo.say(address, "to a number", type="chat")
        heard = await phone.hears("to a number")
        assert heard.fields["from"].startswith("<sip:+1777001@pbx.test;user=phone>")
        assert heard.fields["p-asserted-identity"] == "<sip:+1777001@pbx.test;user=phone>"


async def test_emergency_and_costly_numbers_are_refused_with_words(sip_stage: SipStage):
    """Whatever a trunk would carry."""
    romeo = await sip_stage.on_xmpp("romeo")
    async with with_trunk(sip_stage, "anything", users=[sip_stage.xmpp.domain], numbers=["*"]):
        for number, words in (("112", "Emergency"), ("+1900123", "of this kind")):
            address = f"{number}@{sip_stage.bridge.domain}"
            romeo.say(address, "hello", type="chat")
            error = await romeo.message(frm=address, type="error")
            assert condition(error) == "not-allowed" and words in "".join(error.itertext())


async def test_number_at_the_trunk_is_refused_as_any(sip_stage: SipStage):
    """By its domain, and by its address in open federation; a phone of it is no number."""
    romeo = await sip_stage.on_xmpp("romeo")
    trunk = f"{HOST}:{sip_stage.kamailio.port}"
    for user, host, words in (
        ("+1900123", "", "of this kind"),
        ("112", "", "Emergency"),
        ("0900123", "", "no way"),
        ("+1900123", trunk, "may not use"),
    ):
        address = sip_stage.jid(user, host)
        romeo.say(address, "hello", type="chat")
        error = await romeo.message(frm=address, type="error")
        assert condition(error) == "not-allowed" and words in "".join(error.itertext())
    phone = await sip_stage.phone("47")
    romeo.say(sip_stage.jid(phone.user), "to the phone", type="chat")
    await phone.hears("to the phone")
