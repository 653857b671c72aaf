"""Calls by sipp: scenarios put together from steps, on either end of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.peers.daemon import HOST, find_program, free_port

SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="call">
{steps}
<Reference variables="{variables}"/>
</scenario>
"""
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a={direction}
"""
EMPTY = "Content-Length: 0\n"
OWN = "Contact: <sip:sipp@[local_ip]:[local_port]>"
VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"
LEARN = (
    '<ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="them"/>'
    '<ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="us"/>'
)
"""Remembers who calls, in a step that receives an INVITE."""
SENDER = "sip:sipp@[local_ip]"
UDP_SOCKETS = Path("/proc/net/udp")
GLANCE = 0.02
"""Seconds between two looks at them."""


def sdp(direction: str = "sendrecv", version: int = 1, port: int = 29998) -> str:
    """Write fields and body of a description."""
    return SDP.format(direction=direction, version=version, port=port)


def send(*lines: str, is_resent: bool = True) -> str:
    """Send a message; the last of its lines is what ends its head, with its body."""
    again = ' retrans="500"' if is_resent else ""
    text = "\n".join(lines)
    return f"<send{again}><![CDATA[\n{text}\n]]></send>\n"


def receive(what: str, inside: str = "", *, is_optional: bool = False) -> str:
    """Wait for a response, by its status, or a request, by its method."""
    kind = "response" if what.isdecimal() else "request"
    maybe = ' optional="true"' if is_optional else ""
    return f'<recv {kind}="{what}" rrs="true"{maybe}><action>{inside}</action></recv>\n'.replace(
        "<action></action>", ""
    )


def says(pattern: str) -> str:
    """Check that what comes has this in it."""
    return f'<ereg regexp="{pattern}" search_in="msg" check_it="true" assign_to="seen"/>'


def respond(status: str, *fields: str, body: str = EMPTY, is_resent: bool = False) -> str:
    """Answer the request that came last."""
    return send(
        *(f"SIP/2.0 {status}", "[last_Via:]", "[last_From:]", "[last_To:];tag=[call_number]"),
        *("[last_Call-ID:]", "[last_CSeq:]", "[last_Record-Route:]", OWN, *fields, body),
        is_resent=is_resent,
    )


def confirm(body: str = EMPTY) -> str:
    """Answer the request of the dialog that came last by 200."""
    lines = ("SIP/2.0 200 OK", "[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]")
    return send(*lines, OWN, body, is_resent=False)


def invite(uri: str, *fields: str, body: str | None = None) -> str:
    """Call somebody."""
    ends = (f"From: <{SENDER}>;tag=[call_number]", f"To: <{uri}>", "Call-ID: [call_id]", "CSeq: 1 INVITE")
    return send(f"INVITE {uri} SIP/2.0", VIA, *ends, "Max-Forwards: 70", OWN, *fields, body or sdp())


def cancel(uri: str) -> str:
    """Give the call up."""
    ends = (f"From: <{SENDER}>;tag=[call_number]", f"To: <{uri}>", "Call-ID: [call_id]", "CSeq: 1 CANCEL")
    return send(f"CANCEL {uri} SIP/2.0", "[last_Via:]", *ends, "Max-Forwards: 70", EMPTY)


def give_up(uri: str) -> str:
    """Acknowledge that a call was refused."""
    ends = (f"From: <{SENDER}>;tag=[call_number]", f"To: <{uri}>[peer_tag_param]")
    lines = (f"ACK {uri} SIP/2.0", "[last_Via:]", *ends, "Call-ID: [call_id]", "CSeq: 1 ACK")
    return send(*lines, "Max-Forwards: 70", EMPTY, is_resent=False)


def ask(method: str, number: int, to: str, *fields: str, body: str = EMPTY) -> str:
    """Send a request in the dialog that we began by calling `to`; ACK too."""
    ends = (f"From: <{SENDER}>;tag=[call_number]", f"To: <{to}>[peer_tag_param]", "Call-ID: [call_id]")
    return _ask(method, number, ends, fields, body)


def ask_back(method: str, number: int, *fields: str, body: str = EMPTY) -> str:
    """Send a request in the dialog that began by a call to us."""
    ends = ("From: [$us];tag=[call_number]", "To: [$them]", "Call-ID: [call_id]")
    return _ask(method, number, ends, fields, body)


def _ask(method: str, number: int, ends: tuple[str, ...], fields: tuple[str, ...], body: str) -> str:
    lines = (f"{method} [next_url] SIP/2.0", VIA, *ends, f"CSeq: {number} {method}", "[routes]")
    return send(*lines, "Max-Forwards: 70", OWN, *fields, body, is_resent=method != "ACK")


class Sipp:
    """One run of a scenario."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self._folder = process, folder

    async def done(self) -> None:
        """Wait until its call has gone as the scenario says."""
        output, _ = await self._process.communicate()
        errors = "".join(one.read_text(errors="replace") for one in self._folder.glob("*_errors.log"))
        assert self._process.returncode == 0, (errors or output.decode(errors="replace"))[-3000:]


async def _is_bound(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until it hears at its port, or has ended."""
    mark = f":{port:04X} "
    while port and process.returncode is None and mark not in UDP_SOCKETS.read_text():
        await asyncio.sleep(GLANCE)


@asynccontextmanager
async def sipp(
    folder: Path, gateway: int, *steps: str, port: int = 0, host: str = HOST
) -> AsyncIterator[Sipp]:
    """Run a scenario at an address and port, a free one for 0; it calls the gateway, or waits for a call."""
    folder.mkdir(exist_ok=True)
    text = "".join(steps)
    used = [name for name in ("them", "us", "seen") if f'assign_to="{name}"' in text]
    written = SCENARIO.format(steps=text, variables=",".join(used))
    if not used:
        written = written.replace('<Reference variables=""/>\n', "")
    (folder / "call.xml").write_text(written)
    process = await asyncio.create_subprocess_exec(
        find_program("sipp"),
        *(f"{HOST}:{gateway}", "-i", host, "-p", str(port or free_port()), "-sf", "call.xml", "-m", "1"),
        *("-nostdin", "-timeout", "20s", "-timeout_error", "-trace_err", "-aa", "-mp", str(free_port())),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await _is_bound(process, port)
        yield Sipp(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
