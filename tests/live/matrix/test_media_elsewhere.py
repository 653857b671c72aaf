"""Files in chats between two and in rooms of XMPP servers, both ways."""

from __future__ import annotations

from tests.live.cast.stanzas import Pattern
from tests.live.cast.web import WebSite, picture
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_direct import talking
from tests.live.matrix.test_media import OOB, download, image, of, upload


async def test_files_go_both_ways_between_two(matrix_stage: MatrixStage, site: WebSite, web):
    """As in rooms: links one way, uploads the other, with their captions."""
    romeo, juliet, room, address = await talking(matrix_stage)
    romeo.mailbox.clear()
    data = picture()
    content = image(await upload(juliet, data), data, filename="rose.png")
    await juliet.send(room, {**content, "body": "a rose"})
    message = await romeo.message(frm=address, type="chat")
    words, url = message.findtext("body").split("\n")
    assert (words, of(message, "oob:x/oob:url/text()")) == ("a rose", url)
    async with web.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, data)
    site.files["/thorn.png"] = ("image/png", picture(5, 5))
    url = f"{site.url}/thorn.png"
    romeo.say(address, f"its thorn\n{url}", type="chat", extra=OOB.format(url))
    content = (await juliet.find("m.room.message", lambda e: e["sender"] != juliet.id, room=room))["content"]
    assert (content["msgtype"], content["body"], content["filename"]) == ("m.image", "its thorn", "thorn.png")
    assert await download(juliet, content["url"]) == picture(5, 5)


async def test_files_go_both_ways_in_a_room_of_xmpp(portal_stage: PortalStage, site: WebSite, web):
    """The guest shows a link that works, his caption stays; what an occupant shares is uploaded by his ghost."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    data = picture(6, 6)
    content = image(await upload(juliet, data), data, filename="rose.png")
    await juliet.send(room, {**content, "body": "a rose"})
    said = Pattern("message", frm=f"{portal_stage.muc}/Juliet", has="*[local-name()='file-sharing']")
    message = await romeo.mailbox.find(said)
    words, url = message.findtext("body").split("\n")
    assert (words, of(message, "oob:x/oob:url/text()")) == ("a rose", url)
    async with web.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, data)
    site.files["/thorn.png"] = ("image/png", picture(5, 5))
    url = f"{site.url}/thorn.png"
    romeo.say(portal_stage.muc, url, extra=OOB.format(url))
    event = await juliet.find("m.room.message", lambda event: event["sender"] != juliet.id, room=room)
    assert event["sender"] == portal_stage.ghost("romeo")
    assert (event["content"]["msgtype"], event["content"]["body"]) == ("m.image", "thorn.png")
    assert await download(juliet, event["content"]["url"]) == picture(5, 5)


async def test_retraction_with_a_body_is_a_retraction(matrix_stage: MatrixStage):
    """XEP-0424 §3: the body is for clients that do not know it."""
    romeo, juliet, room = await matrix_stage.together()
    romeo.say(matrix_stage.room, "I love Rosaline")
    event = await juliet.hears(room, "I love Rosaline")
    retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{event['event_id']}'/>"
    romeo.say(matrix_stage.room, "/me retracted a message", extra=retract)
    taken = await juliet.find("m.room.redaction", room=room)
    assert taken.get("redacts", taken["content"].get("redacts")) == event["event_id"]
