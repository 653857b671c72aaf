"""What is done for connections from time to time, whoever opened them."""

from __future__ import annotations

from bridge.federation.connection import Connection
from bridge.federation.dial import Means

QUIET = 60.0
"""Seconds of silence on a stream before a sign of life is sent."""
BRIEFEST = 10.0
"""Seconds of our own silence that a peer has to bear, whatever it says (XEP-0478)."""
SILENCE = 150.0
"""Seconds without an acknowledgement that was asked for, after which a stream counts as dead."""


def look_after(connection: Connection, now: float) -> None:
    """Keep a connection alive, and find a dead one (RFC 6120 §4.6)."""
    if not connection.stream.awaits_acknowledgement:
        connection.answered = now
    if now - connection.answered > SILENCE:
        connection.abort()
    elif _is_quiet(connection, now):
        connection.poked = now
        connection.stream.probe()
        connection.flush()


def _is_quiet(connection: Connection, now: float) -> bool:
    """Tell whether the peer has been silent for long, or we so that it might think us gone."""
    if now - connection.heard > QUIET and now - connection.poked > QUIET:
        return True
    borne = connection.stream.peer_idle_seconds
    return bool(borne) and now - connection.spoke > max(BRIEFEST, borne) / 2


def review(connection: Connection, means: Means, is_negotiated: bool) -> None:
    """End a stream that is about a domain which is not ours any more, or which we no longer talk to."""
    stream = connection.stream
    ours, theirs = stream.domains()
    policies = [means.policies.of(domain) for domain in theirs]
    needs_tls = any(policy.encryption == "required" for policy in policies)
    stream.check_again()
    if not all(map(means.hosts, ours)):
        connection.fail("host-gone")
    elif any(policy.refused for policy in policies):
        connection.fail("policy-violation")
    elif is_negotiated and needs_tls and not stream.is_secure:
        connection.fail("policy-violation", "TLS is required")
