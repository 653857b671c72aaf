"""People who are in chat rooms by MSRP (RFC 7701): text and sockets, which share no code with the gateway."""

from __future__ import annotations

import asyncio
import secrets

from tests.live.cast.msrp import TIMEOUT, Chatter


class Chatroom(Chatter):
    """One end of a session with a conference; `sender` is his URI, `room` that of the conference."""

    sender = room = ""

    def sdp(self, relay: str = "") -> str:
        """Describe it, as one that knows rooms."""
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=message {self.port or 9} TCP/MSRP *\r\na=accept-types:message/cpim\r\n"
            f"a=accept-wrapped-types:text/plain\r\na=path:{self.uri}\r\n"
            "a=chatroom:nickname private-messages\r\n"
        )

    def greet(self) -> None:
        """Tell whose connection it is (RFC 4975 §5.4)."""
        fields = (f"Message-ID: {secrets.token_hex(8)}", "Failure-Report: no")
        self._write(secrets.token_hex(8), "SEND", self.back, *fields)

    def post(self, text: str, nick: str = "") -> None:
        """Say something to all, or to one of the room."""
        to = f"{self.room};gr={nick}" if nick else self.room
        body = f"From: <{self.sender}>\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\r\n\r\n{text}"
        fields = (
            f"Message-ID: {secrets.token_hex(8)}",
            f"Byte-Range: 1-{len(body.encode())}/{len(body.encode())}",
            "Success-Report: yes",
            "Content-Type: message/cpim",
            "",
            body,
        )
        assert self._writer is not None
        id = secrets.token_hex(8)
        lines = [f"MSRP {id} SEND", f"To-Path: {self.back}", f"From-Path: {self.uri}", *fields]
        self._writer.write("\r\n".join([*lines, f"-------{id}$", ""]).encode())

    async def name(self, nick: str) -> int:
        """Ask to be called so, and return the status."""
        while not self.responses.empty():
            self.responses.get_nowait()
        id = secrets.token_hex(8)
        self._write(id, "NICKNAME", self.back, f'Use-Nickname: "{nick}"')
        while True:
            answered = await asyncio.wait_for(self.responses.get(), TIMEOUT)
            if answered.start.split(" ")[1] == id:
                return int(answered.start.split(" ")[2])

    async def letter(self) -> tuple[str, str]:
        """Wait for what is said, and return From and the words."""
        frame = await self.hears()
        head, _, content = frame.body.partition("\r\n\r\n")
        sender = next(line for line in head.split("\r\n") if line.startswith("From: "))
        return sender.removeprefix("From: "), content.partition("\r\n\r\n")[2]
