"""Calls of people who know the gateway itself, in whatever they say and from wherever somebody says more."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import quote

import pytest

from tests.live.cast.jingle import Call
from tests.live.cast.sip import Phone, SipMessage
from tests.live.peers.daemon import HOST
from tests.live.sip.stage import THIEF, WRITER, SipStage
from tests.transports.sip.vectors import CASES, load

SOUND = (
    "v=0\r\no=eve 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
)
MIXTURE = (
    "--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\nx\r\n"
    "--b\r\nContent-Type: application/sdp\r\n\r\n{sound}\r\n--b--\r\n"
)


async def called(stage: SipStage, eve: Phone) -> tuple[Call, SipMessage]:
    """Have a stranger call, with a description beside something else; return the call and its 200."""
    romeo = await stage.caller("romeo")
    body = MIXTURE.format(sound=SOUND.format(host=eve.host))
    fields = ("Content-Type: multipart/mixed;boundary=b", f"Contact: <sip:eve@{eve.domain}>")
    asked = asyncio.create_task(eve.ask("INVITE", stage.uri(romeo), body, *fields))
    call = await romeo.is_called()
    call.answer()
    answered = await asked
    assert answered.status == 200 and "m=audio" in answered.body
    await eve.in_dialog("ACK", answered, 1)
    return call, answered


async def test_description_beside_something_else_makes_a_call(sip_stage: SipStage):
    """As gateways to the telephone network send it (RFC 5621)."""
    eve = await sip_stage.stranger()
    call, answered = await called(sip_stage, eve)
    await eve.in_dialog("BYE", answered, 2)
    await call.sees("session-terminate success")


async def test_who_knows_the_tags_of_a_call_cannot_end_it(sip_stage: SipStage):
    """He hears that there is none; its peer ends it."""
    eve = await sip_stage.stranger()
    call, answered = await called(sip_stage, eve)
    thief = Phone("eve", eve.domain, (HOST, sip_stage.port))
    await thief.start(THIEF)
    thief._responses[answered.fields["call-id"]] = asyncio.Queue()
    with pytest.raises(AssertionError, match="481"):
        await thief.in_dialog("BYE", answered, 2)
    thief.close()
    assert not call.over
    await eve.in_dialog("BYE", answered, 2)
    await call.sees("session-terminate success")


async def test_torture_messages_harm_nobody(sip_stage: SipStage):
    """RFC 4475 and RFC 5118, all at once; no more comes back than was sent, and others are served."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    daemon = sip_stage.bridge.daemon
    failures = daemon.output().count("Traceback")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((WRITER, 0))
        one.setblocking(False)
        sent = [load(case) for case in CASES]
        for data in sent:
            one.sendto(data, (HOST, sip_stage.port))
        assert await bob.say(sip_stage.uri(romeo), "after all that") == 202
        got = 0
        try:
            while True:
                got += len(one.recv(65536))
        except BlockingIOError:
            pass
    assert 0 < got <= sum(map(len, sent))
    assert daemon.output().count("Traceback") == failures


async def test_gateway_relays_nothing_from_sip_to_sip(sip_stage: SipStage):
    """Whoever has a JID by which the gateway writes to people of SIP is no user of it."""
    eve, bob = await sip_stage.stranger(), await sip_stage.phone()
    domain = sip_stage.bridge.domain
    for other in (sip_stage.jid(bob.user), sip_stage.jid("eve", eve.domain), f"+15551234@{domain}"):
        uri = f"sip:{quote(other, safe='')}@{sip_stage.domain}"
        assert await eve.say(uri, "pass it on") == 403
    fields = ("Content-Type: application/sdp", f"Contact: <sip:eve@{eve.domain}>")
    called = await eve.ask("INVITE", uri, SOUND.format(host=eve.host), *fields)
    assert called.status == 480
    assert bob.requests.empty() and eve.requests.empty()
