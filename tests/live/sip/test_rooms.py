"""People of SIP in rooms of a real XMPP server, of which the gateway is their focus (RFC 7702 §6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cast.chatroom import Chatroom
from tests.live.cast.sip import Phone, SipMessage
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import SipBridge
from tests.live.peers.kamailio import Kamailio
from tests.live.peers.rtpengine import Rtpengine
from tests.live.peers.sipp import play
from tests.live.sip.conftest import SIP_DOMAIN
from tests.live.sip.stage import STRANGER, SipStage
from tests.live.stage import House

WATCHING = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="room">
  <send retrans="500"><![CDATA[
    INVITE {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@[local_ip]>;tag=[call_number]
    To: <{uri}>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=- 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [local_ip]
    t=0 0
    m=message 9 TCP/MSRP *
    a=accept-types:message/cpim
    a=accept-wrapped-types:text/plain
    a=path:msrp://[local_ip]:9/sippsipp;tcp
    a=chatroom:nickname
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
    ACK [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@[local_ip]>;tag=[call_number]
    To: <{uri}>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
    SUBSCRIBE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@[local_ip]>;tag=[call_number]
    To: <{uri}>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 2 SUBSCRIBE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Event: conference
    Expires: 600
    Content-Length: 0

  ]]></send>
  <recv response="200"/>
  <recv request="NOTIFY"><action>
    <ereg regexp="state='full'.*Romeo" search_in="msg" check_it="true" assign_to="found"/>
  </action></recv>
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
    SUBSCRIBE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@[local_ip]>;tag=[call_number]
    To: <{uri}>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 3 SUBSCRIBE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Event: conference
    Expires: 0
    Content-Length: 0

  ]]></send>
  <recv response="200"/>
  <recv request="NOTIFY"><action>
    <ereg regexp="Subscription-State: terminated;reason=timeout" search_in="msg" check_it="true" assign_to="found"/>
  </action></recv>
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
    BYE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@[local_ip]>;tag=[call_number]
    To: <{uri}>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 4 BYE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Content-Length: 0

  ]]></send>
  <recv response="200"/>
  <Reference variables="found"/>
</scenario>
"""
"""Comes into a room, subscribes to it, ends the subscription, and goes."""
ADMIN = "http://jabber.org/protocol/muc#admin"


class Visitor:
    """A phone, and its session with a room."""

    def __init__(self, phone: Phone, host: str) -> None:
        self.phone, self.chat = phone, Chatroom(host)
        self.answered: SipMessage

    async def ask(self, uri: str, name: str) -> SipMessage:
        """Ask to come in."""
        self.chat.room, self.chat.sender = uri, f"sip:{self.phone.user}@{self.phone.domain}"
        contact = f"Contact: <sip:{self.phone.user}@{self.phone.host}:{self.phone.port}>"
        sender = f'"{name}" <{self.chat.sender}>'
        fields = ("Content-Type: application/sdp", contact)
        self.answered = await self.phone.ask("INVITE", uri, self.chat.sdp(), *fields, sender=sender)
        return self.answered

    async def come(self, uri: str, name: str) -> None:
        """Come in, and begin to listen."""
        answered = await self.ask(uri, name)
        assert answered.status == 200 and answered.fields["contact"].endswith(";isfocus"), answered.start
        await self.phone.in_dialog("ACK", answered, self._number)
        await self.chat.connect(answered.body, None, "")
        self.chat.greet()

    @property
    def _number(self) -> int:
        return int(self.answered.fields["cseq"].split(" ")[0])

    async def go(self) -> None:
        """Hang up."""
        await self.phone.in_dialog("BYE", self.answered, self._number + 1)

    async def people(self) -> SipMessage:
        """Ask who is in, and wait for the answer."""
        contact = f"Contact: <sip:{self.phone.user}@{self.phone.host}:{self.phone.port}>"
        fields = ("Event: conference", "Expires: 600", contact)
        assert (await self.phone.ask("SUBSCRIBE", self.chat.room, "", *fields)).status == 200
        return await self.phone.next("NOTIFY")


