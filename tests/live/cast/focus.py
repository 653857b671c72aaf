"""A conference of SIP: focus and switch in one, of text and sockets, which share no code with the gateway.

Written from RFC 7702, RFC 4975 and RFC 3261; people of its own are played by the test.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from tests.live.cast.msrp import END, TIMEOUT, Frame
from tests.live.cast.sip import Phone, SipMessage, answer

NS_INFO = "urn:ietf:params:xml:ns:conference-info"


@dataclass
class Member:
    """Somebody in the conference: his URI, his name, and how he is written to; the test's own have no path."""

    uri: str
    nick: str
    path: str = ""
    writer: asyncio.StreamWriter | None = None


@dataclass
class Watcher:
    """A subscription: what its NOTIFYs need."""

    request: SipMessage
    address: tuple[str, int]
    version: int = 0
    number: int = 1
    told: set[str] = field(default_factory=set)


class Focus(Phone):
    """See the module's docstring. `features` is what its a=chatroom says, `contact` what goes with its Contact."""

    features = "nickname private-messages"
    feature = ";isfocus"

    async def open(self, host: str) -> None:
        """Listen for sessions."""
        self.members: dict[str, Member] = {}
        self.watchers: dict[str, Watcher] = {}
        self.subject = ""
        self.refusal = ""
        self.taken: set[str] = set()
        """Nicknames that nobody gets."""
        self.heard: asyncio.Queue[tuple[str, Frame]] = asyncio.Queue()
        self._server = await asyncio.start_server(self._serve, host, 0)
        self.msrp_port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Go, with all sessions."""
        self._server.close()
        self.cut()
        super().close()

    def cut(self) -> None:
        """Break all connections."""
        for member in self.members.values():
            if member.writer is not None:
                member.writer.close()

    def there(self, nick: str, uri: str) -> None:
        """Somebody of its own is in."""
        self.members[uri] = Member(uri, nick)

    # ---- SIP

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        start = data.split(b"\r\n", 1)[0]
        if start.startswith(b"SIP/2.0") or not data.strip():
            super().datagram_received(data, addr)
            return
        head, _, body = data.decode().partition("\r\n\r\n")
        _, *lines = head.split("\r\n")
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), value.strip())
        request = SipMessage(start.decode(), fields, body, lines)
        method = request.start.split(" ")[0]
        branch = fields["via"] + method
        if branch in self._seen:
            return
        self._seen.add(branch)
        self.requests.put_nowait(request)
        if method != "ACK":
            self._act(method, request, addr)

    def _act(self, method: str, request: SipMessage, addr: tuple[str, int]) -> None:
        contact = f"Contact: <sip:{self.user}@{self.host}:{self.port}>{self.feature}"
        call_id = request.fields["call-id"]
        if method == "INVITE" and not self.refusal:
            self._transport.sendto(self._admit(request, contact), addr)
            return
        status = self.refusal if method == "INVITE" else "200 OK"
        more = (contact, f"Expires: {request.fields['expires']}") if method == "SUBSCRIBE" else (contact,)
        self._reply(request, status, addr, *more)
        if method == "BYE":
            self._gone(call_id)
        elif method == "SUBSCRIBE":
            known = self.watchers.get(call_id)
            if known is None:
                known = self.watchers[call_id] = Watcher(request, addr)
            known.told.clear()
            self._notify(known, "active" if request.fields["expires"] != "0" else "terminated")
            if request.fields["expires"] == "0":
                del self.watchers[call_id]

    def _reply(
        self, request: SipMessage, status: str, addr: tuple[str, int], *more: str, body: str = ""
    ) -> None:
        self._transport.sendto(self._response(request, status, *more, body=body), addr)

    def _response(self, request: SipMessage, status: str, *more: str, body: str = "") -> bytes:
        """One dialog, one tag."""
        written = answer(request, status, *more, body=body).decode()
        if ";tag=" not in request.fields["to"]:
            written = re.sub(r"(?m)^(To:.*);tag=\w+", rf"\1;tag={self._tag(request)}", written, count=1)
        return written.encode()

    def _tag(self, request: SipMessage) -> str:
        return "f" + request.fields["call-id"].encode().hex()[:12]

    def _admit(self, request: SipMessage, contact: str) -> bytes:
        found = re.search(r"a=path:(\S+)", request.body)
        sender = re.search(r"<(sip:[^>]*)>", request.fields["from"])
        assert found is not None and sender is not None
        name = re.match(r'"([^"]*)"', request.fields["from"])
        nick = name[1] if name else sender[1]
        self.members[request.fields["call-id"]] = Member(sender[1], nick, found[1])
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=message {self.msrp_port} TCP/MSRP *\r\na=accept-types:message/cpim\r\n"
            "a=accept-wrapped-types:text/plain\r\n"
            f"a=path:{self.uri}\r\na=chatroom:{self.features}\r\n"
        )
        self.invited = request
        return self._response(request, "200 OK", contact, "Content-Type: application/sdp", body=sdp)

    def _gone(self, call_id: str) -> None:
        self.members.pop(call_id, None)
        self.tell()

    def send_away(self, nick: str, *fields: str) -> None:
        """End somebody's session (RFC 3261 §15)."""
        call_id = next(id for id, one in self.members.items() if one.nick == nick)
        self._request("BYE", self.invited, 1, *fields)
        self._gone(call_id)

    def _request(self, method: str, of: SipMessage, number: int, *fields: str, body: str = "") -> None:
        target = re.search(r"<(sip:[^>]*)>", of.fields["contact"])
        assert target is not None
        place = re.search(r"@([\d.]+):(\d+)", target[1])
        assert place is not None
        to = of.fields["to"] if ";tag=" in of.fields["to"] else f"{of.fields['to']};tag={self._tag(of)}"
        lines = [
            f"{method} {target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: {to}",
            f"To: {of.fields['from']}",
            f"Call-ID: {of.fields['call-id']}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:{self.user}@{self.host}:{self.port}>{self.feature}",
            *fields,
            f"Content-Length: {len(body.encode())}",
        ]
        self._responses.setdefault(of.fields["call-id"], asyncio.Queue())
        self._transport.sendto(("\r\n".join([*lines, "", ""]) + body).encode(), (place[1], int(place[2])))

    # ---- who is in (RFC 7702 §5.4)

    def tell(self) -> None:
        """Tell all subscribers what has changed."""
        for watcher in self.watchers.values():
            self._notify(watcher, "active")

    def _notify(self, watcher: Watcher, state: str) -> None:
        people = {one.uri: one.nick for one in self.members.values()}
        is_full = not watcher.told
        users = "".join(
            f"<user entity={quoteattr(uri)} state='full'><display-text>{escape(nick)}</display-text>"
            f"<endpoint entity={quoteattr(uri)}><status>connected</status></endpoint></user>"
            for uri, nick in people.items()
        )
        users += "".join(
            f"<user entity={quoteattr(uri)} state='deleted'/>" for uri in watcher.told - people.keys()
        )
        kind = "full" if is_full else "partial"
        body = (
            f"<conference-info xmlns='{NS_INFO}' version='{watcher.version}' state='{kind}' "
            f"entity='sip:{self.user}@{self.domain}'><conference-description><subject>{escape(self.subject)}"
            f"</subject></conference-description><users state='{kind}'>{users}</users></conference-info>"
        )
        self._request(
            "NOTIFY",
            watcher.request,
            watcher.number,
            "Event: conference",
            f"Subscription-State: {state};expires=600"
            if state == "active"
            else "Subscription-State: terminated",
            "Content-Type: application/conference-info+xml",
            body=body,
        )
        watcher.version += 1
        watcher.number += 1
        watcher.told = set(people)

    # ---- MSRP

    @property
    def uri(self) -> str:
        return f"msrp://{self.host}:{self.msrp_port}/room;tcp"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        while received := await reader.read(65536):
            data += received
            while (end := END.search(data)) is not None:
                self._take(data[: end.start()].decode(), writer)
                data = data[end.end() :]
        writer.close()

    def _take(self, text: str, writer: asyncio.StreamWriter) -> None:
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.rstrip().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        frame = Frame(start, fields, body.removesuffix("\r\n"))
        _, id, kind = start.split(" ")[:3]
        member = next(one for one in self.members.values() if one.path == fields["from-path"])
        member.writer = writer
        if kind == "NICKNAME":
            nick = fields["use-nickname"].strip('"')
            others = {one.nick for one in self.members.values() if one is not member}
            is_free = nick not in others | self.taken
            self._write(member, id, "200 OK" if is_free else "425 Nickname usage failed")
            if is_free:
                member.nick = nick
                self.tell()
        elif kind == "SEND":
            self._write(member, id, "200 OK")
            if body:
                self.heard.put_nowait((member.nick, frame))
                self._pass_on(member, frame.body)

    def _pass_on(self, sender: Member, wrapped: str) -> None:
        """To all but who said it, or to whom it is for; From is his name in the conference."""
        head, _, content = wrapped.partition("\r\n\r\n")
        found = re.search(r"(?m)^To: <([^>]*)>", head)
        assert found is not None
        to = found[1].removesuffix("\r")
        people = [one for one in self.members.values() if one is not sender]
        if to != f"sip:{self.user}@{self.domain}":
            people = [one for one in people if one.uri == to]
        for one in people:
            if one.writer is not None:
                self._send(one, sender, to, content)

    def _send(self, member: Member, sender: Member, to: str, content: str) -> None:
        body = f'From: "{sender.nick}" <{sender.uri}>\r\nTo: <{to}>\r\n\r\n{content}'
        fields = (
            f"Message-ID: {secrets.token_hex(8)}",
            f"Byte-Range: 1-{len(body.encode())}/{len(body.encode())}",
            "Failure-Report: no",
            "Content-Type: message/cpim",
        )
        self._write(member, secrets.token_hex(8), "SEND", *fields, body=body)

    def _write(self, member: Member, id: str, start: str, *fields: str, body: str = "") -> None:
        assert member.writer is not None
        lines = [f"MSRP {id} {start}", f"To-Path: {member.path}", f"From-Path: {self.uri}", *fields]
        lines += ["", body] if body else []
        member.writer.write("\r\n".join([*lines, f"-------{id}$", ""]).encode())

    def says(self, nick: str, text: str, to: str = "") -> None:
        """Have somebody of its own say something to all, or to one."""
        sender = next(one for one in self.members.values() if one.nick == nick)
        target = next((one for one in self.members.values() if one.nick == to), None)
        for one in self.members.values():
            if one.writer is not None and (target is None or one is target):
                address = one.uri if target is not None else f"sip:{self.user}@{self.domain}"
                self._send(one, sender, address, f"Content-Type: text/plain;charset=UTF-8\r\n\r\n{text}")

    async def hears(self) -> tuple[str, Frame]:
        """Wait for what somebody says, and return who and what."""
        return await asyncio.wait_for(self.heard.get(), TIMEOUT)
