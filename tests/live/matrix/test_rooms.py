"""XMPP users in rooms of a real homeserver, through the gateway."""

from __future__ import annotations

import asyncio

import nio
import pytest

from tests.live.cast.stanzas import Pattern, value
from tests.live.matrix.stage import MatrixStage

NS_REPLY = "urn:xmpp:reply:0"
NS_REACTIONS = "urn:xmpp:reactions:0"


def stanza_id(message) -> str:
    """The room's id of a message."""
    return value(message, "sid:stanza-id/@id")


async def test_join_shows_occupants_self_and_subject_in_order(matrix_stage: MatrixStage):
    """A room of Matrix is entered like any MUC: the others, oneself, the subject."""
    juliet = await matrix_stage.on_matrix("Juliet")
    await matrix_stage.open_room(juliet, topic="the balcony")
    romeo = await matrix_stage.on_xmpp("romeo")
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert seen.nicks == {"Juliet"}
    assert seen.nick == "romeo"
    assert seen.subject.findtext("subject") == "the balcony"
    came = await juliet.find("m.room.member", lambda event: event["state_key"] == matrix_stage.ghost("romeo"))
    assert (came["content"]["membership"], came["content"]["displayname"]) == ("join", "romeo")


@pytest.mark.parametrize("form", ["by_percent", "room_id"])
async def test_other_forms_of_the_address_lead_to_the_same_room(matrix_stage: MatrixStage, form: str):
    """`#alias%server` and the room's id are understood too."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    address = matrix_stage.by_percent
    if form == "room_id":
        written = "".join(f"\\{ord(c):x}" if c.isupper() else c for c in room).replace(":", "\\3a")
        address = f"{written}@{matrix_stage.bridge.domain}"
    romeo = await matrix_stage.on_xmpp("romeo")
    seen = await romeo.join(address, "romeo")
    assert seen.nicks == {"Juliet"}
    await juliet.say(room, "hello")
    assert (await romeo.message(frm=f"{address}/Juliet")).findtext("body") == "hello"


async def test_words_go_both_ways(matrix_stage: MatrixStage):
    """Text, emotes and notices; the author sees his own message back."""
    romeo, juliet, room = await matrix_stage.together()
    romeo.say(matrix_stage.room, "But soft")
    heard = await juliet.hears(room, "But soft", sender=matrix_stage.ghost("romeo"))
    own = await romeo.message(frm=f"{matrix_stage.room}/romeo")
    assert own.findtext("body") == "But soft"
    assert stanza_id(own) == heard["event_id"]
    romeo.say(matrix_stage.room, "/me waits")
    emote = await juliet.hears(room, "waits")
    assert emote["content"]["msgtype"] == "m.emote"
    assert (await romeo.message(frm=f"{matrix_stage.room}/romeo")).findtext("body") == "/me waits"
    await juliet.say(room, "Ay me")
    await juliet.send(room, {"msgtype": "m.emote", "body": "sighs"})
    await juliet.send(room, {"msgtype": "m.notice", "body": "beep"})
    bodies = [(await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("body") for _ in range(3)]
    assert bodies == ["Ay me", "/me sighs", "[notice] beep"]


async def test_formatting_goes_both_ways(matrix_stage: MatrixStage):
    """HTML of Matrix is XHTML-IM, message styling of XMPP is HTML."""
    romeo, juliet, room = await matrix_stage.together()
    romeo.say(matrix_stage.room, "It is *the east*")
    heard = await juliet.find("m.room.message", room=room)
    assert "<strong>*the east*</strong>" in heard["content"]["formatted_body"]
    await romeo.message(frm=f"{matrix_stage.room}/romeo")
    html = {"format": "org.matrix.custom.html", "formatted_body": "thy <em>name</em>"}
    await juliet.send(room, {"msgtype": "m.text", "body": "thy name", **html})
    said = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert said.findtext("body") == "thy name"
    assert said.xpath("//*[contains(@style, 'italic')]/text()") == ["name"]


async def test_subject_goes_both_ways(matrix_stage: MatrixStage):
    """A topic set there is a subject here; whoever may not set it is told."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.client.room_put_state(room, "m.room.topic", {"topic": "night"})
    assert (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("subject") == "night"
    romeo.set_subject(matrix_stage.room, "day")
    assert (await romeo.message(type="error")).find("error") is not None
    levels = await juliet.client.room_get_state_event(room, "m.room.power_levels")
    content = {**levels.content, "events": {**levels.content["events"], "m.room.topic": 0}}
    await juliet.client.room_put_state(room, "m.room.power_levels", content)
    await juliet.find("m.room.power_levels", lambda e: e["content"]["events"]["m.room.topic"] == 0)
    romeo.set_subject(matrix_stage.room, "day")
    await juliet.find("m.room.topic", lambda event: event["content"]["topic"] == "day")
    await romeo.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/romeo", has="subject"))


async def test_nick_changes_go_both_ways(matrix_stage: MatrixStage):
    """A display name there is a nick here, and the other way round."""
    romeo, juliet, _ = await matrix_stage.together()
    await juliet.client.set_displayname("Capulet")
    gone = await romeo.presence(frm=f"{matrix_stage.room}/Juliet", type="unavailable")
    assert value(gone, "mucuser:x/mucuser:item/@nick") == "Capulet"
    await romeo.presence(frm=f"{matrix_stage.room}/Capulet", type=None)
    romeo.send(f"<presence to='{matrix_stage.room}/montague'/>")
    await romeo.presence(frm=f"{matrix_stage.room}/romeo", type="unavailable")
    await romeo.presence(frm=f"{matrix_stage.room}/montague", type=None)
    ghost = matrix_stage.ghost("romeo")
    await juliet.find(
        "m.room.member", lambda e: (e["state_key"], e["content"].get("displayname")) == (ghost, "montague")
    )


async def test_comings_and_goings_are_seen(matrix_stage: MatrixStage):
    """Who joins and leaves on Matrix does so in the MUC."""
    romeo, juliet, room = await matrix_stage.together()
    nurse = await matrix_stage.on_matrix("Nurse")
    await nurse.join(room)
    await romeo.presence(frm=f"{matrix_stage.room}/Nurse", type=None)
    await nurse.leave(room)
    await romeo.presence(frm=f"{matrix_stage.room}/Nurse", type="unavailable")
    await romeo.left(matrix_stage.room, "romeo")
    ghost = matrix_stage.ghost("romeo")
    await juliet.find(
        "m.room.member", lambda e: (e["state_key"], e["content"]["membership"]) == (ghost, "leave")
    )
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert seen.nicks == {"Juliet"}


@pytest.mark.parametrize(("act", "code"), [("room_kick", "307"), ("room_ban", "301")])
async def test_who_is_put_out_sees_by_whom(matrix_stage: MatrixStage, act: str, code: str):
    """A kick or ban on Matrix puts the XMPP user out, with actor and reason; a ban keeps him out."""
    romeo, juliet, room = await matrix_stage.together()
    mercutio = await matrix_stage.on_xmpp("mercutio")
    await mercutio.join(matrix_stage.room, "mercutio")
    await romeo.presence(frm=f"{matrix_stage.room}/mercutio")
    await getattr(juliet.client, act)(room, matrix_stage.ghost("mercutio"), "enough")
    for person in (mercutio, romeo):
        gone = await person.presence(frm=f"{matrix_stage.room}/mercutio", type="unavailable")
        assert code in gone.xpath("x/status/@code") or value(
            gone, f"mucuser:x/mucuser:status[@code='{code}']/@code"
        )
        assert value(gone, "mucuser:x/mucuser:item/mucuser:actor/@nick") == "Juliet"
    if act == "room_ban":
        assert await mercutio.refused(matrix_stage.room, "mercutio") == "forbidden"


async def test_corrections_go_both_ways(matrix_stage: MatrixStage):
    """XEP-0308: an edit there replaces the message here, and the other way round."""
    romeo, juliet, room = await matrix_stage.together()
    first = romeo.say(matrix_stage.room, "teh sun")
    original = await juliet.hears(room, "teh sun")
    romeo.say(
        matrix_stage.room, "the sun", extra=f"<replace xmlns='urn:xmpp:message-correct:0' id='{first}'/>"
    )
    edit = await juliet.hears(room, "* the sun")
    assert edit["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": original["event_id"]}
    for _ in range(2):
        await romeo.message(frm=f"{matrix_stage.room}/romeo")
    said = await juliet.say(room, "Romoe")
    new = {"msgtype": "m.text", "body": "Romeo"}
    relation = {"rel_type": "m.replace", "event_id": said}
    await juliet.send(room, {**new, "body": "* Romeo", "m.new_content": new, "m.relates_to": relation})
    shown = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    corrected = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert corrected.findtext("body") == "Romeo"
    assert corrected.xpath("//*[local-name()='replace']/@id") == [shown.get("id")]


async def test_replies_go_both_ways(matrix_stage: MatrixStage):
    """XEP-0461: a reply refers to the message it answers on both sides."""
    romeo, juliet, room = await matrix_stage.together()
    asked = await juliet.say(room, "wherefore?")
    question = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert stanza_id(question) == asked
    extra = f"<reply xmlns='{NS_REPLY}' to='{matrix_stage.room}/Juliet' id='{asked}'/>"
    romeo.say(matrix_stage.room, "therefore", extra=extra)
    answer = await juliet.hears(room, "therefore")
    assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}
    await romeo.message(frm=f"{matrix_stage.room}/romeo")
    relation = {"m.in_reply_to": {"event_id": answer["event_id"]}}
    await juliet.send(room, {"msgtype": "m.text", "body": "I see", "m.relates_to": relation})
    seen = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert seen.xpath("//*[local-name()='reply']/@id") == [answer["event_id"]]


