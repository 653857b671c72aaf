"""Talk between two, through the gateway: an XMPP user and somebody on a real homeserver."""

from __future__ import annotations

import nio

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, value
from tests.live.cast.xmpp import Person, condition
from tests.live.matrix.stage import MatrixStage

RECEIPT = "<request xmlns='urn:xmpp:receipts'/>"
MARKERS = "urn:xmpp:chat-markers:0"


def jid(stage: MatrixStage, person: MatrixPerson) -> str:
    """How XMPP users write to somebody of Matrix."""
    local = person.id.replace("@", "\\40").replace(":", "\\3a")
    return f"{local}@{stage.bridge.domain}"


async def accept(person: MatrixPerson, ghost: str) -> str:
    """Accept the invitation of a ghost to talk; return the room."""
    invited = await person.find(
        "m.room.member", lambda e: e["sender"] == ghost and e["state_key"] == person.id
    )
    assert invited["content"]["membership"] == "invite"
    assert invited["content"]["is_direct"] is True
    return await person.join(invited["room_id"])


async def begin(person: MatrixPerson, ghost: str, **options) -> str:
    """Open a room to talk with a ghost, and wait until it is there."""
    room = await person.create_room(
        **{"is_direct": True, "invite": [ghost], "preset": nio.RoomPreset.trusted_private_chat, **options}
    )
    await person.find(
        "m.room.member", lambda e: e["state_key"] == ghost and e["content"]["membership"] == "join", room=room
    )
    return room


async def talking(stage: MatrixStage) -> tuple[Person, MatrixPerson, str, str]:
    """Romeo wrote to Juliet, who has answered; return the room, and Juliet's address."""
    romeo, juliet = await stage.on_xmpp("romeo"), await stage.on_matrix("Juliet")
    address = jid(stage, juliet)
    romeo.say(address, "hello", type="chat")
    room = await accept(juliet, stage.ghost("romeo"))
    await juliet.hears(room, "hello")
    return romeo, juliet, room, address


async def test_words_that_come_with_the_invitation_are_not_lost(matrix_stage: MatrixStage):
    """Clients open a room and speak at once, before the ghost is there; it is heard once, in order."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    ghost = matrix_stage.ghost("romeo")
    room = await juliet.create_room(
        is_direct=True, invite=[ghost], preset=nio.RoomPreset.trusted_private_chat
    )
    for words in ("Romeo?", "wherefore art thou", "Romeo?!"):
        await juliet.say(room, words)
    heard = [
        value(await romeo.message(frm=jid(matrix_stage, juliet), type="chat"), "*[local-name()='body']")
        for _ in range(3)
    ]
    assert heard == ["Romeo?", "wherefore art thou", "Romeo?!"]


async def test_user_writes_to_somebody_on_matrix_and_is_answered(matrix_stage: MatrixStage):
    """A room is opened for the two; what waits in it is read after the invitation is accepted."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    address = jid(matrix_stage, juliet)
    ident = romeo.say(address, "But soft", type="chat", extra=RECEIPT)
    received = await romeo.message(frm=address, type="chat", has="*[local-name()='received']")
    assert value(received, "*[local-name()='received']/@id") == ident
    romeo.say(address, "what light", type="chat")
    room = await accept(juliet, matrix_stage.ghost("romeo"))
    heard = await juliet.hears(room, "But soft", sender=matrix_stage.ghost("romeo"))
    await juliet.hears(room, "what light")
    await juliet.say(room, "Ay me")
    answer = await romeo.message(frm=address, type="chat")
    assert answer.findtext("body") == "Ay me"
    assert answer.get("id").startswith("$")
    assert heard["room_id"] == room
    account = await matrix_stage.account_data("romeo", "m.direct")
    assert account == {juliet.id: [room]}


