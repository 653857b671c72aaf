"""Short messages between XMPP users and phones at a real SIP server."""

from __future__ import annotations

from tests.live.cast.xmpp import condition
from tests.live.sip.stage import SipStage


async def test_user_and_phone_write_to_each_other(sip_stage: SipStage):
    """Each sees the other under an address that he can answer."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    romeo.say(sip_stage.jid(bob.user), "But soft, ¿qué luz?", type="chat")
    heard = await bob.hears("But soft, ¿qué luz?")
    assert f" <{sip_stage.uri(romeo)}>" in heard.fields["from"]
    assert await bob.say(sip_stage.uri(romeo), "Ay me", sender=f'"Bob B." <sip:{bob.user}@pbx.test>') == 202
    answer = await romeo.message(frm=sip_stage.jid(bob.user))
    assert answer.findtext("body") == "Ay me"


async def test_message_has_a_subject_on_both_sides(sip_stage: SipStage):
    """RFC 7572 §4 and §5; one that is nothing else is a message too."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    romeo.say(sip_stage.jid(bob.user), "tonight", type="normal", extra="<subject>¿Cuándo?</subject>")
    assert (await bob.hears("tonight")).fields["subject"] == "¿Cuándo?"
    romeo.send(f"<message to='{sip_stage.jid(bob.user)}' id='s1'><subject>Come</subject></message>")
    heard = await bob.hears("")
    assert heard.fields["subject"] == "Come"
    assert await bob.say(sip_stage.uri(romeo), "at nine", "Subject: Tonight") == 202
    answer = await romeo.message(frm=sip_stage.jid(bob.user))
    assert (answer.findtext("subject"), answer.findtext("body")) == ("Tonight", "at nine")


async def test_refusals_of_the_sip_server_come_back_as_errors(sip_stage: SipStage):
    """Nobody there, busy, not for you."""
    romeo = await sip_stage.on_xmpp("romeo")
    for user, expected in (
        ("nobody", "item-not-found"),
        ("busy", "recipient-unavailable"),
        ("barred", "forbidden"),
    ):
        romeo.say(sip_stage.jid(user), "hello", type="chat")
        error = await romeo.message(frm=sip_stage.jid(user), type="error")
        assert condition(error) == expected


async def test_message_that_comes_back_is_refused_on_sip(sip_stage: SipStage):
    """An account that does not exist is known before the answer is due."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    nobody = f"sip:nobody{sip_stage.number}%40{sip_stage.xmpp.domain}@{sip_stage.domain}"
    assert await bob.say(nobody, "hello") in (403, 404, 480)
    assert await bob.say(sip_stage.uri(romeo), "hello") == 202


async def test_account_of_a_user_sends_and_receives_for_him_alone(sip_stage: SipStage):
    """It is registered with its password, shows it for each message, and others go another way."""
    owner, romeo = await sip_stage.on_xmpp("owner", is_owner=True), await sip_stage.on_xmpp("romeo")
    bob = await sip_stage.phone()
    assert await bob.say("sip:4711@pbx.test", "for the desk") == 202
    heard = await owner.message(frm=sip_stage.jid(bob.user))
    assert heard.findtext("body") == "for the desk"
    owner.say(sip_stage.jid(bob.user), "from the desk", type="chat")
    assert (await bob.hears("from the desk")).fields["from"].startswith("<sip:4711@pbx.test>")
    romeo.say(sip_stage.jid(bob.user), "from Romeo", type="chat")
    assert f" <{sip_stage.uri(romeo)}>" in (await bob.hears("from Romeo")).fields["from"]


async def test_long_message_goes_over_tcp_and_a_longer_one_is_refused(sip_stage: SipStage):
    """The trunk takes 20,000 bytes: what does not fit in a datagram does not go by one."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    long = "x" * 5000
    romeo.say(sip_stage.jid(bob.user), long, type="chat")
    heard = await bob.hears(long)
    assert any("SIP/2.0/TCP" in line for line in heard.head if line.startswith("Via"))
    romeo.say(sip_stage.jid(bob.user), long * 5, type="chat")
    error = await romeo.message(frm=sip_stage.jid(bob.user), type="error")
    assert condition(error) == "policy-violation"


