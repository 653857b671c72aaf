"""Calls by sipp through the whole bridge, whose XMPP users take them at once: ``python -m tests.bench.sip.whole``.

Prints the processor's time for each call that is set up and torn down, and the memory of each that is held;
with ``--rtpengine`` its media are described by a real one.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.bench.sip.clients import Clients
from tests.bench.usage import cpu_seconds, resident_bytes
from tests.live.peers.daemon import HOST, find_program, free_port
from tests.live.peers.gateway import SipBridge
from tests.live.peers.rtpengine import Rtpengine

DOMAIN = "xmpp.test"
RATE = 200
"""Calls per second."""
PORTS = 1000
"""Of an rtpengine: enough for calls that end at once."""
SETTLING = 35.0
"""Seconds after which transactions are forgotten."""
LIMITS = {"max_calls": 20_000, "max_calls_per_user": 20_000}


class Bench:
    """The bridge, and both sides of it."""

    def __init__(self, folder: Path, rtpengine: Rtpengine | None) -> None:
        self.folder, self.port, self.component = folder, free_port(), free_port()
        self.clients = Clients(f"sip.{DOMAIN}")
        trunk = {"server": f"sip:{HOST}:9", "domain": "pbx.test", "users": ["*"], "max_calls": 20_000}
        bridge = SipBridge(
            folder,
            f"sip.{DOMAIN}",
            self.component,
            {"domain": "gw.test", "listen": [f"udp {HOST}:{self.port}"], **LIMITS},
            {"bench": trunk},
            {"rtpengine": [rtpengine.address if rtpengine else f"{HOST}:9"]},
            f"admin@{DOMAIN}",
        )
        with bridge.config.open("a") as file:
            file.write("\n[limits]\nstanzas_per_second = 1e9\nstanza_burst = 1000000000\n")
        self.daemon = bridge.daemon
        if rtpengine is None:
            self.daemon.argv = [sys.executable, "-m", "tests.bench.sip.bridge", str(bridge.config)]

    def sipp(self, count: int, pause: int) -> subprocess.Popen[bytes]:
        """Have that many users called, each for `pause` milliseconds."""
        program = find_program("sipp")
        scenario, users = self.folder / "uac.xml", self.folder / "users.csv"
        usual = subprocess.run([program, "-sd", "uac"], capture_output=True, text=True).stdout
        scenario.write_text(usual.replace("[service]", "[field0]"))
        users.write_text(
            "SEQUENTIAL\n" + "".join(f"u{number}%40{DOMAIN};\n" for number in range(max(count, 100)))
        )
        where = (f"{HOST}:{self.port}", "-i", HOST, "-p", str(free_port()))
        amount = ("-r", str(RATE), "-m", str(count), "-l", str(count), "-d", str(pause))
        what = ("-sf", str(scenario), "-inf", str(users), "-nostdin")
        return subprocess.Popen(
            [program, *where, *what, *amount],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )

    async def run(self, brief: int, held: int) -> None:
        """Measure and print."""
        await asyncio.start_server(self.clients.serve, HOST, self.component)
        await asyncio.to_thread(self.daemon.start)
        try:
            if brief:
                await self._brief(brief)
            if held:
                await self._held(held)
        finally:
            self.daemon.close()
            await asyncio.sleep(0.1)

    async def _brief(self, count: int) -> None:
        begun = cpu_seconds(self.daemon.pid)
        calling = self.sipp(count, 0)
        await _until(lambda: calling.poll() is not None)
        assert calling.returncode == 0, self.daemon.tail()
        each = (cpu_seconds(self.daemon.pid) - begun) / count
        print(f"{each * 1000:.2f} ms for each call set up and torn down: {1 / each:,.0f}/s on one core")

    async def _held(self, count: int) -> None:
        before = resident_bytes(self.daemon.pid)
        holding = self.sipp(count, 3_600_000)
        try:
            await _until(lambda: self.clients.calls >= count or holding.poll() is not None)
            await asyncio.sleep(SETTLING)
            each = (resident_bytes(self.daemon.pid) - before) / 1000 / count
            print(f"{self.clients.calls:,} calls held, {each:.1f} kB each")
        finally:
            holding.kill()


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.1)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sip.whole", description=__doc__)
    parser.add_argument("--brief", type=int, default=2000, help="calls that end at once")
    parser.add_argument("--held", type=int, default=5000, help="calls that are held")
    parser.add_argument("--rtpengine", action="store_true", help="have a real one describe media")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xb-sip-")))
        rtpengine = None
        if arguments.rtpengine:
            (folder / "rtpengine").mkdir()
            rtpengine = Rtpengine(folder / "rtpengine", free_port(), PORTS)
            rtpengine.daemon.start()
            stack.callback(rtpengine.daemon.close)
        asyncio.run(Bench(folder, rtpengine).run(arguments.brief, arguments.held))


if __name__ == "__main__":
    main()
