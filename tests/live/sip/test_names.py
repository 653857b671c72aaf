"""How users show to phones: by a name of their choice, and not at all."""

from __future__ import annotations

from tests.live.sip.stage import SipStage, with_trunk

NODE = "global-configure"


async def test_user_shows_by_the_name_that_he_sets(sip_stage: SipStage):
    """In what he writes and when he calls; before that, by the first part of his address."""
    romeo, bob = await sip_stage.caller("romeo"), await sip_stage.phone()
    bob.status_of = lambda request: "486 Busy Here" if request.start.startswith("INVITE") else "200 OK"
    jid, uri = sip_stage.jid(bob.user), sip_stage.uri(romeo).removeprefix("sip:")
    name = romeo.bare.partition("@")[0]
    romeo.say(jid, "before", type="chat")
    assert (await bob.hears("before")).fields["from"].startswith(f'"{name}" <sip:{uri}>')
    await romeo.command(sip_stage.bridge.domain, NODE, {"display_name": 'Romeo "R" Montague'})
    romeo.say(jid, "after", type="chat")
    shown = f'"Romeo \\"R\\" Montague" <sip:{uri}>'
    assert (await bob.hears("after")).fields["from"].startswith(shown)
    await romeo.call(jid).sees("session-terminate busy")
    assert (await bob.next("INVITE")).fields["from"].startswith(shown)


async def test_user_calls_anonymously(sip_stage: SipStage):
    """Since he wants it, or the operator; the trunk alone is told who it is."""
    romeo, phone = await sip_stage.caller("romeo"), await sip_stage.phone(name="8")
    juliet = await sip_stage.caller("juliet")
    phone.status_of = lambda request: "486 Busy Here"
    address, number = f"+1889{phone.user}@{sip_stage.bridge.domain}", "+1777002"
    options = {
        "users": [sip_stage.xmpp.domain],
        "numbers": ["+1889*"],
        "dial": ['+1889 ""'],
        "caller_ids": [f"{sip_stage.xmpp.domain} {number}"],
        "identity": "asserted",
        "anonymous": [juliet.bare],
    }
    await romeo.command(sip_stage.bridge.domain, NODE, {"hide_identity": "1"})
    async with with_trunk(sip_stage, "hidden", **options):
        for person in (romeo, juliet):
            await person.call(address).sees("session-terminate busy")
            invite = await phone.next("INVITE")
            assert invite.fields["from"].startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
            assert invite.fields["privacy"] == "id" and number in invite.fields["p-asserted-identity"]
            assert invite.fields["contact"].startswith("<sip:anonymous@")
