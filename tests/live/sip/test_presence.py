"""Presence between XMPP users and SIP: a real presence server, phones, and a watcher of sipp."""

from __future__ import annotations

from pathlib import Path

from tests.live.cast.sip import Phone, SipMessage
from tests.live.cast.stanzas import Stanza
from tests.live.cast.xmpp import Person
from tests.live.peers.sipp import play
from tests.live.sip.stage import SipStage

PIDF = "Content-Type: application/pidf+xml"
EVENT = "Event: presence"
WATCHER = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="watcher">
  <send retrans="500"><![CDATA[
    SUBSCRIBE {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@pbx.test>;tag=w[call_number]
    To: <{uri}>
    Call-ID: [call_id]
    CSeq: 1 SUBSCRIBE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Event: presence
    Accept: application/pidf+xml
    Expires: 600
    Content-Length: 0

    ]]></send>
  <recv response="200" rrs="true"/>
  <recv request="NOTIFY"><action>
    <ereg regexp="pending" search_in="hdr" header="Subscription-State:" check_it="true" assign_to="1"/>
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
    From: <sip:sipp@pbx.test>;tag=w[call_number]
    To: <{uri}>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 2 SUBSCRIBE
    Contact: <sip:sipp@[local_ip]:[local_port]>
    Event: presence
    Expires: 0
    Content-Length: 0

    ]]></send>
  <recv response="200"/>
  <recv request="NOTIFY"><action>
    <ereg regexp="terminated;reason=timeout" search_in="hdr" header="Subscription-State:"
      check_it="true" assign_to="2"/>
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
  <Reference variables="1,2"/>
</scenario>
"""


def pidf(entity: str, basic: str = "open", show: str = "", note: str = "") -> str:
    shown = f"<show xmlns='jabber:client'>{show}</show>" if show else ""
    return (
        f"<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='{entity}'>"
        f"<tuple id='ID-a'><status><basic>{basic}</basic>{shown}</status><note>{note}</note></tuple></presence>"
    )


async def publish(phone: Phone, uri: str, state: str, *more: str) -> SipMessage:
    """Tell the presence server how somebody is."""
    return await phone.ask("PUBLISH", uri, state, EVENT, "Expires: 600", PIDF, *more)


async def befriend(romeo: Person, address: str) -> None:
    """Subscribe to somebody, and let him see oneself."""
    romeo.send(f"<presence to='{address}' type='subscribe'/>")
    await romeo.presence(frm=address, type="subscribed")
    await romeo.presence(frm=address, type="subscribe")
    romeo.send(f"<presence to='{address}' type='subscribed'/>")


async def sees(person: Person, address: str, *, type: str | None = None, status: str | None = None) -> Stanza:
    """Wait until somebody is seen so; his server may ask again meanwhile, and is told the same twice."""
    while True:
        shown = await person.presence(frm=address)
        if shown.get("type") == type and (status is None or shown.findtext("status") == status):
            return shown


async def subscribe(phone: Phone, uri: str) -> SipMessage:
    """Want to know how somebody is."""
    contact = f"Contact: <sip:{phone.user}@{phone.host}:{phone.port}>"
    return await phone.ask(
        "SUBSCRIBE", uri, "", EVENT, contact, "Accept: application/pidf+xml", "Expires: 600"
    )


async def told(phone: Phone, standing: str) -> SipMessage:
    """Wait for the NOTIFY that says how the subscription stands."""
    while True:
        notify = await phone.next("NOTIFY")
        if notify.fields["subscription-state"].startswith(standing):
            return notify


async def test_user_sees_how_a_contact_at_a_presence_server_is(sip_stage: SipStage):
    """Published by a phone, notified by Kamailio, shown by XMPP; and after it changes, and ends."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    user = f"watched{sip_stage.number}"
    uri, address = f"sip:{user}@pbx.test", sip_stage.jid(user)
    published = await publish(bob, uri, pidf(uri, show="away", note="lunch"))
    assert published.status == 200
    await befriend(romeo, address)
    assert (await sees(romeo, address, status="lunch")).findtext("show") == "away"
    etag = f"SIP-If-Match: {published.fields['sip-etag']}"
    assert (await publish(bob, uri, pidf(uri, "closed", note="gone"), etag)).status == 200
    await sees(romeo, address, type="unavailable", status="gone")
    romeo.send(f"<presence to='{address}' type='unsubscribe'/>")
    await sees(romeo, address, type="unsubscribe")


