"""Pictures of people and rooms, both ways, between a real homeserver and a real XMPP server."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from hashlib import sha1
from io import BytesIO

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, item, value
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_moderation import set_level

VCARD = "vcard-temp"
PUBSUB = "http://jabber.org/protocol/pubsub"
UPDATE = "vcard-temp:x:update"
INFO = "http://jabber.org/protocol/disco#info"


def png(colour: int) -> bytes:
    """A picture of 128 times 128 pixels in one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 128, 128, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([colour]) * 128) * 128)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def upload(person: MatrixPerson, data: bytes) -> str:
    """Give the homeserver a picture and return its URL."""
    answer, _ = await person.client.upload(BytesIO(data), "image/png", filesize=len(data))
    return str(answer.content_uri)


def hash_in(presence) -> str:
    return presence.findtext(f"{{{UPDATE}}}x/{{{UPDATE}}}photo") or ""


async def test_picture_of_matrix_is_shown_on_xmpp(matrix_stage: MatrixStage):
    """XEP-0153: its hash in presence, the picture in the card (XEP-0054) and by PEP (XEP-0084)."""
    romeo, juliet, _room = await matrix_stage.together()
    await juliet.client.set_avatar(await upload(juliet, png(50)))
    occupant = f"{matrix_stage.room}/Juliet"
    shown = hash_in(await romeo.presence(frm=occupant, type=None))
    card = await romeo.result(occupant, f"<vCard xmlns='{VCARD}'/>")
    data = b64decode(card.findtext(f"{{{VCARD}}}vCard/{{{VCARD}}}PHOTO/{{{VCARD}}}BINVAL"))
    assert sha1(data).hexdigest() == shown
    contact = card.findtext(f"{{{VCARD}}}vCard/{{{VCARD}}}JABBERID")
    items = "<pubsub xmlns='{}'><items node='urn:xmpp:avatar:{}'/></pubsub>"
    about = await romeo.result(contact, items.format(PUBSUB, "metadata"))
    (item,) = about.iter(f"{{{PUBSUB}}}item")
    assert item.get("id") == shown
    answer = await romeo.result(contact, items.format(PUBSUB, "data"))
    assert b64decode(next(answer.iter("{urn:xmpp:avatar:data}data")).text) == data
    await juliet.client.set_avatar("")
    assert hash_in(await romeo.presence(frm=occupant, type=None)) == ""


async def test_picture_of_a_room_is_shown_on_xmpp(matrix_stage: MatrixStage):
    """XEP-0486: status 104 when it changes, its hash in disco, the picture in the room's card."""
    romeo, juliet, room = await matrix_stage.together()
    mxc = await upload(juliet, png(90))
    await juliet.client.room_put_state(room, "m.room.avatar", {"url": mxc})
    changed = await romeo.message(frm=matrix_stage.room)
    assert value(changed, "mucuser:x/mucuser:status/@code") == "104"
    info = await romeo.result(matrix_stage.room, f"<query xmlns='{INFO}'/>")
    (field,) = info.xpath("//*[@var='muc#roominfo_avatarhash']")
    card = await romeo.result(matrix_stage.room, f"<vCard xmlns='{VCARD}'/>")
    data = b64decode(card.findtext(f"{{{VCARD}}}vCard/{{{VCARD}}}PHOTO/{{{VCARD}}}BINVAL"))
    assert sha1(data).hexdigest() == field[0].text
    mercutio = await matrix_stage.on_xmpp("mercutio")
    outside = await mercutio.result(matrix_stage.room, f"<query xmlns='{INFO}'/>")
    assert outside.xpath("//*[@var='muc#roominfo_avatarhash']")[0][0].text == field[0].text


async def test_picture_of_a_room_is_set_from_xmpp(matrix_stage: MatrixStage):
    """XEP-0486 §4.2: by who may change the room on Matrix; he takes it away by a card without one."""
    romeo, juliet, room = await matrix_stage.together()
    data = png(120)
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64encode(data).decode()}</BINVAL></PHOTO>"
    card = f"<vCard xmlns='{VCARD}'>{{}}</vCard>"
    assert await romeo.error(matrix_stage.room, card.format(photo), "set") == "not-allowed"
    await set_level(juliet, room, matrix_stage.ghost("romeo"), 100)
    await romeo.mailbox.find(
        Pattern("presence", frm=f"{matrix_stage.room}/romeo", has=item(role="moderator"))
    )
    await romeo.result(matrix_stage.room, card.format(photo), "set")
    shown = await juliet.find("m.room.avatar", room=room)
    assert shown["sender"] == matrix_stage.ghost("romeo")
    answer = await juliet.client.download(shown["content"]["url"])
    assert answer.body == data
    text = card.format("<PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO>")
    assert await romeo.error(matrix_stage.room, text, "set") == "not-acceptable"
    await romeo.result(matrix_stage.room, card.format(""), "set")
    assert (await juliet.find("m.room.avatar", room=room))["content"] == {}


async def test_picture_of_xmpp_is_shown_on_matrix(matrix_stage: MatrixStage):
    """XEP-0153: the ghost gets it once the client tells of it, and loses it again; the nick stays."""
    romeo, juliet, _room = await matrix_stage.together()
    ghost, data = matrix_stage.ghost("romeo"), png(200)
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64encode(data).decode()}</BINVAL></PHOTO>"
    romeo.send(f"<iq type='set' id='card'><vCard xmlns='{VCARD}'>{photo}</vCard></iq>")
    update = f"<x xmlns='{UPDATE}'><photo>{{}}</photo></x>"
    to = f"to='{matrix_stage.room}/romeo'"
    romeo.send(f"<presence {to}>{update.format(sha1(data).hexdigest())}</presence>")
    dressed = await juliet.find("m.room.member", lambda e: e["content"].get("avatar_url"))
    assert (dressed["state_key"], dressed["content"]["displayname"]) == (ghost, "romeo")
    answer = await juliet.client.download(dressed["content"]["avatar_url"])
    assert answer.body == data
    romeo.send(f"<presence {to}>{update.format('')}</presence>")
    await juliet.find(
        "m.room.member", lambda e: e["state_key"] == ghost and not e["content"].get("avatar_url")
    )


async def test_ghost_with_two_nicks_keeps_both_when_its_picture_changes(matrix_stage: MatrixStage):
    """The profile is one, the names in rooms are two."""
    romeo, juliet, _room = await matrix_stage.together()
    first, data = matrix_stage.room, png(10)
    matrix_stage.alias += "b"
    second = await matrix_stage.open_room(juliet)
    await romeo.join(matrix_stage.room, "montague")
    await juliet.find("m.room.member", lambda e: e["content"].get("displayname") == "montague", room=second)
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64encode(data).decode()}</BINVAL></PHOTO>"
    romeo.send(f"<iq type='set' id='card'><vCard xmlns='{VCARD}'>{photo}</vCard></iq>")
    hash = sha1(data).hexdigest()
    romeo.send(f"<presence to='{first}/romeo'><x xmlns='{UPDATE}'><photo>{hash}</photo></x></presence>")
    await juliet.find(
        "m.room.member",
        lambda e: e["content"].get("displayname") == "montague" and e["content"].get("avatar_url"),
        room=second,
    )
