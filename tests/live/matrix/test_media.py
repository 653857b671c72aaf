"""Files between XMPP and a real homeserver, through the gateway and its web server."""

from __future__ import annotations

import asyncio
import io
from urllib.parse import unquote

import nio
import pytest

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import value
from tests.live.cast.web import WebSite, picture
from tests.live.matrix.stage import MatrixStage
from tests.live.peers.daemon import free_port
from tests.live.peers.gateway import MAX_FILE

NS_UPLOAD = "urn:xmpp:http:upload:0"
OOB = "<x xmlns='jabber:x:oob'><url>{0}</url></x>"
FILES = {
    "oob": "jabber:x:oob",
    "sfs": "urn:xmpp:sfs:0",
    "file": "urn:xmpp:file:metadata:0",
    "thumb": "urn:xmpp:thumbs:1",
    "fallback": "urn:xmpp:fallback:0",
    "up": NS_UPLOAD,
}


def of(stanza, path: str) -> str:
    """The one text or attribute of a file's payload."""
    (found,) = stanza.xpath(path, namespaces=FILES)
    return str(found)


async def upload(person: MatrixPerson, data: bytes, kind: str = "image/png") -> str:
    """Upload as a Matrix user; return the mxc URI."""
    response, _ = await person.client.upload(lambda *_: io.BytesIO(data), kind, "x", filesize=len(data))
    assert isinstance(response, nio.UploadResponse), response
    return str(response.content_uri)


async def download(person: MatrixPerson, uri: str) -> bytes:
    """Download as a Matrix user."""
    response = await person.client.download(uri)
    assert isinstance(response, nio.DownloadResponse), response
    return bytes(response.body)


def image(uri: str, data: bytes, **more) -> dict:
    """The content of a message with a picture."""
    info = {"mimetype": "image/png", "size": len(data), "w": 2, "h": 3}
    return {"msgtype": "m.image", "body": "rosé 1.png", "url": uri, "info": info, **more}


async def shown(stage: MatrixStage) -> tuple:
    """A picture of Juliet's that Romeo sees: his client's message, and the picture."""
    romeo, juliet, room = await stage.together()
    data = picture()
    await juliet.send(room, image(await upload(juliet, data), data))
    return await romeo.message(frm=f"{stage.room}/Juliet"), data