async def test_reactions_and_retractions_go_both_ways(matrix_stage: MatrixStage):
    """XEP-0444 and XEP-0424: reactions, and taking them and messages back."""
    romeo, juliet, room = await matrix_stage.together()
    asked = await juliet.say(room, "a rose")
    await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    to, ghost = f"to='{matrix_stage.room}' type='groupchat'", matrix_stage.ghost("romeo")

    romeo.send(
        f"<message {to} id='r1'><reactions xmlns='{NS_REACTIONS}' id='{asked}'><reaction>🌹</reaction></reactions></message>"
    )
    reaction = await juliet.find("m.reaction", room=room)
    assert reaction["content"]["m.relates_to"] == {"rel_type": "m.annotation", "event_id": asked, "key": "🌹"}
    mine = await romeo.message(frm=f"{matrix_stage.room}/romeo")
    assert mine.xpath("//*[local-name()='reaction']/text()") == ["🌹"]
    # clients know by these that it was they, and believe no reaction without
    assert (mine.get("id"), stanza_id(mine)) == ("r1", reaction["event_id"])
    assert value(mine, "occupant:occupant-id/@id")
    romeo.send(f"<message {to} id='r2'><reactions xmlns='{NS_REACTIONS}' id='{asked}'/></message>")
    taken = await juliet.find("m.room.redaction", lambda event: event["sender"] == ghost)
    assert reaction["event_id"] in (taken.get("redacts"), taken["content"].get("redacts"))
    mine = await romeo.message(frm=f"{matrix_stage.room}/romeo")
    assert mine.xpath("//*[local-name()='reaction']/text()") == []

    relation = {"rel_type": "m.annotation", "event_id": asked, "key": "👍"}
    await juliet.send(room, {"m.relates_to": relation}, "m.reaction")
    theirs = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert theirs.xpath("//*[local-name()='reaction']/text()") == ["👍"]
    assert value(theirs, "occupant:occupant-id/@id") not in ("", value(mine, "occupant:occupant-id/@id"))

    await juliet.client.room_redact(room, asked)
    gone = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert gone.xpath("//*[local-name()='retract']/@id") == [asked]
    romeo.say(matrix_stage.room, "hasty")
    own = stanza_id(await romeo.message(frm=f"{matrix_stage.room}/romeo"))
    romeo.send(f"<message {to} id='r3'><retract xmlns='urn:xmpp:message-retract:1' id='{own}'/></message>")
    taken = await juliet.find("m.room.redaction", lambda event: event["sender"] == ghost)
    assert own in (taken.get("redacts"), taken["content"].get("redacts"))


