"""Rooms that are replaced on a real homeserver, and who is in them over XMPP."""

from __future__ import annotations

import nio
from nio.api import Api

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, status
from tests.live.matrix.stage import MatrixStage


async def upgrade(person: MatrixPerson, room: str) -> str:
    """Replace a room by one of the newest version, as a client does; return its id."""
    path = f"{Api.room_leave('', room)[1].partition('/leave')[0]}/upgrade"
    headers = {"Authorization": f"Bearer {person.client.access_token}"}
    answer = await person.client.send("POST", path, '{"new_version": "12"}', headers)
    made: str = (await answer.json())["replacement_room"]
    return made


async def test_replacement_is_followed_and_the_address_stays(matrix_stage: MatrixStage):
    """Everybody of XMPP is in the new room, by alias and by id, also after he left and came back."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet, room_version="11")
    romeo, mercutio = await matrix_stage.on_xmpp("romeo"), await matrix_stage.on_xmpp("mercutio")
    by_id = matrix_stage.by_id(room)
    await romeo.join(matrix_stage.room, "romeo")
    await mercutio.join(by_id, "mercutio")
    new = await upgrade(juliet, room)
    for person, address in ((romeo, matrix_stage.room), (mercutio, by_id)):
        await person.mailbox.find(Pattern("presence", frm=f"{address}/Juliet"))
        await person.mailbox.find(
            Pattern("message", frm=address, has="body[contains(., 'the address stays')]")
        )
    await juliet.say(new, "here we are")
    for person, address in ((romeo, matrix_stage.room), (mercutio, by_id)):
        heard = await person.mailbox.find(Pattern("message", frm=f"{address}/Juliet"))
        assert heard.findtext("body") == "here we are"
    mercutio.say(by_id, "so are we")
    await juliet.hears(new, "so are we", sender=matrix_stage.ghost("mercutio"))
    await mercutio.left(by_id, "mercutio")
    assert (await mercutio.join(by_id, "mercutio")).nicks == {"Juliet", "romeo"}


async def test_who_cannot_follow_is_told_where_the_room_went(matrix_stage: MatrixStage):
    """XEP-0045 §10.9: the room is destroyed for him, and has an alternate."""
    romeo, juliet, room = await matrix_stage.together()
    other = await juliet.create_room(preset=nio.RoomPreset.private_chat)
    await juliet.client.room_ban(other, matrix_stage.ghost("romeo"))
    await juliet.client.room_put_state(room, "m.room.tombstone", {"body": "gone", "replacement_room": other})
    assert (await romeo.message(frm=matrix_stage.room)).findtext("body") == "gone"
    out = await romeo.presence(frm=f"{matrix_stage.room}/romeo", type="unavailable", has=status(110))
    [alternate] = out.xpath("*/*[local-name()='destroy']/@jid")
    assert alternate.startswith(matrix_stage.by_id(other).partition("@")[0])


async def test_closed_replacement_is_entered_once_one_is_invited(matrix_stage: MatrixStage):
    """Clients invite those who were in the old room; that is an invitation to stay, not one to answer."""
    romeo, juliet, room = await matrix_stage.together()
    other = await juliet.create_room(preset=nio.RoomPreset.private_chat)
    await juliet.client.room_put_state(room, "m.room.tombstone", {"body": "gone", "replacement_room": other})
    await romeo.message(frm=matrix_stage.room)
    await juliet.client.room_invite(other, matrix_stage.ghost("romeo"))
    await romeo.eventually("the address stays")
    assert not [one for one in romeo.mailbox.waiting if one.tag == "message"]
