"""Load on xmppbridge as a server among servers, and on Prosody and ejabberd to compare.

    python -m tests.bench.federation [--servers xmppbridge,prosody] [--rows c2c,in] [--runs 3]

Starts the servers itself, with configurations alike, on loopback only; plays their components, their
peers and the peers' DNS. Plain sockets and byte counting: nothing is parsed while a clock runs. The
harness keeps to the last core and each server to the first, so that a rate is what one core gives.
Runs of different servers are interleaved and the medians are shown; on a busy machine trust CPU per
stanza first. Messages have bodies of 100 bytes, 2,000 are under way; that each arrived once and in
order is checked after each run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path

from tests.bench.federation.ceiling import ceiling
from tests.bench.federation.figures import FIGURES
from tests.bench.federation.rows import ROWS
from tests.bench.federation.servers import SERVERS, Bridge, Server, Surroundings, pin
from tests.bench.figures import table

Collected = dict[str, dict[str, list[float]]]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.federation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--servers", default=",".join(SERVERS), help="of " + ", ".join(SERVERS))
    parser.add_argument("--rows", default=",".join(ROWS), help="of " + ", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3, help="of the rows that are repeated")
    parser.add_argument("--json", type=Path, help="also write all values to this file")
    parser.add_argument("--ceiling", action="store_true", help="load the harness with itself instead")
    chosen = parser.parse_args()
    for given, known in ((chosen.servers, SERVERS), (chosen.rows, ROWS)):
        if unknown := set(given.split(",")) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


def measure(servers: list[Server], rows: list[str], runs: int) -> Collected:
    """Measure each row on all servers in turn; a row that fails is told, and the next one begins."""
    began = time.monotonic()
    results: Collected = {server.name: defaultdict(list) for server in servers}
    for row in rows:
        measurement, is_repeated = ROWS[row]
        for _ in range(runs if is_repeated else 1):
            for server in servers:
                try:
                    figures = measurement(server)
                except (OSError, RuntimeError, LookupError) as fault:
                    print(f"{row} on {server.name} failed: {fault}", file=sys.stderr)
                    server.drop()
                    server.revive()
                    continue
                for name, value in figures.items():
                    results[server.name][name].append(value)
        print(f"{row} done at {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results


def start(server: Server) -> bool:
    """Start a server; tells why not, if so."""
    try:
        server.start()
    except (OSError, TimeoutError):
        traceback.print_exc(limit=0)
        return False
    return True


def compare(surroundings: Surroundings, names: list[str], rows: list[str], runs: int) -> Collected:
    """Start the servers, measure and end them."""
    servers = [SERVERS[name](surroundings) for name in names]
    try:
        running = [server for server in servers if start(server)]
        pin(os.getpid(), max(os.sched_getaffinity(0)))
        return measure(running, rows, runs)
    finally:
        for server in servers:
            server.daemon.close()


def main() -> None:
    """Measure what is asked for and print the table."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("interrupted"))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        surroundings = Surroundings(Path(folder))
        if chosen.ceiling:
            return print(ceiling(surroundings))
        results = compare(surroundings, chosen.servers.split(","), chosen.rows.split(","), chosen.runs)
        alone = ceiling(surroundings)
        surroundings.close()
    print(f"{table(FIGURES, results, Bridge.name)}\n\nThe harness without a server:\n{alone}")
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))
    return None


if __name__ == "__main__":
    main()
