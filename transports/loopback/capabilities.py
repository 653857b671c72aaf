"""What the network in memory carries."""

from __future__ import annotations

from bridge.capabilities import Capabilities, Level

CARRIED = Capabilities(
    formatting=Level.NATIVE, replies=Level.NATIVE, corrections=Level.NATIVE, calls=Level.NATIVE
)
"""The same in every room."""