async def test_retraction_by_the_latest_correction_takes_the_message_back(matrix_stage: MatrixStage):
    """Clients that show a correction in place (Conversations) name the message by that."""
    romeo, juliet, room = await matrix_stage.together()
    first, to = romeo.say(matrix_stage.room, "teh rose"), f"to='{matrix_stage.room}' type='groupchat'"
    original = stanza_id(await romeo.message(frm=f"{matrix_stage.room}/romeo"))
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{first}'/>"
    romeo.send(f"<message {to} id='c1'><body>the rose</body>{replace}</message>")
    corrected = stanza_id(await romeo.message(frm=f"{matrix_stage.room}/romeo"))
    romeo.send(
        f"<message {to} id='c2'><retract xmlns='urn:xmpp:message-retract:1' id='{corrected}'/></message>"
    )
    taken = await juliet.find("m.room.redaction", room=room)
    assert original in (taken.get("redacts"), taken["content"].get("redacts"))


async def test_another_nick_than_elsewhere_is_had_from_the_first_moment(matrix_stage: MatrixStage):
    """Nobody sees somebody come in by the name of another room and be renamed."""
    romeo, juliet, _ = await matrix_stage.together()
    second = await juliet.create_room(
        alias=f"{matrix_stage.alias}b",
        visibility=nio.RoomVisibility.public,
        preset=nio.RoomPreset.public_chat,
    )
    await romeo.join(matrix_stage.by_id(second), "Montague")
    first = await juliet.find(
        "m.room.member", lambda event: event["sender"] == matrix_stage.ghost("romeo"), room=second
    )
    assert first["content"]["displayname"] == "Montague"


