"""What the figures are called, and what is wanted of ours."""

from __future__ import annotations

from tests.bench.federation.hostile import ATTACKS
from tests.bench.figures import Figure

FIGURES = {
    "idle_rss": Figure("idle: RSS, MB"),
    "c2c_rate": Figure("component → component: stanzas/s", 0, "more", 60_000),
    "c2c_cpu": Figure("… CPU µs per stanza", 1),
    "c2c_low_p50": Figure("… latency at 500/s: p50, ms", 2),
    "c2c_low_p99": Figure("… p99, ms", 2, "less", 2),
    "c2c_high_p50": Figure("… latency at 20,000/s: p50, ms", 2),
    "c2c_high_p99": Figure("… p99, ms", 2, "less", 10),
    "c2c_rss": Figure("… RSS afterwards, MB"),
    "in_rate": Figure("peer → component over TLS: stanzas/s", 0, "more", 25_000),
    "in_cpu": Figure("… CPU µs per stanza", 1),
    "in_low_p50": Figure("… latency at 500/s: p50, ms", 2),
    "in_low_p99": Figure("… p99, ms", 2, "less", 3),
    "out_rate": Figure("component → peer over TLS: stanzas/s", 0, "more", 25_000),
    "out_cpu": Figure("… CPU µs per stanza", 1),
    "out_low_p50": Figure("… latency at 500/s: p50, ms", 2),
    "out_low_p99": Figure("… p99, ms", 2, "less", 3),
    "setup_rate": Figure("streams with TLS and EXTERNAL, 4 at a time: set-ups/s", 0, "more", 200),
    "setup_cpu": Figure("… CPU ms per set-up", 1),
    "first_component": Figure("first stanza of a component, ms", 2, "less", 5),
    "first_peer": Figure("first stanza of a peer, ms", 2, "less", 5),
    "first_dialled": Figure("first stanza to a peer, stream set-up included, ms", 1, "less", 100),
    "held_bytes": Figure("2,000 domains, a stream each: PSS bytes per domain", 0, "less", 60_000),
    "stranger_silent": Figure("1,000 connections that say nothing: PSS bytes each", 0, "less", 20_000),
    "stranger_greeted": Figure("1,000 that send a header: PSS bytes each", 0, "less", 20_000),
    "stranger_seconds": Figure("… all closed after, s", 0, "less", 30),
    "hostile_none": Figure("a peer at 500 stanzas/s, slowest stanza, ms", 1),
    **{
        f"hostile_{number}": Figure(f"… while another sends {label}", 1, "less", 100)
        for number, (label, _, _) in enumerate(ATTACKS)
    },
}