async def test_numbers_are_refused_unless_a_way_is_configured(sip_stage: SipStage):
    """No paid call, and nobody waits for help."""
    romeo = await sip_stage.on_xmpp("romeo")
    for number, expected in (
        ("+4930123", "not-allowed"),
        ("112", "not-allowed"),
        ("+15550", "item-not-found"),
    ):
        address = f"{number}@{sip_stage.bridge.domain}"
        romeo.say(address, "hello", type="chat")
        assert condition(await romeo.message(frm=address, type="error")) == expected


async def test_stranger_is_heard_from_his_own_address_only(sip_stage: SipStage):
    """Federation is open, but nobody speaks for a domain that is elsewhere."""
    romeo, eve = await sip_stage.on_xmpp("romeo"), await sip_stage.stranger()
    for forged in ("<sip:bob@pbx.test>", f"<sip:bob@{sip_stage.domain}>", "<sip:bob@127.0.0.9>"):
        assert await eve.say(sip_stage.uri(romeo), "forged", sender=forged) == 403
    assert await eve.say(sip_stage.uri(romeo), "honest") == 202
    address = sip_stage.jid("eve", eve.domain)
    assert (await romeo.message(frm=address)).findtext("body") == "honest"
    romeo.say(address, "I see you", type="chat")
    await eve.hears("I see you")


async def test_who_writes_is_shown_to_who_shows_it(sip_stage: SipStage):
    """RFC 3994 and XEP-0085, both ways."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    state = (
        "<?xml version='1.0'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>"
        "<state>active</state></isComposing>"
    )
    kind = "Content-Type: application/im-iscomposing+xml"
    assert await bob.say(sip_stage.uri(romeo), state, kind) == 200
    await romeo.message(frm=sip_stage.jid(bob.user), has="*[local-name()='composing']")
    romeo.send(
        f"<message to='{sip_stage.jid(bob.user)}' type='chat'>"
        "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    shown = await bob.requests.get()
    assert "<state>active</state>" in shown.body


async def test_gateway_answers_options_and_what_it_cannot_do(sip_stage: SipStage):
    """What a proxy asks to see whether we are there; calls are for users that we serve."""
    bob = await sip_stage.phone()
    answer = await bob.ask("OPTIONS", f"sip:{sip_stage.domain}")
    assert answer.status == 200 and "MESSAGE" in answer.fields["allow"]
    assert (await bob.ask("INVITE", f"sip:a%40b.example@{sip_stage.domain}")).status == 403
    assert (await bob.ask("MESSAGE", f"sip:someone@{sip_stage.domain}", "hello")).status == 404


async def test_number_is_shown_while_its_trunk_is_there_and_described(sip_stage: SipStage):
    """The telephone network knows no presence; the card has the address."""
    romeo = await sip_stage.on_xmpp("romeo")
    address = f"+15551234@{sip_stage.bridge.domain}"
    romeo.send(f"<presence to='{address}' type='subscribe'/>")
    await romeo.presence(frm=address, type="subscribed")
    await romeo.presence(frm=address, type=None)
    card = await romeo.result(sip_stage.jid("alice"), "<vCard xmlns='vcard-temp'/>")
    assert "alice@pbx.test" in "".join(card.itertext())


async def test_account_registered_over_tcp_gets_what_is_for_it(sip_stage: SipStage):
    """Kamailio takes an instance and the number of its flow (RFC 5626)."""
    owner, bob = await sip_stage.on_xmpp("owner", is_owner=True), await sip_stage.phone()
    assert await bob.say("sip:4713@pbx.test", "over a flow") == 202
    assert (await owner.message(frm=sip_stage.jid(bob.user))).findtext("body") == "over a flow"
