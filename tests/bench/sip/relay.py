"""Calls over the embedded relay: ``python -m tests.bench.sip.relay [CALLS [SECONDS]]``.

Each has 50 packets a second each way. Prints the processor's time that the relay's process spends, as calls
for each core, and how long packets took, from one socket of ours to the other. Where other programs use the
machine, those that wait for it are measured as well: `chrt -r 20` in front does away with that.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from itertools import count
from time import perf_counter
from typing import Any

from aioice import Candidate, Connection

from tests.live.peers.daemon import HOST
from transports.sip.media.relay.dtls import Dtls, Identity

PACE = 0.02
"""Seconds between two packets of a stream."""
TICK = 0.001
"""Seconds between two looks at what is to be sent."""
BODY = b"\xff" * 160
"""20 ms of G.711."""


def packet(number: int) -> bytes:
    """Return one of RTP."""
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, 7) + BODY


class Process:
    """The relay."""

    def __init__(self) -> None:
        self._process: Any = None
        self._answers: dict[tuple[str, str], asyncio.Future[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        """Start it."""
        command = (sys.executable, "-m", "transports.sip.media.relay.process", HOST)
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())
        await self.hears("ready", "")

    async def _read(self) -> None:
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            answer = self._answers.get((told["tell"], told["call"]))
            if answer is not None:
                answer.set_result(told)

    async def hears(self, event: str, call: str) -> dict[str, Any]:
        """Wait for an event."""
        answer = self._answers[event, call] = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(answer, 30)

    def say(self, name: str, call: str, **values: object) -> None:
        """Tell it what to do."""
        self._process.stdin.write(json.dumps({"do": name, "call": call, **values}).encode() + b"\n")

    @property
    def seconds(self) -> float:
        """Seconds of processor time so far."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self) -> None:
        """End it."""
        self._process.stdin.close()
        await self._process.wait()


class Stream(asyncio.DatagramProtocol):
    """What one end hears of the other."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.took: list[float] = []
        self.transport: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Note how long it took."""
        sent = self.sent.pop(data[2] << 8 | data[3], None) if 128 <= data[0] < 192 else None
        if sent is not None:
            self.took.append(perf_counter() - sent)


class Call:
    """Both ends of a call: a browser's, as far as the relay can tell, and a phone's."""

    numbers = count(1)

    def __init__(self, process: Process, identity: Identity) -> None:
        self.id = str(next(self.numbers))
        self._process, self._identity = process, identity
        self.phone, self.browser = Stream(), Stream()
        self._ice = Connection(ice_controlling=True)
        self._number = 0
        self._to: tuple[str, int] = (HOST, 0)
        self._protect: Any = None

    async def begin(self) -> None:
        """Set it up."""
        loop = asyncio.get_running_loop()
        self.phone.transport, _ = await loop.create_datagram_endpoint(lambda: self.phone, (HOST, 0))
        self._process.say("open", self.id, is_controlling=False)
        opened = await self._process.hears("opened", self.id)
        self._to = (HOST, opened["port"])
        self._tell(opened, self.phone.transport.get_extra_info("sockname")[1])
        self._ice.remote_username, self._ice.remote_password = opened["ufrag"], opened["password"]
        for candidate in opened["candidates"]:
            await self._ice.add_remote_candidate(Candidate.from_sdp(candidate))
        await self._ice.add_remote_candidate(None)
        await self._ice.gather_candidates()
        for candidate in self._ice.local_candidates:
            self._process.say("candidate", self.id, candidate=candidate.to_sdp())
        self._process.say("candidate", self.id, candidate="")
        await self._ice.connect()
        await self._shake_hands(opened["fingerprint"])
        for protocol in self._ice._protocols:
            stun = protocol.datagram_received
            protocol.datagram_received = lambda data, addr, stun=stun: (  # type: ignore[method-assign]
                self.browser.datagram_received(data, addr) if data[0] > 127 else stun(data, addr)
            )

    def _tell(self, opened: dict[str, Any], port: int) -> None:
        self._process.say("aim", self.id, host=HOST, port=port, rtcp=port + 1, events=[], is_symmetric=False)
        self._process.say(
            "connect",
            self.id,
            ufrag=self._ice.local_username,
            password=self._ice.local_password,
            hash="sha-256",
            fingerprint=self._identity.fingerprint,
            is_client=False,
        )

    async def _shake_hands(self, fingerprint: str) -> None:
        dtls = Dtls(self._identity, is_client=True, hash="sha-256", fingerprint=fingerprint)
        is_done = dtls.receive(b"")
        while not is_done:
            for data in dtls.data_to_send():
                await self._ice.send(data)
            is_done = dtls.receive(await self._ice.recv())
        _, self._protect = dtls.sessions()

    def send(self) -> None:
        """Send one packet each way."""
        self._number += 1
        data, number = packet(self._number), self._number & 0xFFFF
        self.browser.sent[number] = perf_counter()
        self.phone.transport.sendto(data, self._to)
        protected = self._protect.protect(data)
        pair = self._ice._nominated[1]
        self.phone.sent[number] = perf_counter()
        pair.protocol.transport.sendto(protected, pair.remote_addr)

    async def end(self) -> None:
        """Hang up."""
        self.phone.transport.close()
        await self._ice.close()


async def talk(calls: list[Call], seconds: float) -> None:
    """Send in all of them, evenly."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = 0
    while (passed := loop.time() - began) < seconds:
        due = int(passed / PACE * len(calls))
        for number in range(sent, due):
            calls[number % len(calls)].send()
        sent = due
        await asyncio.sleep(TICK)
    await asyncio.sleep(0.5)


async def main(number: int = 100, seconds: int = 10) -> None:
    """Measure and print."""
    process, identity = Process(), Identity()
    await process.start()
    calls = [Call(process, identity) for _ in range(number)]
    for call in calls:
        await call.begin()
    await talk(calls, 1)
    streams = [stream for call in calls for stream in (call.phone, call.browser)]
    for stream in streams:
        stream.took.clear()
        stream.sent.clear()
    before = process.seconds
    await talk(calls, seconds)
    spent = process.seconds - before
    took = sorted(each for stream in streams for each in stream.took)
    lost = sum(len(stream.sent) for stream in streams)
    middle, late = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.999))
    print(
        f"{number} calls: {spent / seconds:.0%} of a core, {number * seconds / spent:,.0f} calls for each core"
    )
    print(
        f"packets took {middle:.2f} ms, 99.9 % of them at most {late:.2f} ms; {lost:,} of {len(took):,} lost"
    )
    for call in calls:
        await call.end()
    await process.stop()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