async def test_typing_goes_both_ways(matrix_stage: MatrixStage):
    """XEP-0085: who writes is seen to write."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.client.room_typing(room, True)
    seen = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert seen.xpath("*[local-name()='composing']")


async def test_two_users_share_a_room_with_different_addresses(matrix_stage: MatrixStage):
    """What one says the other hears, each under the address by which he came."""
    romeo, juliet, room = await matrix_stage.together()
    mercutio = await matrix_stage.on_xmpp("mercutio")
    seen = await mercutio.join(matrix_stage.by_percent, "mercutio")
    assert seen.nicks == {"Juliet", "romeo"}
    await romeo.presence(frm=f"{matrix_stage.room}/mercutio")
    romeo.say(matrix_stage.room, "peace")
    assert (await mercutio.message(frm=f"{matrix_stage.by_percent}/romeo")).findtext("body") == "peace"
    await juliet.hears(room, "peace")


async def test_what_cannot_be_entered_says_why(matrix_stage: MatrixStage):
    """No such room, invited only, end-to-end encrypted, a nick of somebody else: each has its error."""
    romeo = await matrix_stage.on_xmpp("romeo")
    assert await romeo.refused(matrix_stage.room, "romeo") == "item-not-found"
    juliet = await matrix_stage.on_matrix("Juliet")
    await matrix_stage.open_room(juliet, preset=nio.RoomPreset.private_chat)
    assert await romeo.refused(matrix_stage.room, "romeo") == "registration-required"
    encrypted = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    matrix_stage.alias += "e"
    await matrix_stage.open_room(juliet, initial_state=[encrypted])
    assert await romeo.refused(matrix_stage.room, "romeo") == "not-allowed"
    matrix_stage.alias += "f"
    await matrix_stage.open_room(juliet)
    assert await romeo.refused(matrix_stage.room, "Juliet") == "conflict"


async def test_history_is_shown_to_who_comes_back(matrix_stage: MatrixStage):
    """What was said while one was in is shown on the next join, with the ids of Matrix."""
    romeo, juliet, room = await matrix_stage.together()
    said = await juliet.say(room, "remember")
    await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    await romeo.left(matrix_stage.room, "romeo")
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert [(one.findtext("body"), stanza_id(one)) for one in seen.history] == [("remember", said)]


@pytest.mark.last
async def test_words_said_while_the_homeserver_is_down_arrive_once_it_is_back(matrix_stage: MatrixStage):
    """In order, each once; nobody had to leave the room."""
    romeo, juliet, room = await matrix_stage.together()
    await asyncio.to_thread(matrix_stage.synapse.daemon.kill)
    for number in range(3):
        romeo.say(matrix_stage.room, f"down {number}")
    await asyncio.to_thread(matrix_stage.synapse.daemon.start)
    for number in range(3):
        await juliet.hears(room, f"down {number}")
        own = await romeo.message(frm=f"{matrix_stage.room}/romeo")
        assert own.findtext("body") == f"down {number}"
    await juliet.say(room, "after")
    assert (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("body") == "after"


@pytest.mark.last
async def test_restart_of_the_bridge_loses_nobody_and_nothing(matrix_stage: MatrixStage):
    """A bridge that is killed goes on where it was: same rooms, and what was said meanwhile arrives."""
    romeo, juliet, room = await matrix_stage.together()
    daemon = matrix_stage.bridge.daemon
    daemon.kill()
    await juliet.say(room, "while you were gone")
    daemon.start()
    heard = await romeo.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/Juliet"), timeout=60)
    assert heard.findtext("body") == "while you were gone"
    romeo.say(matrix_stage.room, "back again")
    await juliet.hears(room, "back again", sender=matrix_stage.ghost("romeo"))


async def test_invitation_opens_a_private_room(matrix_stage: MatrixStage):
    """Who is invited on Matrix is invited on XMPP, and gets in."""
    romeo, juliet, _ = await matrix_stage.together()
    room = await juliet.create_room(preset=nio.RoomPreset.private_chat)
    await juliet.client.room_invite(room, matrix_stage.ghost("romeo"))
    invitation = await romeo.find_anywhere(
        Pattern("message", has="mucuser:x/mucuser:invite | *[local-name()='x'][@jid]")
    )
    inner = invitation.xpath("*[local-name()='x']/@jid")
    address = inner[0] if inner else invitation.get("from")
    assert (await romeo.join(address, "romeo")).nicks == {"Juliet"}


async def test_twenty_join_at_once_and_hear_the_same(matrix_stage: MatrixStage):
    """Everybody is in, sees everybody else, and hears what is said, once."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    people = [await matrix_stage.on_xmpp(f"p{number}x") for number in range(20)]
    for number, person in enumerate(people):
        person.enter(matrix_stage.room, f"p{number}")
    for person in people:
        await person.mailbox.find(Pattern("message", frm=matrix_stage.room, has="subject"))
    await juliet.say(room, "hello, all")
    for person in people:
        heard = await person.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/Juliet"))
        assert heard.findtext("body") == "hello, all"
    people[0].say(matrix_stage.room, "hello, Juliet")
    await juliet.hears(room, "hello, Juliet")
    for person in people:
        heard = await person.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/p0"))
        assert heard.findtext("body") == "hello, Juliet"
        assert not [one for one in person.mailbox.waiting if one.tag == "message"]