async def test_somebody_on_matrix_writes_to_a_jid_that_never_used_the_gateway(matrix_stage: MatrixStage):
    """Who is invited to talk is there at once; who is offline gets it when he logs in."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    await romeo.log_out()
    ghost = matrix_stage.ghost("romeo")
    room = await begin(juliet, ghost)
    profile = await juliet.client.get_displayname(ghost)
    assert profile.displayname == romeo.bare.partition("@")[0]
    event_id = await juliet.say(room, "Wherefore art thou?")
    await romeo.log_in()
    kept = await romeo.message(frm=jid(matrix_stage, juliet), type="chat")
    assert (kept.findtext("body"), kept.get("id")) == ("Wherefore art thou?", event_id)
    romeo.say(jid(matrix_stage, juliet), "Here", type="chat")
    await juliet.hears(room, "Here", sender=ghost)


async def test_message_to_a_jid_that_nobody_has_is_answered_in_the_room(matrix_stage: MatrixStage):
    """Nothing is lost silently: what the XMPP server refuses is told to who wrote it."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await begin(juliet, matrix_stage.ghost("nobody"))
    event_id = await juliet.say(room, "Anybody?")
    notice = await juliet.find("m.room.message", lambda e: e["sender"] == matrix_stage.ghost("nobody"))
    assert notice["content"]["msgtype"] == "m.notice"
    assert notice["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == event_id


async def test_message_to_nobody_on_matrix_is_an_error(matrix_stage: MatrixStage):
    """The homeserver knows that there is no such user."""
    romeo = await matrix_stage.on_xmpp("romeo")
    romeo.say(
        f"\\40nobody\\3a{matrix_stage.synapse.server_name}@{matrix_stage.bridge.domain}", "x", type="chat"
    )
    assert condition(await romeo.message(type="error")) == "item-not-found"


async def test_what_goes_with_messages_goes_both_ways(matrix_stage: MatrixStage):
    """Corrections, replies, reactions and retractions name messages as each side knows them."""
    romeo, juliet, room, address = await talking(matrix_stage)
    ghost = matrix_stage.ghost("romeo")
    # of Romeo
    first = romeo.say(address, "goodnigt", type="chat")
    heard = await juliet.hears(room, "goodnigt")
    romeo.say(
        address, "goodnight", type="chat", extra=f"<replace id='{first}' xmlns='urn:xmpp:message-correct:0'/>"
    )
    edit = await juliet.find("m.room.message", lambda e: "m.new_content" in e["content"])
    assert edit["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": heard["event_id"]}
    # of Juliet, about what Romeo said
    await juliet.send(
        room,
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": heard["event_id"], "key": "❤"}},
        "m.reaction",
    )
    reacted = await romeo.message(frm=address, type="chat", has="react:reactions")
    assert value(reacted, "react:reactions/@id") == first
    reply = {"m.in_reply_to": {"event_id": heard["event_id"]}}
    own = await juliet.send(room, {"msgtype": "m.text", "body": "parting", "m.relates_to": reply})
    answer = await romeo.message(frm=address, type="chat")
    assert value(answer, "reply:reply/@id") == first
    await juliet.send(
        room,
        {
            "msgtype": "m.text",
            "body": "* parting is sorrow",
            "m.new_content": {"msgtype": "m.text", "body": "parting is sorrow"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": own},
        },
    )
    corrected = await romeo.message(frm=address, type="chat")
    assert corrected.findtext("body") == "parting is sorrow"
    assert value(corrected, "*[local-name()='replace']/@id") == own
    # of Romeo, about what Juliet said
    romeo.send(
        f"<message to='{address}' type='chat' id='r1'><reactions xmlns='urn:xmpp:reactions:0' id='{own}'>"
        "<reaction>👍</reaction></reactions></message>"
    )
    await juliet.find("m.reaction", lambda e: e["content"]["m.relates_to"]["event_id"] == own)
    romeo.say(address, "sweet", type="chat", extra=f"<reply xmlns='urn:xmpp:reply:0' id='{own}'/>")
    replied = await juliet.hears(room, "sweet")
    assert replied["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == own
    romeo.say(
        address,
        "I take it back",
        type="chat",
        extra=f"<retract xmlns='urn:xmpp:message-retract:1' id='{first}'/>",
    )
    await juliet.find("m.room.redaction", lambda e: e["sender"] == ghost)
    await juliet.client.room_redact(room, own)
    retracted = await romeo.message(frm=address, type="chat", has="*[local-name()='retract']")
    assert value(retracted, "*[local-name()='retract']/@id") == own


async def test_typing_and_markers_go_both_ways(matrix_stage: MatrixStage):
    """Each sees that the other writes, and has read."""
    romeo, juliet, room, address = await talking(matrix_stage)
    await juliet.client.room_typing(room, True)
    await romeo.message(frm=address, type="chat", has="states:composing")
    ident = romeo.say(address, "art thou there?", type="chat")
    heard = await juliet.hears(room, "art thou there?")
    await juliet.client.update_receipt_marker(room, heard["event_id"])
    shown = await romeo.message(frm=address, type="chat", has="*[local-name()='displayed']")
    assert value(shown, "*[local-name()='displayed']/@id") == ident
    event_id = await juliet.say(room, "ay")
    said = await romeo.mailbox.find(Pattern("message", frm=address, body="ay"))
    assert said.xpath("*[local-name()='markable']")
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    romeo.send(f"<message to='{address}' type='chat'>{composing}</message>")
    await juliet.overhears(nio.TypingNoticeEvent, lambda event: matrix_stage.ghost("romeo") in event.users)
    romeo.send(
        f"<message to='{address}' type='chat'><displayed xmlns='{MARKERS}' id='{event_id}'/></message>"
    )
    await juliet.overhears(
        nio.ReceiptEvent, lambda event: event_id in [one.event_id for one in event.receipts]
    )


async def test_who_left_is_asked_back(matrix_stage: MatrixStage):
    """The conversation goes on in its room, and what was said meanwhile is in it."""
    romeo, juliet, room, address = await talking(matrix_stage)
    await juliet.leave(room)
    romeo.say(address, "come back", type="chat")
    assert await accept(juliet, matrix_stage.ghost("romeo")) == room
    await juliet.hears(room, "come back")
    await juliet.say(room, "here I am")
    assert (await romeo.message(frm=address)).findtext("body") == "here I am"


async def test_user_who_was_put_out_writes_in_another_room(matrix_stage: MatrixStage):
    """Of several rooms that is used in which both are."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    ghost, address = matrix_stage.ghost("romeo"), jid(matrix_stage, juliet)
    room = await begin(juliet, ghost, preset=nio.RoomPreset.private_chat)
    await juliet.say(room, "begone")
    assert (await romeo.message(frm=address)).findtext("body") == "begone"
    await juliet.client.room_kick(room, ghost)
    # the gateway hears things in order
    paris = await matrix_stage.on_xmpp("paris")
    await juliet.say(await begin(juliet, matrix_stage.ghost("paris")), "heard?")
    await paris.message(frm=address)
    romeo.say(address, "anew", type="chat")
    other = await accept(juliet, ghost)
    assert other != room
    await juliet.hears(other, "anew")


async def test_declined_invitation_is_an_error_for_who_wrote(matrix_stage: MatrixStage):
    """Nobody read it."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    ident = romeo.say(jid(matrix_stage, juliet), "hello", type="chat")
    invited = await juliet.find("m.room.member", lambda e: e["state_key"] == juliet.id)
    await juliet.leave(invited["room_id"])
    error = await romeo.message(type="error")
    assert error.get("id") == ident


async def test_encrypted_room_is_answered_with_a_notice_and_another_room(matrix_stage: MatrixStage):
    """What cannot be read is said once, and where it can be."""
    romeo, juliet = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_matrix("Juliet")
    ghost = matrix_stage.ghost("romeo")
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    room = await begin(juliet, ghost, initial_state=[encryption])
    notice = await juliet.find("m.room.message", lambda e: e["sender"] == ghost, room=room)
    assert "end-to-end encrypted" in notice["content"]["body"]
    other = await accept(juliet, ghost)
    await juliet.say(other, "in clear")
    said = await romeo.message(frm=jid(matrix_stage, juliet), type="chat")
    assert said.findtext("body") == "in clear"


async def test_third_one_makes_it_a_room(matrix_stage: MatrixStage):
    """The user is asked into the room, as a MUC."""
    romeo, juliet, room, _ = await talking(matrix_stage)
    nurse = await matrix_stage.on_matrix("Nurse")
    await juliet.client.room_invite(room, nurse.id)
    await nurse.join(room)
    invitation = await romeo.message(has="mucuser:x/mucuser:invite")
    muc = invitation.get("from")
    seen = await romeo.join(muc, "romeo")
    assert seen.nicks == {"Juliet", "Nurse"}
    await nurse.say(room, "all of us")
    assert (await romeo.message(frm=f"{muc}/Nurse", type="groupchat")).findtext("body") == "all of us"


async def test_two_users_and_one_on_matrix_talk_apart_over_a_restart(matrix_stage: MatrixStage):
    """Each pair has its room, which is found again."""
    romeo, juliet, room, address = await talking(matrix_stage)
    paris = await matrix_stage.on_xmpp("paris")
    paris.say(address, "fair lady", type="chat")
    other = await accept(juliet, matrix_stage.ghost("paris"))
    await juliet.hears(other, "fair lady")
    await matrix_stage.restart()
    await juliet.say(other, "no")
    assert (await paris.message(frm=address, type="chat")).findtext("body") == "no"
    await juliet.say(room, "yes")
    assert (await romeo.message(frm=address, type="chat")).findtext("body") == "yes"
    romeo.say(address, "again", type="chat")
    await juliet.hears(room, "again")


async def test_what_was_said_before_a_restart_is_still_meant(matrix_stage: MatrixStage):
    """Users mean their own words by their clients' ids, and are told of them by those."""
    romeo, juliet, room, address = await talking(matrix_stage)
    romeo.say(address, "my words", type="chat", ident="old1")
    mine = await juliet.hears(room, "my words")
    await juliet.say(room, "hers")
    await romeo.message(frm=address, type="chat", body="hers")
    await matrix_stage.restart()
    relation = {"m.in_reply_to": {"event_id": mine["event_id"]}}
    await juliet.send(room, {"msgtype": "m.text", "body": "indeed", "m.relates_to": relation})
    answer = await romeo.mailbox.find(Pattern("message", frm=address, type="chat", has="reply:reply"))
    assert answer.find("{urn:xmpp:reply:0}reply").get("id") == "old1"
    romeo.send(
        f"<message to='{address}' type='chat' id='r1'>"
        "<reactions xmlns='urn:xmpp:reactions:0' id='old1'><reaction>🌹</reaction></reactions></message>"
    )
    reaction = await juliet.find("m.reaction", room=room)
    assert reaction["content"]["m.relates_to"]["event_id"] == mine["event_id"]


async def test_private_message_in_a_room_is_answered_from_there(matrix_stage: MatrixStage):
    """XEP-0045 §7.5: the conversation is the same, the answer comes from whom the user wrote to."""
    romeo, juliet, _ = await matrix_stage.together()
    occupant = f"{matrix_stage.room}/Juliet"
    private = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
    romeo.say(occupant, "psst", type="chat", extra=private)
    room = await accept(juliet, matrix_stage.ghost("romeo"))
    await juliet.hears(room, "psst")
    await juliet.say(room, "what?")
    answer = await romeo.mailbox.find(Pattern("message", frm=occupant, type="chat"))
    assert answer.findtext("body") == "what?"
    romeo.say(jid(matrix_stage, juliet), "openly", type="chat")
    await juliet.hears(room, "openly")
    await juliet.say(room, "well")
    assert (await romeo.message(frm=jid(matrix_stage, juliet))).findtext("body") == "well"


async def test_presence_goes_both_ways_to_who_subscribed(matrix_stage: MatrixStage):
    """A contact is accepted at once; he is seen to come, to be away and to go, and so is the user."""
    romeo, juliet, _, address = await talking(matrix_stage)
    await juliet.client.set_presence("online", "on the balcony")
    romeo.send(f"<presence type='subscribe' to='{address}' id='s1'/>")
    await romeo.mailbox.find(Pattern("presence", frm=address, type="subscribed"))
    asked = await romeo.mailbox.find(Pattern("presence", frm=address, type="subscribe"))
    assert asked.findtext("{http://jabber.org/protocol/nick}nick") == juliet.id[1:].partition(":")[0]
    romeo.send(f"<presence type='subscribed' to='{address}'/>")
    ghost = matrix_stage.ghost("romeo")
    await juliet.overhears(nio.PresenceEvent, lambda e: (e.user_id, e.presence) == (ghost, "online"))
    await juliet.client.set_presence("unavailable", "asleep")
    away = await romeo.mailbox.find(Pattern("presence", frm=address, has="show[.='away']"))
    assert away.findtext("status") == "asleep"
    romeo.send("<presence><show>xa</show><status>banished</status></presence>")
    seen = await juliet.overhears(
        nio.PresenceEvent, lambda e: (e.user_id, e.presence) == (ghost, "unavailable")
    )
    assert seen.status_msg == "banished"
    romeo.send("<presence type='unavailable'/>")
    await juliet.overhears(nio.PresenceEvent, lambda e: (e.user_id, e.presence) == (ghost, "offline"))


async def test_subscription_is_kept_over_a_restart(matrix_stage: MatrixStage):
    """The contact is seen again without anybody's doing, and so is the user."""
    romeo, juliet, _, address = await talking(matrix_stage)
    await juliet.client.set_presence("online", "awake")
    romeo.send(f"<presence type='subscribe' to='{address}'/>")
    await romeo.mailbox.find(Pattern("presence", frm=address, type="subscribe"))
    romeo.send(f"<presence type='subscribed' to='{address}'/>")
    subscribed = "select 1 from subscription where contact = ? and inbound and outbound"
    await matrix_stage.stored(subscribed, romeo.bare)
    romeo.mailbox.clear()
    await matrix_stage.restart()
    await romeo.mailbox.find(Pattern("presence", frm=address, type=None, has="status[.='awake']"))
    romeo.send(f"<presence type='unsubscribe' to='{address}'/>")
    await romeo.mailbox.find(Pattern("presence", frm=address, type="unavailable"))


async def test_who_is_in_a_room_is_seen_to_be_away(matrix_stage: MatrixStage):
    """Occupants are shown as their presence is, and users as what they show the room."""
    romeo, juliet, _ = await matrix_stage.together()
    ghost = matrix_stage.ghost("romeo")
    await juliet.client.set_presence("unavailable", "asleep")
    away = await romeo.mailbox.find(Pattern("presence", frm=f"{matrix_stage.room}/Juliet", has="show"))
    assert (away.findtext("show"), away.findtext("status")) == ("away", "asleep")
    shown = "<show>dnd</show><status>in a duel</status>"
    romeo.send(f"<presence to='{matrix_stage.room}/romeo'>{shown}</presence>")
    seen = await juliet.overhears(
        nio.PresenceEvent, lambda e: (e.user_id, e.presence) == (ghost, "unavailable")
    )
    assert seen.status_msg == "in a duel"


async def test_who_has_read_is_shown_in_small_rooms(matrix_stage: MatrixStage):
    """XEP-0333 in a room, both ways."""
    romeo, juliet, room = await matrix_stage.together()
    romeo.say(matrix_stage.room, "read this")
    heard = await juliet.hears(room, "read this")
    await juliet.client.update_receipt_marker(room, heard["event_id"])
    frm = f"{matrix_stage.room}/Juliet"
    shown = await romeo.mailbox.find(Pattern("message", frm=frm, has="*[local-name()='displayed']"))
    assert value(shown, "*[local-name()='displayed']/@id") == heard["event_id"]
    event_id = await juliet.say(room, "and this")
    await romeo.mailbox.find(Pattern("message", frm=frm, body="and this"))
    displayed = f"<displayed xmlns='{MARKERS}' id='{event_id}'/>"
    romeo.send(f"<message to='{matrix_stage.room}' type='groupchat'>{displayed}</message>")
    await juliet.overhears(
        nio.ReceiptEvent, lambda event: event_id in [one.event_id for one in event.receipts]
    )
