"""Users in a conference of SIP, behind Kamailio (RFC 7702 §5)."""

from __future__ import annotations

from tests.live.cast.xmpp import condition
from tests.live.sip.stage import SipStage

BOB = "sip:bob@elsewhere.example"


async def test_user_joins_a_conference_and_talks(sip_stage: SipStage):
    """INVITE, NICKNAME, SUBSCRIBE; people, subject, words both ways, private ones, another nick, BYE."""
    romeo, focus = await sip_stage.on_xmpp("romeo"), await sip_stage.focus()
    focus.there("Bob", BOB)
    focus.subject = "Today in Verona"
    room = sip_stage.jid(focus.user)
    joined = await romeo.join(room, "Romeo")
    assert (joined.nick, joined.nicks, joined.subject.findtext("subject")) == (
        "Romeo",
        {"Bob"},
        "Today in Verona",
    )
    said = romeo.say(room, "But soft, ¿qué luz?")
    assert (await romeo.message(frm=f"{room}/Romeo", type="groupchat")).get("id") == said
    nick, heard = await focus.hears()
    assert nick == "Romeo" and heard.body.endswith("\r\n\r\nBut soft, ¿qué luz?")
    focus.says("Bob", "Ay me")
    assert (await romeo.message(frm=f"{room}/Bob", type="groupchat")).findtext("body") == "Ay me"
    romeo.say(f"{room}/Bob", "for you alone", type="chat")
    assert f"To: <{BOB}>" in (await focus.hears())[1].body
    refused = romeo.say(f"{room}/Bob", "as if to all")
    assert condition(await romeo.message(type="error", id=refused)) == "bad-request"
    focus.says("Bob", "and for you", to="Romeo")
    assert (await romeo.message(frm=f"{room}/Bob", type="chat")).findtext("body") == "and for you"
    romeo.send(f"<presence to='{room}/Rosaline'/>")
    await romeo.presence(frm=f"{room}/Romeo", type="unavailable")
    await romeo.presence(frm=f"{room}/Rosaline")
    await romeo.left(room, "Rosaline")
    await focus.next("BYE")


async def test_two_users_see_each_other_and_who_comes_and_goes(sip_stage: SipStage):
    """Each in a dialog of his own; partial documents tell the changes."""
    romeo, juliet = await sip_stage.on_xmpp("romeo"), await sip_stage.on_xmpp("juliet")
    focus = await sip_stage.focus()
    room = sip_stage.jid(focus.user)
    await romeo.join(room, "Romeo")
    assert (await juliet.join(room, "Juliet")).nicks == {"Romeo"}
    await romeo.presence(frm=f"{room}/Juliet")
    juliet.say(room, "hello")
    assert (await romeo.message(frm=f"{room}/Juliet")).findtext("body") == "hello"
    await juliet.left(room, "Juliet")
    await romeo.presence(frm=f"{room}/Juliet", type="unavailable")


async def test_what_is_refused_is_told(sip_stage: SipStage):
    """A nick that is another's, a conference that is barred or full, one that is none, and a person."""
    romeo, focus = await sip_stage.on_xmpp("romeo"), await sip_stage.focus()
    room = sip_stage.jid(focus.user)
    focus.taken.add("Bob")
    assert await romeo.refused(room, "Bob") == "conflict"
    for refusal, expected in (
        ("403 No", "forbidden"),
        ("404 Where", "item-not-found"),
        ("486 Full", "service-unavailable"),
    ):
        focus.refusal = refusal
        assert await romeo.refused(room, "Romeo") == expected
    focus.refusal, focus.feature = "", ""
    assert await romeo.refused(room, "Romeo") == "not-acceptable"
    await focus.next("BYE")
    romeo.enter(sip_stage.jid("bob"), "Romeo")
    assert condition(await romeo.presence(type="error")) == "item-not-found"


async def test_user_is_sent_away_and_comes_back_after_a_broken_link(sip_stage: SipStage):
    """A BYE of the focus is a kick, or its end; a broken connection is neither."""
    romeo, focus = await sip_stage.on_xmpp("romeo"), await sip_stage.focus()
    room = sip_stage.jid(focus.user)
    await romeo.join(room, "Romeo")
    focus.send_away("Romeo", 'Reason: SIP;cause=603;text="enough"')
    kicked = await romeo.presence(frm=f"{room}/Romeo", type="unavailable")
    assert "307" in kicked.xpath("//*[local-name()='status']/@code")
    await romeo.join(room, "Romeo")
    focus.there("Bob", BOB)
    focus.cut()
    assert "trying again" in (await romeo.message(frm=room)).findtext("body")
    await focus.next("BYE")
    await romeo.presence(frm=f"{room}/Bob")
    await romeo.presence(frm=f"{room}/Romeo")
    await romeo.left(room, "Romeo")