async def test_all_who_speak_at_once_see_one_order(matrix_stage: MatrixStage):
    """It is that of the room on Matrix, for what one said oneself too."""
    romeo, juliet, room = await matrix_stage.together()
    paris = await matrix_stage.on_xmpp("paris")
    await paris.join(matrix_stage.room, "paris")
    for number in range(8):
        romeo.say(matrix_stage.room, f"r{number}")
        paris.say(matrix_stage.room, f"p{number}")
        await juliet.say(room, f"j{number}")
    orders: list[list[str | None]] = []
    for person in (romeo, paris):
        said = [
            await person.mailbox.find(Pattern("message", type="groupchat", has="body")) for _ in range(24)
        ]
        orders.append([one.findtext("body") for one in said])
    events = [await juliet.find("m.room.message", room=room) for _ in range(24)]
    assert orders == 2 * [[event["content"]["body"] for event in events]]


@pytest.mark.last
async def test_bridge_that_is_ended_takes_its_ghosts_along(matrix_stage: MatrixStage):
    """Nobody is left behind in a room whose user is not there any more; he can come back."""
    romeo, juliet, _ = await matrix_stage.together()
    daemon = matrix_stage.bridge.daemon
    await asyncio.to_thread(daemon.close)
    ghost = matrix_stage.ghost("romeo")
    await juliet.find(
        "m.room.member", lambda e: (e["state_key"], e["content"]["membership"]) == (ghost, "leave")
    )
    await romeo.presence(frm=f"{matrix_stage.room}/romeo", type="unavailable")
    await asyncio.to_thread(daemon.start)
    assert (await romeo.join(matrix_stage.room, "romeo")).nicks == {"Juliet"}
