"""People who chat by MSRP: text and sockets, which share no code with the gateway."""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from dataclasses import dataclass

from tests.live.peers.daemon import HOST

TIMEOUT = 15.0
END = re.compile(rb"-------(\S+?)([$+#])\r\n")


@dataclass
class Frame:
    """What came: start line, fields by their names in lower case, body."""

    start: str
    fields: dict[str, str]
    body: str


class Chatter:
    """One end of a chat, at `uri`; it listens, or connects to the other end. It answers and reports by itself."""

    def __init__(self, host: str = HOST) -> None:
        self.host, self.port, self.is_secure = host, 0, False
        self._id = secrets.token_hex(8)
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._heard: asyncio.Queue[Frame] = asyncio.Queue()
        self.reports: asyncio.Queue[Frame] = asyncio.Queue()
        self.responses: asyncio.Queue[Frame] = asyncio.Queue()
        self.back = ""
        """The path to who spoke last."""

    @property
    def uri(self) -> str:
        return f"{'msrps' if self.is_secure else 'msrp'}://{self.host}:{self.port or 9}/{self._id};tcp"

    def sdp(self, relay: str = "") -> str:
        """Describe it, behind a relay if there is one."""
        protocol = "TCP/TLS/MSRP" if self.is_secure else "TCP/MSRP"
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=message {self.port or 9} {protocol} *\r\na=accept-types:message/cpim text/*\r\n"
            f"a=path:{relay} {self.uri}\r\n".replace("path: ", "path:")
        )

    async def listen(self) -> None:
        """Wait for who connects."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writer = writer
            await self._read(reader)

        self._server = await asyncio.start_server(serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def connect(self, description: str, trust: ssl.SSLContext | None, name: str) -> None:
        """Connect to where a description says that the other end is."""
        found = re.search(r"a=path:(msrps?://([^:]+):(\d+)/\S+)", description)
        assert found is not None, description
        self.back = found[1]
        reader, self._writer = await asyncio.open_connection(
            found[2],
            int(found[3]),
            ssl=trust,
            server_hostname=name if trust else None,
            local_addr=(self.host, 0),
        )
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        data = b""
        while received := await reader.read(65536):
            data += received
            while (end := END.search(data)) is not None:
                self._take(data[: end.start()].decode())
                data = data[end.end() :]

    def _take(self, text: str) -> None:
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.rstrip().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        frame = Frame(start, fields, body.removesuffix("\r\n"))
        kind = start.split(" ")[2]
        if kind == "REPORT":
            self.reports.put_nowait(frame)
        elif kind != "SEND":
            self.responses.put_nowait(frame)
        else:
            self.back = fields["from-path"]
            if fields.get("failure-report") != "no":
                nearest = self.back.split(" ")[0]
                self._write(start.split(" ")[1], "200 OK", nearest)
            if body:
                self._heard.put_nowait(frame)
            if fields.get("success-report") == "yes":
                self._write(
                    secrets.token_hex(8),
                    "REPORT",
                    self.back,
                    f"Message-ID: {fields['message-id']}",
                    f"Byte-Range: {fields['byte-range']}",
                    "Status: 000 200 OK",
                )

    def _write(self, id: str, start: str, to: str, *fields: str, body: str = "", flag: str = "$") -> None:
        assert self._writer is not None
        lines = [f"MSRP {id} {start}", f"To-Path: {to}", f"From-Path: {self.uri}", *fields]
        if body:
            lines += ["Content-Type: text/plain", "", body]
        self._writer.write("\r\n".join([*lines, f"-------{id}{flag}", ""]).encode())

    def say(self, text: str, *, size: int = 10) -> None:
        """Say something in chunks of `size` letters of ASCII, and want to know whether it is delivered."""
        message = secrets.token_hex(8)
        for start in range(0, len(text), size):
            part = text[start : start + size]
            end = start + len(part)
            fields = (
                f"Message-ID: {message}",
                f"Byte-Range: {start + 1}-{end}/{len(text)}",
                "Success-Report: yes",
            )
            flag = "$" if end == len(text) else "+"
            self._write(secrets.token_hex(8), "SEND", self.back, *fields, body=part, flag=flag)

    async def hears(self) -> Frame:
        """Wait for what is said."""
        return await asyncio.wait_for(self._heard.get(), TIMEOUT)

    async def reported(self) -> Frame:
        """Wait for a report."""
        return await asyncio.wait_for(self.reports.get(), TIMEOUT)

    def close(self) -> None:
        """Go."""
        for one in (self._writer, self._server):
            if one is not None:
                one.close()
        if self._reading is not None:
            self._reading.cancel()
