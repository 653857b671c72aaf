"""Pictures of people, and who has read what, in rooms of real XMPP servers that people of Matrix are in."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha1

import nio
import pytest

from tests.live.cast.stanzas import Pattern, value
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.test_media import download
from tests.live.matrix.test_pictures import UPDATE, VCARD, hash_in, png, upload
from tests.live.matrix.test_portals import hears, stanza_id

MARKERS = "urn:xmpp:chat-markers:0"


@pytest.mark.parametrize("options", [{}, {"whois": "moderators"}], ids=["known", "hidden"])
async def test_ghost_wears_the_picture_of_the_occupant(portal_stage: PortalStage, options):
    """XEP-0153: once his client tells of it, and until it tells that there is none."""
    romeo, juliet, room = await portal_stage.together_in_muc(**options)
    data = png(70)
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64encode(data).decode()}</BINVAL></PHOTO>"
    romeo.send(f"<iq type='set' id='card'><vCard xmlns='{VCARD}'>{photo}</vCard></iq>")
    update = "<presence to='{}/romeo'><x xmlns='{}'><photo>{}</photo></x></presence>"
    romeo.send(update.format(portal_stage.muc, UPDATE, sha1(data).hexdigest()))
    dressed = await juliet.find("m.room.member", lambda e: e["content"].get("avatar_url"), room=room)
    assert dressed["content"]["displayname"] == "romeo"
    assert await download(juliet, dressed["content"]["avatar_url"]) == data
    romeo.send(update.format(portal_stage.muc, UPDATE, ""))
    await juliet.find(
        "m.room.member",
        lambda e: e["state_key"] == dressed["state_key"] and not e["content"].get("avatar_url"),
        room=room,
    )


async def test_guest_wears_his_picture(portal_stage: PortalStage):
    """XEP-0153, XEP-0054: its hash is in his presence, his card has it."""
    romeo, juliet, _room = await portal_stage.together_in_muc()
    await juliet.client.set_avatar(await upload(juliet, png(50)))
    guest = f"{portal_stage.muc}/Juliet"
    shown = Pattern("presence", frm=guest, has="*[local-name()='x']/*[local-name()='photo'][text()]")
    hashed = hash_in(await romeo.mailbox.find(shown))
    card = await romeo.result(guest, f"<vCard xmlns='{VCARD}'/>")
    data = b64decode(card.findtext(f"{{{VCARD}}}vCard/{{{VCARD}}}PHOTO/{{{VCARD}}}BINVAL"))
    assert sha1(data).hexdigest() == hashed


async def test_reading_is_told_both_ways(portal_stage: PortalStage):
    """XEP-0333: a marker is a receipt, and a receipt a marker."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    event_id = await juliet.say(room, "Ay me")
    message = await hears(romeo, portal_stage.muc, "Juliet", "Ay me")
    assert message.find(f"{{{MARKERS}}}markable") is not None
    marker = f"<displayed xmlns='{MARKERS}' id='{stanza_id(message)}'/>"
    romeo.send(f"<message to='{portal_stage.muc}' type='groupchat' id='d1'>{marker}</message>")
    ghost = portal_stage.ghost("romeo")

    def by_romeo(event: nio.ReceiptEvent) -> bool:
        return any((one.user_id, one.event_id) == (ghost, event_id) for one in event.receipts)

    await juliet.overhears(nio.ReceiptEvent, by_romeo)
    romeo.say(portal_stage.muc, "She speaks")
    own = await hears(romeo, portal_stage.muc, "romeo", "She speaks")
    heard = await juliet.hears(room, "She speaks")
    await juliet.client.room_read_markers(room, heard["event_id"], heard["event_id"])
    read = Pattern("message", frm=f"{portal_stage.muc}/Juliet", has="*[local-name()='displayed']")
    assert value(await romeo.mailbox.find(read), "*[local-name()='displayed']/@id") == stanza_id(own)


async def test_room_is_called_as_on_xmpp(portal_stage: PortalStage):
    """XEP-0045 §10.2.1, status 104: from the first moment, and when it is renamed."""
    romeo, juliet, room = await portal_stage.together_in_muc(roomname="Balcony")
    assert (await juliet.client.room_get_state_event(room, "m.room.name")).content == {"name": "Balcony"}
    await portal_stage.configure(romeo, roomname="Garden")
    await juliet.find("m.room.name", lambda event: event["content"] == {"name": "Garden"}, room=room)
