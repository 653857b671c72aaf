"""What SIP carries: plain words to one person, and whether the way to him is open."""

from __future__ import annotations

from bridge.capabilities import Capabilities, Level

PERSON = Capabilities(
    direct_messages=Level.PARTIAL,
    typing=Level.PARTIAL,
    subscriptions=Level.PARTIAL,
    attachments=Level.FALLBACK,
)
"""Messages are short ones; who writes is shown to those who show it themselves."""
