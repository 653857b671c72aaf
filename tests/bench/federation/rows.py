"""The measurements. Each returns figures by the names that `tests.bench.federation.figures` declares."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.bench.federation.hostile import ATTACKS, Attacker
from tests.bench.federation.links import Link, Refused, header
from tests.bench.federation.load import Messages, flood, pace, quantile
from tests.bench.federation.servers import COMPONENTS, PEER, UNAUTHENTICATED_SECONDS, Server
from tests.bench.usage import cpu_seconds, proportional_bytes, resident_bytes

Figures = dict[str, float]

STANZAS = 40_000
WINDOW = 2_000
SETUPS = 200
PARALLEL = 4
DOMAINS = 2_000
STRANGERS = 1_000
FIRSTS = 10
GOOD_RATE = 500
ATTACK_SECONDS = 1.0
SETTLE_SECONDS = 3.0
"""Before memory is looked at: what is only needed while data comes is given back by then."""
MICRO, MILLI, MEGA = 1e6, 1e3, 1 << 20
LOCAL, OTHER, THIRD = COMPONENTS


def _flood(server: Server, name: str, source: Link, sink: Link, messages: Messages) -> Figures:
    before = cpu_seconds(server.pid)
    seconds = flood(source, sink, messages, WINDOW)
    used = cpu_seconds(server.pid) - before
    return {f"{name}_rate": messages.count / seconds, f"{name}_cpu": used / messages.count * MICRO}


def _pace(name: str, source: Link, sink: Link, sender: str, receiver: str, rate: float) -> Figures:
    messages = Messages(sender, receiver, int(rate))
    taken = pace(source, sink, messages, rate)
    return {f"{name}_p50": quantile(taken, 0.5) * MILLI, f"{name}_p99": quantile(taken, 0.99) * MILLI}


def idle(server: Server) -> Figures:
    """Measure memory before anything happened."""
    return {"idle_rss": resident_bytes(server.pid) / MEGA}


def component_to_component(server: Server) -> Figures:
    """Load the path between two components."""
    source, sink = server.component(1), server.component(2)
    figures = _flood(server, "c2c", source, sink, Messages(LOCAL, OTHER, STANZAS))
    figures |= _pace("c2c_low", source, sink, LOCAL, OTHER, 500)
    figures |= _pace("c2c_high", source, sink, LOCAL, OTHER, 20_000)
    return figures | {"c2c_rss": resident_bytes(server.pid) / MEGA}


def inbound(server: Server) -> Figures:
    """Load the path from a peer to a component."""
    source, sink = server.stream().unblock(), server.component(1)
    try:
        figures = _flood(server, "in", source, sink, Messages(PEER, LOCAL, STANZAS))
        return figures | _pace("in_low", source, sink, PEER, LOCAL, 500)
    finally:
        source.close()


@contextmanager
def dialled(server: Server, domain: str) -> Iterator[Link]:
    """Have the server connect to a domain of the peer's; a first stanza does it and is swallowed."""
    peer = server.surroundings.peer
    peer.forget()
    server.surroundings.nameserver.serves(domain, peer.port)
    server.component(1).write(Messages(LOCAL, domain, 1).bytes)
    link = peer.accept()
    try:
        link.wait(rb"</message>")
        yield link.unblock()
    finally:
        link.close()


def outbound(server: Server) -> Figures:
    """Load the path from a component to a peer."""
    domain = f"out.{PEER}"
    with dialled(server, domain) as sink:
        source = server.component(1)
        figures = _flood(server, "out", source, sink, Messages(LOCAL, domain, STANZAS))
        return figures | _pace("out_low", source, sink, LOCAL, domain, 500)


def setup(server: Server) -> Figures:
    """Open streams with TLS and EXTERNAL, a few at a time."""
    server.component(1)
    before, began = cpu_seconds(server.pid), time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        for link in pool.map(server.stream, [PEER] * SETUPS):
            link.close()
    seconds, used = time.perf_counter() - began, cpu_seconds(server.pid) - before
    return {"setup_rate": SETUPS / seconds, "setup_cpu": used / SETUPS * MILLI}


def _address(network: int, number: int) -> str:
    """Return one of loopback's addresses: each peer connects from its own."""
    return f"127.{network}.{number >> 8}.{number & 255}"


def held(server: Server) -> Figures:
    """Hold an idle stream of each of many domains."""
    server.restart()
    server.component(1)
    before = proportional_bytes(server.pid)
    names = [f"d{number:04d}.{PEER}" for number in range(DOMAINS)]
    sources = [_address(1, number) for number in range(DOMAINS)]
    with ThreadPoolExecutor(PARALLEL) as pool:
        links = list(pool.map(server.stream, names, sources))
    time.sleep(SETTLE_SECONDS)
    after = proportional_bytes(server.pid)
    for link in links:
        link.close()
    return {"held_bytes": (after - before) / DOMAINS}


