"""What the harness alone can carry: its two ends connected with each other, no server between them."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from tests.bench.federation.links import Link
from tests.bench.federation.load import Messages, flood, pace, quantile
from tests.bench.federation.rows import GOOD_RATE, LOCAL, MILLI, PEER, STANZAS, WINDOW
from tests.bench.federation.servers import Surroundings
from tests.live.peers.daemon import HOST


def pair(surroundings: Surroundings, *, tls: bool) -> tuple[Link, Link]:
    """Connect two links with each other."""
    with socket.create_server((HOST, 0)) as listener:
        source = Link.connect(listener.getsockname()[1])
        sink = Link(listener.accept()[0])
    if tls:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(sink.start_tls, surroundings.accepting, server_side=True)
            source.start_tls(surroundings.connecting)
            answer.result()
    return source.unblock(), sink.unblock()


def ceiling(surroundings: Surroundings) -> str:
    """Load the harness with itself and tell the outcome."""
    lines = []
    for tls in (False, True):
        source, sink = pair(surroundings, tls=tls)
        rate = STANZAS / flood(source, sink, Messages(PEER, LOCAL, STANZAS), WINDOW)
        slow = quantile(pace(source, sink, Messages(PEER, LOCAL, GOOD_RATE), GOOD_RATE), 0.99) * MILLI
        source.close()
        sink.close()
        name = "TLS" if tls else "plain"
        lines.append(f"{name}: {rate:,.0f} stanzas/s, p99 at {GOOD_RATE}/s {slow:.2f} ms")
    return "\n".join(lines)
