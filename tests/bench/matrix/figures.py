"""What the figures are called, and what is wanted of ours."""

from __future__ import annotations

from tests.bench.figures import Figure

FIGURES = {
    "idle_rss": Figure("idle: RSS, MB"),
    "idle_cpu": Figure("idle, somebody in a room: CPU ms per second", 1, "less", 2),
    "to_rate": Figure("XMPP → Matrix: messages/s, of those offered (by default 100)", 0, "more", 95),
    "to_p50": Figure("… latency p50, ms", 0),
    "to_p99": Figure("… p99, ms", 0, "less", 500),
    "to_cpu": Figure("… CPU ms per message, gateway", 2, "less", 1),
    "to_homeserver": Figure("… CPU ms per message, homeserver", 2),
    "from_rate": Figure("Matrix → XMPP: messages/s, of those offered (by default 100)", 0, "more", 95),
    "from_p50": Figure("… latency p50, ms", 0),
    "from_p99": Figure("… p99, ms", 0, "less", 500),
    "from_cpu": Figure("… CPU ms per message, gateway", 2, "less", 1),
    "from_homeserver": Figure("… CPU ms per message, homeserver", 2),
    "crowd_join": Figure("join of a room with many members, s", 1, "less", 10),
    "crowd_stall": Figure("… longest that its web server lets somebody wait meanwhile, ms", 0, "less", 100),
    "crowd_rss": Figure("… RSS per member, bytes", 0, "less", 8_000),
    "crowd_idle": Figure("… idle with it: CPU ms per second", 1, "less", 2),
}
