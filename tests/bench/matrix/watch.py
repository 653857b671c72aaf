"""How long the gateway's reactor keeps somebody waiting: `python -m tests.bench.matrix.watch HOST:PORT TOKEN`.

Asks its web server again and again, in a process of its own, until its input ends; writes the slowest answer
in milliseconds. What servers and clients do meanwhile is not in it.
"""

from __future__ import annotations

import select
import sys
import time
from http.client import HTTPConnection

INTERVAL = 0.01


def main() -> None:
    """Ask, and write what was found."""
    connection = HTTPConnection(sys.argv[1], timeout=60)
    connection.connect()
    headers = {"Authorization": f"Bearer {sys.argv[2]}"}
    slowest = 0.0
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        began = time.monotonic()
        connection.request("POST", "/_matrix/app/v1/ping", b"{}", headers)
        connection.getresponse().read()
        slowest = max(slowest, time.monotonic() - began)
    print(1000 * slowest)


if __name__ == "__main__":
    main()
