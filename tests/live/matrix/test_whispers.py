"""Private messages in rooms of real XMPP servers, and conversations on a real homeserver."""

from __future__ import annotations

import pytest

from tests.live.cast.stanzas import Pattern, value, values
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.test_history import like

NS_REPLY = "urn:xmpp:reply:0"
OPTIONS = [{}, {"whois": "moderators"}]


@pytest.mark.parametrize("options", OPTIONS, ids=["known", "hidden"])
async def test_private_messages_go_both_ways(portal_stage: PortalStage, options):
    """An occupant who writes to a guest opens a conversation; her answers come from the guest, and refer to his words."""
    romeo, juliet, room = await portal_stage.together_in_muc(**options)
    guest = f"{portal_stage.muc}/Juliet"
    ident = romeo.say(guest, "psst", type="chat", extra="<x xmlns='http://jabber.org/protocol/muc#user'/>")
    invited = await juliet.find(
        "m.room.member", lambda event: event["content"].get("is_direct") and event["state_key"] == juliet.id
    )
    chat = await juliet.join(invited["room_id"])
    assert chat != room
    heard = await juliet.hears(chat, "psst", sender=invited["sender"])
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": heard["event_id"]}}}
    said = await juliet.send(chat, {"msgtype": "m.text", "body": "ay?", **reply})
    answer = await romeo.mailbox.find(Pattern("message", frm=guest, type="chat", body="ay?"))
    assert answer.find(f"{{{NS_REPLY}}}reply").get("id") == ident
    romeo.say(guest, "shh", type="chat", extra=f"<reply xmlns='{NS_REPLY}' id='{answer.get('id')}'/>")
    again = await juliet.hears(chat, "shh")
    assert again["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == said


async def test_reactions_and_retractions_of_private_messages_go_both_ways(portal_stage: PortalStage):
    """Each names the message as the other side knows it."""
    romeo, juliet, _ = await portal_stage.together_in_muc()
    guest = f"{portal_stage.muc}/Juliet"
    ident = romeo.say(guest, "psst", type="chat")
    invited = await juliet.find(
        "m.room.member", lambda event: event["content"].get("is_direct") and event["state_key"] == juliet.id
    )
    chat = await juliet.join(invited["room_id"])
    heard = await juliet.hears(chat, "psst", sender=invited["sender"])
    said = await juliet.say(chat, "ay?")
    await romeo.mailbox.find(Pattern("message", frm=guest, type="chat", body="ay?"))
    rose = await like(juliet, chat, heard["event_id"], "🌹")
    for keys in (["🌹"], []):
        seen = await romeo.message(frm=guest, type="chat", has="react:reactions")
        assert value(seen, "react:reactions/@id") == ident
        assert values(seen, "react:reactions/react:reaction") == keys
        if keys:
            await juliet.client.room_redact(chat, rose)
    done = "<message type='chat' id='{}' to='" + guest + "'>{}</message>"
    reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='{}'><reaction>🌞</reaction></reactions>"
    romeo.send(done.format("d1", reactions.format(said)))
    liked = await juliet.find("m.reaction", lambda event: event["sender"] != juliet.id, room=chat)
    assert liked["content"]["m.relates_to"]["event_id"] == said
    romeo.send(
        done.format("d2", f"<retract xmlns='urn:xmpp:message-retract:1' id='{ident}'/><body>gone</body>")
    )
    gone = await juliet.find("m.room.redaction", lambda event: event["sender"] != juliet.id, room=chat)
    assert gone["content"]["redacts"] == heard["event_id"]
    await juliet.client.room_redact(chat, said)
    assert value(await romeo.message(frm=guest, type="chat"), "retract:retract/@id") == said


async def test_answer_to_an_occupant_who_left_is_answered(portal_stage: PortalStage):
    """Whoever has his nick next does not get it."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    nurse = await portal_stage.on_xmpp("nurse")
    await nurse.join(portal_stage.muc, "nurse")
    guest = f"{portal_stage.muc}/Juliet"
    nurse.say(guest, "my lady", type="chat")
    invited = await juliet.find(
        "m.room.member", lambda event: event["content"].get("is_direct") and event["state_key"] == juliet.id
    )
    chat = await juliet.join(invited["room_id"])
    await juliet.hears(chat, "my lady")
    nurse.leave(portal_stage.muc, "nurse")
    await juliet.find("m.room.member", lambda event: event["content"]["membership"] == "leave", room=room)
    romeo.send(f"<presence to='{portal_stage.muc}/nurse'/>")
    await juliet.find("m.room.member", lambda e: e["content"].get("displayname") == "nurse", room=room)
    said = await juliet.say(chat, "a secret")
    notice = await juliet.find("m.room.message", lambda event: event["sender"] != juliet.id, room=chat)
    assert notice["content"]["body"].startswith("This message was not delivered")
    assert notice["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == said
