"""People on SIP: phones of text and sockets, which share no code with the gateway."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import cast

from tests.live.peers.daemon import HOST

TIMEOUT = 15.0
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length", "m": "contact"}


@dataclass
class SipMessage:
    """What came: start line, fields by their names in lower case (the first of each), body."""

    start: str
    fields: dict[str, str]
    body: str
    head: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0


def read(data: bytes) -> SipMessage:
    """Cut up a message."""
    head, _, body = data.decode().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields.setdefault(COMPACT.get(name, name), value.strip())
    return SipMessage(start, fields, body, lines)


def proof_for(
    challenged: SipMessage,
    user: str,
    password: str,
    method: str,
    uri: str,
    count: int = 1,
    /,
    *,
    algorithm: str = "MD5",
    **forged: str,
) -> str:
    """Answer the challenge of a 401; `forged` are parts that are said otherwise than they are proved."""
    assert challenged.status == 401, challenged.start
    lines = [one for one in challenged.head if one.startswith("WWW-Authenticate:")]
    lines = [one for one in lines if ("SHA-256" in one) is (algorithm == "SHA-256")]
    function = {"MD5": md5, "SHA-256": sha256}[algorithm]
    given = dict(re.findall(r'(\w+)="([^"]*)"', lines[0]))

    def digest(*parts: str) -> str:
        return function(":".join(parts).encode()).hexdigest()

    nc = f"{count:08x}"
    secret = digest(user, given["realm"], password)
    proof = digest(secret, given["nonce"], nc, "c", "auth", digest(method, uri))
    said = {"username": user, "realm": given["realm"], "nonce": given["nonce"], "uri": uri, **forged}
    quoted = ", ".join(f'{name}="{value}"' for name, value in said.items())
    return f'Authorization: Digest {quoted}, response="{proof}", algorithm={algorithm}, qop=auth, nc={nc}, cnonce="c"'


def answer(request: SipMessage, status: str, *more: str, body: str = "") -> bytes:
    """Write a response."""
    lines = [f"SIP/2.0 {status}"]
    for line in request.head:
        if line.partition(":")[0].lower() in ("via", "record-route", "from", "call-id", "cseq"):
            lines.append(line)
        elif line.lower().startswith("to:"):
            lines.append(line if ";tag=" in line else f"{line};tag={secrets.token_hex(4)}")
    return ("\r\n".join([*lines, *more, f"Content-Length: {len(body)}", "", ""]) + body).encode()


class Phone(asyncio.DatagramProtocol):
    """A phone on UDP: ``user@domain``; it answers what comes by what `status_of` says."""

    def __init__(self, user: str, domain: str, server: tuple[str, int]) -> None:
        self.user, self.domain, self.server = user, domain, server
        self.requests: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.status_of: Callable[[SipMessage], str | None] = lambda request: "200 OK"
        self.description = ""
        """How it answers a call."""
        self._responses: dict[str, asyncio.Queue[SipMessage]] = {}
        self._seen: set[str] = set()
        self._number = 0

    async def start(self, host: str = HOST) -> None:
        """Take a port."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.host, self.port = self._transport.get_extra_info("sockname")

    def close(self) -> None:
        """Switch it off."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.strip():
            return
        message = read(data)
        if message.status:
            self._responses[message.fields["call-id"]].put_nowait(message)
            return
        status = self.status_of(message)
        branch = message.fields["via"]
        if status is not None and branch not in self._seen:
            self._seen.add(branch)
            self.requests.put_nowait(message)
        if status is None or message.start.startswith("ACK "):
            return
        taken: tuple[str, ...] = ()
        body = self.description if message.start.startswith("INVITE ") and status.startswith("2") else ""
        if body:
            taken = (f"Contact: <sip:{self.user}@{self.host}:{self.port}>", "Content-Type: application/sdp")
        self._transport.sendto(answer(message, status, *taken, body=body), addr)

    async def hears(self, body: str) -> SipMessage:
        """Wait for a message, and return it."""
        while True:
            message = await asyncio.wait_for(self.requests.get(), TIMEOUT)
            if message.body == body:
                return message

    async def next(self, method: str) -> SipMessage:
        """Wait for a request of a method, and return it."""
        while True:
            message = await asyncio.wait_for(self.requests.get(), TIMEOUT)
            if message.start.startswith(f"{method} "):
                return message

    async def ask(
        self, method: str, uri: str, body: str = "", *more: str, call_id: str = "", sender: str = ""
    ) -> SipMessage:
        """Send a request, and return the final response."""
        call_id = call_id or secrets.token_hex(8)
        self._number += 1
        aor = sender or f"<sip:{self.user}@{self.domain}>"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: {aor};tag={secrets.token_hex(4)}",
            f"To: <{uri if method != 'REGISTER' else aor.strip('<>')}>",
            f"Call-ID: {call_id}",
            f"CSeq: {self._number} {method}",
            *more,
            *(
                ["Content-Type: text/plain"]
                if body and not any("Content-Type" in one for one in more)
                else []
            ),
            f"Content-Length: {len(body.encode())}",
        ]
        responses = self._responses.setdefault(call_id, asyncio.Queue())
        self._transport.sendto(("\r\n".join([*lines, "", ""]) + body).encode(), self.server)
        while True:
            response = await asyncio.wait_for(responses.get(), TIMEOUT)
            if response.status >= 200:
                return response

    async def say(self, user: str, body: str, *more: str, sender: str = "") -> int:
        """Write to a URI, and return the status."""
        return (await self.ask("MESSAGE", user, body, *more, sender=sender)).status

    async def in_dialog(self, method: str, answered: SipMessage, number: int) -> None:
        """Send a request in the dialog that a response has made, and wait for its 200, which ACK has none of."""
        fields = answered.fields
        contact = fields["contact"].partition(">")[0].strip("<")
        lines = [
            f"{method} {contact} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            *([f"Route: {fields['record-route']}"] if "record-route" in fields else []),
            *(f"{name}: {fields[name.lower()]}" for name in ("From", "To", "Call-ID")),
            f"CSeq: {number} {method}",
            "Content-Length: 0",
        ]
        self._transport.sendto("\r\n".join([*lines, "", ""]).encode(), self.server)
        if method != "ACK":
            response = await asyncio.wait_for(self._responses[fields["call-id"]].get(), TIMEOUT)
            assert response.status == 200, response.start

    async def register(self, password: str) -> None:
        """Register, answering the challenge."""
        uri, call_id = f"sip:{self.domain}", secrets.token_hex(8)
        more = (f"Contact: <sip:{self.user}@{self.host}:{self.port}>", "Expires: 600")
        challenged = await self.ask("REGISTER", uri, "", *more, call_id=call_id)
        credentials = proof_for(challenged, self.user, password, "REGISTER", uri)
        assert (await self.ask("REGISTER", uri, "", *more, credentials, call_id=call_id)).status == 200