async def room_of(stage: SipStage, owner: Person) -> tuple[str, str]:
    """Make a room, its owner in it; return its JID and its URI."""
    room = f"room{stage.number}@muc.{stage.xmpp.domain}"
    await owner.join(room, "Romeo")
    data = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
        "http://jabber.org/protocol/muc#roomconfig</value></field></x>"
    )
    await owner.result(room, f"<query xmlns='http://jabber.org/protocol/muc#owner'>{data}</query>", "set")
    owner.mailbox.clear()
    return room, f"sip:{room.replace('@', '%40')}@{stage.domain}"


async def visitor_of(stage: SipStage, way: str) -> Visitor:
    """Return somebody at Kamailio, or who knows the gateway himself."""
    if way == "kamailio":
        phone = await stage.phone()
        return Visitor(phone, phone.host)
    return Visitor(await stage.stranger(), STRANGER)


@pytest.fixture
def ejabberd_stage(
    house: House, sip_rtpengine: Rtpengine, loop: asyncio.AbstractEventLoop
) -> Iterator[SipStage]:
    """The same at ejabberd, with a gateway and a Kamailio of its own."""
    xmpp, port = house.xmpp("ejabberd"), free_port()
    kamailio = Kamailio(house.make_folder("kam-rooms"), SIP_DOMAIN, port)
    server = {"server": f"sip:{HOST}:{kamailio.port}", "domain": kamailio.domain}
    bridge = SipBridge(
        house.make_folder("sip-rooms"),
        f"sip.{xmpp.domain}",
        xmpp.component_port,
        {"domain": SIP_DOMAIN, "listen": [f"udp {HOST}:{port}", f"tcp {HOST}:{port}"]},
        {"pbx": {**server, "users": [xmpp.domain, f"muc.{xmpp.domain}"]}},
        {"rtpengine": [sip_rtpengine.address]},
        f"admin@{xmpp.domain}",
        {"listen": [f"tcp {HOST}:{free_port()}"]},
    )
    for daemon in (kamailio.daemon, bridge.daemon):
        daemon.start()
        house.own(daemon)
    made = SipStage(house, kamailio, bridge, SIP_DOMAIN, port, "ejabberd")
    yield made
    loop.run_until_complete(made.close())
    bridge.daemon.close()
    kamailio.daemon.close()
    assert "Traceback" not in bridge.daemon.output()


@pytest.mark.parametrize("way", ["kamailio", "stranger"])
async def test_person_of_sip_is_in_a_room(sip_stage: SipStage, way: str):
    """He comes, is told who is there, talks to all and to one, has another nick, and goes."""
    await visits(sip_stage, way)


async def test_person_of_sip_is_in_a_room_of_ejabberd(ejabberd_stage: SipStage):
    """Another server, the same."""
    await visits(ejabberd_stage, "kamailio")


async def visits(stage: SipStage, way: str) -> None:
    """Have somebody of SIP come into a room of Romeo's, and go."""
    romeo, bob = await stage.on_xmpp("romeo", sees_rooms=True), await visitor_of(stage, way)
    room, uri = await room_of(stage, romeo)
    await bob.come(uri, "Bob")
    await romeo.presence(frm=f"{room}/Bob")
    told = (await bob.people()).body
    assert "<display-text>Bob</display-text>" in told and "<display-text>Romeo</display-text>" in told
    romeo.say(room, "But soft, ¿qué luz?")
    assert await bob.chat.letter() == (f'"Romeo" <{uri};gr=Romeo>', "But soft, ¿qué luz?")
    bob.chat.post("Ay me")
    assert (await romeo.message(frm=f"{room}/Romeo")).findtext("body") == "But soft, ¿qué luz?"
    assert (await romeo.message(frm=f"{room}/Bob", type="groupchat")).findtext("body") == "Ay me"
    assert (await bob.chat.reported()).fields["status"].startswith("000 200")
    romeo.say(f"{room}/Bob", "for you alone", type="chat")
    assert (await bob.chat.letter())[1] == "for you alone"
    bob.chat.post("and for you", "Romeo")
    assert (await romeo.message(frm=f"{room}/Bob", type="chat")).findtext("body") == "and for you"
    assert await bob.chat.name("Romeo") == 425
    assert await bob.chat.name("Robert") == 200
    await romeo.presence(frm=f"{room}/Bob", type="unavailable")
    await romeo.presence(frm=f"{room}/Robert")
    await bob.go()
    await romeo.presence(frm=f"{room}/Robert", type="unavailable")
    bob.chat.close()


