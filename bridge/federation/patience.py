"""How often, and for how long, a server whose connections are lost is tried again."""

from __future__ import annotations

PATIENCE = 30.0
"""Seconds after which what waits for it comes back to its senders."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds between two attempts."""


def pause(trouble: float) -> float:
    """Return the seconds until the next attempt after `trouble` seconds: they double."""
    return min(LONGEST_PAUSE, max(FIRST_PAUSE, trouble))