def _strangers(server: Server, network: int, greeting: bytes) -> tuple[list[Link], float]:
    """Connect many times and say this at most; returns the links and the server's bytes for each."""
    before = proportional_bytes(server.pid)
    links = [Link.connect(server.s2s_port, _address(network, number)) for number in range(STRANGERS)]
    for link in links:
        if greeting:
            link.sock.sendall(greeting)
            link.wait(rb"</stream:features>")
    time.sleep(1.0)
    return links, (proportional_bytes(server.pid) - before) / STRANGERS


def _seconds_until_closed(links: list[Link], seconds: float) -> float:
    """Return when the last was closed by the server; infinite if it was not in time."""
    poll, began = select.poll(), time.monotonic()
    waiting = {link.fileno(): link for link in links}
    for link in links:
        poll.register(link.unblock(), select.POLLIN)
    while waiting and time.monotonic() < began + seconds:
        for number, _ in poll.poll(1000):
            try:
                waiting[number].read()
            except (OSError, Refused):
                poll.unregister(number)
                waiting.pop(number).sock.close()
    for link in waiting.values():
        link.sock.close()
    return float("inf") if waiting else time.monotonic() - began


def strangers(server: Server) -> Figures:
    """Hold connections that never prove who they are, and see when the server has had enough."""
    server.restart()
    server.component(1)
    began = time.monotonic()
    silent, silent_bytes = _strangers(server, 2, b"")
    greeted, greeted_bytes = _strangers(server, 3, header(PEER, COMPONENTS[0]).encode())
    opened = time.monotonic() - began
    closed = _seconds_until_closed(silent + greeted, UNAUTHENTICATED_SECONDS + 5.0)
    return {
        "stranger_silent": silent_bytes,
        "stranger_greeted": greeted_bytes,
        "stranger_seconds": closed + opened,
    }


def _first(sink: Link, source: Link, sender: str, receiver: str) -> float:
    messages = Messages(sender, receiver, 1)
    return pace(source.unblock(), sink, messages, 500.0)[0] * MILLI


def first(server: Server) -> Figures:
    """Time the first stanza: of a component, of a peer, and to a peer that is not connected yet."""
    sink, from_component, from_peer, to_peer = server.component(1), [], [], []
    for number in range(FIRSTS):
        source = server.new_component(3)
        from_component.append(_first(sink, source, THIRD, LOCAL))
        source.close()
        stream = server.stream()
        from_peer.append(_first(sink, stream, PEER, LOCAL))
        stream.close()
        began = time.perf_counter()
        with dialled(server, f"first{number}.{PEER}"):
            to_peer.append((time.perf_counter() - began) * MILLI)
    middle = {"first_component": from_component, "first_peer": from_peer, "first_dialled": to_peer}
    return {name: quantile(values, 0.5) for name, values in middle.items()}


def _slowest(server: Server) -> float:
    """Return how long a good peer's slowest message took; infinite if it never came."""
    messages = Messages(PEER, LOCAL, int(GOOD_RATE * ATTACK_SECONDS))
    try:
        sink, good = server.component(1), server.stream().unblock()
        slowest = max(pace(good, sink, messages, GOOD_RATE)) * MILLI
        good.close()
    except (OSError, Refused) as fault:
        print(f"{server.name}: {fault}", file=sys.stderr)
        server.drop()
        return float("inf")
    return slowest


def hostile(server: Server) -> Figures:
    """Attack from other connections while a good peer talks; its slowest message counts."""
    server.restart()
    figures = {"hostile_none": _slowest(server)}
    for number, (label, connect, attack) in enumerate(ATTACKS):
        server.component(1)
        with Attacker(server, connect, attack) as attacker:
            figures[f"hostile_{number}"] = _slowest(server)
        server.revive()
        told = f"; stopped by: {attacker.fault}" if attacker.fault else ""
        print(f"{server.name}, {label}: {attacker.count} attacks{told}", file=sys.stderr)
    return figures


ROWS: dict[str, tuple[Callable[[Server], Figures], bool]] = {
    "idle": (idle, False),
    "c2c": (component_to_component, True),
    "in": (inbound, True),
    "out": (outbound, True),
    "setup": (setup, True),
    "first": (first, False),
    "held": (held, False),
    "strangers": (strangers, False),
    "hostile": (hostile, True),
}
"""What is measured, by name, and whether it is repeated."""