async def test_people_of_sip_hear_each_other_and_see_changes(sip_stage: SipStage):
    """What one of them says the other gets; who comes is told by a partial document."""
    romeo = await sip_stage.on_xmpp("romeo", sees_rooms=True)
    bob, eve = await visitor_of(sip_stage, "kamailio"), await visitor_of(sip_stage, "stranger")
    room, uri = await room_of(sip_stage, romeo)
    await bob.come(uri, "Bob")
    assert "state='full'" in (await bob.people()).body
    await eve.come(uri, "Bob")
    await romeo.presence(frm=f"{room}/Bob")
    await romeo.presence(frm=f"{room}/Bob (2)")
    changed = (await bob.phone.next("NOTIFY")).body
    assert "state='partial'" in changed and "<display-text>Bob (2)</display-text>" in changed
    eve.chat.post("hello")
    assert (await bob.chat.letter())[1] == "hello"
    for one, nick in ((bob, "Bob"), (eve, "Bob (2)")):
        one.chat.close()
        await romeo.mailbox.find(Pattern("presence", frm=f"{room}/{nick}", type="unavailable"))


async def test_who_is_put_out_is_told_why_and_stays_out(sip_stage: SipStage):
    """A ban ends the session with a reason, and the next INVITE; so does a room that is not there."""
    romeo, eve = await sip_stage.on_xmpp("romeo", sees_rooms=True), await visitor_of(sip_stage, "stranger")
    room, uri = await room_of(sip_stage, romeo)
    await eve.come(uri, "Eve")
    await romeo.presence(frm=f"{room}/Eve")
    item = f"<item affiliation='outcast' jid='{sip_stage.jid('eve', eve.phone.domain)}'><reason>enough</reason></item>"
    await romeo.result(room, f"<query xmlns='{ADMIN}'>{item}</query>", "set")
    bye = await eve.phone.next("BYE")
    assert "cause=403" in bye.fields["reason"] and "enough" in bye.fields["reason"]
    assert (await eve.ask(uri, "Eve")).status == 403
    eve.chat.close()


async def test_person_of_sip_is_invited_by_a_message(sip_stage: SipStage):
    """XEP-0045 §7.8.2 and XEP-0249: by the room, or by who asks himself; his client knows nothing of it."""
    romeo, bob = await sip_stage.on_xmpp("romeo", sees_rooms=True), await sip_stage.phone()
    room, uri = await room_of(sip_stage, romeo)
    invite = f"<invite to='{sip_stage.jid(bob.user)}'><reason>come</reason></invite>"
    romeo.send(f"<message to='{room}'><x xmlns='http://jabber.org/protocol/muc#user'>{invite}</x></message>")
    message = await asyncio.wait_for(bob.next("MESSAGE"), 10)
    assert uri in message.body and "come" in message.body and f"<{uri}>" in message.fields["from"]
    direct = f"<x xmlns='jabber:x:conference' jid='{room}' reason='do'/>"
    romeo.send(f"<message to='{sip_stage.jid(bob.user)}'>{direct}</message>")
    message = await asyncio.wait_for(bob.next("MESSAGE"), 10)
    assert uri in message.body and f"<{sip_stage.uri(romeo)}>" in message.fields["from"]


async def test_room_is_subscribed_to_in_the_dialog_of_its_session(sip_stage: SipStage, tmp_path: Path):
    """As RFC 7702 §6.1 draws it, played by sipp: all of the state at first, and a last word."""
    romeo = await sip_stage.on_xmpp("romeo", sees_rooms=True)
    room, uri = await room_of(sip_stage, romeo)
    await play(tmp_path, sip_stage.port, WATCHING.replace("{uri}", uri), "-m", "1", host=STRANGER)
    for kind in (None, "unavailable"):
        await romeo.presence(frm=f"{room}/sipp", type=kind)
