"""Chats by MSRP: through Kamailio, which relays their frames, and straight to the gateway."""

from __future__ import annotations

import ssl

import pytest

from tests.live.cast.msrp import Chatter
from tests.live.peers.daemon import HOST
from tests.live.sip.stage import CHAT_DOMAIN, STRANGER, SipStage

GONE = "*[local-name()='gone']"
RECEIVED = "*[local-name()='received']"


async def test_user_and_phone_chat_through_a_relay(sip_stage: SipStage):
    """Kamailio finds the phone, and passes on what both say and report (RFC 4975, RFC 4976); who is gone may
    come again."""
    romeo, bob, chatter = await sip_stage.on_xmpp("romeo"), await sip_stage.phone(), Chatter()
    await chatter.listen()
    bob.description = chatter.sdp(f"msrp://{HOST}:{sip_stage.kamailio.port}/relay;tcp")
    address = sip_stage.jid(bob.user, CHAT_DOMAIN)
    romeo.send(
        f"<message to='{address}' type='chat' id='r1'><body>But soft, ¿qué luz?</body>"
        "<request xmlns='urn:xmpp:receipts'/></message>"
    )
    heard = await chatter.hears()
    assert heard.body == "But soft, ¿qué luz?" and heard.fields["content-type"].startswith("text/plain")
    assert len(heard.fields["from-path"].split(" ")) == 2
    await romeo.message(frm=address, has=RECEIVED)
    chatter.say("Ay me")
    assert (await romeo.message(frm=address, type="chat")).findtext("body") == "Ay me"
    assert (await chatter.reported()).fields["status"].startswith("000 200")
    romeo.send(
        f"<message to='{address}' type='chat'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    await bob.next("BYE")
    long = "x" * 20_000
    romeo.say(address, long, type="chat")
    parts = ""
    while len(parts) < len(long):
        parts += (await chatter.hears()).body
    assert parts == long
    chatter.close()


@pytest.mark.parametrize("is_secure", [False, True])
async def test_stranger_begins_a_chat_and_ends_it(sip_stage: SipStage, is_secure: bool):
    """Over TCP and TLS; what is said after its end goes by MESSAGE."""
    romeo, eve = await sip_stage.on_xmpp("romeo"), await sip_stage.stranger()
    chatter = Chatter(STRANGER)
    chatter.is_secure = is_secure
    fields = ("Content-Type: application/sdp", f"Contact: <sip:eve@{eve.domain}>")
    answered = await eve.ask("INVITE", sip_stage.uri(romeo), chatter.sdp(), *fields)
    assert answered.status == 200 and "m=message" in answered.body
    await eve.in_dialog("ACK", answered, 1)
    authority = sip_stage.house.authority
    trust = ssl.create_default_context(cafile=str(authority.root)) if is_secure else None
    await chatter.connect(answered.body, trust, sip_stage.domain)
    address = sip_stage.jid("eve", eve.domain)
    chatter.say("in three chunks, as it is long")
    assert (await romeo.message(frm=address, type="chat")).findtext(
        "body"
    ) == "in three chunks, as it is long"
    assert (await chatter.reported()).fields["byte-range"] == "1-30/30"
    romeo.say(address, "I see you", type="chat")
    assert (await chatter.hears()).body == "I see you"
    await eve.in_dialog("BYE", answered, 2)
    await romeo.message(frm=address, has=GONE)
    romeo.say(address, "still there?", type="chat")
    assert (await eve.hears("still there?")).start.startswith("MESSAGE ")
    chatter.close()


async def test_message_goes_as_such_to_who_takes_no_chat(sip_stage: SipStage):
    """He is asked once, and both messages come."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    bob.status_of = lambda request: "488 No" if request.start.startswith("INVITE ") else "200 OK"
    address = sip_stage.jid(bob.user, CHAT_DOMAIN)
    for words in ("one", "two"):
        romeo.say(address, words, type="chat")
    assert (await bob.next("MESSAGE")).body == "one"
    assert (await bob.next("MESSAGE")).body == "two"


async def test_user_who_is_not_there_is_reported(sip_stage: SipStage):
    """A message that comes back is told by a failure report (RFC 4975 §7.1.4)."""
    eve, chatter = await sip_stage.stranger(), Chatter(STRANGER)
    nobody = f"sip:nobody{sip_stage.number}%40{sip_stage.xmpp.domain}@{sip_stage.domain}"
    fields = ("Content-Type: application/sdp", f"Contact: <sip:eve@{eve.domain}>")
    answered = await eve.ask("INVITE", nobody, chatter.sdp(), *fields)
    await eve.in_dialog("ACK", answered, 1)
    await chatter.connect(answered.body, None, "")
    chatter.say("anybody?")
    assert (await chatter.reported()).fields["status"][:5] in ("000 4", "000 5")
    chatter.close()
