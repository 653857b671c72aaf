"""An XMPP server and a homeserver that cost next to nothing, so that what the gateway needs is seen alone."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.live.peers.daemon import HOST

ROOM = "!room:hs.test"
OWNER = "@owner:hs.test"
HEADER = (
    b"HTTP/1.1 200 OK\r\nServer: Synapse/1.163.0\r\nContent-Type: application/json\r\n"
    b"Cache-Control: no-cache, no-store, must-revalidate\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date\r\n"
)
BATCH = 100
"""Events of a transaction, as Synapse sends them."""

Event = dict[str, Any]


class XmppSide:
    """Takes the gateway for a component, and counts what it says."""

    def __init__(self) -> None:
        self.bodies = 0
        self.entered = 0
        self.left = 0
        self.slowest = 0.0
        self._pings: dict[int, float] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the one connection."""
        self._writer = writer
        left = b""
        while data := await _some(reader):
            if b"<stream:stream" in data:
                writer.write(
                    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' from='mx.test' "
                    b"xmlns:stream='http://etherx.jabber.org/streams' id='x'>"
                )
            if b"<handshake" in data:
                writer.write(b"<handshake/>")
            # a stanza may be cut anywhere
            whole, cut, left = (left + data).rpartition(b">")
            self._read(whole + cut)

    def _read(self, text: bytes) -> None:
        self.bodies += text.count(b"</body>")
        if b"code='110'" in text:
            own = [stanza for stanza in text.split(b"<presence ") if b"code='110'" in stanza]
            left = sum(b"type='unavailable'" in stanza for stanza in own)
            self.left += left
            self.entered += len(own) - left
        for found in re.finditer(rb"<iq [^>]*id='ping(\d+)'", text):
            self.slowest = max(self.slowest, time.monotonic() - self._pings.pop(int(found[1])))

    def write(self, stanza: str) -> None:
        """Say something to the gateway."""
        assert self._writer is not None
        self._writer.write(stanza.encode())

    async def ping(self, domain: str) -> None:
        """Ping it until cancelled; `slowest` has the longest time to an answer, in seconds."""
        for number in itertools.count():
            self._pings[number] = time.monotonic()
            who = f"from='bystander@xmpp.test/a' to='{domain}' type='get' id='ping{number}'"
            self.write(f"<iq {who}><ping xmlns='urn:xmpp:ping'/></iq>")
            await asyncio.sleep(0.01)


class MatrixSide:
    """A homeserver with one room, that agrees to everything and pushes what happens."""

    def __init__(self, token: str, members: int) -> None:
        self.said = 0
        self._token = token
        self._numbers = itertools.count()
        self._waiting: list[Event] = []
        self._woken = asyncio.Event()
        rules = [
            ("m.room.create", {"room_version": "10", "creator": OWNER}),
            ("m.room.power_levels", {"users": {OWNER: 100}}),
            ("m.room.join_rules", {"join_rule": "public"}),
        ]
        self._state = {kind: self._encoded(self.event(kind, OWNER, content, "")) for kind, content in rules}
        for number in range(members):
            self._member(f"@member{number}:hs.test", f"Member {number}")

    def event(self, kind: str, sender: str, content: Mapping[str, object], key: str | None = None) -> Event:
        """Make an event as Synapse pushes them."""
        id, now = f"$e{next(self._numbers):042d}", int(time.time() * 1000)
        made: Event = {"type": kind, "room_id": ROOM, "sender": sender, "event_id": id, "user_id": sender}
        made |= {"origin_server_ts": now, "content": content, "unsigned": {"age": 5}, "age": 5}
        return made if key is None else {**made, "state_key": key}

    @staticmethod
    def _encoded(event: Event) -> bytes:
        return json.dumps(event).encode()

    def _member(self, user: str, name: str) -> Event:
        content = {"membership": "join", "displayname": name}
        joined = self.event("m.room.member", user, content, user)
        self._state[user] = self._encoded(joined)
        return joined

    def _gone(self, user: str) -> Event:
        self._state.pop(user, None)
        return self.event("m.room.member", user, {"membership": "leave"}, user)

    def push(self, event: Event) -> None:
        """Have the gateway told of an event."""
        self._waiting.append(event)
        self._woken.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                answer = self._answer(head.split(b" ", 2)[1].decode(), body)
                writer.write(HEADER + b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, target: str, body: bytes) -> bytes:
        parts = urlsplit(target)
        path, user = unquote(parts.path), parse_qs(parts.query).get("user_id", ["@gateway:hs.test"])[0]
        if path.endswith("/state"):
            return b"[" + b",".join(self._state.values()) + b"]"
        answer: Mapping[str, object] = {"user_id": user, "duration_ms": 1, "chunk": []}
        if "/send/" in path:
            said = self.event("m.room.message", user, json.loads(body))
            self.said += 1
            self.push(said)
            answer = {"event_id": said["event_id"]}
        elif "/join/" in path:
            self.push(self._member(user, json.loads(body).get("displayname", "")))
            answer = {"room_id": ROOM}
        elif path.endswith("/leave"):
            self.push(self._gone(user))
        return json.dumps(answer).encode()

    async def deliver(self, port: int) -> None:
        """Send transactions, one after the other, until cancelled."""
        reader, writer = await asyncio.open_connection(HOST, port)
        for number in itertools.count(1):
            while not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            events, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            body = json.dumps({"events": events}).encode()
            writer.write(
                b"PUT /_matrix/app/v1/transactions/%d HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: Bearer %s\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % (number, HOST.encode(), port, self._token.encode(), len(body))
                + body
            )
            await reader.readuntil(b"{}")


async def _some(reader: asyncio.StreamReader) -> bytes:
    """Return what came, nothing at the end, however that comes."""
    try:
        return await reader.read(1 << 16)
    except ConnectionError:
        return b""