async def test_picture_of_matrix_is_a_link_that_works(matrix_stage: MatrixStage, web):
    """The body is the link and nothing else; type, size and name are told twice; the bytes are the same."""
    message, data = await shown(matrix_stage)
    url = message.findtext("body")
    assert url.startswith(f"{matrix_stage.bridge.url}/media/{matrix_stage.bridge.domain}/")
    assert unquote(url).endswith("/rosé 1.png")
    assert of(message, "oob:x/oob:url/text()") == url
    file = "sfs:file-sharing/file:file/file:"
    facts = [of(message, f"{file}{name}/text()") for name in ("media-type", "size", "width", "height")]
    assert facts == ["image/png", str(len(data)), "2", "3"]
    assert of(message, "sfs:file-sharing/sfs:sources/*/@target") == url
    async with web.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, data)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content_disposition.filename == "rosé 1.png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        tag = answer.headers["ETag"]
    async with web.head(url) as answer:
        assert (answer.status, answer.content_length) == (200, len(data))
    async with web.get(url, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


async def test_parts_of_a_file_can_be_had(matrix_stage: MatrixStage, web):
    """RFC 9110 §14: a player jumps, a broken download goes on; what is not there is refused."""
    message, data = await shown(matrix_stage)
    url = message.findtext("body")
    for header, start, end in (("5-9", 5, 10), ("-4", len(data) - 4, len(data)), ("60-", 60, len(data))):
        async with web.get(url, headers={"Range": f"bytes={header}"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[start:end])
            assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(data)}"
    async with web.get(url, headers={"Range": "bytes=5000-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(data)}")


async def test_forged_links_lead_nowhere(matrix_stage: MatrixStage, web):
    """Neither another file nor another name can be put into a link."""
    message, _ = await shown(matrix_stage)
    start, token, name = message.findtext("body").rsplit("/", 2)
    other = token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB")
    for url in (f"{start}/{other}/{name}", f"{start}/{token}/evil.exe", f"{start}/{token}", start):
        async with web.get(url) as answer:
            assert answer.status == 404, url


async def test_page_from_matrix_is_saved_and_not_run(matrix_stage: MatrixStage, web):
    """What holds a program is an attachment, in a sandbox."""
    romeo, juliet, room = await matrix_stage.together()
    uri = await upload(juliet, b"<script>alert(1)</script>", "text/html")
    info = {"mimetype": "text/html"}
    await juliet.send(room, {"msgtype": "m.file", "body": "page.html", "url": uri, "info": info})
    url = (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("body")
    async with web.get(url) as answer:
        assert answer.content_disposition.type == "attachment"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


async def test_caption_and_thumbnail_come_with_a_picture(matrix_stage: MatrixStage, web):
    """The words stand before the link, which is marked as a fallback; the small picture has a link too."""
    romeo, juliet, room = await matrix_stage.together()
    data, small = picture(600, 400), picture(30, 20)
    info = {
        "mimetype": "image/png",
        "thumbnail_url": await upload(juliet, small),
        "thumbnail_info": {"mimetype": "image/png", "w": 30, "h": 20},
    }
    content = image(await upload(juliet, data), data, filename="rose.png", info=info)
    await juliet.send(room, {**content, "body": "What's in a name?"})
    message = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    words, url = message.findtext("body").split("\n")
    assert words == "What's in a name?"
    assert url.endswith("/rose.png")
    marked = "fallback:fallback[@for='urn:xmpp:sfs:0']/fallback:body/@start"
    assert of(message, marked) == str(len(words))
    thumbnail = "sfs:file-sharing/file:file/thumb:thumbnail"
    assert (of(message, f"{thumbnail}/@width"), of(message, f"{thumbnail}/@height")) == ("30", "20")
    async with web.get(of(message, f"{thumbnail}/@uri")) as answer:
        assert await answer.read() == small
    info = {"mimetype": "image/png", "w": 600, "h": 400}
    await juliet.send(room, image(content["url"], data, info=info))
    message = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    async with web.get(of(message, f"{thumbnail}/@uri")) as answer:
        assert (answer.status, answer.content_type.partition("/")[0]) == (200, "image")


async def test_sticker_is_shown_as_a_picture(matrix_stage: MatrixStage, web):
    """XMPP has the picture behind it."""
    romeo, juliet, room = await matrix_stage.together()
    data = picture()
    content = {"body": "a rose", "url": await upload(juliet, data), "info": {"mimetype": "image/png"}}
    await juliet.send(room, content, "m.sticker")
    message = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert of(message, "sfs:file-sharing/file:file/file:name/text()") == "a rose.png"
    async with web.get(message.findtext("body")) as answer:
        assert await answer.read() == data


async def test_encrypted_file_in_a_clear_room_is_decrypted(matrix_stage: MatrixStage, web):
    """Whoever forwards a file of an encrypted room sends its key along; the link gives the plain file."""
    romeo, juliet, room = await matrix_stage.together()
    data = picture(40, 40)
    cipher, keys = nio.crypto.attachments.encrypt_attachment(data)
    file = {**keys, "url": await upload(juliet, cipher, "application/octet-stream")}
    await juliet.send(
        room, {"msgtype": "m.image", "body": "rose.png", "file": file, "info": {"mimetype": "image/png"}}
    )
    message = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    async with web.get(message.findtext("body")) as answer:
        assert (await answer.read(), answer.content_type) == (data, "image/png")
    async with web.get(message.findtext("body"), headers={"Range": "bytes=10-19"}) as answer:
        assert await answer.read() == data[10:20]


# ---- from XMPP


def share(romeo, room: str, url: str, body: str = "", payload: str = OOB) -> None:
    """Send a file as most clients do: its address is the body."""
    romeo.send(
        f"<message to='{room}' type='groupchat' id='{romeo.fresh_id()}'>"
        f"<body>{body or url}</body>{payload.format(url)}</message>"
    )


async def test_file_behind_a_link_is_uploaded(matrix_stage: MatrixStage, site: WebSite):
    """What an XMPP user shares is a picture on Matrix, with all that is known of it; what follows waits for it."""
    romeo, juliet, room = await matrix_stage.together()
    data = picture(7, 5)
    site.files["/balcony%20at%20night.png"] = ("image/png", data)
    site.files["/balcony at night.png"] = ("image/png", data)
    url = f"{site.url}/balcony%20at%20night.png"
    share(romeo, matrix_stage.room, url)
    romeo.say(matrix_stage.room, "see?")
    event = await juliet.find("m.room.message", room=room)
    content = event["content"]
    assert event["sender"] == matrix_stage.ghost("romeo")
    assert (content["msgtype"], content["body"]) == ("m.image", "balcony at night.png")
    assert content["info"] == {"mimetype": "image/png", "size": len(data), "w": 7, "h": 5}
    assert await download(juliet, content["url"]) == data
    assert (await juliet.find("m.room.message", room=room))["content"]["body"] == "see?"
    own = await romeo.message(frm=f"{matrix_stage.room}/romeo")
    assert own.findtext("body") == of(own, "oob:x/oob:url/text()") == url
    assert value(own, "sid:stanza-id/@id") == event["event_id"]


async def test_words_of_a_shared_file_are_its_caption(matrix_stage: MatrixStage, site: WebSite):
    """Stateless file sharing says what the file is called; an address in the body is not said twice."""
    romeo, juliet, room = await matrix_stage.together()
    site.files["/4711"] = ("image/png", picture())
    url = f"{site.url}/4711"
    sfs = (
        "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><name>rose.png</name></file>"
        "<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{0}'/></sources></file-sharing>"
    )
    share(romeo, matrix_stage.room, url, f"a rose\n{url}", sfs)
    content = (await juliet.find("m.room.message", room=room))["content"]
    assert (content["msgtype"], content["body"], content["filename"]) == ("m.image", "a rose", "rose.png")
    assert (await romeo.message(frm=f"{matrix_stage.room}/romeo")).findtext("body") == f"a rose\n{url}"


async def test_other_xmpp_users_get_a_link_of_ours(matrix_stage: MatrixStage, site: WebSite, web):
    """They need not reach, nor be seen by, the server where the file was."""
    romeo, _, _ = await matrix_stage.together()
    nurse = await matrix_stage.on_xmpp("nurse")
    await nurse.join(matrix_stage.room, "nurse")
    data = picture(9, 9)
    site.files["/9.png"] = ("image/png", data)
    share(romeo, matrix_stage.room, f"{site.url}/9.png")
    url = (await nurse.message(frm=f"{matrix_stage.room}/romeo")).findtext("body")
    assert url.startswith(matrix_stage.bridge.url)
    async with web.get(url) as answer:
        assert await answer.read() == data


async def test_link_that_the_guard_refuses_is_sent_as_text(matrix_stage: MatrixStage, site: WebSite):
    """A server that only the gateway can reach is never asked, also not by way of another one."""
    romeo, juliet, room = await matrix_stage.together()
    inside = WebSite(free_port(), {"/secret.png": ("image/png", picture())})
    await inside.start()
    try:
        site.files["/moved.png"] = f"{inside.url}/secret.png"
        for url in (f"{inside.url}/secret.png", f"{site.url}/moved.png"):
            share(romeo, matrix_stage.room, url)
            content = (await juliet.find("m.room.message", room=room))["content"]
            assert (content["msgtype"], content["body"]) == ("m.text", url)
            assert (await romeo.message(frm=f"{matrix_stage.room}/romeo")).findtext("body") == url
    finally:
        await inside.stop()
    assert inside.asked == []


@pytest.mark.parametrize("what", ["gone", "page", "too large"])
async def test_what_cannot_be_uploaded_is_sent_as_a_link(matrix_stage: MatrixStage, site: WebSite, what: str):
    """Nothing is lost: a file that is not there, a page, and what is too large stay what they are."""
    romeo, juliet, room = await matrix_stage.together()
    site.files["/page"] = ("text/html", b"<html>")
    site.files["/large.bin"] = ("application/octet-stream", bytes(MAX_FILE + 1))
    url = site.url + {"gone": "/gone.png", "page": "/page", "too large": "/large.bin"}[what]
    share(romeo, matrix_stage.room, url)
    assert (await juliet.find("m.room.message", room=room))["content"]["body"] == url


async def test_type_is_what_the_bytes_say(matrix_stage: MatrixStage, site: WebSite):
    """A header that lies is not believed."""
    romeo, juliet, room = await matrix_stage.together()
    site.files["/page.png"] = ("image/png", b"<script>alert(1)</script>")
    site.files["/picture.bin"] = ("text/plain", picture())
    for path, kind in (("/page.png", "m.file"), ("/picture.bin", "m.image")):
        share(romeo, matrix_stage.room, site.url + path)
        assert (await juliet.find("m.room.message", room=room))["content"]["msgtype"] == kind


# ---- XEP-0363


async def slot(romeo, stage: MatrixStage, size: int, kind: str = "image/png"):
    """Ask for a slot."""
    request = f"<request xmlns='{NS_UPLOAD}' filename='rosé.png' size='{size}' content-type='{kind}'/>"
    return await romeo.iq(stage.bridge.domain, request)


def put_of(answer) -> tuple[str, dict[str, str]]:
    """Where to put it, and with which header."""
    header = of(answer, "up:slot/up:put/up:header[@name='Authorization']/text()")
    return of(answer, "up:slot/up:put/@url"), {"Authorization": header, "Content-Type": "image/png"}


async def test_upload_service_is_found_and_used(matrix_stage: MatrixStage, web):
    """A file put into a slot is on the homeserver, is shared without being fetched, and its link works."""
    romeo, juliet, room = await matrix_stage.together()
    info = await romeo.result(
        matrix_stage.bridge.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    )
    assert value(info, f"*/discoinfo:feature[@var='{NS_UPLOAD}']/@var")
    limit = value(info, "*/data:x/data:field[@var='max-file-size']/data:value/text()")
    assert limit == str(MAX_FILE)
    data = picture(11, 12)
    answer = await slot(romeo, matrix_stage, len(data))
    url, headers = put_of(answer)
    link = of(answer, "up:slot/up:get/@url")
    async with web.put(url, data=data, headers=headers) as put:
        assert put.status == 201
    async with web.get(link) as got:
        assert (await got.read(), got.content_type) == (data, "image/png")
    share(romeo, matrix_stage.room, link)
    content = (await juliet.find("m.room.message", room=room))["content"]
    assert (content["msgtype"], content["body"]) == ("m.image", "rosé.png")
    assert content["info"] == {"mimetype": "image/png", "size": len(data), "w": 11, "h": 12}
    assert await download(juliet, content["url"]) == data
    async with web.put(url, data=data, headers=headers) as put:
        assert put.status == 409


async def test_slot_takes_what_it_is_for_only(matrix_stage: MatrixStage, web):
    """Another length, another type, no leave, and too large a file are refused."""
    romeo = await matrix_stage.on_xmpp("romeo")
    data = picture()
    url, headers = put_of(await slot(romeo, matrix_stage, len(data)))
    for changed, body, status in (
        (headers, data + b"x", 413),
        (headers, data[:-1], 400),
        ({**headers, "Content-Type": "text/html"}, data, 400),
        ({"Content-Type": "image/png"}, data, 403),
        ({**headers, "Authorization": headers["Authorization"][:-4]}, data, 403),
    ):
        async with web.put(url, data=body, headers=changed) as put:
            assert put.status == status
    answer = await slot(romeo, matrix_stage, MAX_FILE + 1)
    assert of(answer, "error/up:file-too-large/up:max-file-size/text()") == str(MAX_FILE)
    async with web.put(url, data=data, headers=headers) as put:
        assert put.status == 201


async def test_transfers_of_many_do_not_disturb_talk(matrix_stage: MatrixStage, web):
    """While files are being fetched, words pass."""
    message, data = await shown(matrix_stage)
    url = message.findtext("body")

    async def read() -> bytes:
        async with web.get(url) as answer:
            return await answer.read()

    assert await asyncio.gather(*(read() for _ in range(20))) == [data] * 20
