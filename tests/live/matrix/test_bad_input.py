"""What nobody should send, sent to a running gateway: it is refused or skipped, and everything goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import nio
import pytest

from bridge.xmpp.jid import unescape
from tests.live.cast.stanzas import Pattern, value
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_portals import hears
from transports.matrix.config import MatrixConfig

DEEP = b'{"event_id":"$deep","content":' + b"[" * 9_000 + b"]" * 9_000 + b"}"
MALFORMED = [b"", b"[]", b"{", b"\xff\xfe"]
CONTENTS: list[Any] = [
    {},
    {"body": {"a": [1]}, "msgtype": 7},
    {"msgtype": "m.text", "body": "\ufffe\u202e\U0010ffff\u0301" * 200},
    {"msgtype": "m.text", "body": "x", "format": "org.matrix.custom.html", "formatted_body": "<b>" * 9_000},
    {"msgtype": "m.text", "body": "x", "m.relates_to": {"rel_type": "m.replace", "event_id": []}},
    {"msgtype": "m.image", "body": "x" * 30_000, "url": "mxc://../../etc/passwd", "info": [1]},
    {"msgtype": "m.text", "body": "x", "m.mentions": {"user_ids": ["@a:b"] * 2_000}},
    {"msgtype": "m.text", "body": "x", "deep": json.loads("[" * 90 + "]" * 90)},
]
TYPES = [
    "m.room.message",
    "m.sticker",
    "m.reaction",
    "m.poll.start",
    "m.room.encrypted",
    "org.example.\u202ex",
]


@pytest.fixture
def web(loop: asyncio.AbstractEventLoop) -> Iterator[aiohttp.ClientSession]:
    """Somebody who speaks HTTP."""
    made = loop.run_until_complete(_web())
    yield made
    loop.run_until_complete(made.close())


async def _web() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def push(web: aiohttp.ClientSession, config: MatrixConfig, body: bytes, token: str = "") -> int:
    """Push a transaction as the homeserver does; return the status of the answer."""
    url = f"http://{config.listen}/_matrix/app/v1/transactions/bad{id(body)}"
    headers = {"Authorization": f"Bearer {token or config.hs_token.reveal()}"}
    async with web.put(url, data=body, headers=headers) as answer:
        return answer.status


async def test_transactions_of_strangers_and_of_madmen(
    matrix_stage: MatrixStage, gateway_config: MatrixConfig, web: aiohttp.ClientSession
):
    """Without the token nothing is read; with it, what can be read is taken, and the rest is skipped."""
    romeo, juliet, room = await matrix_stage.together()
    ghost, other = matrix_stage.ghost("romeo"), f"@_jabber_romeo=40:{matrix_stage.synapse.server_name}"
    body = {"msgtype": "m.text", "body": "hear me"}
    said = {"type": "m.room.message", "room_id": room, "origin_server_ts": 1, "content": body}
    events = [
        {**said, "sender": other, "event_id": "$1", "type": {}},
        {**said, "sender": 7, "event_id": "$2"},
        {**said, "sender": ghost, "event_id": "$3", "state_key": [], "type": "m.room.member"},
        {**said, "sender": juliet.id, "event_id": "$4", "content": None},
        {**said, "sender": juliet.id, "event_id": "$5", "type": "m.room.power_levels", "state_key": "x"},
    ]
    for token in ("wrong", "as-token"):
        assert await push(web, gateway_config, json.dumps({"events": events}).encode(), token) == 403
    for malformed in MALFORMED:
        assert await push(web, gateway_config, malformed) == 400
    last = json.dumps({**said, "sender": juliet.id, "event_id": "$6"}).encode()
    written = b",".join([*(json.dumps(event).encode() for event in events), DEEP, b'"\xff"', last])
    assert await push(web, gateway_config, b'{"events":[' + written + b"]}") == 200
    await hears(romeo, matrix_stage.room, "Juliet", "hear me")
    await juliet.say(room, "still here")
    await hears(romeo, matrix_stage.room, "Juliet", "still here")
    log = matrix_stage.bridge.daemon.output()
    assert all(f"the event {name} is skipped" in log for name in ("$1", "$2", "$3", "$deep"))


async def test_transaction_above_the_limit_is_refused(
    matrix_stage: MatrixStage, gateway_config: MatrixConfig, web: aiohttp.ClientSession
):
    """It is neither kept nor read, and the next is taken."""
    romeo, juliet, room = await matrix_stage.together()
    body = b'{"events":[]}' + b" " * gateway_config.max_transaction
    assert await push(web, gateway_config, body) == 413
    await juliet.say(room, "still here")
    await hears(romeo, matrix_stage.room, "Juliet", "still here")
    assert "a transaction of more than" in matrix_stage.bridge.daemon.output()


STRANGE = [
    "Ünï☃code",
    "\u202eevil",
    "a'\"<&>",
    "/\\",
    "=40=zz",
    "_jabber_{romeo}",
    "x" * 230,
    "\U0001f339",
    "%#",
]
"""Names of users as servers of old, or of no manners, have them; `{romeo}` is what his ghost is called by."""


async def test_people_with_any_name_come_and_talk(
    matrix_stage: MatrixStage, gateway_config: MatrixConfig, web: aiohttp.ClientSession
):
    """Each is an occupant with an address that leads back to him, also who is called like a ghost of ours."""
    romeo, _, room = await matrix_stage.together()
    local = matrix_stage.ghost("romeo")[len("@_jabber_") :].partition(":")[0]
    for number, written in enumerate(STRANGE):
        who = f"@{written.replace('{romeo}', local)}:evil.example"
        common = {"room_id": room, "sender": who, "origin_server_ts": 9_000_000_000_000}
        come = {**common, "type": "m.room.member", "state_key": who, "event_id": f"$come{number}{room[1:9]}"}
        come["content"] = {"membership": "join"}
        said = {**common, "type": "m.room.message", "event_id": f"$said{number}{room[1:9]}"}
        said["content"] = {"msgtype": "m.text", "body": f"words {number}"}
        assert await push(web, gateway_config, json.dumps({"events": [come, said]}).encode()) == 200
        seen = await romeo.mailbox.find(Pattern("presence", has="mucuser:x/mucuser:item/@jid"))
        address = value(seen, "mucuser:x/mucuser:item/@jid").partition("@")[0]
        assert read_jid(address) == who
        heard = await romeo.mailbox.find(Pattern("message", body=f"words {number}"))
        assert heard.get("from") == seen.get("from")


def read_jid(local: str) -> str:
    """Return whose address it is: XEP-0106, and bytes by two digits."""
    written = unescape(local).encode("utf-8")
    read = re.sub(
        rb"\\(\\|[0-9a-f]{2})",
        lambda match: b"\\" if match[1] == b"\\" else bytes.fromhex(match[1].decode()),
        written,
    )
    return read.decode()


async def test_events_of_madmen_through_the_homeserver(matrix_stage: MatrixStage):
    """Whatever it lets through: the room and its people stay as they are."""
    romeo, juliet, room = await matrix_stage.together()
    answers = [await juliet.client.room_send(room, kind, each) for kind in TYPES for each in CONTENTS]
    assert sum(isinstance(answer, nio.RoomSendResponse) for answer in answers) > len(answers) / 2
    for kind in ("m.room.topic", "m.room.name", "m.room.canonical_alias", "m.room.avatar", "org.example.x"):
        await juliet.client.room_put_state(room, kind, {"topic": [], "name": {}, "alias": 7, "url": None})
    await juliet.say(room, "still here")
    await hears(romeo, matrix_stage.room, "Juliet", "still here")
    romeo.say(matrix_stage.room, "me too")
    await juliet.hears(room, "me too", sender=matrix_stage.ghost("romeo"))


async def test_ghosts_of_nobody_are_not_made(matrix_stage: MatrixStage):
    """An id in our namespace that stands for no JID is nobody's, and is told so."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    server = matrix_stage.synapse.server_name
    for name in ("", "=zz", "=ff", "romeo", "a=40b=40c", "==abc", "=00=40x", "a=40" + "b" * 200):
        who = f"@_jabber_{name}:{server}"
        profile = await juliet.client.get_profile(who)
        assert isinstance(profile, nio.ProfileGetError), who
        await juliet.client.room_invite(room, who)
    await juliet.say(room, "anybody?")