async def test_phone_without_presence_is_there_while_its_trunk_is(sip_stage: SipStage):
    """It says so by 489."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    bob.status_of = lambda request: "489 Bad Event" if request.start.startswith("SUBSCRIBE") else "200 OK"
    await befriend(romeo, sip_stage.jid(bob.user))
    await sees(romeo, sip_stage.jid(bob.user))


async def test_contact_who_refuses_ends_the_subscription(sip_stage: SipStage):
    """RFC 8048 §5.2.2: a 403 is for good."""
    romeo = await sip_stage.on_xmpp("romeo")
    barred = sip_stage.jid("barred")
    await befriend(romeo, barred)
    await sees(romeo, barred, type="unsubscribed")


async def test_phone_sees_how_a_user_is_after_he_consents(sip_stage: SipStage):
    """Pending, active with a document, each change; and a watcher who is refused."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    address = sip_stage.jid(bob.user)
    assert (await subscribe(bob, sip_stage.uri(romeo))).status == 200
    assert (await told(bob, "pending")).body == ""
    await romeo.presence(frm=address, type="subscribe")
    romeo.send(f"<presence to='{address}' type='subscribed'/>")
    romeo.send("<presence><show>dnd</show><status>poison</status></presence>")
    heard = await told(bob, "active")
    while "poison" not in heard.body:
        heard = await told(bob, "active")
    assert "<basic>open</basic>" in heard.body and ">dnd</show>" in heard.body
    carol = await sip_stage.phone("carol")
    await subscribe(carol, sip_stage.uri(romeo))
    await romeo.presence(frm=sip_stage.jid(carol.user), type="subscribe")
    romeo.send(f"<presence to='{sip_stage.jid(carol.user)}' type='unsubscribed'/>")
    assert (await told(carol, "terminated")).fields["subscription-state"] == "terminated;reason=rejected"
    assert (await subscribe(carol, sip_stage.uri(romeo))).status == 403


async def test_watcher_subscribes_and_leaves_within_a_dialog(sip_stage: SipStage, tmp_path: Path):
    """As sipp plays it: pending, then the end that it asked for."""
    romeo = await sip_stage.on_xmpp("romeo")
    await play(tmp_path, sip_stage.port, WATCHER.format(uri=sip_stage.uri(romeo)), "-m", "1")
    await romeo.presence(frm=sip_stage.jid("sipp"), type="subscribe")


async def test_owner_of_an_account_is_published_at_its_server(sip_stage: SipStage):
    """Whoever watches extension 4711 there sees how he is on XMPP; the challenge is answered."""
    owner, bob = await sip_stage.on_xmpp("owner", is_owner=True), await sip_stage.phone()
    address = sip_stage.jid(bob.user)
    await befriend(owner, address)
    owner.send("<presence><show>xa</show><status>away from the desk</status></presence>")
    assert (await subscribe(bob, "sip:4711@pbx.test")).status == 200
    heard = await told(bob, "active")
    while "away from the desk" not in heard.body:
        heard = await told(bob, "active")
    assert ">xa</show>" in heard.body
    item = f"<item jid='{address}' subscription='remove'/>"
    owner.send(f"<iq type='set' id='forget'><query xmlns='jabber:iq:roster'>{item}</query></iq>")


async def test_subscriptions_are_there_again_after_a_restart(sip_stage: SipStage):
    """The bridge remembers who subscribed to whom, and asks anew (RFC 8048 §5.2.2)."""
    romeo, bob = await sip_stage.on_xmpp("romeo"), await sip_stage.phone()
    user = f"watched{sip_stage.number}"
    uri, address = f"sip:{user}@pbx.test", sip_stage.jid(user)
    await befriend(romeo, address)
    await sees(romeo, address, type="unavailable")
    sip_stage.bridge.daemon.stop()
    assert (await publish(bob, uri, pidf(uri, note="back"))).status == 200
    sip_stage.bridge.daemon.start()
    await sees(romeo, address, status="back")
