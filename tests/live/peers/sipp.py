"""sipp: many messages at once, some of which are lost on the way, and whatever else a scenario says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.live.peers.daemon import HOST, find_program

SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="messages">
  <send retrans="500" lost="{lost}"><![CDATA[
    MESSAGE {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:sipp@pbx.test>;tag=[call_number]
    To: <{uri}>
    Call-ID: [call_id]
    CSeq: 1 MESSAGE
    Content-Type: text/plain
    Content-Length: [len]

    message [call_number]]]></send>
  <recv response="202" lost="{lost}"/>
</scenario>
"""


async def send_messages(folder: Path, port: int, uri: str, count: int, *, rate: int, lost: int) -> None:
    """Write `count` messages to a URI, `rate` a second; all have to be answered by 202.

    `lost` percent of the datagrams are lost, each way.
    """
    await play(folder, port, SCENARIO.format(uri=uri, lost=lost), "-m", str(count), "-r", str(rate))


async def play(folder: Path, port: int, scenario: str, *options: str, host: str = HOST) -> None:
    """Play a scenario against a port, from an address; each of its calls has to go as it says."""
    file = folder / "scenario.xml"
    file.write_text(scenario)
    process = await asyncio.create_subprocess_exec(
        find_program("sipp"),
        *(f"{HOST}:{port}", "-i", host, "-sf", str(file), *options),
        *("-nostdin", "-timeout", "30s", "-timeout_error"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-3000:]
