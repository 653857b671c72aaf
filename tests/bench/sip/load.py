"""Calls through a whole gateway by sipp: ``python -m tests.bench.sip.load [CALLS]``.

Prints the processor's time for each call that is set up and torn down, and the memory of each that is held.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.live.peers.daemon import HOST, find_program, free_port

RATE = 200
"""Calls per second."""
BRIEF = 2000
"""Calls that end at once."""
HELD = 5000


class Load:
    """A gateway in a process of its own, and what it uses."""

    def __init__(self) -> None:
        self.port = free_port()
        self.gateway = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sip.gateway", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def _read(self) -> str:
        assert self.gateway.stdout is not None
        return self.gateway.stdout.readline()

    @property
    def seconds(self) -> float:
        """Seconds of processor time so far."""
        with open(f"/proc/{self.gateway.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        with open(f"/proc/{self.gateway.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def calls(self) -> int:
        """Calls that stand now."""
        assert self.gateway.stdin is not None
        self.gateway.stdin.write("\n")
        self.gateway.stdin.flush()
        return int(self._read())

    def sipp(self, count: int, pause: int) -> subprocess.Popen[bytes]:
        """Have that many calls made, each of which is held for `pause` milliseconds."""
        where = (f"{HOST}:{self.port}", "-i", HOST, "-p", str(free_port()))
        amount = ("-r", str(RATE), "-m", str(count), "-l", str(count), "-d", str(pause))
        whom = ("-sn", "uac", "-s", "romeo%40example.org", "-nostdin")
        return subprocess.Popen(
            [find_program("sipp"), *where, *whom, *amount],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )


def main(held: int) -> None:
    """Measure and print."""
    load = Load()
    try:
        before = load.memory
        holding = load.sipp(held, 3_600_000)
        while load.calls < held and holding.poll() is None:
            time.sleep(0.5)
        time.sleep(35)  # transactions are forgotten by then
        each = (load.memory - before) / 1024 / held
        print(f"{load.calls:,} calls held, {each:.1f} kB each")
        begun = load.seconds
        brief = load.sipp(BRIEF, 0)
        assert brief.wait() == 0, "calls failed"
        spent = (load.seconds - begun) / BRIEF
        print(f"{spent * 1000:.2f} ms for each call set up and torn down: {1 / spent:,.0f}/s on one core")
        holding.kill()
    finally:
        load.gateway.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else HELD)
