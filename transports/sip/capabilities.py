"""What SIP carries: plain words to one person, calls, and how he is."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.capabilities import Capabilities, Level

WRITER = Capabilities(
    rooms=Level.REJECTED,
    direct_messages=Level.PARTIAL,
    typing=Level.PARTIAL,
    presence=Level.PARTIAL,
    subscriptions=Level.PARTIAL,
    attachments=Level.FALLBACK,
)
"""Messages are short ones; who writes is shown to those who show it themselves."""
PERSON = replace(WRITER, calls=Level.PARTIAL)
"""And calls, where there is something that carries their media."""
